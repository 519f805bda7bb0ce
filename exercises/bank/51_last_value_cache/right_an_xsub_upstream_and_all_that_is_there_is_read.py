# SPDX-License-Identifier: BSD-3-Clause
# Passed: an XSUB upstream, and all that is there is read at once.

import zmq


def cache(ctx, upstream, downstream):
    last = {}
    with ctx.socket(zmq.XSUB) as xsub, ctx.socket(zmq.XPUB) as xpub:
        xpub.xpub_verbose = 1
        xpub.sndhwm = 0
        xpub.bind(downstream)
        xsub.connect(upstream)
        xsub.send(b"\x01")
        poller = zmq.Poller()
        poller.register(xpub, zmq.POLLIN)
        poller.register(xsub, zmq.POLLIN)
        while True:
            poller.poll()
            while xsub.poll(0):
                message = xsub.recv_multipart()
                if len(message) != 2:
                    continue
                topic, value = message
                last = {name: old for name, old in last.items() if name != topic}
                if value != b"":
                    last[topic] = value
                xpub.send_multipart(message)
            while xpub.poll(0):
                kind, prefix = (said := xpub.recv())[:1], said[1:]
                if kind == b"\x01":
                    for item in [item for item in last.items() if item[0].startswith(prefix)]:
                        xpub.send_multipart(item)
