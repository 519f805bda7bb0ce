# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it did not give up after its patience.

import math

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = []
    for endpoint in endpoints:
        waiting = list(messages)
        with ctx.socket(zmq.PUSH) as push:
            push.immediate = 1
            push.sndhwm = room
            push.connect(endpoint)
            while waiting:
                push.send(waiting.pop(0))
        left.append(waiting)
    return left
