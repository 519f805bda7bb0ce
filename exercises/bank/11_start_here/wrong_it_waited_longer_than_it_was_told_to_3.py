# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it waited longer than it was told to.

import zmq


def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        if socket.poll(seconds * 10000):
            return socket.recv_string()
        return None
