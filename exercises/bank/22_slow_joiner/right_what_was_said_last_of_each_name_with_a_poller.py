# SPDX-License-Identifier: BSD-3-Clause
# Passed: what was said last of each name, with a poller.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    xpub = ctx.socket(zmq.XPUB)
    try:
        xpub.bind(endpoint)
        poller = zmq.Poller()
        poller.register(xpub, zmq.POLLIN)
        last = {}
        while sum(last.values()) < subscribers:
            if poller.poll(100):
                said = xpub.recv()
                if said[1:7] == b"ready.":
                    last[said[7:]] = said[0]
        for topic, text in messages:
            xpub.send(topic, zmq.SNDMORE)
            xpub.send(text)
    finally:
        xpub.close()
