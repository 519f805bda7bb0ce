# SPDX-License-Identifier: BSD-3-Clause
# Passed: the recipe's own unwrap and wrap.

import zmq

from patterns.shared_queue import unwrap, wrap


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        poller = zmq.Poller()
        for socket in clients, services:
            poller.register(socket, zmq.POLLIN)
        while True:
            for socket, _ in poller.poll():
                frames = socket.recv_multipart()
                if socket is services:
                    clients.send_multipart(frames)
                    continue
                try:
                    ids, body = unwrap(frames)
                except ValueError:
                    continue
                if body == [b"PING"]:
                    clients.send_multipart(wrap(ids, [b"PONG"]))
                else:
                    services.send_multipart(frames)
