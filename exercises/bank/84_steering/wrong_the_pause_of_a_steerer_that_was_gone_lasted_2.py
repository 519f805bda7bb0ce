# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the pause of a steerer that was gone lasted for ever.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send
from patterns.steering import TABLE, Event, State


class Steered:
    """The recipe: a state and a table, and a pause that nobody owns."""

    def __init__(self, endpoint, pace, silence):
        self.endpoint, self.pace = endpoint, pace
        self.state, self.done, self.deadline = State.RUNNING, 0, AT_ONCE

    def tick(self, now):
        if self.deadline == AT_ONCE:
            yield Open("commands", zmq.ROUTER, self.endpoint, bind=True)
        elif self.state is State.RUNNING:
            self.done += 1
            yield Result(self.done)
        self.deadline = now + self.pace if self.state is State.RUNNING else NEVER

    def receive(self, socket, frames, now):
        match frames:
            case [_, _, b"here"]:
                return
            case [peer, request, b"pause" | b"go" as word]:
                before = self.state
                self.state = TABLE[before, Event.PAUSE if word == b"pause" else Event.RUN]
                if self.state is not before:
                    self.deadline = now + self.pace if self.state is State.RUNNING else NEVER
                yield Send("commands", [peer, request, b"OK", b"%d" % self.done])
            case [peer, request, _]:
                yield Send("commands", [peer, request, b"ERROR"])


def simulation(ctx, endpoint, pace, silence, shell):
    shell(ctx, Steered(endpoint, pace, silence))
