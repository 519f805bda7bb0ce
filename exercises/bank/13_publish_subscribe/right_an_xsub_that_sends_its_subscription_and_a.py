# SPDX-License-Identifier: BSD-3-Clause
# Passed: an XSUB that sends its subscription, and a pattern.

import re
import statistics

import zmq


def average(ctx, endpoint, line, count):
    report = re.compile(re.escape(line) + rb" (-?[0-9]+)")
    sub = ctx.socket(zmq.XSUB)
    try:
        sub.connect(endpoint)
        sub.send(b"\x01" + line + b" ")
        known = (report.fullmatch(b"|".join(sub.recv_multipart())) for _ in iter(int, 1))
        minutes = (int(match[1]) for match in known if match)
        return statistics.mean(next(minutes) for _ in range(count))
    finally:
        sub.close(linger=0)
