# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a socket was left open.

import math
import time
import uuid

import zmq

kept = []


def ask(ctx, endpoint, question, deadline, tries):
    number = uuid.uuid4().bytes
    for _ in range(tries):
        socket = ctx.socket(zmq.REQ)
        kept.append(socket)
        socket.linger = 0
        socket.connect(endpoint)
        socket.send_multipart([number, question])
        if socket.poll(math.ceil(1000 * deadline / tries)):
            return socket.recv_multipart()[1]
    raise TimeoutError
