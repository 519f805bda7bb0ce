# SPDX-License-Identifier: BSD-3-Clause
# Not yet: nobody was bound to the endpoint.

import zmq


def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint + "-mine")
        if socket.poll(seconds * 1000):
            return socket.recv_string()
        return None
