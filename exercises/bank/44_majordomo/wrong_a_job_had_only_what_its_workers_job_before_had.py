# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a job had only what its worker's job before had left.

from patterns.majordomo import DISCONNECT, WORKER, Broker
from patterns.shell import Send, serve


class StrictBroker(Broker):
    def __init__(self, endpoint, interval, limit):
        super().__init__(endpoint, interval)
        self.limit, self.due = limit, {}

    def receive(self, socket, frames, now):
        yield from super().receive(socket, frames, now)
        self.due = {worker: self.due.get(worker, now + self.limit) for worker in self.jobs}
        self.deadline = min([self.deadline, *self.due.values()])

    def tick(self, now):
        yield from super().tick(now)
        for worker in [name for name, due in self.due.items() if due <= now]:
            yield Send("peers", [worker, b"", WORKER, DISCONNECT])
            yield from self.receive("peers", [worker, b"", WORKER, DISCONNECT], now)
        self.deadline = min([self.deadline, *self.due.values()])


def broker(ctx, endpoint, interval, limit):
    serve(ctx, StrictBroker(endpoint, interval, limit))
