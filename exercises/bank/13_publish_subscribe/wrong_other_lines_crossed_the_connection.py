# SPDX-License-Identifier: BSD-3-Clause
# Not yet: other lines crossed the connection.

import zmq


def average(ctx, endpoint, line, count):
    minutes = []
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(b"")
        sub.connect(endpoint)
        while len(minutes) < count:
            name, _, delay = sub.recv().partition(b" ")
            if name == line and delay.lstrip(b"-").isdigit():
                minutes.append(int(delay))
    return sum(minutes) / count
