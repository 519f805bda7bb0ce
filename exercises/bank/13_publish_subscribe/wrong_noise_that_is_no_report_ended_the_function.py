# SPDX-License-Identifier: BSD-3-Clause
# Not yet: noise that is no report ended the function.

import zmq


def average(ctx, endpoint, line, count):
    minutes = []
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(line + b" ")
        sub.connect(endpoint)
        while len(minutes) < count:
            name, delay = sub.recv().split()
            minutes.append(int(delay))
    return sum(minutes) / count
