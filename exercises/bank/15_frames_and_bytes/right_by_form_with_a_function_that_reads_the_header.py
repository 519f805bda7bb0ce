# SPDX-License-Identifier: BSD-3-Clause
# Passed: by form, with a function that reads the header.

import json

import zmq


def read(header):
    try:
        value = json.loads(header.decode("utf-8"))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def stamp(ctx, inbox, outbox, count, now):
    done = 0
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.connect(outbox)
        pull.bind(inbox)
        while done < count:
            match pull.recv_multipart():
                case [title, header, *more] if (known := read(header)) is not None:
                    header = json.dumps({**known, "seen": now.isoformat()})
                    push.send_multipart([title, header.encode(), *more])
                    done += 1
