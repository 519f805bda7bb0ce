# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a socket was left open.

import zmq

kept = {}


def desk(ctx, reports, news, sections, count):
    missing = set(sections)
    with ctx.socket(zmq.XPUB) as xpub:
        pull = kept[0] = ctx.socket(zmq.PULL)
        pull.bind(reports)
        xpub.bind(news)
        while missing:
            missing.discard(xpub.recv()[1:])
        for number in range(1, count + 1):
            section, *rest = pull.recv_multipart()
            xpub.send_multipart([section, b"%d" % number, *rest])
