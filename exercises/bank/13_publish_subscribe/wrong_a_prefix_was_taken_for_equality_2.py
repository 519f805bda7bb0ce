# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a prefix was taken for equality.

from patterns.publish_subscribe import subscriber


def average(ctx, endpoint, line, count):
    reports = subscriber(ctx, line, endpoint=endpoint, count=count)
    return sum(int(report.split()[-1]) for report in reports) / count
