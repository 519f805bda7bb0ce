# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a socket was left open.

import zmq

kept = []


def average(ctx, endpoint, line, count):
    sub = ctx.socket(zmq.SUB)
    kept.append(sub)
    sub.subscribe(line + b" ")
    sub.connect(endpoint)
    minutes = []
    while len(minutes) < count:
        try:
            minutes.append(int(sub.recv().split(b" ", 1)[1]))
        except ValueError:
            pass
    return sum(minutes) / count
