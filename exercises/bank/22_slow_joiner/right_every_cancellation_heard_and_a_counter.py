# SPDX-License-Identifier: BSD-3-Clause
# Passed: every cancellation heard, and a Counter.

from collections import Counter

import zmq


class Hall:
    def __init__(self, socket: zmq.Socket) -> None:
        self.socket = socket
        self.names: Counter[bytes] = Counter()

    def hear(self) -> None:
        frame = self.socket.recv(copy=False).bytes
        match frame[0], frame[1:7], frame[7:]:
            case 1, b"ready.", name:
                self.names[name] += 1
            case 0, b"ready.", name:
                self.names[name] -= 1

    def full(self, wanted: int) -> bool:
        return sum(n > 0 for n in self.names.values()) >= wanted


def publish(ctx: zmq.Context, messages, endpoint: str, subscribers: int) -> None:
    pub = ctx.socket(zmq.XPUB)
    try:
        pub.setsockopt(zmq.XPUB_VERBOSER, 1)
        pub.setsockopt(zmq.SNDHWM, 0)
        pub.setsockopt(zmq.RCVHWM, 0)
        pub.bind(endpoint)
        hall = Hall(pub)
        poller = zmq.Poller()
        poller.register(pub, zmq.POLLIN)
        while not hall.full(subscribers) or poller.poll(0):
            poller.poll()
            hall.hear()
        for topic, text in messages:
            pub.send(topic, zmq.SNDMORE)
            pub.send(text)
    finally:
        pub.close()
