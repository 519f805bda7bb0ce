# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it did not return when the last report was sent.

import zmq


def desk(ctx, reports, news, sections, count):
    missing = set(sections)
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as xpub:
        pull.bind(reports)
        xpub.bind(news)
        while missing:
            missing.discard(xpub.recv()[1:])
        for number in range(1, count + 2):
            section, *rest = pull.recv_multipart()
            xpub.send_multipart([section, b"%d" % number, *rest])
