# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a socket was left open.

import math
import time

import zmq

sockets = []


def post(ctx, letters, receipts, letter, seconds):
    end = time.monotonic() + seconds
    push = ctx.socket(zmq.PUSH)
    sockets.append(push)
    with ctx.socket(zmq.PULL) as pull:
        push.linger = 0
        pull.bind(receipts)
        push.connect(letters)
        push.send(letter)
        while (left := end - time.monotonic()) > 0:
            if pull.poll(math.ceil(left * 1000)) and pull.recv_multipart() == [letter]:
                return True
        return False
