# SPDX-License-Identifier: BSD-3-Clause
# Not yet: sent was taken for delivered.

import zmq


def post(ctx, letters, receipts, letter, seconds):
    with ctx.socket(zmq.PUSH) as push:
        push.linger = 0
        push.immediate = 1
        push.sndtimeo = int(seconds * 1000)
        push.connect(letters)
        try:
            push.send(letter)
            push.linger = 1000
            return True
        except zmq.Again:
            return False
