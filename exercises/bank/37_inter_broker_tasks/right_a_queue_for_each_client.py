# SPDX-License-Identifier: BSD-3-Clause
# Passed: a queue for each client, and dataclasses.

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send, Subscribe


@dataclass
class Order:
    age: int
    client: bytes
    task: bytes
    peer: bytes | None = None
    sent: set[bytes] = field(default_factory=set)


@dataclass
class Desk:
    clients: str
    states: list[str]
    clouds: list[str]
    gone: float
    opened: bool = False
    queues: dict[bytes, deque[Order]] = field(default_factory=dict)
    peers: dict[bytes, list] = field(default_factory=dict)
    asked: int = 0

    @property
    def deadline(self):
        return min((end for end, _ in self.peers.values()), default=NEVER) if self.opened else AT_ONCE

    def tick(self, now):
        if not self.opened:
            self.opened = True
            yield Open("clients", zmq.ROUTER, self.clients, bind=True)
            for state, cloud in zip(self.states, self.clouds, strict=True):
                yield Open("state", zmq.SUB, state)
                yield Open("peers", zmq.ROUTER, cloud)
            yield Subscribe("state", b"")
        silent = {peer for peer, (end, _) in self.peers.items() if end <= now}
        for peer in silent:
            del self.peers[peer]
        for queue in self.queues.values():
            if queue[0].peer in silent:
                queue[0].peer = None
        yield from self.send()

    def receive(self, socket, frames, now):
        try:
            if socket == "clients":
                client, empty, task = frames
                if not empty:
                    self.asked += 1
                    self.queues.setdefault(client, deque()).append(Order(self.asked, client, task))
            elif socket == "state":
                peer, capacity = frames
                if capacity.isdigit() and len(capacity) <= 6:
                    self.peers[peer] = [now + self.gone, int(capacity)]
            else:
                peer, first, number, second, result = frames
                heads = [queue for queue in self.queues.values() if b"#%d" % queue[0].age == number]
                if not first and not second and heads and peer in heads[0][0].sent:
                    order = heads[0].popleft()
                    if not heads[0]:
                        del self.queues[order.client]
                    yield Send("clients", [order.client, b"", result])
        except ValueError:
            return
        yield from self.send()

    def send(self):
        for order in sorted((queue[0] for queue in self.queues.values()), key=lambda order: order.age):
            room, peer = max(((had[1], peer) for peer, had in self.peers.items()), default=(0, b""), key=rank)
            if order.peer is None and room > 0:
                order.peer = peer
                order.sent.add(peer)
                self.peers[peer][1] -= 1
                yield Send("peers", [peer, b"", b"#%d" % order.age, b"", order.task])


def rank(of):
    room, peer = of
    return room, [-byte for byte in peer] + [1]


def desk(ctx, clients, states, clouds, gone, shell):
    shell(ctx, Desk(clients, states, clouds, gone))
