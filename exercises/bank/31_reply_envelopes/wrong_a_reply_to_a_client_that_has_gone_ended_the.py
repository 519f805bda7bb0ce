# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a reply to a client that has gone ended the broker.

import zmq


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.router_mandatory = 1  # nothing shall be lost unseen
        clients.bind(frontend)
        services.bind(backend)
        poller = zmq.Poller()
        poller.register(clients, zmq.POLLIN)
        poller.register(services, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if services in ready:
                clients.send_multipart(services.recv_multipart())
            if clients in ready:
                frames = clients.recv_multipart()
                if b"" not in frames:
                    continue
                end = frames.index(b"")
                if frames[end + 1 :] == [b"PING"]:
                    clients.send_multipart(frames[: end + 1] + [b"PONG"])
                else:
                    services.send_multipart(frames)
