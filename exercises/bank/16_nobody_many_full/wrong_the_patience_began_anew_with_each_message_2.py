# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the patience began anew with each message.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = []
    for endpoint in endpoints:
        with ctx.socket(zmq.PUSH) as push:
            push.setsockopt(zmq.SNDHWM, room)
            push.setsockopt(zmq.IMMEDIATE, 1)
            push.setsockopt(zmq.SNDTIMEO, int(patience * 1000))
            push.connect(endpoint)
            lost = []
            for message in messages:
                try:
                    push.send(message)
                except zmq.Again:
                    lost.append(message)
            left.append(lost)
    return left
