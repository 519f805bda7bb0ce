# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the date is not in ISO 8601.

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
                header.update(seen=now.timestamp())
            except (IndexError, ValueError, AttributeError):
                continue
            frames[1] = json.dumps(header).encode()
            push.send_multipart(frames)
            count -= 1
