# SPDX-License-Identifier: BSD-3-Clause
# Not yet: noise was counted among the reports.

import zmq


def average(ctx, endpoint, line, count):
    beginning = line + b" "
    minutes = []
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(beginning)
        sub.connect(endpoint)
        for _ in range(count):
            report = sub.recv()
            try:
                minutes.append(int(report.removeprefix(beginning)))
            except ValueError:
                pass
    return sum(minutes) / len(minutes)
