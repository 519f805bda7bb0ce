# SPDX-License-Identifier: BSD-3-Clause
# Not yet: two clients with the same request id were taken for one.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send


class Server:
    def __init__(self, endpoint, silence, plan):
        self.endpoint, self.silence, self.plan = endpoint, silence, plan
        self.heard, self.open, self.deadline = {}, {}, AT_ONCE

    def tick(self, now):
        effects = [Open("clients", zmq.ROUTER, self.endpoint, bind=True)] if self.deadline == AT_ONCE else []
        self.heard = {c: h for c, h in self.heard.items() if h + self.silence > now}
        self.open = {i: each for i, each in self.open.items() if each[0] in self.heard}
        busy = set()
        for request, (client, replies) in list(self.open.items()):
            while replies and replies[0][0] <= now and client not in busy:
                effects.append(Send("clients", [client, request, replies.pop(0)[1]]))
            if replies:
                busy.add(client)
            else:
                del self.open[request]
        self.wind()
        return effects

    def receive(self, socket, frames, now):
        client, request, body = frames
        self.heard[client] = now
        replies = [(now + seconds, reply) for seconds, reply in self.plan(body)]
        if replies and (request or body):
            self.open[request] = (client, replies)
        self.wind()
        return []

    def wind(self):
        first = {}
        for client, replies in self.open.values():
            first.setdefault(client, replies[0][0])
        self.deadline = min([*first.values(), *[h + self.silence for h in self.heard.values()]], default=NEVER)


def server(ctx, endpoint, silence, plan, shell):
    shell(ctx, Server(endpoint, silence, plan))
