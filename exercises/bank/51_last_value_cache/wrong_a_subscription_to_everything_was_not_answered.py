# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a subscription to everything was not answered.

import zmq


def cache(ctx, upstream, downstream):
    last = {}
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.XPUB) as xpub:
        xpub.xpub_verbose = True
        xpub.bind(downstream)
        sub.subscribe(b"")
        sub.connect(upstream)
        poller = zmq.Poller()
        poller.register(sub, zmq.POLLIN)
        poller.register(xpub, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if sub in ready:
                match sub.recv_multipart():
                    case [topic, value]:
                        last[topic] = value
                        if not value:
                            del last[topic]
                        xpub.send_multipart([topic, value])
            if xpub in ready:
                event = xpub.recv()
                if event[:1] == b"\x01" and event[1:]:
                    for topic, value in last.items():
                        if topic.startswith(event[1:]):
                            xpub.send_multipart([topic, value])
