# SPDX-License-Identifier: BSD-3-Clause
# Not yet: values went out more often than was due.
# Everything is said again all the time, instead of an answer.

import time

import zmq


def cache(ctx, upstream, downstream):
    last = {}
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.PUB) as pub:
        pub.bind(downstream)
        sub.subscribe(b"")
        sub.connect(upstream)
        again = time.monotonic()
        while True:
            if sub.poll(50):
                frames = sub.recv_multipart()
                if len(frames) == 2:
                    if frames[1]:
                        last[frames[0]] = frames[1]
                    else:
                        last.pop(frames[0], None)
                    pub.send_multipart(frames)
            if time.monotonic() > again:
                again += 0.1
                for topic, value in last.items():
                    pub.send_multipart([topic, value])
