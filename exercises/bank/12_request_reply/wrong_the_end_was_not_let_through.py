# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the end was not let through.

import zmq


def server(ctx, endpoint, work):
    try:
        serve(ctx, endpoint, work)
    except zmq.ContextTerminated:
        return


def serve(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            request, *more = socket.recv_multipart()
            try:
                reply = [b"OK", work(request)]
            except ValueError as error:
                reply = [b"ERROR", str(error).encode()]
            if more:
                reply = [b"ERROR", b"a request has one frame"]
            socket.send_multipart(reply)
