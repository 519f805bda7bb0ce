# SPDX-License-Identifier: BSD-3-Clause
# Passed: a DEALER that is kept, and each step after the snapshot is a Result.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send, Subscribe


class Replica:
    def __init__(self, updates, snapshots):
        self.ends = updates, snapshots
        self.last, self.top = None, 0
        self.asked = 0  # questions without an answer
        self.log = {}  # number -> (key, value), since the first word
        self.building = []
        self.shown = None  # the state that was given last, with its number; None while not complete
        self.deadline = AT_ONCE

    def tick(self, now):
        self.deadline = NEVER
        return [
            Open("updates", zmq.SUB, self.ends[0]),
            Subscribe("updates", b""),
            Open("snapshots", zmq.DEALER, self.ends[1]),
        ]

    def receive(self, socket, frames, now):
        effects = []
        if socket == "updates":
            key, number, value = frames[0], int.from_bytes(frames[1]), frames[2]
            alive = key == b"HUGZ"
            if self.last is None or number != self.last + (not alive):
                self.top = max(number, self.top) if self.last is None or number >= self.last else number
                self.shown, self.log, self.building = None, {}, []
                effects.append(self.ask(self.top, 0))
            elif not alive:
                self.log[number] = key, value
            self.last = number
        else:
            self.asked -= 1
            if self.asked:
                return []  # an answer to a question that is void
            word, number, n = frames[0], int.from_bytes(frames[1]), int.from_bytes(frames[2])
            self.building = self.building[:n] + list(zip(frames[3::2], frames[4::2]))
            if word == b"KVSYNC":
                return [self.ask(number, len(self.building))]
            self.shown = number, dict(self.building)
            effects.append(Result(self.shown[1]))
        return effects + list(self.follow())

    def ask(self, number, n):
        self.asked += 1
        return Send("snapshots", [b"ICANHAZ?", number.to_bytes(8), n.to_bytes(8)])

    def follow(self):
        if self.shown is None:
            return
        number, state = self.shown
        self.log = {m: entry for m, entry in self.log.items() if m > number}
        while number + 1 in self.log:
            number += 1
            key, value = self.log.pop(number)
            new = {k: v for k, v in state.items() if k != key}
            if value:
                new[key] = value
            if new != state:
                yield Result(new)
            state = new
        self.shown, self.top = (number, state), number


def replica(ctx, updates, snapshots, shell):
    shell(ctx, Replica(updates, snapshots))
