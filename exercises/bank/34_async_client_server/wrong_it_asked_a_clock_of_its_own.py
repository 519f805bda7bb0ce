# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it asked a clock of its own.

import time

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send


class Server:
    """Each client's requests in their order; only the first of them sends."""

    def __init__(self, endpoint, silence, plan):
        self.endpoint, self.silence, self.plan = endpoint, silence, plan
        self.heard = {}  # client -> when it last said anything
        self.requests = {}  # client -> its requests in order: (request id, [(when, reply)])
        self.deadline = AT_ONCE

    def tick(self, now):
        effects, now = [], time.monotonic()
        if self.deadline == AT_ONCE:
            effects.append(Open("clients", zmq.ROUTER, self.endpoint, bind=True))
        for client in [c for c, heard in self.heard.items() if heard + self.silence <= now]:
            del self.heard[client], self.requests[client]
        for client, requests in self.requests.items():
            while requests and requests[0][1][0][0] <= now:
                request, replies = requests[0]
                effects.append(Send("clients", [client, request, replies.pop(0)[1]]))
                if not replies:
                    requests.pop(0)  # complete: the next one is the first now
        self.wind()
        return effects

    def receive(self, socket, frames, now):
        (client, request, body), now = frames, time.monotonic()
        self.heard[client] = now
        requests = self.requests.setdefault(client, [])
        replies = [(now + seconds, reply) for seconds, reply in self.plan(body)]
        if replies and (request or body):
            requests.append((request, replies))
        self.wind()
        return []

    def wind(self):
        times = [requests[0][1][0][0] for requests in self.requests.values() if requests]
        times += [heard + self.silence for heard in self.heard.values()]
        self.deadline = min(times, default=NEVER)


def server(ctx, endpoint, silence, plan, shell):
    shell(ctx, Server(endpoint, silence, plan))
