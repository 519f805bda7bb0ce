# SPDX-License-Identifier: BSD-3-Clause
# Passed: a dataclass for each client.

from dataclasses import dataclass, field

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send


@dataclass
class Line:
    """What one client has coming; no reply stands before one that is sent later."""

    until: float
    coming: list[tuple[float, list[bytes]]] = field(default_factory=list)
    last: float = float("-inf")

    def add(self, when, frames):
        self.last = max(self.last, when)
        self.coming.append((self.last, frames))

    def due(self, now):
        here = [frames for when, frames in self.coming if when <= now]
        del self.coming[: len(here)]
        return here

    def next(self):
        return min(self.until, self.coming[0][0]) if self.coming else self.until


class Server:
    def __init__(self, endpoint, silence, plan):
        self.endpoint, self.silence, self.plan = endpoint, silence, plan
        self.lines: dict[bytes, Line] = {}
        self.starting = True

    @property
    def deadline(self):
        if self.starting:
            return AT_ONCE
        return min((line.next() for line in self.lines.values()), default=NEVER)

    def tick(self, now):
        effects = [Open("clients", zmq.ROUTER, self.endpoint, bind=True)] if self.starting else []
        self.starting = False
        self.lines = {client: line for client, line in self.lines.items() if line.until > now}
        return effects + [Send("clients", frames) for line in self.lines.values() for frames in line.due(now)]

    def receive(self, socket, frames, now):
        client, request, body = frames
        line = self.lines.get(client)
        if line is None or line.until <= now:
            line = self.lines[client] = Line(now + self.silence)
        line.until = now + self.silence
        match request, body:
            case b"", b"":
                pass
            case _:
                for seconds, reply in self.plan(body):
                    line.add(now + seconds, [client, request, reply])
        return []


def server(ctx, endpoint, silence, plan, shell):
    shell(ctx, Server(endpoint, silence, plan))
