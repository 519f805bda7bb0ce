# SPDX-License-Identifier: BSD-3-Clause
# Not yet: an empty frame was taken for the end of the message.

import json

import zmq


def stamp(ctx, inbox, outbox, count, now):
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.PUSH) as push:
        pull.bind(inbox)
        push.connect(outbox)
        while count > 0:
            frames = pull.recv_multipart()
            try:
                header = json.loads(frames[1].decode())
                header.update(seen=now.isoformat())
            except (IndexError, ValueError, AttributeError):
                continue
            frames[1] = json.dumps(header).encode()
            end = frames.index(b"", 2) if b"" in frames[2:] else len(frames)
            push.send_multipart(frames[:end])
            count -= 1
