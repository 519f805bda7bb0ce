# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it waited for one reply before it read on.

import zmq


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        while True:
            frames = clients.recv_multipart()
            if b"" in frames:
                end = frames.index(b"") + 1
                if frames[end:] == [b"PING"]:
                    clients.send_multipart([*frames[:end], b"PONG"])
                else:
                    services.send_multipart(frames)
                    clients.send_multipart(services.recv_multipart())
