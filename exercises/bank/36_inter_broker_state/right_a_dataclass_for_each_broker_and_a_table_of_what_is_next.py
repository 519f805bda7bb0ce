# SPDX-License-Identifier: BSD-3-Clause
# Passed: a dataclass for each broker and a table of what is next.

from __future__ import annotations

import re
from dataclasses import dataclass

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Subscribe

NUMBER, CAPACITY = re.compile(rb"[0-9]{1,12}"), re.compile(rb"[0-9]{1,6}")


@dataclass
class Broker:
    number: int
    capacity: int
    next: float
    what: str = "stale"


class Listener:
    def __init__(self, places, stale, gone):
        self.places, self.stale, self.gone = places, stale, gone
        self.brokers: dict[bytes, Broker] = {}
        self.opened = False

    @property
    def deadline(self):
        return min((broker.next for broker in self.brokers.values()), default=NEVER) if self.opened else AT_ONCE

    def tick(self, now):
        if not self.opened:
            self.opened = True
            for place in self.places:
                yield Open("roads", zmq.SUB, place)
            yield Subscribe("roads", b"")
        for name in [name for name, broker in self.brokers.items() if broker.next <= now]:
            broker = self.brokers[name]
            if broker.what == "stale":
                broker.what, broker.next = "gone", broker.next + self.gone - self.stale
                if broker.next > now:
                    yield Result((name, "stale"))
                    continue
            del self.brokers[name]
            yield Result((name, "gone"))

    def receive(self, socket, frames, now):
        match frames:
            case [name, number, capacity] if name and NUMBER.fullmatch(number) and CAPACITY.fullmatch(capacity):
                old, new = self.brokers.get(name), Broker(int(number), int(capacity), now + self.stale)
                if old is None or new.number > old.number:
                    self.brokers[name] = new
                    if old is None or (old.capacity, old.what) != (new.capacity, "stale"):
                        yield Result((name, new.capacity))


def listener(ctx, places, stale, gone, shell):
    shell(ctx, Listener(places, stale, gone))
