# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a socket was left open.

import json

sockets = []

import zmq


def stamp(ctx, inbox, outbox, count, now):
    pull = ctx.socket(zmq.PULL)
    sockets.append(pull)
    with ctx.socket(zmq.PUSH) as push:
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
            push.send_multipart(frames)
            count -= 1
