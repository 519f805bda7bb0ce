# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it published before anybody had subscribed.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    with ctx.socket(zmq.XPUB) as xpub:
        xpub.bind(endpoint)
        there = 0
        while there < subscribers and xpub.poll(50):
            there += xpub.recv().startswith(b"\x01ready.")
        for message in messages:
            xpub.send_multipart(message)
