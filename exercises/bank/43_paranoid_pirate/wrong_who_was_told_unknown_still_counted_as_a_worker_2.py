# SPDX-License-Identifier: BSD-3-Clause
# Not yet: who was told UNKNOWN still counted as a worker.
# It gives no more requests to it, and yet its heartbeats.

from patterns.paranoid_pirate import HEARTBEAT, READY, Queue
from patterns.shell import Send

REQUEST, REPLY, UNKNOWN = b"\x03", b"\x04", b"\x05"


class Queue2(Queue):
    """The lesson's core in other frames: takes the header off what comes, and puts one before what goes."""

    strangers = set()

    def tick(self, now):
        yield from map(self.headed, super().tick(now))
        for name in self.strangers:
            yield Send("workers", [name, b"PPP2", HEARTBEAT])

    def receive(self, socket, frames, now):
        if socket == "workers":
            name, *said = frames
            known = self.workers.get(name)
            match said:
                case [b"PPP2", b"\x01"]:
                    frames = [name, READY]
                case [b"PPP2", b"\x02"] if known:
                    frames = [name, HEARTBEAT]
                case [b"PPP2", b"\x04", *reply] if known and known.pays(reply):
                    frames = [name, *reply]
                case _:
                    self.strangers.add(name)
                    self.workers.pop(name, None)
                    self.idle.pop(name, None)
                    return [Send("workers", [name, b"PPP2", UNKNOWN])]
        return map(self.headed, super().receive(socket, frames, now))

    def headed(self, effect):
        if not isinstance(effect, Send) or effect.socket != "workers":
            return effect
        name, *frames = effect.frames
        header = [b"PPP2"] if frames == [HEARTBEAT] else [b"PPP2", REQUEST]
        return Send("workers", [name, *header, *frames])


def queue(ctx, frontend, backend, interval, liveness, shell):
    shell(ctx, Queue2(frontend, backend, interval, liveness))
