# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the end was taken for an error.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            try:
                request = socket.recv()
                socket.send_multipart([b"OK", work(request)])
            except Exception as error:
                try:
                    socket.send_multipart([b"ERROR", str(error).encode()])
                except zmq.ZMQError:
                    pass
