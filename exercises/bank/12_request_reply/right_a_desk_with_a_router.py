# SPDX-License-Identifier: BSD-3-Clause
# Passed: a dataclass around a ROUTER.

from collections.abc import Callable
from dataclasses import dataclass

import zmq


@dataclass
class Desk:
    socket: zmq.Socket
    work: Callable[[bytes], bytes]

    def once(self) -> None:
        frames = self.socket.recv_multipart()
        if b"" not in frames[1:]:
            return  # not from a REQ
        cut = frames.index(b"", 1) + 1
        envelope, body = frames[:cut], frames[cut:]
        if len(body) != 1:
            reply = [b"ERROR", b"a request has one frame"]
        else:
            try:
                reply = [b"OK", self.work(body[0])]
            except ValueError as error:
                reply = [b"ERROR", str(error).encode("utf-8", "backslashreplace")]
        self.socket.send_multipart(envelope + reply)


def server(ctx, endpoint, work):
    with ctx.socket(zmq.ROUTER) as socket:
        socket.sndhwm = socket.rcvhwm = 0
        socket.bind(endpoint)
        desk = Desk(socket, work)
        while True:
            desk.once()
