# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the numbers were not those of the reports.

import zmq


def desk(ctx, reports, news, sections, count):
    missing = set(sections)
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as xpub:
        pull.bind(reports)
        xpub.bind(news)
        while missing:
            missing.discard(xpub.recv()[1:])
        for number in range(count):
            section, *rest = pull.recv_multipart()
            xpub.send_multipart([section, b"%d" % number, *rest])
