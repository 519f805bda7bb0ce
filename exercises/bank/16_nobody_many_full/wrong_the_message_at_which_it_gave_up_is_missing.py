# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the message at which it gave up is missing.

import math
import time

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = []
    for endpoint in endpoints:
        waiting = list(messages)
        with ctx.socket(zmq.PUSH) as push:
            push.immediate, push.sndhwm = 1, room
            push.connect(endpoint)
            end = time.monotonic() + patience
            try:
                while waiting:
                    push.sndtimeo = max(0, math.ceil((end - time.monotonic()) * 1000))
                    push.send(waiting.pop(0))
            except zmq.Again:
                pass
        left.append(waiting)
    return left
