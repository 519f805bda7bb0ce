# SPDX-License-Identifier: BSD-3-Clause
# Passed: the line stays as the lesson has it, and the one to ask is chosen from it.

from patterns.freelance import Client
from patterns.shell import Send


class Loyal(Client):
    def __init__(self, trust, inside, servers, **limits):
        super().__init__(inside, *servers, **limits)
        self.rank = {s.encode(): i for i, s in enumerate(servers)}
        self.need = trust
        self.have = {}

    def trusted(self, who):
        return self.have.get(who, 0) >= self.need

    def tick(self, now):
        yield from super().tick(now)
        self.have = {w: n for w, n in self.have.items() if w in self.alive}

    def receive(self, socket, frames, now):
        if socket == "servers" and frames[1:] == [b"PONG"] and frames[0] in self.rank:
            self.have[frames[0]] = self.have.get(frames[0], 0) + 1
        yield from super().receive(socket, frames, now)

    def _ask(self, now):
        if self.turn:
            self.have.pop(self.turn, None)
        self.timers.pop(("late", self.turn), None)
        live = [w for w in self.alive if self.timers["gone", w] > now]
        best = [w for w in live if self.trusted(w)]
        self.turn = min(best, key=self.rank.get) if best else (live or [b""])[0]
        if self.turn:
            self.asked.append(self.turn)
            self.timers["late", self.turn] = now + self.patience
            yield Send("servers", [self.turn, self.number, *self.body])


def client(ctx, inside, servers, interval, patience, timeout, trust, shell):
    shell(ctx, Loyal(trust, inside, servers, interval=interval, patience=patience, timeout=timeout))
