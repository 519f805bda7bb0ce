# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it replied twice to one request.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            request = socket.recv()
            try:
                reply = [b"OK", work(request)]
            except ValueError as error:
                reply = [b"OK", b""]
                socket.send_multipart([b"ERROR", str(error).encode()])
            socket.send_multipart(reply)
