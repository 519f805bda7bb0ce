# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a pause took the place of the subscriptions.

import time

import zmq


def desk(ctx, reports, news, sections, count):
    missing = set(sections)
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as xpub:
        pull.bind(reports)
        xpub.bind(news)
        time.sleep(1.5)
        for number in range(1, count + 1):
            section, *rest = pull.recv_multipart()
            xpub.send_multipart([section, b"%d" % number, *rest])
