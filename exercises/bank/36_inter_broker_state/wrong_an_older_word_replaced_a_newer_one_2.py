# SPDX-License-Identifier: BSD-3-Clause
# Not yet: an older word replaced a newer one.

import zmq

from patterns.inter_broker import Belief, Peer, StateFlow
from patterns.shell import Open, Result, Subscribe


class Listener:
    """The recipe's core, without its own words; the number is dropped."""

    def __init__(self, places, stale, gone):
        self.core, self.places = StateFlow("me", (), 0, lambda who, socket: who, stale / 1000, stale, gone), places
        self.core.due = float("inf")
        self.first, self.deadline = True, -float("inf")

    def tick(self, now):
        effects = []
        if self.first:
            self.first = False
            effects = [Open("statefe", zmq.SUB, place) for place in self.places] + [Subscribe("statefe", b"")]
        return effects + self.results(self.core.tick(now))

    def receive(self, socket, frames, now):
        if len(frames) != 3 or not frames[0]:
            return []
        self.core.peers.setdefault(frames[0].decode("latin-1"), Peer())
        return self.results(self.core.receive(socket, [frames[0].decode("latin-1").encode(), frames[2]], now))

    def results(self, effects):
        values = [effect.value for effect in effects if isinstance(effect, Result)]
        self.deadline = self.core.deadline
        told = [(name.encode("latin-1"), belief, free) for name, belief, free in values]
        return [Result((name, free if belief is Belief.FRESH else str(belief))) for name, belief, free in told]


def listener(ctx, places, stale, gone, shell):
    shell(ctx, Listener(places, stale, gone))
