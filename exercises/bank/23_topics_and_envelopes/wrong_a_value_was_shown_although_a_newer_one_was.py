# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a value was shown although a newer one was there.

import zmq


def show(ctx, endpoint, keys, panel):
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.REQ) as req:
        for key in keys:
            sub.subscribe(key)
        sub.connect(endpoint)
        req.connect(panel)
        while True:
            last = {}
            while not last or sub.poll(0):
                frames = sub.recv_multipart()
                if len(frames) == 3 and frames[0] in keys:
                    last[frames[0]] = frames
            for frames in last.values():
                req.send_multipart(frames)
                if req.recv() == b"STOP":
                    return
