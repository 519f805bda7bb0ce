# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the reply is another than the contract names.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            request, *more = socket.recv_multipart()
            try:
                reply = [work(request), b"OK"]
            except ValueError as error:
                reply = [b"ERROR", str(error).encode()]
            if more:
                reply = [b"ERROR", b"a request has one frame"]
            socket.send_multipart(reply)
