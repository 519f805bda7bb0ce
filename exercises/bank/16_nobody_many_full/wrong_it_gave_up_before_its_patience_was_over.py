# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it gave up before its patience was over.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = []
    for endpoint in endpoints:
        left.append([])
        with ctx.socket(zmq.PUSH) as push:
            push.immediate, push.sndhwm = 1, room
            push.connect(endpoint)
            for message in messages:
                try:
                    push.send(message, zmq.DONTWAIT)
                except zmq.Again:
                    left[-1].append(message)
    return left
