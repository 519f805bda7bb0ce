# SPDX-License-Identifier: BSD-3-Clause
# Not yet: an old reply was taken for the new answer.

import time
import uuid

import zmq

kept = {}


def ask(ctx, endpoint, question, deadline, tries):
    number = uuid.uuid4().bytes
    if endpoint not in kept:
        kept[endpoint] = ctx.socket(zmq.REQ)
        kept[endpoint].req_relaxed = 1
        kept[endpoint].linger = 0
        kept[endpoint].connect(endpoint)
    socket = kept[endpoint]
    for _ in range(tries):
        socket.send_multipart([number, question])
        if socket.poll(1000 * deadline / tries):
            return socket.recv_multipart()[1]
    raise TimeoutError
