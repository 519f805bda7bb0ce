# SPDX-License-Identifier: BSD-3-Clause
# Not yet: what waited for a slow subscriber was lost.
# Ten messages may wait.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    pub = ctx.socket(zmq.XPUB)
    try:
        pub.sndhwm = 10
        pub.bind(endpoint)
        there = set()
        while len(there) < subscribers:
            event = pub.recv()
            if event.startswith(b"\x01ready."):
                there.add(event[1:])
            elif event.startswith(b"\x00ready."):
                there.discard(event[1:])
        for topic, text in messages:
            pub.send_multipart([topic, text])
    finally:
        pub.close()
