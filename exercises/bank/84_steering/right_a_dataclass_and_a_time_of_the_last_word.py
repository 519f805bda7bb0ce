# SPDX-License-Identifier: BSD-3-Clause
# Passed: a dataclass and a time of the last word.

from dataclasses import dataclass, field

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send


@dataclass
class Steered:
    """When each steerer was last heard, and who of them holds a pause."""

    endpoint: str
    pace: float
    silence: float
    heard: dict = field(default_factory=dict)
    holders: set = field(default_factory=set)
    done: int = 0
    since: float = NEVER  # from when the pace counts
    deadline: float = AT_ONCE

    def tick(self, now):
        if self.since == NEVER:
            self.since = now
            yield Open("commands", zmq.ROUTER, self.endpoint, bind=True)
        before = bool(self.holders)
        self.holders -= {who for who in self.holders if self.heard[who] + self.silence <= now}
        if before and not self.holders:
            self.since = now
        if not self.holders and self.since + self.pace <= now:
            self.done += 1
            self.since = now
            yield Result(self.done)
        self.plan()

    def receive(self, socket, frames, now):
        who, *rest = frames
        self.heard[who] = now
        if len(rest) == 2:
            yield from self.answer(who, *rest, now)
        self.plan()

    def answer(self, who, request, word, now):
        if word == b"pause":
            self.holders.add(who)
        elif word == b"go":
            if self.holders == {who}:
                self.since = now
            self.holders.discard(who)
        elif word == b"here":
            return
        else:
            yield Send("commands", [who, request, b"ERROR"])
            return
        yield Send("commands", [who, request, b"OK", str(self.done).encode()])

    def plan(self):
        if self.holders:
            self.deadline = min(self.heard[who] for who in self.holders) + self.silence
        else:
            self.deadline = self.since + self.pace


def simulation(ctx, endpoint, pace, silence, shell):
    shell(ctx, Steered(endpoint, pace, silence))
