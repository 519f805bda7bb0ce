# SPDX-License-Identifier: BSD-3-Clause
# Not yet: noise that is no report ended the function.

import zmq


def average(ctx, endpoint, line, count):
    total = taken = 0
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(line + b" ")
        sub.connect(endpoint)
        while taken < count:
            frames = sub.recv_multipart()
            if len(frames) > 1:
                continue
            delay = frames[0][len(line) + 1 :]
            if delay.lstrip(b"-").isdigit():
                total += int(delay)
                taken += 1
    return total / taken
