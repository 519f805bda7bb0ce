# SPDX-License-Identifier: BSD-3-Clause
# Not yet: RESIGN was answered like any other request.

import zmq

from patterns.binary_star import Pair, State
from patterns.shell import NEVER, Open, Send


class Answers:
    def __init__(self, endpoint):
        self.endpoint, self.deadline = endpoint, -NEVER

    def tick(self, now):
        self.deadline = NEVER
        return [Open("clients", zmq.ROUTER, self.endpoint, bind=True)]

    def receive(self, socket, frames, now):
        return [Send("clients", [*frames[:2], frames[2].upper()])]


class Quiet(Pair):
    def tick(self, now):
        return [e for e in super().tick(now) if not hasattr(e, "value")]

    def receive(self, socket, frames, now):
        return [e for e in super().receive(socket, frames, now) if not hasattr(e, "value")]


def server(ctx, endpoint, mine, peer, first, interval, shell):
    state = State.PRIMARY if first == b"1" else State.BACKUP
    shell(ctx, Quiet(Answers(endpoint), state, mine, peer, interval=interval))
