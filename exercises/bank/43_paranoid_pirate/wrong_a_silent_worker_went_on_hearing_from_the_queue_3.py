# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a silent worker went on hearing from the queue.
# It says that it lives before it looks who is to hear that.

import zmq

from patterns.shell import AT_ONCE, Open, Send


class Peer:
    def __init__(self, over):
        self.over, self.owes = over, None  # owes: None while it is idle


class Queue2:
    def __init__(self, frontend, backend, interval, liveness):
        self.ends = {"workers": backend, "clients": frontend}
        self.interval, self.patience = interval, interval * liveness
        self.known = {}  # the idle in the order in which they became so, the busy among them
        self.requests, self.deadline = [], AT_ONCE

    def to(self, name, kind, *rest):
        return Send("workers", [name, b"PPP2", bytes([kind]), *rest])

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects = [Open(name, zmq.ROUTER, end, bind=True) for name, end in self.ends.items()]
        effects += [self.to(name, 2) for name in self.known]
        self.purge(now)
        self.deadline = now + self.interval / 2
        return effects

    def purge(self, now):
        for name in [name for name, peer in self.known.items() if peer.over <= now]:
            del self.known[name]

    def receive(self, socket, frames, now):
        effects = []
        if socket == "clients":
            if b"" in frames[1:-1]:
                self.requests.append(frames)
        else:
            effects = self.heard(frames[0], frames[1:], now)
        self.purge(now)
        for name in [name for name, peer in self.known.items() if peer.owes is None]:
            if self.requests:
                request = self.requests.pop(0)
                self.known[name].owes = request[: request.index(b"", 1) + 1]
                effects.append(self.to(name, 3, *request))
        return effects

    def heard(self, name, said, now):
        peer = self.known.get(name)
        if said == [b"PPP2", b"\x01"]:
            if peer is None or peer.owes is not None:
                self.known.pop(name, None)
                self.known[name] = Peer(now + self.patience)
            self.known[name].over = now + self.patience
            return []
        if peer and said == [b"PPP2", b"\x02"]:
            peer.over = now + self.patience
            return []
        if peer and peer.owes and said[:2] == [b"PPP2", b"\x04"]:
            count, reply = len(peer.owes), said[2:]
            if reply[:count] == peer.owes and len(reply) > count:
                del self.known[name]
                self.known[name] = Peer(now + self.patience)
                return [Send("clients", reply)]
        self.known.pop(name, None)
        return [self.to(name, 5)]


def queue(ctx, frontend, backend, interval, liveness, shell):
    shell(ctx, Queue2(frontend, backend, interval, liveness))
