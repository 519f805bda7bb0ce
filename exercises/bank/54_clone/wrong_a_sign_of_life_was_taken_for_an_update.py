# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a sign of life was taken for an update.

import zmq

from patterns.shell import AT_ONCE, NEVER, Close, Open, Result, Send, Subscribe


class Replica:
    def __init__(self, updates, snapshots):
        self.updates, self.snapshots = updates, snapshots
        self.state, self.sequence, self.complete = {}, 0, False
        self.heard = None  # the last number in the stream
        self.news = []  # updates that wait for the snapshot
        self.wanted, self.pairs = 0, {}  # the snapshot's sequence, and what has come of it
        self.deadline = AT_ONCE

    def tick(self, now):
        self.deadline = NEVER
        return [Open("updates", zmq.SUB, self.updates), Subscribe("updates", b"")]

    def receive(self, socket, frames, now):
        return self.word(*frames) if socket == "updates" else self.batch(*frames)

    def word(self, key, number, value):
        sequence, update = int.from_bytes(number), key != b"HUGZ"
        if self.heard is not None and sequence < self.heard:
            self.sequence = 0  # another server, whose numbers have nothing to do with those of the first
        follows = self.heard is not None and sequence == self.heard + update
        self.heard = sequence
        effects = [] if follows else self.begin(sequence)
        if True:
            self.news.append((sequence, key, value))
        return effects + (self.catch_up() if self.complete else [])

    def begin(self, sequence):
        self.complete, self.wanted, self.pairs, self.news = False, max(sequence, self.sequence), {}, []
        return [Close("snapshots"), Open("snapshots", zmq.DEALER, self.snapshots), self.ask()]

    def ask(self):
        return Send("snapshots", [b"ICANHAZ?", self.wanted.to_bytes(8), len(self.pairs).to_bytes(8)])

    def batch(self, word, number, n, *pairs):
        if int.from_bytes(n) == 0:
            self.wanted, self.pairs = int.from_bytes(number), {}
        self.pairs.update(zip(pairs[::2], pairs[1::2]))
        if word == b"KVSYNC":
            return [self.ask()]
        self.complete, self.state, self.sequence, self.pairs = True, self.pairs, self.wanted, {}
        return self.catch_up()

    def catch_up(self):
        for sequence, key, value in self.news:
            if sequence >= self.sequence:
                self.sequence = sequence
                if value or key == b"HUGZ":
                    self.state[key] = value
                else:
                    self.state.pop(key, None)
        self.news = []
        return [Result(self.state)]


def replica(ctx, updates, snapshots, shell):
    shell(ctx, Replica(updates, snapshots))
