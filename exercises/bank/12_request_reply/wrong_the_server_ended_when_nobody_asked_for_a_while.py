# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it did not go on serving.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while socket.poll(1000):
            frames = socket.recv_multipart()
            if len(frames) > 1:
                reply = [b"ERROR", b"too many frames"]
            else:
                try:
                    reply = [b"OK", work(frames[0])]
                except ValueError as error:
                    reply = [b"ERROR", str(error).encode()]
            socket.send_multipart(reply)
