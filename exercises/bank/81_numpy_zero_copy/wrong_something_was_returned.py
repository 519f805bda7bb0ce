# SPDX-License-Identifier: BSD-3-Clause
# Not yet: something was returned.

import json

import zmq


def film(ctx, endpoint, buffers, count, patience):
    trackers = [None] * len(buffers)

    def free(place):
        """Return when this buffer may be written."""
        try:
            if trackers[place]:
                trackers[place].wait(patience)
        except zmq.NotDone:
            raise TimeoutError(f"buffer {place} was not free after {patience:g} s") from None

    with ctx.socket(zmq.PUSH) as push:
        push.connect(endpoint)
        for number in range(count):
            place = number % len(buffers)
            free(place)
            buffer = buffers[place]
            buffer[:] = number
            header = {"dtype": buffer.dtype.str, "shape": buffer.shape, "order": "C"}
            frames = [json.dumps(header).encode(), buffer]
            trackers[place] = push.send_multipart(frames, copy=False, track=True)
        for place in range(len(buffers)):
            free(place)
    return count
