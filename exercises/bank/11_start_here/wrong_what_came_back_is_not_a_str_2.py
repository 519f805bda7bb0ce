# SPDX-License-Identifier: BSD-3-Clause
# Not yet: what came back is not a str.

import zmq


def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        if socket.poll(seconds * 1000):
            return socket.recv_multipart()
        return None
