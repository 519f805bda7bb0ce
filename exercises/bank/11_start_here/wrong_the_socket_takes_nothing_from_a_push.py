# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the socket takes nothing from a PUSH.

import zmq


def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.SUB) as socket:
        socket.subscribe("")
        socket.bind(endpoint)
        if socket.poll(seconds * 1000):
            return socket.recv_string()
        return None
