# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a receipt for another letter ended the wait.

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
        return bool(pull.poll(seconds * 1000)) and pull.recv() == letter
