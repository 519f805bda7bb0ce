# SPDX-License-Identifier: BSD-3-Clause
# Not yet: what waited for a slow subscriber was lost.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    there = set()
    with ctx.socket(zmq.XPUB) as xpub:
        xpub.bind(endpoint)
        while len(there) < subscribers:
            said = xpub.recv()
            if said.startswith(b"\x01ready."):
                there.add(said[1:])
            elif said.startswith(b"\x00ready."):
                there.discard(said[1:])
        for message in messages:
            xpub.send_multipart(message)
        xpub.linger = 0
