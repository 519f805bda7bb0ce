# SPDX-License-Identifier: BSD-3-Clause
# Not yet: one that was not there kept the others from theirs.

import math
import time

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = []
    end = time.monotonic() + patience
    for endpoint in endpoints:
        waiting = list(messages)
        with ctx.socket(zmq.PUSH) as push:
            push.immediate = 1
            push.sndhwm = room
            push.connect(endpoint)
            while waiting and push.poll(max(0, math.ceil((end - time.monotonic()) * 1000)), zmq.POLLOUT):
                push.send(waiting.pop(0))
        left.append(waiting)
    return left
