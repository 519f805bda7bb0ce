# SPDX-License-Identifier: BSD-3-Clause
# Not yet: subscriptions were counted, not subscribers.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    with ctx.socket(zmq.XPUB) as xpub:
        xpub.bind(endpoint)
        for _ in range(subscribers):
            xpub.recv()
        for message in messages:
            xpub.send_multipart(message)
