# SPDX-License-Identifier: BSD-3-Clause
# Not yet: every question had the same number.

import math
import time
import uuid

import zmq


def ask(ctx, endpoint, question, deadline, tries):
    number = question
    end = time.monotonic() + deadline
    for left in range(tries, 0, -1):
        share = (end - time.monotonic()) / left
        with ctx.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(endpoint)
            socket.send_multipart([number, question])
            if socket.poll(max(0, math.ceil(share * 1000))):
                return socket.recv_multipart()[1]
    raise TimeoutError("nobody answered")
