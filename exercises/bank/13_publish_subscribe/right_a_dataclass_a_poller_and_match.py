# SPDX-License-Identifier: BSD-3-Clause
# Passed: a dataclass, a poller and match.

import re
from dataclasses import dataclass, field

import zmq


@dataclass
class Gauge:
    line: bytes
    total: int = 0
    taken: int = 0
    form: re.Pattern = field(init=False)

    def __post_init__(self):
        self.form = re.compile(rb"(?s:" + re.escape(self.line) + rb") (?P<minutes>-?[0-9]+)")

    def feed(self, frames: list[bytes]) -> None:
        match frames:
            case [bytes(frame)] if found := self.form.fullmatch(frame):
                self.total += int(found["minutes"])
                self.taken += 1


def average(ctx: zmq.Context, endpoint: str, line: bytes, count: int) -> float:
    gauge = Gauge(line)
    sub = ctx.socket(zmq.SUB)
    try:
        sub.connect(endpoint)
        sub.setsockopt(zmq.SUBSCRIBE, line)
        poller = zmq.Poller()
        poller.register(sub, zmq.POLLIN)
        while gauge.taken < count:
            poller.poll()
            gauge.feed(sub.recv_multipart(zmq.NOBLOCK))
    finally:
        sub.close(0)
    return gauge.total / gauge.taken
