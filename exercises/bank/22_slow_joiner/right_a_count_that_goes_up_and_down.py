# SPDX-License-Identifier: BSD-3-Clause
# Passed: a count that goes up and down.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    with ctx.socket(zmq.XPUB) as xpub:
        xpub.setsockopt(zmq.XPUB_VERBOSE, 1)
        xpub.bind(endpoint)
        missing = subscribers
        while missing:
            what, topic = (said := xpub.recv())[0], said[1:]
            if topic.startswith(b"ready."):
                missing -= 1 if what else -1
        while messages:
            xpub.send_multipart(messages.pop(0))
