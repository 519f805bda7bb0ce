# SPDX-License-Identifier: BSD-3-Clause
# Not yet: no ping was answered while no service was there.

import zmq


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        while True:
            if services.poll(10, zmq.POLLOUT) and clients.poll(10):
                frames = clients.recv_multipart()
                if b"" in frames:
                    end = frames.index(b"") + 1
                    if frames[end:] == [b"PING"]:
                        clients.send_multipart([*frames[:end], b"PONG"])
                    else:
                        services.send_multipart(frames)
            if services.poll(0):
                clients.send_multipart(services.recv_multipart())
