# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send


class Steered:
    """The core of a simulation that several people steer. It is to hold to this:

    A step is Result(n), with n = 1, 2, 3 and so on. The first is done `pace` seconds after the first tick, each other
    one `pace` seconds after the one before. No step is done while anybody holds a pause. When nobody holds one any
    more, the next step is done `pace` seconds later; what was missed is not made up for.

    A message that comes in is [steerer][id][word], where steerer is a routing id.
      pause   from now on this steerer holds a pause. Each holds a pause of its own, and no more than one.
      go      it no longer holds one, if it did.
      here    nothing but a sign of life: no reply.
    To pause and go the reply is [steerer][id][OK][n], where n is how many steps are done, in digits. To any other word
    it is [steerer][id][ERROR], and nothing changes. A message of more or fewer frames is dropped.

    Whatever a steerer says, also what is answered by ERROR or dropped, shows that it is there. If one that holds a
    pause has said nothing for `silence` seconds, it loses the pause at that moment, also if nothing else happens. Then
    it holds one again when it says `pause` again.

    Whoever plays this core calls tick(now) first, and again when `now` has reached `deadline`, and
    receive(socket, frames, now) for every message. `now` is in seconds and the only clock there is; it begins
    anywhere. Both return a list: Open(name, type, endpoint, bind=True), Send(name, frames), Result(value). After a
    tick the deadline lies later than `now`: it is the time of what is to be done next.
    """

    def __init__(self, endpoint, pace, silence):
        self.endpoint, self.pace, self.silence = endpoint, pace, silence
        self.paused = False
        self.steps = 0
        self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects.append(Open("commands", zmq.ROUTER, self.endpoint, bind=True))
        else:
            self.steps += 1
            effects.append(Result(self.steps))
        self.deadline = now + self.pace
        return effects

    def receive(self, socket, frames, now):
        if len(frames) != 3 or frames[2] == b"here":
            return []
        steerer, request, word = frames
        if word not in (b"pause", b"go"):
            return [Send("commands", [steerer, request, b"ERROR"])]
        if self.paused != (word == b"pause"):
            self.paused = word == b"pause"
            self.deadline = NEVER if self.paused else now + self.pace
        return [Send("commands", [steerer, request, b"OK", b"%d" % self.steps])]


def simulation(ctx, endpoint, pace, silence, shell):
    """Give the core to a shell: the checker's, whose clock is a number, or one that does a step for each Result."""
    shell(ctx, Steered(endpoint, pace, silence))
