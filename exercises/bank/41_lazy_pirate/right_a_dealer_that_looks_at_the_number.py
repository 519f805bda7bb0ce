# SPDX-License-Identifier: BSD-3-Clause
# Passed: a DEALER that looks at the number.

import os
import time

import zmq


def ask(ctx, endpoint, question, deadline, tries):
    number, start = os.urandom(16), time.monotonic()
    with ctx.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(endpoint)
        for turn in range(1, tries + 1):
            dealer.send_multipart([b"", number, question])
            until = start + deadline * turn / tries
            while (left := until - time.monotonic()) > 0:
                if not dealer.poll(left * 1000):
                    continue
                empty, replied, answer = dealer.recv_multipart()
                if replied == number:
                    return answer
    raise TimeoutError(f"{endpoint}: nobody answered")
