# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the newest value of a key was never shown.

import zmq


def show(ctx, endpoint, keys, panel):
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.REQ) as req:
        for key in keys:
            sub.subscribe(key)
        sub.connect(endpoint)
        req.connect(panel)
        while True:
            newest = None
            while newest is None or sub.poll(0):
                frames = sub.recv_multipart()
                if len(frames) == 3 and frames[0] in keys:
                    newest = frames
            req.send_multipart(newest)
            if req.recv() == b"STOP":
                return
