# SPDX-License-Identifier: BSD-3-Clause
# Passed: the lesson's pair with a fifth word.

import zmq

from patterns.binary_star import Pair, State
from patterns.shell import NEVER, Open, Send

IN, OUT = "states in", "states out"


class Answers:
    def __init__(self, endpoint):
        self.endpoint, self.deadline = endpoint, -NEVER

    def tick(self, now):
        self.deadline = NEVER
        return [Open("clients", zmq.ROUTER, self.endpoint, bind=True)]

    def receive(self, socket, frames, now):
        return [Send("clients", [*frames[:2], frames[2].upper()])]


class Resigning(Pair):
    resigned = False

    def tick(self, now):
        self.lease = max(self.lease, now + self.interval) if self.lease > -NEVER else self.lease
        return self.told(super().tick(now))

    def told(self, effects):
        return [
            Send(OUT, [b"5"]) if self.resigned and effect == Send(OUT, [b"1"]) else effect
            for effect in effects
            if getattr(effect, "value", None) is None
        ]

    def receive(self, socket, frames, now):
        self.lease = max(self.lease, now + self.interval)
        if socket == IN:
            return self.word(frames, now)
        match frames:
            case [client, b"", b"RESIGN"]:
                if self.state is not State.ACTIVE:
                    return []
                if now >= self.expiry:
                    return [Send("clients", [client, b"", b"NO"])]
                self.resigned = True
                return [Send("clients", [client, b"", b"OK"]), *self.told(self._enter(State.PRIMARY, now))]
            case [_, b"", _]:
                effects = super().receive(socket, frames, now)
                self.resigned = self.resigned and self.state is State.PRIMARY
                return self.told(effects)
        return []

    def word(self, frames, now):
        if frames not in ([b"1"], [b"2"], [b"3"], [b"4"], [b"5"]):
            return []
        self.expiry = now + self.patience
        [word] = frames
        if self.state is State.ACTIVE:
            return []
        if self.resigned and word in (b"4", b"5") or word == b"4":
            return []
        self.resigned, was = False, self.resigned
        if word == b"5" or (was and word in (b"1", b"2")):
            return self.told(self._enter(State.ACTIVE, now))
        return self.told(super().receive(IN, frames, now))


def server(ctx, endpoint, mine, peer, first, interval, shell):
    state = State.PRIMARY if first == b"1" else State.BACKUP
    shell(ctx, Resigning(Answers(endpoint), state, mine, peer, interval=interval))
