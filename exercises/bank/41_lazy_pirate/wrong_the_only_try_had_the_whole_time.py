# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the only try had the whole time.

import math
import time
import uuid

import zmq


def ask(ctx, endpoint, question, deadline, tries):
    number = uuid.uuid4().bytes
    end = time.monotonic() + deadline
    for left in range(tries, 0, -1):
        share = (end - time.monotonic()) / left
        with ctx.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(endpoint)
            socket.send_multipart([number, question])
            if socket.poll(max(0, math.ceil((end - time.monotonic()) * 1000))):
                return socket.recv_multipart()[1]
    raise TimeoutError("nobody answered")
