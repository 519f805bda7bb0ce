# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the pictures came in another order.

import json

import zmq


def film(ctx, endpoint, buffers, count, patience):
    with ctx.socket(zmq.PUSH) as push:
        push.connect(endpoint)
        for begin in range(0, count, len(buffers)):
            reel = []
            for number in range(begin, min(count, begin + len(buffers))):
                buffers[number - begin][:] = number
                reel.append(buffers[number - begin])
            trackers = []
            while reel:
                buffer = reel.pop()
                header = json.dumps({"dtype": "|u1", "shape": buffer.shape, "order": "C"}).encode()
                trackers.append(push.send_multipart([header, buffer], copy=False, track=True))
            for tracker in trackers:
                try:
                    tracker.wait(patience)
                except zmq.NotDone:
                    raise TimeoutError from None
