# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a value that came again was not shown.

import zmq


def show(ctx, endpoint, keys, panel):
    waiting, shown = {}, {}
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.REQ) as req:
        for key in keys:
            sub.subscribe(key)
        sub.connect(endpoint)
        req.connect(panel)
        while True:
            while not waiting or sub.poll(0):
                match sub.recv_multipart():
                    case [key, address, value] if key in keys and shown.get(key) != [key, address, value]:
                        waiting[key] = address, value
            key = next(iter(waiting))
            shown[key] = [key, *waiting.pop(key)]
            req.send_multipart(shown[key])
            if req.recv() == b"STOP":
                return
