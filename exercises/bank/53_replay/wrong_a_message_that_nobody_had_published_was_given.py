# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a message that nobody had published was given.

import zmq

from patterns.replay import Gone, Message
from patterns.shell import AT_ONCE, NEVER, Open, Result, Send, Subscribe


class Subscriber:
    def __init__(self, topic, stream, history):
        self.topic, self.stream, self.history = topic, stream, history
        self.heard = None  # how far the stream has come
        self.missing = set()  # up to there
        self.early = set()  # above it: the history has brought them already
        self.asking = False
        self.deadline = AT_ONCE

    def tick(self, now):
        self.deadline = NEVER
        return [
            Open("stream", zmq.SUB, self.stream),
            Subscribe("stream", self.topic),
            Open("history", zmq.DEALER, self.history),
        ]

    def receive(self, socket, frames, now):
        word, topic, *_ = [b"STREAM", *frames] if socket == "stream" else frames
        if topic != self.topic:
            return []
        if socket == "stream":
            return self.word(int.from_bytes(frames[1]), frames[2:]) + self.ask()
        self.asking = False
        effects = self.batch(int.from_bytes(frames[2]), frames[3:])
        return effects + self.gone(int.from_bytes(frames[2]) if word == b"GONE" else 0) + self.ask()

    def word(self, number, payload):
        if self.heard is None:
            self.heard = number - len(payload)
        self.missing |= set(range(self.heard + 1, number + 1)) - self.early
        self.early = {early for early in self.early if early > number}
        self.heard = number
        return self.batch(number, payload)

    def batch(self, first, payloads):
        effects = []
        for number, payload in enumerate(payloads, first):
            if number in self.missing or (number > self.heard and number not in self.early):
                self.missing.discard(number)
                self.early |= {number} if number > self.heard else set()
                effects.append(Result(Message(number, self.topic)))
        return effects

    def gone(self, oldest):
        effects = []
        while self.missing and min(self.missing) < oldest:
            first, last = self.run()
            last = min(last, oldest - 1)
            self.missing -= set(range(first, last + 1))
            effects.append(Result(Gone(first, last)))
        return effects

    def run(self):
        """The lowest missing numbers that follow one another: the first of them and the last."""
        first = last = min(self.missing)
        while last + 1 in self.missing:
            last += 1
        return first, last

    def ask(self):
        if self.asking or not self.missing:
            return []
        self.asking = True
        ends = (number.to_bytes(8) for number in self.run())
        return [Send("history", [b"REPLAY", self.topic, *ends])]


def subscriber(ctx, topic, stream, history, shell):
    shell(ctx, Subscriber(topic, stream, history))
