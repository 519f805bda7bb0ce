# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a message that had come was not returned.

import zmq


def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        if socket.poll(seconds * 1000):
            text = socket.recv_string()
        return None
