# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a TCP connection was taken for a peer.

import math
import time

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = []
    for endpoint in endpoints:
        waiting = list(messages)
        with ctx.socket(zmq.PUSH) as push:
            push.sndhwm = room
            end = time.monotonic() + patience
            with push.get_monitor_socket(zmq.EVENT_CONNECTED) as monitor:
                push.connect(endpoint)
                there = monitor.poll(math.ceil(patience * 1000))
                push.disable_monitor()
            while there and waiting and push.poll(max(0, math.ceil((end - time.monotonic()) * 1000)), zmq.POLLOUT):
                push.send(waiting.pop(0))
        left.append(waiting)
    return left
