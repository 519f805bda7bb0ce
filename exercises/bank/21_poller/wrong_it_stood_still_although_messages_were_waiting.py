# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it stood still although messages were waiting.

import select
import time

import zmq


def serve(ctx, urgent, ordinary, stop, work, seconds):
    until = time.monotonic() + seconds
    done = []
    with ctx.socket(zmq.PULL) as first, ctx.socket(zmq.PULL) as second, ctx.socket(zmq.PULL) as word:
        first.bind(urgent)
        second.bind(ordinary)
        word.bind(stop)
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([first.FD, second.FD, word.FD], [], [], left)
            if word.FD in ready and word.EVENTS & zmq.POLLIN:
                break
            for socket in first, second:
                if socket.FD in ready:
                    try:
                        done.append(work(socket.recv(zmq.DONTWAIT)))
                    except zmq.Again:
                        pass
    return done
