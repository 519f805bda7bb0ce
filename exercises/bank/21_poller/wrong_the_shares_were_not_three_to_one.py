# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the shares were not three to one.

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
        while (left := until - time.monotonic()) > 0:
            ready = dict(poller.poll(math.ceil(left * 1000)))
            if word in ready:
                break
            for socket, share in (first, 4), (second, 1):
                while share and socket.poll(0):
                    done.append(work(socket.recv()))
                    share -= 1
    return done
