# SPDX-License-Identifier: BSD-3-Clause
# Passed: one message a wait, and a count of what the urgent line has left.

import time

import zmq


def serve(ctx, urgent, ordinary, stop, work, seconds):
    end = time.monotonic() + seconds
    sockets = [ctx.socket(zmq.PULL) for _ in range(3)]
    poller, results, credit = zmq.Poller(), [], 3
    try:
        for socket, endpoint in zip(sockets, (urgent, ordinary, stop)):
            socket.bind(endpoint)
            poller.register(socket)
        fast, slow, word = sockets
        while True:
            ready = dict(poller.poll(max(0, (end - time.monotonic()) * 1000)))
            if word in ready or time.monotonic() >= end:
                return results
            if fast in ready and (credit > 0 or slow not in ready):
                results.append(work(fast.recv()))
                credit -= 1
            elif slow in ready:
                results.append(work(slow.recv()))
                credit = 3
    finally:
        for socket in sockets:
            socket.close(linger=0)
