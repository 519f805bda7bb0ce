# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send


class Watcher:
    """The core of a watcher that asks. Its peers do not beat: they answer PING by PONG. It is to hold to this:

    A message that comes in is [name][PONG] or [name][NEWS][body], where name is the peer's routing id. Each is a word
    of that peer, whether it was asked for or not. A peer that is heard for the first time, or was gone and is heard
    again, is reported at once: Result((name, "alive")), with the name as it came.

    A peer that has said nothing for `interval` seconds is sent [name][PING]; a peer that speaks in every interval is
    not asked. It is sent the next PING an interval after the one before, `liveness` of them in all. When it is silent
    for one more interval after the last, it is reported: Result((name, "gone")), once, and is sent nothing more. Any
    word ends its silence and gives it its whole liveness back. Peers do not wait for one another.

    The watcher itself may stand still for a while, and then a tick comes late. It does what is due to each peer once,
    and that peer's next interval begins at this tick. What has come in meanwhile is received before it, and counts.

    Whoever plays this core calls tick(now) first, and again when `now` has reached `deadline`, and
    receive(socket, frames, now) for every message. `now` is in seconds and the only clock there is; it begins
    anywhere. Both return a list: Open(name, type, endpoint, bind=True), Send(name, frames), Result(value). After a
    tick the deadline lies later than `now`: it is the time of what is to be done next, NEVER if there is nothing.
    """

    def __init__(self, endpoint, interval, liveness):
        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness
        self.peers = set()
        self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects.append(Open("peers", zmq.ROUTER, self.endpoint, bind=True))
        for name in sorted(self.peers):
            effects.append(Send("peers", [name, b"PING"]))
        self.deadline = now + self.interval
        return effects

    def receive(self, socket, frames, now):
        name = frames[0]
        if name in self.peers:
            return []
        self.peers.add(name)
        return [Result((name, "alive"))]


def watcher(ctx, endpoint, interval, liveness, shell):
    """Give the core to a shell: the checker's, whose clock is a number, or one that reports what `run` gives."""
    shell(ctx, Watcher(endpoint, interval, liveness))
