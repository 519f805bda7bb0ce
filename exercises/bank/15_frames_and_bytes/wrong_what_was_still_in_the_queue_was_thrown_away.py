# SPDX-License-Identifier: BSD-3-Clause
# Not yet: what was still in the queue was thrown away.

import json

import zmq


def stamp(ctx, inbox, outbox, count, now):
    pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH)
    try:
        pull.bind(inbox)
        push.connect(outbox)
        passed = 0
        while passed < count:
            frames = pull.recv_multipart()
            try:
                title, header, *more = frames
                header = json.loads(header.decode("utf-8"))
            except ValueError:
                continue
            if not isinstance(header, dict):
                continue
            header["seen"] = now.isoformat()
            push.send_multipart([title, json.dumps(header).encode("utf-8"), *more])
            passed += 1
    finally:
        pull.close(linger=0)
        push.close(linger=0)
