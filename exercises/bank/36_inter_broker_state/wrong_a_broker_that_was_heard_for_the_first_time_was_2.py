# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a broker that was heard for the first time was not reported.
# One that is unknown counts as one with nothing free.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Subscribe


class Listener:
    """Of each broker that is known: its last news, and whether it is stale."""

    def __init__(self, places, stale, gone):
        self.places, self.stale, self.gone = places, stale, gone
        self.known = {}  # name -> [number, heard, capacity, stale]; who is gone is not in it
        self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects = [Open("news", zmq.SUB, place) for place in self.places] + [Subscribe("news", b"")]
        for name, (number, heard, capacity, stale) in list(self.known.items()):
            if now >= heard + self.gone:
                del self.known[name]
                effects.append(Result((name, "gone")))
            elif now >= heard + self.stale and not stale:
                self.known[name] = number, heard, capacity, True
                effects.append(Result((name, "stale")))
        self.wind()
        return effects

    def receive(self, socket, frames, now):
        if [len(frames), *map(digits, frames[1:], (12, 6))] != [3, True, True] or not frames[0]:
            return []
        name, number, capacity = frames[0], int(frames[1]), int(frames[2])
        before, _, had, stale = self.known.get(name, (None, now, 0, False))
        if before is not None and number <= before:
            return []
        self.known[name] = number, now, capacity, False
        self.wind()
        return [Result((name, capacity))] if stale or capacity != had else []

    def wind(self):
        ends = (heard + (self.gone if stale else self.stale) for _, heard, _, stale in self.known.values())
        self.deadline = min(ends, default=NEVER)


def digits(frame, most):
    return len(frame) <= most and frame.isdigit()  # of bytes, only those of ASCII


def listener(ctx, places, stale, gone, shell):
    shell(ctx, Listener(places, stale, gone))
