# SPDX-License-Identifier: BSD-3-Clause
# Passed: a queue of what is on its way, frame by frame.

import collections
import json

import zmq


def film(ctx, endpoint, buffers, count, patience):
    free, busy = list(buffers), collections.deque()

    def back():
        buffer, tracker = busy.popleft()
        try:
            tracker.wait(timeout=patience)
        except zmq.NotDone as error:
            raise TimeoutError("the viewer is too slow") from error
        free.append(buffer)

    push = ctx.socket(zmq.PUSH)
    try:
        push.connect(endpoint)
        for number in range(count):
            if not free:
                back()
            buffer = free.pop()
            buffer[...] = number
            push.send_json({"order": "C", "shape": list(buffer.shape), "dtype": str(buffer.dtype)}, zmq.SNDMORE)
            busy.append((buffer, push.send(buffer, copy=False, track=True)))
        while busy:
            back()
    finally:
        push.close()
