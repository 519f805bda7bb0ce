# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it received again before it had replied.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            request = socket.recv()
            try:
                reply = [b"OK", work(request)]
            except ValueError as error:
                continue
            socket.send_multipart(reply)
