# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a socket was left open.

import zmq

sockets = []


def take(ctx, endpoint, seconds):
    socket = ctx.socket(zmq.PULL)
    sockets.append(socket)
    socket.bind(endpoint)
    if not socket.poll(seconds * 1000):
        return None
    text = socket.recv_string()
    socket.close()
    return text
