# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it began when only some of the readers were there.
# A second of silence is taken for a sign.

import time

import zmq


def desk(ctx, reports, news, sections, count):
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as pub:
        pub.sndhwm = 0
        pull.bind(reports)
        pub.bind(news)
        missing = set(sections)
        while missing and pub.poll(1000):
            event = pub.recv()
            if event[:1] == b"\x01":
                missing.discard(event[1:])
        for number in range(1, count + 1):
            section, *rest = pull.recv_multipart()
            pub.send_multipart([section, b"%d" % number, *rest])
