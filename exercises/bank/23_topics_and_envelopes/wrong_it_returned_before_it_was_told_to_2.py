# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it returned before it was told to.

import zmq


def show(ctx, endpoint, keys, panel):
    waiting = {}
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.REQ) as req:
        for key in keys:
            sub.subscribe(key)
        sub.connect(endpoint)
        req.connect(panel)
        while True:
            while sub.poll(0 if waiting else 300):
                match sub.recv_multipart():
                    case [key, address, value] if key in keys:
                        waiting[key] = address, value
            if not waiting:
                return
            key = next(iter(waiting))
            req.send_multipart([key, *waiting.pop(key)])
            if req.recv() == b"STOP":
                return
