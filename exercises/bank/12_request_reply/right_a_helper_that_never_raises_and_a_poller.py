# SPDX-License-Identifier: BSD-3-Clause
# Passed: a helper that never raises, and a poller.

import zmq


def tried(work, request, *more):
    if more:
        return [b"ERROR", b"more than one frame"]
    try:
        return [b"OK", work(request)]
    except ValueError as error:
        return [b"ERROR", b"%s" % str(error).encode()]


def server(ctx, endpoint, work):
    socket = ctx.socket(zmq.REP)
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    try:
        socket.bind(endpoint)
        while True:
            for ready, _ in poller.poll():
                ready.send_multipart(tried(work, *ready.recv_multipart()))
    finally:
        socket.close()
