# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the patience began anew with each message.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = []
    for endpoint in endpoints:
        left.append([])
        with ctx.socket(zmq.PUSH) as push:
            push.immediate, push.sndhwm, push.sndtimeo = 1, room, round(patience * 1000)
            push.connect(endpoint)
            for message in messages:
                try:
                    push.send(message)
                except zmq.Again:
                    left[-1].append(message)
    return left
