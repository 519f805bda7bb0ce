# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a request remained without a reply.
# After each error it opens a fresh socket; what waited in the old one is lost.

import time

import zmq


def server(ctx, endpoint, work):
    while True:
        with ctx.socket(zmq.REP) as socket:
            while True:
                try:
                    socket.bind(endpoint)
                    break
                except zmq.Again:
                    raise
                except zmq.ZMQError as error:
                    if error.errno == zmq.ETERM:
                        raise
                    time.sleep(0.01)
            try:
                while True:
                    request, *more = socket.recv_multipart()
                    if more:
                        raise ValueError("one frame, please")
                    socket.send_multipart([b"OK", work(request)])
            except ValueError as error:
                socket.send_multipart([b"ERROR", str(error).encode()])
