# SPDX-License-Identifier: BSD-3-Clause
# Not yet: subscribers were sent something other than the messages.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    there = set()
    with ctx.socket(zmq.XPUB) as xpub:
        xpub.bind(endpoint)
        while len(there) < subscribers:
            said = xpub.recv()
            if said.startswith(b"\x01ready."):
                there.add(said[1:])
                xpub.send_multipart([said[1:], b"WELCOME"])
            elif said.startswith(b"\x00ready."):
                there.discard(said[1:])
        for message in messages:
            xpub.send_multipart(message)
