# SPDX-License-Identifier: BSD-3-Clause
# Not yet: what was kept for nobody counted as taken.

import math

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = []
    for endpoint in endpoints:
        waiting = list(messages)
        with ctx.socket(zmq.PUSH) as push:
            push.sndhwm = room
            push.connect(endpoint)
            push.immediate = 1
            while waiting and push.poll(math.ceil(patience * 1000), zmq.POLLOUT):
                push.send(waiting.pop(0))
        left.append(waiting)
    return left
