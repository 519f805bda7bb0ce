# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it bound where it had to connect.

import zmq


def average(ctx, endpoint, line, count):
    beginning = line + b" "
    minutes = []
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(beginning)
        sub.bind(endpoint)
        while len(minutes) < count:
            report = sub.recv()
            try:
                minutes.append(int(report.removeprefix(beginning)))
            except ValueError:
                pass
    return sum(minutes) / count
