# SPDX-License-Identifier: BSD-3-Clause
# Not yet: reports that came early were thrown away.

import zmq


def desk(ctx, reports, news, sections, count):
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as pub:
        pub.sndhwm = 0
        pull.bind(reports)
        pub.bind(news)
        poller = zmq.Poller()
        poller.register(pull, zmq.POLLIN)
        poller.register(pub, zmq.POLLIN)
        missing = set(sections)
        number = 0
        while number < count:
            ready = dict(poller.poll())
            if pub in ready:
                event = pub.recv()
                if event[:1] == b"\x01":
                    missing.discard(event[1:])
            if pull in ready:
                section, *rest = pull.recv_multipart()
                number += 1
                if not missing:
                    pub.send_multipart([section, b"%d" % number, *rest])
