# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the reply said ERROR to a request that was served.
# Nothing returned is taken for a failure.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            request, *more = socket.recv_multipart()
            try:
                reply = [b"OK", work(request)]
            except ValueError as error:
                reply = [b"ERROR", str(error).encode()]
            if more or not reply[1]:
                reply = [b"ERROR", b"a request has one frame"]
            socket.send_multipart(reply)
