# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a reply was taken for a ping.

import zmq


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        other = {clients: services, services: clients}
        poller = zmq.Poller()
        for socket in other:
            poller.register(socket, zmq.POLLIN)
        while True:
            for socket, _ in poller.poll():
                frames = socket.recv_multipart()
                if b"" in frames:
                    end = frames.index(b"") + 1
                    if frames[end:] == [b"PING"]:
                        socket.send_multipart([*frames[:end], b"PONG"])
                    else:
                        other[socket].send_multipart(frames)
