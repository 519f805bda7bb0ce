# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a message had other frames than in the lesson.
# The question leaves without its number.

from patterns.freelance import Client
from patterns.shell import Send


class Loyal(Client):
    def __init__(self, inside, *servers, trust, **limits):
        super().__init__(inside, *servers, **limits)
        self.trust = trust
        self.pongs = dict.fromkeys(self.pauses, 0)

    def receive(self, socket, frames, now):
        if socket == "servers" and frames[0] in self.pongs and frames[1:] == [b"PONG"]:
            self.pongs[frames[0]] += 1
        return super().receive(socket, frames, now)

    def _ask(self, now):
        trusted = [who for who in self.pauses if who in self.alive and self.pongs[who] >= self.trust]
        self.turn = next(iter([*trusted, *self.alive]), b"")
        if self.turn:
            self.asked.append(self.turn)
            self.timers["late", self.turn] = now + self.patience
            yield Send("servers", [self.turn, *self.body])


def client(ctx, inside, servers, interval, patience, timeout, trust, shell):
    limits = {"interval": interval, "patience": patience, "timeout": timeout}
    shell(ctx, Loyal(inside, *servers, trust=trust, **limits))
