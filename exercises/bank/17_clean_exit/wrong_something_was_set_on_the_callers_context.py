# SPDX-License-Identifier: BSD-3-Clause
# Not yet: something was set on the caller's Context.

import time

import zmq


def post(ctx, letters, receipts, letter, seconds):
    end = time.monotonic() + seconds
    ctx.linger = 0
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        pull.bind(receipts)
        push.connect(letters)
        push.send(letter)
        while (left := end - time.monotonic()) > 0:
            if pull.poll(int(left * 1000) + 1) and pull.recv() == letter:
                return True
        return False
