# SPDX-License-Identifier: BSD-3-Clause
# Not yet: what only looks like a report was counted.
# For int, +4 and 1_0 are numbers, with spaces around them, too.

import zmq


def average(ctx, endpoint, line, count):
    minutes = []
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(line + b" ")
        sub.connect(endpoint)
        while len(minutes) < count:
            frames = sub.recv_multipart()
            if len(frames) != 1:
                continue
            try:
                minutes.append(int(frames[0][len(line) + 1 :]))
            except ValueError:
                pass
    return sum(minutes) / count
