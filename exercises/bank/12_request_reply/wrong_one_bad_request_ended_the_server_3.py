# SPDX-License-Identifier: BSD-3-Clause
# Not yet: one bad request ended the server.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            request, *more = socket.recv_multipart()
            try:
                reply = [b"OK", work(request)]
            except ValueError as error:
                reply = [b"ERROR", error.args[0].encode()]
            if more:
                reply = [b"ERROR", b"a request has one frame"]
            socket.send_multipart(reply)
