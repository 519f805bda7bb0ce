# SPDX-License-Identifier: BSD-3-Clause
# Passed: the time of each reply worked out when its request comes.

import heapq
import itertools

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send


class Server:
    def __init__(self, endpoint, silence, plan):
        self.endpoint, self.silence, self.plan = endpoint, silence, plan
        self.heard, self.last, self.life = {}, {}, {}
        self.heap, self.count, self.deadline = [], itertools.count(), AT_ONCE

    def tick(self, now):
        if self.deadline == AT_ONCE:
            yield Open("clients", zmq.ROUTER, self.endpoint, bind=True)
        for client in [c for c in self.heard if self.heard[c] + self.silence <= now]:
            del self.heard[client], self.last[client], self.life[client]
        while self.heap and self.heap[0][0] <= now:
            _, _, life, client, request, reply = heapq.heappop(self.heap)
            if self.life.get(client) == life:
                yield Send("clients", [client, request, reply])
        self.wind()

    def receive(self, socket, frames, now):
        client, request, body = frames
        self.heard[client] = now
        life = self.life.setdefault(client, next(self.count))
        for seconds, reply in self.plan(body) if request or body else []:
            # not before its own time, and not before the last of those in front
            self.last[client] = max(now + seconds, self.last.get(client, now))
            heapq.heappush(self.heap, (self.last[client], next(self.count), life, client, request, reply))
        self.last.setdefault(client, now)
        self.wind()
        return []

    def wind(self):
        self.deadline = min([h + self.silence for h in self.heard.values()], default=NEVER)
        if self.heap:
            self.deadline = min(self.deadline, self.heap[0][0])


def server(ctx, endpoint, silence, plan, shell):
    shell(ctx, Server(endpoint, silence, plan))
