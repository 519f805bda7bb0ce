# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the pairs of two snapshots were mixed.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send, Subscribe


class Replica:
    def __init__(self, updates, snapshots):
        self.updates, self.snapshots = updates, snapshots
        self.deadline = AT_ONCE
        self.last = None  # number of the last word of the stream
        self.news = []  # updates since the word for which we asked
        self.open_asks = 0  # answers to come; only the last is wanted
        self.state = {}
        self.at = None  # sequence of the state, or of the snapshot that is coming
        self.complete = False

    def tick(self, now):
        first, self.deadline = self.deadline == AT_ONCE, NEVER
        if not first:
            return []
        return [
            Open("updates", zmq.SUB, self.updates),
            Subscribe("updates", b""),
            Open("snapshots", zmq.DEALER, self.snapshots),
        ]

    def ask(self, sequence, n):
        self.open_asks += 1
        return Send("snapshots", [b"ICANHAZ?", sequence.to_bytes(8), n.to_bytes(8)])

    def receive(self, socket, frames, now):
        if socket == "updates":
            return self.word(frames[0], int.from_bytes(frames[1]), frames[2])
        return self.batch(frames[0], int.from_bytes(frames[1]), int.from_bytes(frames[2]), frames[3:])

    def word(self, key, number, value):
        sign = key == b"HUGZ" and not value
        follows = self.last is not None and number == (self.last if sign else self.last + 1)
        self.last = number
        if not follows:
            self.complete, self.state, self.at = False, {}, None
            self.news = [] if sign else [(number, key, value)]
            return [self.ask(number, 0)]
        if sign:
            return []
        if not self.complete:
            self.news.append((number, key, value))
            return []
        before = dict(self.state)
        self.apply(number, key, value)
        return [Result(dict(self.state))] if self.state != before else []

    def apply(self, number, key, value):
        if number <= self.at:
            return
        self.at = number
        if value:
            self.state[key] = value
        else:
            self.state.pop(key, None)

    def batch(self, word, sequence, n, pairs):
        self.open_asks -= 1
        if self.open_asks:
            return []  # the answer to a question of before
        if n == 0:
            self.at = sequence
        self.state.update(zip(pairs[::2], pairs[1::2]))
        if word == b"KVSYNC":
            return [self.ask(sequence, n + len(pairs) // 2)]
        self.complete = True
        for each in self.news:
            self.apply(*each)
        self.news = []
        return [Result(dict(self.state))]


def replica(ctx, updates, snapshots, shell):
    shell(ctx, Replica(updates, snapshots))
