# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it waited on although the receipt had come.
# It looks once, shortly before the end.

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
        time.sleep(0.9 * seconds)
        while pull.poll(0):
            if pull.recv() == letter:
                return True
        return False
