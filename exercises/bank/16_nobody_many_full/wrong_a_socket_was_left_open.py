# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a socket was left open.

import math

sockets = []

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = []
    for endpoint in endpoints:
        waiting = list(messages)
        if push := ctx.socket(zmq.PUSH):
            sockets.append(push)
            push.immediate = 1
            push.sndhwm = room
            push.connect(endpoint)
            while waiting and push.poll(math.ceil(patience * 1000), zmq.POLLOUT):
                push.send(waiting.pop(0))
        left.append(waiting)
    return left
