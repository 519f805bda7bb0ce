# SPDX-License-Identifier: BSD-3-Clause
# Not yet: of two equal messages one was forgotten.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = []
    for endpoint in endpoints:
        taken = set()
        with ctx.socket(zmq.PUSH) as push:
            push.sndhwm = room
            push.immediate = 1
            push.sndtimeo = int(patience * 1000)
            push.connect(endpoint)
            for message in messages:
                try:
                    push.send(message)
                except zmq.Again:
                    break
                taken.add(message)
        left.append([message for message in messages if message not in taken])
    return left
