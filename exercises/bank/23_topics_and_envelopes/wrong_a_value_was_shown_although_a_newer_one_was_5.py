# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a value was shown although a newer one was there.
# It holds a value of each sender.

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
                match sub.recv_multipart():
                    case [key, address, value] if key in keys:
                        waiting[key, address] = value
            key, address = next(iter(waiting))
            req.send_multipart([key, address, waiting.pop((key, address))])
            if req.recv() == b"STOP":
                return
