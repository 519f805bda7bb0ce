# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a request of two frames ended the server.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            [request] = socket.recv_multipart()
            try:
                reply = [b"OK", work(request)]
            except ValueError as error:
                reply = [b"ERROR", str(error).encode()]
            socket.send_multipart(reply)
