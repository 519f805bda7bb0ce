# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it gave up before all reports had come.

import zmq


def average(ctx, endpoint, line, count):
    beginning = line + b" "
    minutes = []
    with ctx.socket(zmq.SUB) as sub:
        sub.rcvtimeo = 100
        sub.subscribe(beginning)
        sub.connect(endpoint)
        while len(minutes) < count:
            report = sub.recv()
            try:
                minutes.append(int(report.removeprefix(beginning)))
            except ValueError:
                pass
    return sum(minutes) / count
