# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a subscriber that had left was still counted.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    with ctx.socket(zmq.XPUB) as xpub:
        xpub.bind(endpoint)
        count = 0
        while count < subscribers:
            if xpub.recv()[1:].startswith(b"ready."):
                count += 1
        for message in messages:
            xpub.send_multipart(message)
