# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a frame of a longer message was taken for a report.

import re

import zmq


def average(ctx, endpoint, line, count):
    report = re.compile(re.escape(line) + rb" (-?[0-9]+)")
    minutes = []
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(line)
        sub.connect(endpoint)
        while len(minutes) < count:
            found = report.fullmatch(sub.recv())
            if found:
                minutes.append(int(found[1]))
    return sum(minutes) / len(minutes)
