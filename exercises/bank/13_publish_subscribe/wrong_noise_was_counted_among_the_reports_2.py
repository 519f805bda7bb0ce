# SPDX-License-Identifier: BSD-3-Clause
# Not yet: noise was counted among the reports.

import zmq


def average(ctx, endpoint, line, count):
    total = taken = 0
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(line)
        sub.connect(endpoint)
        while taken < count:
            words = sub.recv().split()
            if words[0] == line:
                total += int(words[1])
            taken += 1
    return total / count
