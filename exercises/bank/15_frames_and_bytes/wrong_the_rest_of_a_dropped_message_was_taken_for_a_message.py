# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the rest of a dropped message was taken for a message.

import json

import zmq


def stamp(ctx, inbox, outbox, count, now):
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.PUSH) as push:
        pull.bind(inbox)
        push.connect(outbox)
        while count > 0:
            title = pull.recv()
            if not pull.rcvmore:
                continue
            try:
                header = json.loads(pull.recv().decode())
                header["seen"] = now.isoformat()
            except (ValueError, TypeError):
                continue
            frames = [title, json.dumps(header).encode()]
            while pull.rcvmore:
                frames.append(pull.recv())
            push.send_multipart(frames)
            count -= 1
