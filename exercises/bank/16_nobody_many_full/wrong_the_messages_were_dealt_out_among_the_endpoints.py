# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the messages were dealt out among the endpoints.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = [[] for _ in endpoints]
    with ctx.socket(zmq.PUSH) as push:
        push.immediate, push.sndhwm, push.sndtimeo = 1, room, round(patience * 1000)
        for endpoint in endpoints:
            push.connect(endpoint)
        for number, message in enumerate(messages):
            try:
                push.send(message)
            except zmq.Again:
                for rest in left:
                    rest.append(message)
    return left
