# SPDX-License-Identifier: BSD-3-Clause
# Not yet: something else was returned than a list for each endpoint.

import contextlib
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
            while waiting and push.poll(math.ceil(patience * 1000), zmq.POLLOUT):
                with contextlib.suppress(zmq.Again):  # who was there has just gone
                    push.send(waiting[0], zmq.DONTWAIT)
                    waiting.pop(0)
        left.append(waiting)
