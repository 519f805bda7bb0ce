# SPDX-License-Identifier: BSD-3-Clause
# Not yet: NotDone reached the caller.

import json
import time

import zmq


class Reel:
    """The buffers, and who of them is on its way."""

    def __init__(self, buffers, patience):
        self.patience = patience
        self.ways = [[buffer, None] for buffer in buffers]

    def wait(self, enough):
        end = time.monotonic() + self.patience
        while True:
            free = [way for way in self.ways if way[1] is None or way[1].done]
            if enough(free):
                return free
            if time.monotonic() >= end:
                raise TimeoutError("a buffer is not free")
            time.sleep(0.001)

    def one(self):
        return self.wait(lambda free: free)[0]

    def all(self):
        end = time.monotonic() + self.patience
        for _, tracker in self.ways:
            if tracker is not None:
                tracker.wait(max(0, end - time.monotonic()))


def film(ctx, endpoint, buffers, count, patience):
    with ctx.socket(zmq.PUSH) as push:
        push.linger = 0  # when we leave without TimeoutError, nothing is on its way
        push.sndhwm = 0
        push.connect(endpoint)
        reel = Reel(buffers, patience)
        for number in range(count):
            way = reel.one()
            buffer = way[0]
            buffer[:] = number
            header = {"dtype": buffer.dtype.str, "shape": list(buffer.shape), "order": "C"}
            push.send(json.dumps(header).encode(), zmq.SNDMORE)
            way[1] = push.send(buffer, copy=False, track=True)
        reel.all()
