# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it raised instead of giving back what was not taken.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    for endpoint in endpoints:
        with ctx.socket(zmq.PUSH) as push:
            push.immediate, push.sndhwm, push.sndtimeo = 1, room, round(patience * 1000)
            push.connect(endpoint)
            for message in messages:
                push.send(message)
    return [[] for _ in endpoints]
