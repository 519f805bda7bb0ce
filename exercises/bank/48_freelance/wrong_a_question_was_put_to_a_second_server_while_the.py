# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a question was put to a second server while the first had time.

from collections import Counter

from patterns.freelance import Client


class Loyal(Client):
    def __init__(self, inside, *servers, trust, **limits):
        super().__init__(inside, *servers, **limits)
        self.trust = trust
        self.pongs = Counter()

    def receive(self, socket, frames, now):
        if socket == "servers":
            if frames[0] not in self.alive:
                self.pongs[frames[0]] = 0
            if frames[1:] == [b"PONG"]:
                self.pongs[frames[0]] += 1
        yield from super().receive(socket, frames, now)
        if self.turn:
            best = next((who for who in self.pauses if who in self.alive and self.pongs[who] >= self.trust), self.turn)
            if best != self.turn:
                yield from self._ask(now)
                self.deadline = self.timers.next()

    def _ask(self, now):
        if self.turn and ("late", self.turn) not in self.timers:
            self.pongs[self.turn] = 0
        trusted = [who for who in self.pauses if who in self.alive and self.pongs[who] >= self.trust]
        self.alive = dict.fromkeys([*trusted, *self.alive])
        return super()._ask(now)


def client(ctx, inside, servers, interval, patience, timeout, trust, shell):
    limits = {"interval": interval, "patience": patience, "timeout": timeout}
    shell(ctx, Loyal(inside, *servers, trust=trust, **limits))
