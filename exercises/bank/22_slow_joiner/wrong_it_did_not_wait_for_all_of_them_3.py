# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it did not wait for all of them.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    there = set()
    with ctx.socket(zmq.XPUB) as xpub:
        xpub.bind(endpoint)
        while len(there) < subscribers:
            said = xpub.recv()
            if said.startswith(b"\x01ready."):
                there.add(said)
                for message in messages:
                    xpub.send_multipart(message)
