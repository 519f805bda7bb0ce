# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the messages came in another order.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    with ctx.socket(zmq.XPUB) as pub:
        pub.bind(endpoint)
        there = set()
        while len(there) < subscribers:
            event = pub.recv()
            if event[1:].startswith(b"ready."):
                if event[0] == 1:
                    there.add(event[1:])
                else:
                    there.discard(event[1:])
        for topic, text in sorted(messages):
            pub.send_multipart([topic, text])
