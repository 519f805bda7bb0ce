# SPDX-License-Identifier: BSD-3-Clause
# Passed: zmq.select, and receiving until there is nothing.

import time

import zmq


def take(socket, most):
    for _ in range(most):
        try:
            yield socket.recv(zmq.DONTWAIT)
        except zmq.Again:
            return


def serve(ctx, urgent, ordinary, stop, work, seconds):
    end = time.monotonic() + seconds
    results = []
    with ctx.socket(zmq.PULL) as a, ctx.socket(zmq.PULL) as b, ctx.socket(zmq.PULL) as c:
        a.bind(urgent), b.bind(ordinary), c.bind(stop)
        while time.monotonic() < end:
            ready, _, _ = zmq.select([a, b, c], [], [], max(0.001, end - time.monotonic()))
            if c in ready:
                break
            results.extend(map(work, take(b, 1)))
            results.extend(map(work, take(a, 3)))
    return results
