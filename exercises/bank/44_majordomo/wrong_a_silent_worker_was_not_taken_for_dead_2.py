# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a silent worker was not taken for dead.

from patterns.majordomo import Broker
from patterns.shell import Send, serve


class Strict:
    """Stands before a broker's core and sees what goes in and out."""

    def __init__(self, endpoint, interval, limit):
        self.core, self.limit, self.due = Broker(endpoint, interval, liveness=10**6), limit, {}

    @property
    def deadline(self):
        return min([self.core.deadline, *self.due.values()])

    def receive(self, socket, frames, now):
        for effect in self.core.receive(socket, frames, now):
            yield self.seen(effect, now)
        if frames[2] == b"MDPW01" and frames[3] == b"\x03":
            if frames[0] in self.due and self.due[frames[0]] != now + self.limit:
                del self.due[frames[0]]  # it has replied, and got no other job

    def tick(self, now):
        if self.core.deadline <= now:
            for effect in self.core.tick(now):
                yield self.seen(effect, now)
        for worker in [w for w, due in self.due.items() if due <= now]:
            del self.due[worker]
            yield Send("peers", [worker, b"", b"MDPW01", b"\x05"])
            yield from self.receive("peers", [worker, b"", b"MDPW01", b"\x05"], now)

    def seen(self, effect, now):
        if isinstance(effect, Send) and effect.frames[2:4] == [b"MDPW01", b"\x02"]:
            self.due[effect.frames[0]] = now + self.limit
        elif isinstance(effect, Send) and effect.frames[2:4] == [b"MDPW01", b"\x05"]:
            self.due.pop(effect.frames[0], None)
        return effect


def broker(ctx, endpoint, interval, limit):
    serve(ctx, Strict(endpoint, interval, limit))
