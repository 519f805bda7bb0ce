# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the numbers were not those of the reports.

import zmq


def desk(ctx, reports, news, sections, count):
    missing, numbers = set(sections), dict.fromkeys(sections, 0)
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as xpub:
        pull.bind(reports)
        xpub.bind(news)
        while missing:
            missing.discard(xpub.recv()[1:])
        for number in range(1, count + 1):
            section, *rest = pull.recv_multipart()
            numbers[section] += 1
            xpub.send_multipart([section, b"%d" % numbers[section], *rest])
