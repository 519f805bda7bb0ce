# SPDX-License-Identifier: BSD-3-Clause
# Not yet: str was sent where bytes go.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            request = socket.recv()
            try:
                reply = [b"OK", work(request)]
            except ValueError as error:
                reply = [b"ERROR", str(error)]
            socket.send_multipart(reply)
