# SPDX-License-Identifier: BSD-3-Clause
# Not yet: an empty word did not end it.

import time

import zmq


def serve(ctx, urgent, ordinary, stop, work, seconds):
    end = time.monotonic() + seconds
    done = []
    with ctx.socket(zmq.PULL) as first, ctx.socket(zmq.PULL) as second, ctx.socket(zmq.PULL) as word:
        first.bind(urgent)
        second.bind(ordinary)
        word.bind(stop)
        poller = zmq.Poller()
        for socket in (first, second, word):
            poller.register(socket, zmq.POLLIN)
        while (left := end - time.monotonic()) > 0:
            ready = dict(poller.poll(int(left * 1000) + 1))
            if word in ready and word.recv():
                break
            for _ in range(3):
                if first.poll(0):
                    done.append(work(first.recv()))
            if second.poll(0):
                done.append(work(second.recv()))
    return done
