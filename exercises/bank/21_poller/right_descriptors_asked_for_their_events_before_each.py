# SPDX-License-Identifier: BSD-3-Clause
# Passed: descriptors, asked for their events before each sleep.

import select
import time

import zmq


def serve(ctx, urgent, ordinary, stop, work, seconds):
    end = time.monotonic() + seconds
    done = []
    with ctx.socket(zmq.PULL) as a, ctx.socket(zmq.PULL) as b, ctx.socket(zmq.PULL) as c:
        a.bind(urgent)
        b.bind(ordinary)
        c.bind(stop)
        turn = 0
        while (left := end - time.monotonic()) > 0:
            has = [bool(s.EVENTS & zmq.POLLIN) for s in (a, b, c)]
            if has[2]:
                break
            if has[0] and (turn < 3 or not has[1]):
                done.append(work(a.recv()))
                turn += 1
            elif has[1]:
                done.append(work(b.recv()))
                turn = 0
            else:
                select.select([a.FD, b.FD, c.FD], [], [], left)
    return done
