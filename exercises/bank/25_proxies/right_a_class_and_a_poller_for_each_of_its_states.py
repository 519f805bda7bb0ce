# SPDX-License-Identifier: BSD-3-Clause
# Passed: a class, and a poller for each of its states.

from dataclasses import dataclass, field

import zmq


@dataclass
class Valve:
    open: bool = True
    passed: int = 0
    answers: dict[bytes, bytes] = field(default_factory=lambda: {b"PAUSE": b"paused", b"RESUME": b"running"})

    def obey(self, word: bytes) -> bytes:
        if word == b"COUNT":
            return b"%d" % self.passed
        if word not in self.answers:
            return b"what?"
        self.open = word == b"RESUME"
        return self.answers[word]


def watching(*sockets):
    poller = zmq.Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    return poller


def forwarder(ctx, publishers, subscribers, control):
    valve = Valve()
    with ctx.socket(zmq.XSUB) as front, ctx.socket(zmq.XPUB) as back, ctx.socket(zmq.REP) as rep:
        front.setsockopt(zmq.RCVHWM, 100_000)
        back.setsockopt(zmq.SNDHWM, 100_000)
        for socket, where in zip((front, back, rep), (publishers, subscribers, control), strict=True):
            socket.bind(where)
        everything, the_rest = watching(front, back, rep), watching(back, rep)
        while True:
            try:
                for socket, _ in (everything if valve.open else the_rest).poll():
                    if socket is rep:
                        rep.send(valve.obey(rep.recv()))
                    elif socket is back:
                        front.send_multipart(back.recv_multipart())
                    elif valve.open:
                        back.send_multipart(front.recv_multipart())
                        valve.passed += 1
            except zmq.ContextTerminated:
                return
