# SPDX-License-Identifier: BSD-3-Clause
# Not yet: frames were taken for messages.

import zmq


def desk(ctx, reports, news, sections, count):
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as xpub:
        xpub.linger = 1000
        pull.rcvhwm = xpub.sndhwm = 10000
        pull.bind(reports)
        xpub.bind(news)
        for section in sections:
            xpub.recv()
        for number in range(count):
            frames = [pull.recv(), pull.recv()]
            xpub.send_multipart([frames[0], str(number + 1).encode(), frames[1]])
