# SPDX-License-Identifier: BSD-3-Clause
# Not yet: what only looks like a report was counted.
# A dollar sign fits before a line feed at the end.

import re

import zmq


def average(ctx, endpoint, line, count):
    report = re.compile(re.escape(line) + rb" (-?[0-9]+)$")
    minutes = []
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(line)
        sub.connect(endpoint)
        while len(minutes) < count:
            frames = sub.recv_multipart()
            if len(frames) == 1 and (found := report.match(frames[0])):
                minutes.append(int(found[1]))
    return sum(minutes) / count
