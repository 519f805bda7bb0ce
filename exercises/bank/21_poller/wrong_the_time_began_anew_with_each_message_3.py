# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the time began anew with each message.

import zmq


def serve(ctx, urgent, ordinary, stop, work, seconds):
    done = []
    with ctx.socket(zmq.PULL) as first, ctx.socket(zmq.PULL) as second, ctx.socket(zmq.PULL) as word:
        first.bind(urgent)
        second.bind(ordinary)
        word.bind(stop)
        poller = zmq.Poller()
        for socket in (first, second, word):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(int(seconds * 1000)))
            if not ready or word in ready:
                return done
            for _ in range(3):
                if first.poll(0):
                    done.append(work(first.recv()))
            if second.poll(0):
                done.append(work(second.recv()))
