# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a subscriber that had left was still counted.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    there = set()
    with ctx.socket(zmq.XPUB) as xpub:
        xpub.bind(endpoint)
        while len(there) < subscribers:
            said = xpub.recv()
            if said.startswith(b"\x01ready."):
                there.add(said[1:])
        for message in messages:
            xpub.send_multipart(message)
