# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a reply went to another client.

import zmq


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        asked = []
        poller = zmq.Poller()
        poller.register(clients, zmq.POLLIN)
        poller.register(services, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if services in ready:
                frames = services.recv_multipart()
                clients.send_multipart(asked + frames[frames.index(b"") + 1 :])
            if clients in ready:
                frames = clients.recv_multipart()
                if b"" not in frames:
                    continue
                end = frames.index(b"") + 1
                if frames[end:] == [b"PING"]:
                    clients.send_multipart([*frames[:end], b"PONG"])
                else:
                    asked = frames[:end]
                    services.send_multipart(frames)
