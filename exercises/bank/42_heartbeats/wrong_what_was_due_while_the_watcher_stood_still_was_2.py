# SPDX-License-Identifier: BSD-3-Clause
# Not yet: what was due while the watcher stood still was done all at once.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send


class Watcher:
    def __init__(self, endpoint, interval, liveness):
        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness
        self.due = {}  # name -> when something is to be done
        self.left = {}  # name -> how many PINGs it has left
        self.opened = False
        self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if not self.opened:
            self.opened = True
            effects.append(Open("peers", zmq.ROUTER, self.endpoint, bind=True))
        while late := [(due, name) for name, due in self.due.items() if due <= now]:
            due, name = min(late)
            if self.left[name]:
                self.left[name] -= 1
                self.due[name] = due + self.interval
                effects.append(Send("peers", [name, b"PING"]))
            else:
                del self.due[name], self.left[name]
                effects.append(Result((name, "gone")))
        self.deadline = min(self.due.values(), default=NEVER)
        return effects

    def receive(self, socket, frames, now):
        name = frames[0]
        effects = [] if name in self.due else [Result((name, "alive"))]
        self.due[name] = now + self.interval
        self.left[name] = self.liveness
        self.deadline = min(self.due.values())
        return effects


def watcher(ctx, endpoint, interval, liveness, shell):
    shell(ctx, Watcher(endpoint, interval, liveness))
