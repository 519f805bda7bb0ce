# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a prefix was taken for equality.

import zmq


def average(ctx, endpoint, line, count):
    beginning = line + b" "
    minutes = []
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(line)
        sub.connect(endpoint)
        while len(minutes) < count:
            report = sub.recv()
            try:
                minutes.append(int(report[len(line) :]))
            except ValueError:
                pass
    return sum(minutes) / count
