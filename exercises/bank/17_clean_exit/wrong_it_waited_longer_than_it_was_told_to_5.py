# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it waited longer than it was told to.
# One time for the reader, and one more for the receipt.

import math
import time

import zmq


def post(ctx, letters, receipts, letter, seconds):
    end = time.monotonic() + seconds
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.linger = 0
        push.immediate = 1
        push.sndtimeo = math.ceil(seconds * 1000)
        pull.bind(receipts)
        push.connect(letters)
        try:
            push.send(letter)
        except zmq.Again:
            return False
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if pull.poll(math.ceil(left * 1000)) and pull.recv_multipart() == [letter]:
                return True
        return False
