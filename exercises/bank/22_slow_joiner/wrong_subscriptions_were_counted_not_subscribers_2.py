# SPDX-License-Identifier: BSD-3-Clause
# Not yet: subscriptions were counted, not subscribers.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    there = set()
    with ctx.socket(zmq.XPUB) as xpub:
        xpub.bind(endpoint)
        while len(there) < subscribers:
            said = xpub.recv()
            if said.startswith(b"\x01"):
                there.add(said[1:])
            elif said.startswith(b"\x00"):
                there.discard(said[1:])
        for message in messages:
            xpub.send_multipart(message)
