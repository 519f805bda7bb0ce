# SPDX-License-Identifier: BSD-3-Clause
# Passed: only the end of the message is looked at.

import zmq


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        while True:
            readable, _, _ = zmq.select([clients, services], [], [])
            if clients in readable:
                *envelope, last = clients.recv_multipart()
                if last == b"PING" and envelope.count(b"") == 1 and envelope[-1] == b"":
                    clients.send_multipart(envelope + [b"PONG"])
                elif b"" in envelope:
                    services.send_multipart(envelope + [last])
            if services in readable:
                for number, frame in enumerate(reply := services.recv_multipart(), 1):
                    clients.send(frame, zmq.SNDMORE if number < len(reply) else 0)
