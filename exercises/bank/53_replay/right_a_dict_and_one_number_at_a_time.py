# SPDX-License-Identifier: BSD-3-Clause
# Passed: a dict of what is missing, and one number asked for at a time.

from dataclasses import dataclass, field

import zmq

from patterns.replay import Gone, Message
from patterns.shell import AT_ONCE, NEVER, Open, Result, Send, Subscribe


@dataclass
class Subscriber:
    topic: bytes
    stream: str
    history: str
    heard: int = -1
    state: dict = field(default_factory=dict)  # number: whether it is missing; one that is above `heard` has come
    asked: bool = False
    deadline: float = AT_ONCE

    def tick(self, now):
        self.deadline = NEVER
        yield Open("stream", zmq.SUB, self.stream)
        yield Subscribe("stream", self.topic)
        yield Open("history", zmq.DEALER, self.history)

    def receive(self, socket, frames, now):
        match socket, frames:
            case "stream", [self.topic, number, *payload]:
                last = int.from_bytes(number)
                if self.heard < 0:
                    self.heard = last - len(payload)
                for each in range(self.heard + 1, last + 1):
                    self.state.setdefault(each, True)
                self.heard = max(self.heard, last)
                yield from self.give(last, payload)
            case "history", [word, self.topic, first, *payloads]:
                self.asked = False
                yield from self.give(int.from_bytes(first), payloads)
                if word == b"GONE":
                    for each in sorted(self.state):
                        if each < min(int.from_bytes(first), self.heard + 1) and self.state[each]:
                            self.state[each] = False
                            yield Result(Gone(each, each))
        lacks = [each for each in self.state if self.state[each]]
        if lacks and not self.asked:
            self.asked = True
            number = min(lacks).to_bytes(8)
            yield Send("history", [b"REPLAY", self.topic, number, number])

    def give(self, first, payloads):
        for number, payload in enumerate(payloads, first):
            if self.state.get(number, number > self.heard):
                self.state[number] = False
                yield Result(Message(number, payload))


def subscriber(ctx, topic, stream, history, shell):
    shell(ctx, Subscriber(topic, stream, history))
