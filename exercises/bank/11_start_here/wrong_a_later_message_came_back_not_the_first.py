# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a later message came back, not the first.

import zmq


def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        if socket.poll(seconds * 1000):
            text = socket.recv_string()
            while socket.poll(50):
                text = socket.recv_string()
            return text
        return None
