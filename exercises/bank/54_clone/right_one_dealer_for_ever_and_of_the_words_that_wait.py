# SPDX-License-Identifier: BSD-3-Clause
# Passed: one DEALER for ever, and of the words that wait the last for each key.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send, Subscribe


class Replica:
    def __init__(self, updates, snapshots):
        self.ends, self.deadline = (updates, snapshots), AT_ONCE
        self.state, self.at, self.top = None, -1, -1
        self.heard, self.open = None, 0
        self.latest = {}
        self.fetched, self.pairs = None, []

    def tick(self, now):
        self.deadline = NEVER
        yield Open("updates", zmq.SUB, self.ends[0])
        yield Subscribe("updates", b"")
        yield Open("snapshots", zmq.DEALER, self.ends[1])

    def receive(self, socket, frames, now):
        number = int.from_bytes(frames[1])
        if socket == "snapshots":
            yield from self.fetch(frames[0], number, int.from_bytes(frames[2]), frames[3:])
            return
        key, _, value = frames
        step = 0 if key == b"HUGZ" else 1
        if self.heard is None or number - step != self.heard:
            if self.heard is not None and number < self.heard:
                self.top = -1
            self.state, self.fetched, self.pairs, self.latest = None, None, [], {}
            yield self.ask(max(number, self.top), 0)
        self.heard = number
        if step:
            self.latest[key] = number, value
            if self.state is not None:
                yield from self.apply(key)

    def ask(self, number, first):
        self.open += 1
        return Send("snapshots", [b"ICANHAZ?", number.to_bytes(8), first.to_bytes(8)])

    def fetch(self, word, number, first, pairs):
        self.open -= 1
        if self.open:
            return  # somebody asked again meanwhile
        if first == 0:
            self.fetched, self.pairs = number, []
        if (number, 2 * first) != (self.fetched, len(self.pairs)):
            return
        self.pairs += pairs
        if word == b"KVSYNC":
            yield self.ask(number, len(self.pairs) // 2)
            return
        self.state, self.at = dict(zip(self.pairs[::2], self.pairs[1::2])), number
        self.top = number
        for key in list(self.latest):
            list(self.apply(key))
        yield Result(dict(self.state))

    def apply(self, key):
        number, value = self.latest.pop(key)
        if number > self.at:
            self.top = max(self.top, number)
            if value:
                self.state[key] = value
            elif key in self.state:
                del self.state[key]
            yield Result(dict(self.state))


def replica(ctx, updates, snapshots, shell):
    shell(ctx, Replica(updates, snapshots))
