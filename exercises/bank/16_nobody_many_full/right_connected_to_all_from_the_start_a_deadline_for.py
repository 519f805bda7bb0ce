# SPDX-License-Identifier: BSD-3-Clause
# Passed: connected to all from the start, a deadline for each, and a try now and then.

import time

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    sockets, left = [], []
    for endpoint in endpoints:
        push = ctx.socket(zmq.PUSH)
        push.set(zmq.IMMEDIATE, 1)
        push.set_hwm(room)
        push.connect(endpoint)
        sockets.append(push)
    for push in sockets:
        count, end = 0, time.time() + patience
        while count < len(messages) and time.time() < end:
            try:
                push.send(messages[count], zmq.DONTWAIT)
                count += 1
            except zmq.Again:
                time.sleep(0.001)
        push.close()
        left.append(messages[count:])
    return tuple(left)
