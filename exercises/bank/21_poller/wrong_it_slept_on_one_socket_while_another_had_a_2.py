# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it slept on one socket while another had a message.

import time

import zmq


def serve(ctx, urgent, ordinary, stop, work, seconds):
    until = time.monotonic() + seconds
    done = []
    with ctx.socket(zmq.PULL) as first, ctx.socket(zmq.PULL) as second, ctx.socket(zmq.PULL) as word:
        first.bind(urgent)
        second.bind(ordinary)
        word.bind(stop)
        while time.monotonic() < until and not word.poll(0):
            for _ in range(3):
                if first.poll(20):
                    done.append(work(first.recv()))
            if second.poll(20):
                done.append(work(second.recv()))
    return done
