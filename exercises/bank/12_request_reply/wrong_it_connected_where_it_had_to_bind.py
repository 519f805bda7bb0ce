# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it connected where it had to bind.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        socket.connect(endpoint)
        while True:
            request = socket.recv()
            try:
                reply = [b"OK", work(request)]
            except ValueError as error:
                reply = [b"ERROR", str(error).encode()]
            socket.send_multipart(reply)
