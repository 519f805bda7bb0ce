# SPDX-License-Identifier: BSD-3-Clause
# Passed: SNDTIMEO, shorter with each message.

import math
import time

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    return [give(ctx, list(messages), endpoint, room, patience) for endpoint in endpoints]


def give(ctx, rest, endpoint, room, patience):
    push = ctx.socket(zmq.PUSH)
    push.setsockopt(zmq.IMMEDIATE, 1)
    push.setsockopt(zmq.SNDHWM, room)
    try:
        push.connect(endpoint)
        until = time.monotonic() + patience
        while rest:
            push.sndtimeo = max(0, math.ceil(1000 * (until - time.monotonic())))
            push.send(rest[0])
            del rest[0]
    except zmq.Again:
        pass
    finally:
        push.close()
    return rest
