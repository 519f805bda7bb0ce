# SPDX-License-Identifier: BSD-3-Clause
# Not yet: no ping was answered while no service was there.

import zmq


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        while not services.poll(100, zmq.POLLOUT):
            pass  # until there is a service
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
                end = frames.index(b"") + 1
                if frames[end:] == [b"PING"]:
                    clients.send_multipart([*frames[:end], b"PONG"])
                else:
                    services.send_multipart(frames)
