# SPDX-License-Identifier: BSD-3-Clause
# Passed: a handler that notes the time, and short waits.

import math
import signal
import time

import zmq


def sink(ctx, results, control, grace):
    found, total, until, there = {}, None, math.inf, 0

    def ending(*_):
        nonlocal until
        until = min(until, time.monotonic() + grace)

    signal.signal(signal.SIGTERM, ending)
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as kill:
        kill.xpub_verboser = True
        pull.bind(results)
        kill.bind(control)
        while len(found) != total and time.monotonic() < until:
            if pull.poll(20):
                match pull.recv_multipart():
                    case [b"END", count]:
                        total = int(count)
                    case [number, result]:
                        found[int(number)] = result
        while kill.poll(None if there else 0):
            if kill.recv()[0]:
                there += 1
                kill.send(b"KILL")
            else:
                there -= 1
    return found
