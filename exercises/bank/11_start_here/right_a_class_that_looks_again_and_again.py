# SPDX-License-Identifier: BSD-3-Clause
# Passed: a class that looks again and again.

from __future__ import annotations

import time

import zmq


class Box:
    def __init__(self, ctx: zmq.Context, endpoint: str) -> None:
        self.ctx, self.endpoint = ctx, endpoint
        self.socket: zmq.Socket | None = None

    def __enter__(self) -> Box:
        self.socket = self.ctx.socket(zmq.PULL)
        try:
            self.socket.bind(self.endpoint)
        except BaseException:
            self.socket.close()
            raise
        return self

    def __exit__(self, *error) -> None:
        self.socket.close(linger=0)

    def first(self, seconds: float) -> str | None:
        end = time.monotonic() + seconds
        while True:
            try:
                frame = self.socket.recv(zmq.NOBLOCK, copy=False)
                return str(frame.buffer, "utf-8")
            except zmq.Again:
                pass
            left = end - time.monotonic()
            if left <= 0:
                return None
            zmq.select([self.socket], [], [], left)


def take(ctx: zmq.Context, endpoint: str, seconds: float) -> str | None:
    with Box(ctx, endpoint) as box:
        return box.first(seconds)
