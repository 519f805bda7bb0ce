# SPDX-License-Identifier: BSD-3-Clause
# Passed: by the times at which a peer was heard and asked.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send


class Peer:
    def __init__(self):
        self.heard, self.asked, self.pings = 0.0, 0.0, 0


class Watcher:
    def __init__(self, endpoint, interval, liveness):
        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness
        self.peers, self.deadline = {}, AT_ONCE

    def due(self, peer):
        return max(peer.heard, peer.asked) + self.interval

    def tick(self, now):
        if self.deadline == AT_ONCE:
            yield Open("peers", zmq.ROUTER, self.endpoint, bind=True)
        for name in sorted(self.peers):
            peer = self.peers[name]
            if self.due(peer) > now:
                continue
            if peer.pings == self.liveness:
                self.peers.pop(name)
                yield Result((name, "gone"))
            else:
                peer.pings, peer.asked = peer.pings + 1, now
                yield Send("peers", [name, b"PING"])
        self.deadline = min(map(self.due, self.peers.values()), default=NEVER)

    def receive(self, socket, frames, now):
        if frames[0] not in self.peers:
            self.peers[frames[0]] = Peer()
            yield Result((frames[0], "alive"))
        peer = self.peers[frames[0]]
        peer.heard, peer.pings = now, 0
        self.deadline = min(map(self.due, self.peers.values()))


def watcher(ctx, endpoint, interval, liveness, shell):
    shell(ctx, Watcher(endpoint, interval, liveness))
