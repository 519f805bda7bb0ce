# SPDX-License-Identifier: BSD-3-Clause
# Passed: frame by frame, as long as there are more.

import json

import zmq


def stamp(ctx, inbox, outbox, count, now):
    pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH)
    try:
        pull.bind(inbox)
        push.connect(outbox)
        while count:
            frames = [pull.recv()]
            while pull.getsockopt(zmq.RCVMORE):
                frames.append(pull.recv())
            if len(frames) < 2:
                continue
            try:
                header = json.loads(str(frames[1], "utf-8"))
            except (UnicodeDecodeError, json.JSONDecodeError):
                continue
            if type(header) is not dict:
                continue
            header["seen"] = now
            frames[1] = bytes(json.dumps(header, default=lambda date: date.isoformat()), "utf-8")
            for frame in frames[:-1]:
                push.send(frame, zmq.SNDMORE)
            push.send(frames[-1])
            count -= 1
    finally:
        pull.close()
        push.close()
