# SPDX-License-Identifier: BSD-3-Clause
# Not yet: one client waited for another.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send


class Server:
    def __init__(self, endpoint, silence, plan):
        self.endpoint, self.silence, self.plan = endpoint, silence, plan
        self.heard, self.line, self.deadline = {}, [], AT_ONCE

    def tick(self, now):
        effects = [Open("clients", zmq.ROUTER, self.endpoint, bind=True)] if self.deadline == AT_ONCE else []
        self.heard = {c: h for c, h in self.heard.items() if h + self.silence > now}
        self.line = [each for each in self.line if each[1] in self.heard]
        while self.line and self.line[0][0] <= now:
            effects.append(Send("clients", list(self.line.pop(0)[1:])))
        self.wind()
        return effects

    def receive(self, socket, frames, now):
        client, request, body = frames
        self.heard[client] = now
        plan = self.plan(body) if request or body else []
        self.line += [(now + seconds, client, request, reply) for seconds, reply in plan]
        self.wind()
        return []

    def wind(self):
        times = [h + self.silence for h in self.heard.values()] + [each[0] for each in self.line[:1]]
        self.deadline = min(times, default=NEVER)


def server(ctx, endpoint, silence, plan, shell):
    shell(ctx, Server(endpoint, silence, plan))
