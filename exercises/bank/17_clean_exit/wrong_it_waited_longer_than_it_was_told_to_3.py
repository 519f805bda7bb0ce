# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it waited longer than it was told to.
# The time begins anew with each receipt.

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
        while pull.poll(math.ceil(seconds * 1000)):
            if pull.recv() == letter:
                return True
        return False
