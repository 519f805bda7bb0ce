# SPDX-License-Identifier: BSD-3-Clause
# Not yet: more messages waited than there was room for.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = []
    for endpoint in endpoints:
        with ctx.socket(zmq.PUSH) as push:
            push.immediate = 1
            push.connect(endpoint)
            push.sndhwm = room
            taken = 0
            for message in messages:
                if not push.poll(int(patience * 1000), zmq.POLLOUT):
                    break
                push.send(message)
                taken += 1
            left.append(messages[taken:])
    return left
