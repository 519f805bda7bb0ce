# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it connected where it had to bind.

import zmq


def serve(ctx, urgent, ordinary, stop, work, seconds):
    done = []
    with ctx.socket(zmq.PULL) as both, ctx.socket(zmq.PULL) as word:
        word.bind(stop)
        both.connect(urgent)
        both.connect(ordinary)
        poller = zmq.Poller()
        poller.register(both, zmq.POLLIN)
        poller.register(word, zmq.POLLIN)
        while word not in (ready := dict(poller.poll(seconds * 1000))) and ready:
            done.append(work(both.recv()))
    return done
