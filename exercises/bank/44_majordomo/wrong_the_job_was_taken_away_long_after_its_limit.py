# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the job was taken away long after its limit was over.

from patterns.majordomo import DISCONNECT, HEARTBEAT, REQUEST, WORKER, Broker
from patterns.shell import Send, serve


class StrictBroker(Broker):
    def __init__(self, endpoint, interval, limit):
        super().__init__(endpoint, interval)
        self.limit = limit
        self.due = {}

    def receive(self, socket, frames, now):
        if HEARTBEAT not in frames[3:4]:
            self.due.pop(frames[0], None)
        yield from self.watched(super().receive(socket, frames, now), now)

    def tick(self, now):
        yield from self.watched(super().tick(now), now)
        for worker in [name for name, due in self.due.items() if due <= now]:
            goodbye = [worker, b"", WORKER, DISCONNECT]
            yield Send("peers", goodbye)
            yield from self.receive("peers", goodbye, now)

    def watched(self, effects, now):
        for effect in effects:
            match effect:
                case Send(_, [worker, _, _, command, *_]) if command == REQUEST:
                    self.due[worker] = now + 2 * self.limit
            yield effect
        self.deadline = min([self.deadline, *self.due.values()])


def broker(ctx, endpoint, interval, limit):
    serve(ctx, StrictBroker(endpoint, interval, limit))
