# SPDX-License-Identifier: BSD-3-Clause
# Passed: the trusted are a set, kept up to date around the lesson's methods.

from dataclasses import dataclass, field

from patterns.freelance import Client


@dataclass
class Trust:
    needed: int
    counts: dict = field(default_factory=dict)

    def has(self, who):
        return self.counts.get(who, 0) >= self.needed

    def says(self, who):
        self.counts[who] = self.counts.get(who, 0) + 1

    def loses(self, who):
        self.counts.pop(who, None)


class Loyal(Client):
    def __init__(self, trust, *servers, **limits):
        super().__init__(*servers, **limits)
        self.trust = trust

    def tick(self, now):
        effects = list(super().tick(now))
        for who in self.pauses:
            if who not in self.alive:
                self.trust.loses(who)
        return effects

    def receive(self, socket, frames, now):
        match socket, frames:
            case "servers", [who, b"PONG"] if who in self.pauses:
                self.trust.says(who)
        yield from super().receive(socket, frames, now)

    def _ask(self, now):
        if self.turn:
            self.trust.loses(self.turn)
        line = list(self.alive)
        best = [who for who in self.pauses if who in line and self.trust.has(who)]
        self.alive = {who: None for who in best + [who for who in line if who not in best]}
        yield from super()._ask(now)
        self.alive = {who: None for who in line}


def client(ctx, inside, servers, interval, patience, timeout, trust, shell):
    limits = dict(interval=interval, patience=patience, timeout=timeout)
    core = Loyal(Trust(trust), inside, *servers, **limits)
    shell(ctx, core)
