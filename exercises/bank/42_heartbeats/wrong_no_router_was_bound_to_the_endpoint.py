# SPDX-License-Identifier: BSD-3-Clause
# Not yet: no ROUTER was bound to the endpoint.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send


class Watcher:
    """For each peer: when its interval is over, and how many PINGs it has left."""

    def __init__(self, endpoint, interval, liveness):
        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness
        self.peers = {}  # name -> (when its interval is over, PINGs left); who is gone is not in it
        self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects.append(Open("peers", zmq.DEALER, self.endpoint, bind=True))
        for name, (over, left) in list(self.peers.items()):
            if over <= now and left:
                self.peers[name] = (now + self.interval, left - 1)
                effects.append(Send("peers", [name, b"PING"]))
            elif over <= now:
                del self.peers[name]
                effects.append(Result((name, "gone")))
        self.wind()
        return effects

    def receive(self, socket, frames, now):
        name = frames[0]
        effects = [] if name in self.peers else [Result((name, "alive"))]
        self.peers[name] = (now + self.interval, self.liveness)
        self.wind()
        return effects

    def wind(self):
        self.deadline = min((over for over, _ in self.peers.values()), default=NEVER)


def watcher(ctx, endpoint, interval, liveness, shell):
    shell(ctx, Watcher(endpoint, interval, liveness))
