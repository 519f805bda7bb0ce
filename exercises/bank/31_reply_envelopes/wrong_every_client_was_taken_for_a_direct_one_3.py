# SPDX-License-Identifier: BSD-3-Clause
# Not yet: every client was taken for a direct one.

import zmq


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        poller = zmq.Poller()
        for socket in clients, services:
            poller.register(socket, zmq.POLLIN)
        while True:
            for socket, _ in poller.poll():
                if socket is services:
                    clients.send_multipart(services.recv_multipart())
                    continue
                match clients.recv_multipart():
                    case [client, b"", b"PING"]:
                        clients.send_multipart([client, b"", b"PONG"])
                    case [client, b"", *body]:
                        services.send_multipart([client, b"", *body])
