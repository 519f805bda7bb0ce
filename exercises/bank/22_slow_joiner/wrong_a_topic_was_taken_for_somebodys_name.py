# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a topic was taken for somebody's name.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    with ctx.socket(zmq.XPUB) as pub:
        pub.sndhwm = 0
        pub.bind(endpoint)
        there = set()
        while len(there) < subscribers:
            event = pub.recv()
            what, topic = event[0], event[1:]
            if topic.startswith(b"ready"):
                if what:
                    there.add(topic)
                else:
                    there.discard(topic)
        for topic, text in messages:
            pub.send_multipart([topic, text])
