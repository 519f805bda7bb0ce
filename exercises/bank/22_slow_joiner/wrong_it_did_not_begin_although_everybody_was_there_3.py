# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it did not begin although everybody was there.
# A dot in a name ends the name.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    with ctx.socket(zmq.XPUB) as pub:
        pub.sndhwm = 0
        pub.bind(endpoint)
        there = set()
        while len(there) < subscribers:
            event = pub.recv()
            if event[1:].startswith(b"ready."):
                name = event[1:].split(b".")[1]
                if event[0] == 1:
                    there.add(name)
                else:
                    there.discard(name)
        for topic, text in messages:
            pub.send_multipart([topic, text])
