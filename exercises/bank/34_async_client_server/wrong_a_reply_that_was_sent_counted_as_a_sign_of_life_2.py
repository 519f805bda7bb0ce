# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a reply that was sent counted as a sign of life.

from collections import deque

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send


class Server:
    def __init__(self, endpoint, silence, plan):
        self.endpoint, self.silence, self.plan = endpoint, silence, plan
        self.heard = {}
        self.queue = {}
        self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects.append(Open("clients", zmq.ROUTER, self.endpoint, bind=True))
        for client, queue in self.queue.items():
            while queue and queue[0][0] <= now:
                effects.append(Send("clients", [client, *queue.popleft()[1:]]))
                self.heard[client] = now  # it is still in use
        for client in [c for c, heard in self.heard.items() if heard + self.silence <= now]:
            del self.heard[client], self.queue[client]
        self.wind()
        return effects

    def receive(self, socket, frames, now):
        client, request, body = frames
        self.heard[client] = now
        queue = self.queue.setdefault(client, deque())
        if request or body:
            queue.extend((now + s, request, reply) for s, reply in self.plan(body))
        self.wind()
        return []

    def wind(self):
        times = [queue[0][0] for queue in self.queue.values() if queue]
        times += [heard + self.silence for heard in self.heard.values()]
        self.deadline = min(times, default=NEVER)


def server(ctx, endpoint, silence, plan, shell):
    shell(ctx, Server(endpoint, silence, plan))
