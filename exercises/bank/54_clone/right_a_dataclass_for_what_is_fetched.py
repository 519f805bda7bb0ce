# SPDX-License-Identifier: BSD-3-Clause
# Passed: a dataclass for what is fetched, and match.

from dataclasses import dataclass, field

import zmq

from patterns.shell import AT_ONCE, NEVER, Close, Open, Result, Send, Subscribe


def number(frame):
    return int.from_bytes(frame, "big")


def frame(n):
    return n.to_bytes(8, "big")


@dataclass
class Fetch:
    """A snapshot under way, and the updates that came meanwhile."""

    sequence: int = 0
    pairs: list = field(default_factory=list)
    log: list = field(default_factory=list)

    def take(self, sequence, n, flat):
        if n == 0:
            self.sequence, self.pairs = sequence, []
        self.pairs += zip(flat[::2], flat[1::2])

    def finish(self):
        state = dict(self.pairs)
        for sequence, key, value in self.log:
            if sequence > self.sequence:
                state[key] = value
        top = max([self.sequence, *(sequence for sequence, _, _ in self.log)])
        return top, {key: value for key, value in state.items() if value}


class Replica:
    def __init__(self, updates, snapshots):
        self.endpoints = updates, snapshots
        self.deadline = AT_ONCE
        self.word = None
        self.fetch = None
        self.dealer = False
        self.state, self.sequence = None, 0

    def tick(self, now):
        if self.deadline != AT_ONCE:
            return []
        self.deadline = NEVER
        return [Open("updates", zmq.SUB, self.endpoints[0]), Subscribe("updates", b"")]

    def begin(self, sequence):
        self.state, self.fetch, self.sequence = None, Fetch(), max(sequence, self.sequence)
        effects = [Close("snapshots")] if self.dealer else []
        self.dealer = True
        effects.append(Open("snapshots", zmq.DEALER, self.endpoints[1]))
        effects.append(Send("snapshots", [b"ICANHAZ?", frame(self.sequence), frame(0)]))
        return effects

    def receive(self, socket, frames, now):
        match socket, frames:
            case "updates", [b"HUGZ", n, b""]:
                lost = self.word != number(n)
                self.sequence = 0 if self.word is None or number(n) < self.word else self.sequence
                self.word = number(n)
                return self.begin(self.word) if lost else []
            case "updates", [key, n, value]:
                lost = self.word is None or self.word + 1 != number(n)
                self.sequence = 0 if self.word is None or number(n) < self.word else self.sequence
                self.word = number(n)
                effects = self.begin(self.word) if lost else []
                return effects + self.update(self.word, key, value)
            case "snapshots", [word, sequence, n, *flat] if self.fetch is not None:
                self.fetch.take(number(sequence), number(n), flat)
                if word == b"KVSYNC":
                    return [Send("snapshots", [b"ICANHAZ?", sequence, frame(len(self.fetch.pairs))])]
                self.sequence, self.state = self.fetch.finish()
                self.fetch = None
                return [Result(dict(self.state))]
        return []

    def update(self, sequence, key, value):
        if self.fetch is not None:
            self.fetch.log.append((sequence, key, value))
            return []
        if sequence <= self.sequence:
            return []
        self.sequence = sequence
        if value == self.state.get(key, b""):
            return []
        self.state = {k: v for k, v in {**self.state, key: value}.items() if v}
        return [Result(dict(self.state))]


def replica(ctx, updates, snapshots, shell):
    shell(ctx, Replica(updates, snapshots))
