# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def broker(ctx, frontend, backend):
    """Pass requests to the services and replies back, for ever, and answer pings yourself.

    frontend  bind a ROUTER here: clients connect, each with a REQ, some of them through other brokers
    backend   bind a DEALER here: services connect, each with a REP

    A request is an envelope and a body. The envelope ends with the first empty frame; behind it the body has one
    frame or several, and some of those may be empty, too. Requests and replies are passed on as they are, with
    all their frames, and none waits for the reply to another. Only a request whose body is the one frame b"PING"
    is for you: no service gets it, and the body of its reply is the one frame b"PONG". A ping is answered at once,
    also while the services are busy, and while there are none. A request that comes while there are none waits for
    the first; no ping will follow it before that. A message from a client that has no empty frame is no request:
    drop it. A reply whose client has gone is dropped, too. The broker ends when its Context does: what waits then
    raises zmq.ContextTerminated, which you let through.
    """
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
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
                if frames[-1] == b"PING":
                    clients.send_multipart([frames[0], b"PONG"])
                else:
                    services.send_multipart(frames)
