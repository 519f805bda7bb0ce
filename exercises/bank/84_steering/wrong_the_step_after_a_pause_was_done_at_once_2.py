# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the step after a pause was done at once.

import zmq

from patterns.shell import AT_ONCE, Open, Result, Send


class Steered:
    """Of each steerer that holds a pause: when it is lost."""

    def __init__(self, endpoint, pace, silence):
        self.endpoint, self.pace, self.silence = endpoint, pace, silence
        self.held = {}  # steerer -> when its pause is lost; who holds none is not in it
        self.steps = 0
        self.next = self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects.append(Open("commands", zmq.ROUTER, self.endpoint, bind=True))
            self.next = now + self.pace
        elif self.held:
            self.held = {steerer: lost for steerer, lost in self.held.items() if lost > now}
            self.next = now + self.pace
        else:
            self.steps += 1
            effects.append(Result(self.steps))
            self.next = now + self.pace
        self.wind()
        return effects

    def receive(self, socket, frames, now):
        effects, (steerer, *said) = [], frames
        if steerer in self.held:
            self.held[steerer] = now + self.silence
        match said:
            case [request, b"pause"]:
                self.held[steerer] = now + self.silence
                effects.append(Send("commands", [steerer, request, b"OK", b"%d" % self.steps]))
            case [request, b"go"]:
                if self.held.pop(steerer, None) and not self.held:
                    self.next = now
                effects.append(Send("commands", [steerer, request, b"OK", b"%d" % self.steps]))
            case [request, word] if word != b"here":
                effects.append(Send("commands", [steerer, request, b"ERROR"]))
        self.wind()
        return effects

    def wind(self):
        self.deadline = min(self.held.values(), default=self.next)


def simulation(ctx, endpoint, pace, silence, shell):
    shell(ctx, Steered(endpoint, pace, silence))
