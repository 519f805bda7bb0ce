# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the same REQ was asked twice.

import time
import uuid

import zmq


def ask(ctx, endpoint, question, deadline, tries):
    number = uuid.uuid4().bytes
    with ctx.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        for _ in range(tries):
            socket.send_multipart([number, question])
            if socket.poll(1000 * deadline / tries):
                return socket.recv_multipart()[1]
    raise TimeoutError
