# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a value was shown although a newer one was there.
# It takes in so many messages at most.

import zmq


def show(ctx, endpoint, keys, panel):
    waiting = {}
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.REQ) as req:
        for key in keys:
            sub.subscribe(key)
        sub.connect(endpoint)
        req.connect(panel)
        while True:
            for _ in range(100):
                if waiting and not sub.poll(0):
                    break
                match sub.recv_multipart():
                    case [key, address, value] if key in keys:
                        waiting[key] = address, value
            if not waiting:
                continue
            key = next(iter(waiting))
            req.send_multipart([key, *waiting.pop(key)])
            if req.recv() == b"STOP":
                return
