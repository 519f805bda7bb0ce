# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import json

import zmq


def film(ctx, endpoint, buffers, count, patience):
    """Send a film of `count` pictures out of these buffers, without copying them.

    endpoint  connect a PUSH here: a viewer binds to it, sooner or later
    buffers   a list of two or more NumPy arrays of bytes ("|u1"), all of one shape, each in one piece
              (order "C") and large enough that pyzmq does not copy it
    count     how many pictures, 200 at most; number n, from 0, has n at every place: `buffer[:] = n` is
              the camera
    patience  seconds to wait for a buffer, counted anew each time; then raise TimeoutError

    Each picture is one message of two frames, [header][picture], the header in JSON, such as
    {"dtype": "|u1", "shape": [300, 400], "order": "C"}. The pictures go in their order. Take each into a
    buffer that is free, and send that buffer's own memory, not a copy: nowhere may be more pictures than
    there are buffers. As long as a buffer is free, do not wait, not even for the viewer.

    A buffer is free when ZeroMQ is done with what was sent from it. All pictures go over one connection,
    so they leave in their order, and the buffers become free in that order.

    The caller wants the buffers back: return (nothing) when all of them are free. If they are not within
    `patience` seconds, counted once or for each of them, as you like, then, too, raise TimeoutError.
    Close your socket, whichever way you end.
    """
    with ctx.socket(zmq.PUSH) as push:
        push.connect(endpoint)
        for number in range(count):
            buffer = buffers[number % len(buffers)]
            buffer[:] = number
            header = {"dtype": buffer.dtype.str, "shape": buffer.shape, "order": "C"}
            push.send_multipart([json.dumps(header).encode(), buffer], copy=False)
