# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the letter was sent more than once.

import math
import time

import zmq


def post(ctx, letters, receipts, letter, seconds):
    end = time.monotonic() + seconds
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.linger = 0
        pull.bind(receipts)
        push.connect(letters)
        push.send(letter)
        while (left := end - time.monotonic()) > 0:
            push.send(letter)
            if pull.poll(50) and pull.recv_multipart() == [letter]:
                return True
        return False
