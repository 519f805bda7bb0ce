# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a question was put to a server that did not live.
# The favourite is asked, whether it lives or not.

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
        self.turn = max(self.pauses, key=lambda who: self.pongs[who] >= self.trust)
        self.asked.append(self.turn)
        self.timers["late", self.turn] = now + self.patience
        yield Send("servers", [self.turn, self.number, *self.body])


def client(ctx, inside, servers, interval, patience, timeout, trust, shell):
    limits = {"interval": interval, "patience": patience, "timeout": timeout}
    shell(ctx, Loyal(inside, *servers, trust=trust, **limits))
