# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it did not go on serving.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        for _ in range(1):
            request = socket.recv()
            try:
                reply = [b"OK", work(request)]
            except ValueError as error:
                reply = [b"ERROR", str(error).encode()]
            socket.send_multipart(reply)
