# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a message was taken apart into its frames.

import zmq


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        poller = zmq.Poller()
        poller.register(clients, zmq.POLLIN)
        poller.register(services, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if clients in ready:
                frame = clients.recv()
                if frame == b"PING":
                    clients.send(b"PONG")
                else:
                    services.send(frame)
            if services in ready:
                clients.send(services.recv())
