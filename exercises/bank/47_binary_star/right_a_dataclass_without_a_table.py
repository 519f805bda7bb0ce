# SPDX-License-Identifier: BSD-3-Clause
# Passed: a dataclass without a table.

from dataclasses import dataclass, field

import zmq

from patterns.shell import AT_ONCE, Open, Send, Subscribe


@dataclass
class Two:
    endpoint: str
    mine: str
    peer: str
    state: bytes
    interval: float
    deadline: float = AT_ONCE
    silent_from: float = field(default=AT_ONCE)

    @property
    def active(self):
        return self.state == b"3"

    def tell(self, now, state=None):
        self.state = state or self.state
        self.deadline = now + self.interval
        yield Send("peer out", [self.state])

    def tick(self, now):
        if self.deadline == AT_ONCE:
            self.silent_from = now + 4 * self.interval
            yield Open("peer out", zmq.PUB, self.mine, bind=True)
            yield Open("peer in", zmq.SUB, self.peer)
            yield Subscribe("peer in", b"")
            yield Open("ask", zmq.ROUTER, self.endpoint, bind=True)
        yield from self.tell(now)

    def receive(self, socket, frames, now):
        if socket == "peer in":
            if len(frames) == 1 and frames[0] in (b"1", b"2", b"3", b"4", b"5"):
                self.silent_from = now + 2 * self.interval
                yield from self.hear(frames[0], now)
        elif len(frames) == 3 and frames[1] == b"":
            yield from self.asked(frames[0], frames[2], now >= self.silent_from, now)

    def hear(self, word, now):
        if self.active:
            return
        if word == b"3":
            if self.state != b"4":
                yield from self.tell(now, b"4")
        elif word == b"5":
            if self.state != b"5":
                yield from self.tell(now, b"3")
        elif word != b"4":
            if self.state in (b"4", b"5") or (self.state == b"1" and word == b"2"):
                yield from self.tell(now, b"3")

    def asked(self, client, body, silent, now):
        if body == b"RESIGN":
            if self.active:
                yield Send("ask", [client, b"", b"NO" if silent else b"OK"])
                if not silent:
                    yield from self.tell(now, b"5")
            return
        if silent and not self.active and self.state != b"2":
            yield from self.tell(now, b"3")
        if self.active:
            yield Send("ask", [client, b"", body.upper()])


def server(ctx, endpoint, mine, peer, first, interval, shell):
    shell(ctx, Two(endpoint, mine, peer, first, interval))
