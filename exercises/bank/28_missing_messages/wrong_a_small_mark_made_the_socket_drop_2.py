# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a small mark made the socket drop.
# Of 500 reports, 400 may wait.

import zmq


def desk(ctx, reports, news, sections, count):
    missing = set(sections)
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as xpub:
        xpub.sndhwm = 400
        pull.bind(reports)
        xpub.bind(news)
        while missing:
            missing.discard(xpub.recv()[1:])
        for number in range(1, count + 1):
            section, *rest = pull.recv_multipart()
            xpub.send_multipart([section, b"%d" % number, *rest])
