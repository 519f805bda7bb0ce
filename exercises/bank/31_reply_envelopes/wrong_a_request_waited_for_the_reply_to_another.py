# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a request waited for the reply to another.

import zmq


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        waiting, busy = [], False
        while True:
            for socket in zmq.select([clients, services], [], [])[0]:
                frames = socket.recv_multipart()
                if socket is services:
                    clients.send_multipart(frames)
                    busy = False
                elif frames[frames.index(b"") + 1 :] == [b"PING"] if b"" in frames else False:
                    clients.send_multipart([*frames[:-1], b"PONG"])
                elif b"" in frames:
                    waiting.append(frames)
            if waiting and not busy:
                services.send_multipart(waiting.pop(0))
                busy = True
