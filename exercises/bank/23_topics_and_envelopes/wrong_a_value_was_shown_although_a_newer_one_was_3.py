# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a value was shown although a newer one was there.
# A message of another form ends its taking in.

from contextlib import suppress

import zmq


def show(ctx, endpoint, keys, panel):
    waiting = {}
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.REQ) as req:
        for key in keys:
            sub.subscribe(key)
        sub.connect(endpoint)
        req.connect(panel)
        while True:
            if not waiting:
                sub.poll()
            with suppress(zmq.Again, ValueError):
                while True:
                    key, address, value = sub.recv_multipart(zmq.NOBLOCK)
                    if key in keys:
                        waiting[key] = address, value
            if not waiting:
                continue
            key = next(iter(waiting))
            req.send_multipart([key, *waiting.pop(key)])
            if req.recv() == b"STOP":
                return
