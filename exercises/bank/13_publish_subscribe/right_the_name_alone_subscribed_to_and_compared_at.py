# SPDX-License-Identifier: BSD-3-Clause
# Passed: the name alone subscribed to, and compared at home.

import zmq


def average(ctx, endpoint, line, count):
    found = 0
    total = 0
    with zmq.Context.shadow(ctx.underlying).socket(zmq.SUB) as sub:
        sub.connect(endpoint)
        sub.subscribe(line)
        while found < count:
            frame, *more = sub.recv_multipart()
            name, space, delay = frame.partition(b" ")
            if not more and name == line and delay.removeprefix(b"-").isdigit():
                total += int(delay)
                found += 1
    return total / count
