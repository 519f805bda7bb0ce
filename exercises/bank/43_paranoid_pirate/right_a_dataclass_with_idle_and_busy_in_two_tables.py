# SPDX-License-Identifier: BSD-3-Clause
# Passed: a dataclass with idle and busy in two tables.

import dataclasses
from collections import OrderedDict, deque

import zmq

from patterns.shell import AT_ONCE, Open, Send

VERSION = b"PPP2"


@dataclasses.dataclass
class Queue2:
    """Idle and busy in two tables; what is due is looked at when it is due."""

    frontend: str
    backend: str
    interval: float
    liveness: int
    idle: OrderedDict = dataclasses.field(default_factory=OrderedDict)
    busy: dict = dataclasses.field(default_factory=dict)
    beats: dict = dataclasses.field(default_factory=dict)
    requests: deque = dataclasses.field(default_factory=deque)
    deadline: float = AT_ONCE

    def tick(self, now):
        if self.deadline == AT_ONCE:
            yield Open("c", zmq.ROUTER, self.frontend, bind=True)
            yield Open("w", zmq.ROUTER, self.backend, bind=True)
        self.bury(now)
        for name, due in list(self.beats.items()):
            if due <= now:
                self.beats[name] = now + self.interval
                yield Send("w", [name, VERSION, b"\x02"])
        self.wind(now)

    def wind(self, now):
        self.deadline = min([*self.beats.values(), now + self.interval])

    def bury(self, now):
        for table in (self.idle, self.busy):
            for name in list(table):
                if (table[name] if table is self.idle else table[name][0]) <= now:
                    self.forget(name)

    def forget(self, name):
        for table in (self.idle, self.busy, self.beats):
            table.pop(name, None)

    def receive(self, socket, frames, now):
        over = now + self.interval * self.liveness
        match socket, frames:
            case "c", _:
                self.requests.append(frames)
            case "w", [name, b"PPP2", b"\x01"]:
                self.busy.pop(name, None)
                self.idle[name] = over
                self.beats.setdefault(name, now + self.interval)
            case "w", [name, b"PPP2", b"\x02"] if name in self.idle:
                self.idle[name] = over
            case "w", [name, b"PPP2", b"\x02"] if name in self.busy:
                self.busy[name] = (over, self.busy[name][1])
            case "w", [name, b"PPP2", b"\x04", client, b"", _, *_] if self.busy.get(name, (0, b""))[1] == client:
                del self.busy[name]
                self.idle[name] = over
                yield Send("c", frames[3:])
            case "w", [name, *_]:
                self.forget(name)
                yield Send("w", [name, VERSION, b"\x05"])
        self.bury(now)
        while self.requests and self.idle:
            name, over = self.idle.popitem(last=False)
            request = self.requests.popleft()
            self.busy[name] = (over, request[0])
            yield Send("w", [name, VERSION, b"\x03", *request])
        if self.deadline > now:
            self.wind(now)


def queue(ctx, frontend, backend, interval, liveness, shell):
    core = Queue2(frontend, backend, interval, liveness)
    shell(ctx, core)
