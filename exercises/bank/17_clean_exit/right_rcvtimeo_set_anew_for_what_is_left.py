# SPDX-License-Identifier: BSD-3-Clause
# Passed: RCVTIMEO, set anew for what is left.

import time

import zmq


def post(ctx, letters, receipts, letter, seconds):
    push, pull = ctx.socket(zmq.PUSH), ctx.socket(zmq.PULL)
    until = time.monotonic() + seconds
    try:
        pull.bind(receipts)
        push.connect(letters)
        push.send(letter)
        while True:
            pull.rcvtimeo = max(0, round((until - time.monotonic()) * 1000))
            if pull.recv() == letter:
                return True
    except zmq.Again:
        return False
    finally:
        push.close(linger=0)
        pull.close(linger=0)
