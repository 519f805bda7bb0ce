# SPDX-License-Identifier: BSD-3-Clause
# Not yet: an error came back where None was due.

import zmq


def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        socket.rcvtimeo = int(seconds * 1000)
        socket.bind(endpoint)
        return socket.recv_string()
