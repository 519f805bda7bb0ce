# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a server lost its PONGs that was neither gone nor late.
# Until it is trusted, another word between its PONGs begins them anew.

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
            elif self.pongs[frames[0]] < self.trust:
                self.pongs[frames[0]] = 0
        return super().receive(socket, frames, now)

    def _ask(self, now):
        self.pongs[self.turn] = 0
        trusted = [who for who in self.pauses if who in self.alive and self.pongs[who] >= self.trust]
        self.alive = dict.fromkeys([*trusted, *self.alive])
        return super()._ask(now)


def client(ctx, inside, servers, interval, patience, timeout, trust, shell):
    limits = {"interval": interval, "patience": patience, "timeout": timeout}
    shell(ctx, Loyal(inside, *servers, trust=trust, **limits))
