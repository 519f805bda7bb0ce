# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it slept on one socket while another had a message.

import time

import zmq


def serve(ctx, urgent, ordinary, stop, work, seconds):
    until = time.monotonic() + seconds
    done, shares = [], []
    with ctx.socket(zmq.PULL) as first, ctx.socket(zmq.PULL) as second, ctx.socket(zmq.PULL) as word:
        word.bind(stop)
        for socket, endpoint, share in (first, urgent, 3), (second, ordinary, 1):
            socket.bind(endpoint)
            poller = zmq.Poller()
            poller.register(socket, zmq.POLLIN)
            shares.append((poller, socket, share))
        while time.monotonic() < until and not word.poll(0):
            for poller, socket, share in shares:
                for _ in range(share):
                    if poller.poll(50):
                        done.append(work(socket.recv()))
    return done
