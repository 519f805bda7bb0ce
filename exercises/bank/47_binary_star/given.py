# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq

from patterns.shell import AT_ONCE, Open, Send, Subscribe

PRIMARY, BACKUP, ACTIVE, PASSIVE = b"1", b"2", b"3", b"4"
REQUEST, VOTE = "request", "vote"  # beside them, the peer's words are events
TABLE = {  # what is not here changes nothing
    (PRIMARY, BACKUP): ACTIVE,
    (PRIMARY, ACTIVE): PASSIVE,
    (PRIMARY, VOTE): ACTIVE,
    (BACKUP, ACTIVE): PASSIVE,
    (PASSIVE, PRIMARY): ACTIVE,
    (PASSIVE, BACKUP): ACTIVE,
    (PASSIVE, VOTE): ACTIVE,
}


class Star:
    """The core of one of two servers that can hand over. It is to hold to this:

    It is in one of five states: b"1" PRIMARY or b"2" BACKUP, in which it has begun; b"3" ACTIVE, b"4" PASSIVE, b"5"
    RESIGNED. It says its state on the PUB, a frame alone: in its first tick, at once at each change, and else when an
    interval has passed since it said it last. On the SUB come its peer's words: a frame alone, b"1" to b"5". The peer
    is silent from two intervals after its last word on; if it has not yet said any, from four intervals after our
    first tick on. Until then it is heard.

    On the ROUTER come requests: [client][""][body], the body one frame, which may be empty. The active answers each at
    once, by [client][""][body in capitals]. All others drop it. But a request that comes while the peer is silent is a
    vote: it makes a PRIMARY, a PASSIVE and a RESIGNED active, which then answer it. It does not move a BACKUP.

    The words move it as in TABLE, and an active never halts: it stays active. New is this. A request with the body
    RESIGN is no vote, and only the active answers it. If the peer is heard, the answer is [client][""][OK], and the
    active has resigned. If the peer is silent, the answer is [client][""][NO], and nothing changes.

    Whoever has begun, or is passive, and hears b"5" becomes active. A resigned server stands by (PASSIVE) when it
    hears b"3". It becomes active again when it hears b"1" or b"2": its peer has begun anew, and nobody is in office.
    b"4" and b"5" do not move it. Any other frames on the SUB or the ROUTER are dropped, and count for nothing.

    Whoever plays this core calls tick(now) first, and again when `now` has reached `deadline`, and
    receive(socket, frames, now) for every message. It is never late. `now` is in seconds and the only clock there is;
    it begins anywhere. Both return a list of effects: Open, Subscribe, Send. After a tick the deadline lies later than
    `now`. Binds a ROUTER to `endpoint` and a PUB to `mine`, and connects a SUB to `peer`, all in the first tick.
    """

    def __init__(self, endpoint, mine, peer, first, interval):
        self.endpoint, self.mine, self.peer = endpoint, mine, peer
        self.state, self.interval = first, interval
        self.expiry = self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects += [
                Open("clients", zmq.ROUTER, self.endpoint, bind=True),
                Open("out", zmq.PUB, self.mine, bind=True),
                Open("in", zmq.SUB, self.peer),
                Subscribe("in", b""),
            ]
            self.expiry = now + 4 * self.interval
        self.deadline = now + self.interval
        effects.append(Send("out", [self.state]))
        if now >= self.expiry:
            effects += self.step(VOTE, now)
        return effects

    def receive(self, socket, frames, now):
        if socket == "in":
            self.expiry = now + 2 * self.interval
            return self.step(frames[0], now)
        client, _, body = frames
        if self.state == ACTIVE:
            return [Send("clients", [client, b"", body.upper()])]
        return []

    def step(self, event, now):
        after = TABLE.get((self.state, event), self.state)
        if after == self.state:
            return []
        self.state, self.deadline = after, now + self.interval
        return [Send("out", [after])]


def server(ctx, endpoint, mine, peer, first, interval, shell):
    """Give the core to a shell: the checker's, whose clock is a number. It calls `tick` and `receive` as any does."""
    shell(ctx, Star(endpoint, mine, peer, first, interval))
