# SPDX-License-Identifier: BSD-3-Clause
# Passed: a core that looks at the limits first, with each message and each tick.

from patterns.majordomo import Broker
from patterns.shell import Send, serve

WORKER = b"MDPW01"
READY, REQUEST, REPLY, DISCONNECT = b"\x01", b"\x02", b"\x03", b"\x05"


class Limited:
    def __init__(self, core, limit):
        self.core, self.limit = core, limit
        self.jobs = {}  # worker -> (when its time is over, client)

    @property
    def deadline(self):
        return min([self.core.deadline, *(until for until, _ in self.jobs.values())])

    def watch(self, effects, now):
        for effect in effects:
            match effect:
                case Send("peers", [worker, b"", b"MDPW01", b"\x02", client, *_]):
                    self.jobs[worker] = now + self.limit, client
                case Send("peers", [worker, b"", b"MDPW01", b"\x05", *_]):
                    self.jobs.pop(worker, None)
            yield effect

    def dismiss(self, worker, now):
        self.jobs.pop(worker, None)
        bye = [worker, b"", WORKER, DISCONNECT]
        told = False
        for effect in self.watch(list(self.core.receive("peers", bye, now)), now):
            told = told or effect == Send("peers", bye)
            yield effect
        if not told:
            yield Send("peers", bye)

    def expire(self, now):
        for worker in [each for each, (until, _) in self.jobs.items() if until <= now]:
            yield from self.dismiss(worker, now)

    def tick(self, now):
        effects = list(self.expire(now))
        return effects + list(self.watch(self.core.tick(now), now))

    def receive(self, socket, frames, now):
        effects = list(self.expire(now))
        if frames[1:3] == [b"", WORKER] and len(frames) > 3:
            worker, command = frames[0], frames[3]
            until, client = self.jobs.get(worker, (None, None))
            if command == REPLY and (until is None or frames[4:5] != [client]):
                return effects + list(self.dismiss(worker, now))
            if command in (READY, REPLY, DISCONNECT):
                self.jobs.pop(worker, None)
        return effects + list(self.watch(self.core.receive(socket, frames, now), now))


def broker(ctx, endpoint, interval, limit):
    serve(ctx, Limited(Broker(endpoint, interval), limit))
