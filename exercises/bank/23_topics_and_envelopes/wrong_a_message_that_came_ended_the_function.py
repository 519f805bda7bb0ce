# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a message that came ended the function.

import zmq


def show(ctx, endpoint, keys, panel):
    waiting = {}
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.REQ) as req:
        for key in keys:
            sub.subscribe(key)
        sub.connect(endpoint)
        req.connect(panel)
        while True:
            while not waiting or sub.poll(0):
                key, address, value = sub.recv_multipart()
                if key in keys:
                    waiting[key] = address, value
            key = next(iter(waiting))
            req.send_multipart([key, *waiting.pop(key)])
            if req.recv() == b"STOP":
                return
