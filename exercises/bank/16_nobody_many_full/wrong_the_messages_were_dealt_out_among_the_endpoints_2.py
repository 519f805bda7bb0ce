# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the messages were dealt out among the endpoints.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    with ctx.socket(zmq.PUSH) as push:
        push.immediate, push.sndhwm = 1, room
        for endpoint in endpoints:
            push.connect(endpoint)
        rest = list(messages)
        while rest and push.poll(patience * 1000, zmq.POLLOUT):
            message = rest.pop(0)
            for _ in endpoints:
                push.send(message)
    return [rest for _ in endpoints]
