# SPDX-License-Identifier: BSD-3-Clause
# Passed: a dataclass, a poller and NOBLOCK.

from dataclasses import dataclass, field

import zmq


@dataclass
class Desk:
    keys: frozenset
    queue: list = field(default_factory=list)
    newest: dict = field(default_factory=dict)

    def put(self, frames):
        if len(frames) != 3 or frames[0] not in self.keys:
            return
        if frames[0] not in self.queue:
            self.queue.append(frames[0])
        self.newest[frames[0]] = frames

    def take(self):
        return self.newest[self.queue.pop(0)]


def drain(sub, desk):
    while True:
        try:
            desk.put(sub.recv_multipart(zmq.NOBLOCK))
        except zmq.Again:
            return


def show(ctx, endpoint, keys, panel):
    desk = Desk(frozenset(keys))
    sub, req = ctx.socket(zmq.SUB), ctx.socket(zmq.REQ)
    try:
        sub.connect(endpoint)
        sub.subscribe(b"")
        req.connect(panel)
        poller = zmq.Poller()
        poller.register(sub, zmq.POLLIN)
        reply = b"NEXT"
        while reply != b"STOP":
            drain(sub, desk)
            if not desk.queue:
                poller.poll()
                continue
            req.send_multipart(desk.take())
            reply = req.recv()
    finally:
        sub.close()
        req.close()
