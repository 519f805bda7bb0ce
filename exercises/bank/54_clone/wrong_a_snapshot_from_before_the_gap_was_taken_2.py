# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a snapshot from before the gap was taken.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send, Subscribe


class Replica:
    def __init__(self, updates, snapshots):
        self.updates, self.snapshots = updates, snapshots
        self.state = {}
        self.sequence = -1  # of the newest state that was given, of this server
        self.complete = False
        self.asking = False
        self.heard = None  # the stream's last number
        self.copy, self.pairs = None, []  # the snapshot that is being fetched
        self.news = []
        self.deadline = AT_ONCE

    def tick(self, now):
        first, self.deadline = self.deadline == AT_ONCE, NEVER
        return [Open("updates", zmq.SUB, self.updates), Subscribe("updates", b"")] if first else []

    def ask(self, sequence, n):
        return Send("snapshots", [b"ICANHAZ?", sequence.to_bytes(8), n.to_bytes(8)])

    def begin(self, sequence):
        if self.heard is not None and sequence < self.heard:
            self.sequence = -1  # another server: its numbers have nothing to do with the old ones
        self.complete, self.copy, self.pairs, self.news = False, None, [], []
        effects = [] if self.asking else [Open("snapshots", zmq.DEALER, self.snapshots)]
        self.asking = True
        effects.append(self.ask(max(sequence, self.sequence), 0))
        return effects

    def receive(self, socket, frames, now):
        match socket, frames:
            case "updates", [key, number, value] if len(number) == 8:
                return self.word(key, int.from_bytes(number), value)
            case "snapshots", [b"KVSYNC" | b"KTHXBAI" as word, number, n, *pairs]:
                return self.batch(word, int.from_bytes(number), int.from_bytes(n), pairs)
        return []

    def word(self, key, sequence, value):
        alive = key == b"HUGZ"
        effects = []
        if self.heard is None or sequence != self.heard + (0 if alive else 1):
            effects = self.begin(sequence)
        self.heard = sequence
        if not alive:
            self.news.append((sequence, key, value))
        if self.complete:
            effects += self.catch_up(changed=False)
        return effects

    def batch(self, word, sequence, n, pairs):
        if self.complete:
            return []
        if n == 0:
            self.copy, self.pairs = sequence, []
        if sequence != self.copy or n != len(self.pairs):
            return []
        self.pairs += zip(pairs[::2], pairs[1::2])
        if word == b"KVSYNC":
            return [self.ask(sequence, len(self.pairs))]
        self.state, self.sequence, self.complete = dict(self.pairs), sequence, True
        return self.catch_up(changed=True)

    def catch_up(self, changed):
        for sequence, key, value in self.news:
            if sequence > self.sequence:
                self.sequence, changed = sequence, True
                if value:
                    self.state[key] = value
                else:
                    self.state.pop(key, None)
        self.news = []
        return [Result(dict(self.state))] if changed else []


def replica(ctx, updates, snapshots, shell):
    shell(ctx, Replica(updates, snapshots))
