# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the subscription fitted no report.

import zmq


def average(ctx, endpoint, line, count):
    beginning = line + b"\0"
    minutes = []
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(beginning)
        sub.connect(endpoint)
        while len(minutes) < count:
            report = sub.recv()
            try:
                minutes.append(int(report.removeprefix(beginning)))
            except ValueError:
                pass
    return sum(minutes) / count
