# SPDX-License-Identifier: BSD-3-Clause
# Passed: a poller.

import math

import zmq


def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        socket.bind(endpoint)
        ready = dict(poller.poll(math.ceil(1000 * seconds)))
        return str(socket.recv(), "utf-8") if socket in ready else None
