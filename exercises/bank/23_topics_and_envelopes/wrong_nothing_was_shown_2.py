# SPDX-License-Identifier: BSD-3-Clause
# Not yet: nothing was shown.

import zmq


def show(ctx, endpoint, keys, panel):
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.REQ) as req:
        sub.conflate = 1
        sub.subscribe(b"")
        sub.connect(endpoint)
        req.connect(panel)
        while True:
            frames = sub.recv_multipart()
            if len(frames) == 3 and frames[0] in keys:
                req.send_multipart(frames)
                if req.recv() == b"STOP":
                    return
