# SPDX-License-Identifier: BSD-3-Clause
# Passed: one REQ, relaxed and correlated.

import math
import time
import uuid

import zmq


def ask(ctx, endpoint, question, deadline, tries):
    number = uuid.uuid4().hex.encode()
    end = time.monotonic() + deadline
    with ctx.socket(zmq.REQ) as socket:
        socket.req_relaxed = socket.req_correlate = 1
        socket.linger = 0
        socket.connect(endpoint)
        for left in range(tries, 0, -1):
            socket.rcvtimeo = max(1, math.ceil((end - time.monotonic()) / left * 1000))
            socket.send_multipart([number, question])
            try:
                return socket.recv_multipart()[1]
            except zmq.Again:
                pass
    raise TimeoutError(endpoint)
