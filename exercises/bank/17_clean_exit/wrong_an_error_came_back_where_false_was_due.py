# SPDX-License-Identifier: BSD-3-Clause
# Not yet: an error came back where False was due.

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
        pull.rcvtimeo = round(seconds * 1000)
        while pull.recv() != letter:
            pass
        return True
