# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the first endpoint used up the messages of the others.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = []
    for endpoint in endpoints:
        with ctx.socket(zmq.PUSH) as push:
            push.immediate, push.sndhwm = 1, room
            push.connect(endpoint)
            while messages and push.poll(round(patience * 1000), zmq.POLLOUT):
                push.send(messages.pop(0))
        left.append(messages)
    return left
