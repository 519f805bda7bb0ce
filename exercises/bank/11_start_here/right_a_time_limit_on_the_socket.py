# SPDX-License-Identifier: BSD-3-Clause
# Passed: a time limit on the socket.

import zmq


def take(ctx, endpoint, seconds):
    socket = ctx.socket(zmq.PULL)
    try:
        socket.setsockopt(zmq.RCVTIMEO, round(seconds * 1000))
        socket.bind(endpoint)
        return socket.recv().decode()
    except zmq.Again:
        return None
    finally:
        socket.close(linger=0)
