# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a socket was left open.

import zmq

kept = []


def show(ctx, endpoint, keys, panel):
    waiting = {}
    sub, req = ctx.socket(zmq.SUB), ctx.socket(zmq.REQ)
    kept.extend((sub, req))
    if sub:
        for key in keys:
            sub.subscribe(key)
        sub.connect(endpoint)
        req.connect(panel)
        while True:
            while not waiting or sub.poll(0):
                match sub.recv_multipart():
                    case [key, address, value] if key in keys:
                        waiting[key] = address, value
            key = next(iter(waiting))
            req.send_multipart([key, *waiting.pop(key)])
            if req.recv() == b"STOP":
                return
