# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a client that was gone was not forgotten.

from collections import deque

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send


class Server:
    def __init__(self, endpoint, silence, plan):
        self.endpoint, self.silence, self.plan = endpoint, silence, plan
        self.heard = {}  # client -> when it last said anything
        self.queues = {}  # client -> deque of (request id, deque of (when, reply))
        self.opened = False
        self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if not self.opened:
            self.opened = True
            effects.append(Open("clients", zmq.ROUTER, self.endpoint, bind=True))
        self.forget(now)
        for client in self.queues:
            effects += self.flush(client, now)
        self.wind()
        return effects

    def receive(self, socket, frames, now):
        client, request, body = frames
        self.heard[client] = now
        queue = self.queues.setdefault(client, deque())
        if request or body:
            queue.append((request, deque((now + seconds, reply) for seconds, reply in self.plan(body))))
        effects = self.flush(client, now)
        self.wind()
        return effects

    def forget(self, now):
        for client in [c for c, heard in self.heard.items() if heard + self.silence <= now]:
            del self.heard[client], self.queues[client]

    def flush(self, client, now):
        effects = []
        queue = self.queues[client]
        while queue:
            request, replies = queue[0]
            while replies and replies[0][0] <= now:
                when, reply = replies.popleft()
                effects.append(Send("clients", [client, request, reply]))
            if replies:
                break
            queue.popleft()
        return effects

    def wind(self):
        times = [queue[0][1][0][0] for queue in self.queues.values() if queue]
        self.deadline = min(times, default=NEVER)


def server(ctx, endpoint, silence, plan, shell):
    shell(ctx, Server(endpoint, silence, plan))
