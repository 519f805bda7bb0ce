# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it came and went for every report.

import zmq


def average(ctx, endpoint, line, count):
    return sum(one(ctx, endpoint, line + b" ") for _ in range(count)) / count


def one(ctx, endpoint, beginning):
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(beginning)
        sub.connect(endpoint)
        while True:
            try:
                return int(sub.recv().removeprefix(beginning))
            except ValueError:
                pass
