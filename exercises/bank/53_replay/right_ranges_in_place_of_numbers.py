# SPDX-License-Identifier: BSD-3-Clause
# Passed: ranges in place of numbers.

import zmq

from patterns.replay import Gone, Message
from patterns.shell import AT_ONCE, NEVER, Open, Result, Send, Subscribe


def subscriber(ctx, topic, stream, history, shell):
    """The holes are ranges, and so are what has come early and what is asked for."""

    class Core:
        deadline = AT_ONCE
        holes, early, heard, asking = [], [], None, False

        def tick(self, now):
            self.deadline = NEVER
            opened = [Open("s", zmq.SUB, stream), Open("h", zmq.DEALER, history)]
            return [*opened, Subscribe("s", topic)]

        def receive(self, socket, frames, now):
            out = []
            if socket == "s" and frames[0] == topic:
                self.heed(int.from_bytes(frames[1]), frames[2:], out)
            elif socket == "h":
                self.asking = False
                first = int.from_bytes(frames[2])
                for number, payload in enumerate(frames[3:], first):
                    self.take(number, payload, out)
                if frames[0] == b"GONE":
                    self.forget(first, out)
            if self.holes and not self.asking:
                self.asking = True
                first, last = self.holes[0]
                out.append(Send("h", [b"REPLAY", topic, first.to_bytes(8), last.to_bytes(8)]))
            return out

        def heed(self, number, payload, out):
            before = number - len(payload)
            start = before if self.heard is None else self.heard
            for early in sorted(self.early) + [before + 1]:
                if start < early <= before + 1:
                    if early - 1 > start:
                        self.holes.append((start + 1, early - 1))
                    start = early
            self.heard = before
            if payload:
                self.take(number, payload[0], out)
                self.heard = number
            self.early = [early for early in self.early if early > self.heard]

        def take(self, number, payload, out):
            if number > self.heard:
                if number not in self.early:
                    self.early.append(number)
                    out.append(Result(Message(number, payload)))
                return
            for first, last in self.holes:
                if first <= number <= last:
                    rest = [(first, number - 1), (number + 1, last)]
                    self.holes.remove((first, last))
                    self.holes = sorted(self.holes + [each for each in rest if each[0] <= each[1]])
                    out.append(Result(Message(number, payload)))
                    return

        def forget(self, oldest, out):
            for first, last in [*self.holes]:
                if first < oldest:
                    self.holes.remove((first, last))
                    out.append(Result(Gone(first, min(last, oldest - 1))))
                    if last >= oldest:
                        self.holes = sorted([*self.holes, (oldest, last)])

    shell(ctx, Core())
