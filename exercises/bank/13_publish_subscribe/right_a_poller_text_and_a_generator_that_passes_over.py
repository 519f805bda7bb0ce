# SPDX-License-Identifier: BSD-3-Clause
# Passed: a poller, text, and a generator that passes over noise.

import zmq


def reports(sub, line):
    poller = zmq.Poller()
    poller.register(sub, zmq.POLLIN)
    while True:
        for socket, _ in poller.poll(50):
            text, *more = (frame.decode("latin-1") for frame in socket.recv_multipart())
            name, space, delay = text.partition(" ")
            digits = delay.removeprefix("-")
            if name == line and not more and digits and all(digit in "0123456789" for digit in digits):
                yield int(delay)


def average(ctx, endpoint, line, count):
    with ctx.socket(zmq.SUB) as sub:
        sub.setsockopt_string(zmq.SUBSCRIBE, line.decode())
        sub.connect(endpoint)
        coming = reports(sub, line.decode())
        return float(sum(next(coming) for _ in range(count))) / count
