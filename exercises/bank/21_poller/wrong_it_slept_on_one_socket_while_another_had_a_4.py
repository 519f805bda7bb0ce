# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it slept on one socket while another had a message.

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
            if word in ready:
                break
            if first in ready:
                for _ in range(3):
                    done.append(work(first.recv()))
            if second in ready:
                done.append(work(second.recv()))
    return done
