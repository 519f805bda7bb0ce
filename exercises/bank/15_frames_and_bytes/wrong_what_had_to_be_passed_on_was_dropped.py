# SPDX-License-Identifier: BSD-3-Clause
# Not yet: what had to be passed on was dropped.
# An object without a key is none, it thinks.

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
            if len(header) == 1:
                continue
            frames[1] = json.dumps(header).encode()
            push.send_multipart(frames)
            count -= 1
