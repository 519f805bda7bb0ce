# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the empty frames of a body were lost.

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
            if services in ready:
                reply = services.recv_multipart()
                end = reply.index(b"") + 1
                clients.send_multipart([*reply[:end], *filter(None, reply[end:])])
            if clients in ready:
                frames = clients.recv_multipart()
                if b"" not in frames:
                    continue
                end = frames.index(b"") + 1
                if frames[end:] == [b"PING"]:
                    clients.send_multipart([*frames[:end], b"PONG"])
                else:
                    services.send_multipart(frames)
