# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it did not begin although everybody was there.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    with ctx.socket(zmq.XPUB) as xpub:
        xpub.bind(endpoint)
        count = 0
        while count < subscribers:
            count += xpub.recv() == b"\x01tea"
        for message in messages:
            xpub.send_multipart(message)
