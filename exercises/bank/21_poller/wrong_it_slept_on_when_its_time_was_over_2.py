# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it slept on when its time was over.

import math
import time

import zmq


def serve(ctx, urgent, ordinary, stop, work, seconds):
    until = time.monotonic() + seconds
    done = []
    with ctx.socket(zmq.PULL) as first, ctx.socket(zmq.PULL) as second, ctx.socket(zmq.PULL) as word:
        poller = zmq.Poller()
        for socket, endpoint in (first, urgent), (second, ordinary), (word, stop):
            socket.bind(endpoint)
            poller.register(socket, zmq.POLLIN)
        while True:
            left = until - time.monotonic()
            ready = zmq.select([first, second, word], [], [], left)[0]
            if not ready:
                return done
            if word in ready:
                break
            for socket, share in (first, 3), (second, 1):
                while share and socket.poll(0):
                    done.append(work(socket.recv()))
                    share -= 1
    return done
