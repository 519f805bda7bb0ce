# SPDX-License-Identifier: BSD-3-Clause
# Passed: the recipe's loop: a request waits where it holds up no ping.

import collections

import zmq


def broker(ctx, frontend, backend):
    clients, services = ctx.socket(zmq.ROUTER), ctx.socket(zmq.DEALER)
    waiting = collections.deque()
    try:
        services.bind(backend)
        clients.bind(frontend)
        poller = zmq.Poller()
        poller.register(clients, zmq.POLLIN)
        while True:
            poller.register(services, zmq.POLLIN | (zmq.POLLOUT if waiting else 0))
            for socket, event in poller.poll():
                if socket == clients:
                    answer(clients, clients.recv_multipart(), waiting)
                if socket == services and event & zmq.POLLIN:
                    clients.send_multipart(services.recv_multipart())
                if socket == services and event & zmq.POLLOUT:
                    services.send_multipart(waiting.popleft())
    finally:
        clients.close()
        services.close()


def answer(clients, frames, waiting):
    envelope = []
    for place, frame in enumerate(frames):
        envelope.append(frame)
        if frame == b"":
            if frames[place + 1 :] == [b"PING"]:
                clients.send_multipart(envelope + [b"PONG"])
            else:
                waiting.append(frames)
            return
