# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the end of its Context did not end it.

import zmq


def broker(ctx, frontend, backend):
    clients, services = ctx.socket(zmq.ROUTER), ctx.socket(zmq.DEALER)
    clients.bind(frontend)
    services.bind(backend)
    poller = zmq.Poller()
    poller.register(clients, zmq.POLLIN)
    poller.register(services, zmq.POLLIN)
    while True:
        try:
            ready = dict(poller.poll())
            if services in ready:
                clients.send_multipart(services.recv_multipart())
            if clients in ready:
                frames = clients.recv_multipart()
                end = frames.index(b"") + 1
                if frames[end:] == [b"PING"]:
                    clients.send_multipart([*frames[:end], b"PONG"])
                else:
                    services.send_multipart(frames)
        except Exception:
            pass
