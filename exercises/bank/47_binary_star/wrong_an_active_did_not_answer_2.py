# SPDX-License-Identifier: BSD-3-Clause
# Not yet: an active did not answer.
# An empty body is taken for none.

import zmq

from patterns.shell import AT_ONCE, Open, Send, Subscribe

PRIMARY, BACKUP, ACTIVE, PASSIVE, RESIGNED = WORDS = [b"1", b"2", b"3", b"4", b"5"]
VOTE = "vote"
TABLE = {  # what is not here changes nothing
    PRIMARY: {BACKUP: ACTIVE, ACTIVE: PASSIVE, RESIGNED: ACTIVE, VOTE: ACTIVE},
    BACKUP: {ACTIVE: PASSIVE, RESIGNED: ACTIVE},
    ACTIVE: {},
    PASSIVE: {PRIMARY: ACTIVE, BACKUP: ACTIVE, RESIGNED: ACTIVE, VOTE: ACTIVE},
    RESIGNED: {PRIMARY: ACTIVE, BACKUP: ACTIVE, ACTIVE: PASSIVE, VOTE: ACTIVE},
}


class Star:
    def __init__(self, endpoint, mine, peer, first, interval):
        self.endpoint, self.mine, self.peer = endpoint, mine, peer
        self.state, self.interval = first, interval
        self.expiry = self.deadline = AT_ONCE

    def tick(self, now):
        opens = []
        if self.deadline == AT_ONCE:
            opens = [
                Open("clients", zmq.ROUTER, self.endpoint, bind=True),
                Open("out", zmq.PUB, self.mine, bind=True),
                Open("in", zmq.SUB, self.peer),
                Subscribe("in", b""),
            ]
            self.expiry = now + 4 * self.interval
        return [*opens, *self.become(self.state, now)]

    def receive(self, socket, frames, now):
        heard = now < self.expiry
        match socket, frames:
            case "in", [word] if word in WORDS:
                self.expiry = now + 2 * self.interval
                return self.step(word, now)
            case "clients", [client, b"", b"RESIGN"] if self.state == ACTIVE:
                reply = Send("clients", [client, b"", b"OK" if heard else b"NO"])
                return [reply, *self.become(RESIGNED, now)] if heard else [reply]
            case "clients", [client, b"", body] if body and body != b"RESIGN":
                effects = [] if heard else self.step(VOTE, now)
                if self.state == ACTIVE:
                    effects.append(Send("clients", [client, b"", body.upper()]))
                return effects
        return []

    def step(self, event, now):
        after = TABLE[self.state].get(event, self.state)
        return self.become(after, now) if after != self.state else []

    def become(self, state, now):
        self.state, self.deadline = state, now + self.interval
        return [Send("out", [state])]


def server(ctx, endpoint, mine, peer, first, interval, shell):
    shell(ctx, Star(endpoint, mine, peer, first, interval))
