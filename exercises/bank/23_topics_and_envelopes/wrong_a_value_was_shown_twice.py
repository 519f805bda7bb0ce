# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a value was shown twice.

import zmq


def show(ctx, endpoint, keys, panel):
    waiting, newest = {}, None
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.REQ) as req:
        for key in keys:
            sub.subscribe(key)
        sub.connect(endpoint)
        req.connect(panel)
        while True:
            while newest is None or sub.poll(0):
                match sub.recv_multipart():
                    case [key, address, value] if key in keys:
                        waiting[key] = newest = [key, address, value]
            if waiting:
                newest = waiting.pop(next(iter(waiting)))
            req.send_multipart(newest)
            if req.recv() == b"STOP":
                return
