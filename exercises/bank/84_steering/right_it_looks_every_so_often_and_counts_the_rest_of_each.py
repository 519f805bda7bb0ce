# SPDX-License-Identifier: BSD-3-Clause
# Passed: it looks every so often and counts the rest of each.

import zmq

from patterns.shell import AT_ONCE, Open, Result, Send


class Steered:
    """Of each holder it keeps how much of its silence is left, and works it out anew whenever something happens."""

    def __init__(self, endpoint, pace, silence):
        self.endpoint, self.pace, self.silence = endpoint, pace, silence
        self.left, self.wait, self.was, self.n, self.deadline = {}, pace, None, 0, AT_ONCE

    def pass_time(self, now):
        gone = now - self.was
        self.was = now
        if not self.left:
            self.wait -= gone
            return
        self.left = {who: rest - gone for who, rest in self.left.items() if rest - gone > 1e-9}
        self.wait = self.pace

    def tick(self, now):
        effects = []
        if self.was is None:
            self.was = now
            effects = [Open("commands", zmq.ROUTER, self.endpoint, bind=True)]
        self.pass_time(now)
        if not self.left and self.wait <= 1e-9:
            self.n, self.wait = self.n + 1, self.pace
            effects.append(Result(self.n))
        self.set_deadline(now)
        return effects

    def receive(self, socket, frames, now):
        self.pass_time(now)
        who, *rest = frames
        effects = []
        if who in self.left:
            self.left[who] = self.silence
        if len(rest) == 2 and rest[1] != b"here":
            effects.append(Send("commands", [who, rest[0], *self.obey(who, rest[1])]))
        self.set_deadline(now)
        return effects

    def obey(self, who, word):
        if word == b"pause":
            self.left[who] = self.silence
        elif word == b"go":
            self.left.pop(who, None)
        else:
            return [b"ERROR"]
        self.wait = self.pace if self.left or word == b"go" and self.wait == self.pace else self.wait
        return [b"OK", b"%d" % self.n]

    def set_deadline(self, now):
        self.deadline = now + (min(self.left.values()) if self.left else self.wait)


def simulation(ctx, endpoint, pace, silence, shell):
    shell(ctx, Steered(endpoint, pace, silence))
