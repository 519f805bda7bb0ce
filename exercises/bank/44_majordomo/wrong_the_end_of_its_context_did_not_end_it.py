# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the end of its Context did not end it.

import time

import zmq

from patterns.majordomo import DISCONNECT, REQUEST, WORKER, Broker
from patterns.shell import Send, serve


class StrictBroker(Broker):
    def __init__(self, endpoint, interval, limit):
        super().__init__(endpoint, interval, expiry=1e9)
        self.limit, self.ends = limit, {}

    def mark(self, effects, now):
        for e in effects:
            if isinstance(e, Send) and e.frames[3:4] == [REQUEST]:
                self.ends[e.frames[0]] = now + self.limit
            yield e
        self.ends = {w: t for w, t in self.ends.items() if w in self.jobs}
        self.deadline = min([self.deadline, *self.ends.values()])

    def receive(self, socket, frames, now):
        yield from self.mark(super().receive(socket, frames, now), now)

    def tick(self, now):
        yield from self.mark(self.both(now), now)

    def both(self, now):
        for w in [w for w, t in self.ends.items() if t <= now]:
            yield Send("peers", [w, b"", WORKER, DISCONNECT])
            yield from self._forget(w, now)
        yield from super().tick(now)


def broker(ctx, endpoint, interval, limit):
    while True:
        try:
            serve(ctx, StrictBroker(endpoint, interval, limit))
        except zmq.ZMQError:
            time.sleep(0.1)
