# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it left while workers were there.

import math
import signal
import socket
import time

import zmq


def sink(ctx, results, control, grace):
    found, total, until, there = {}, None, math.inf, 0
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.set_wakeup_fd(theirs.fileno())
    with ours, theirs, ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as kill:
        kill.xpub_verboser = True
        pull.bind(results)
        kill.bind(control)
        poller = zmq.Poller()
        poller.register(pull, zmq.POLLIN)
        poller.register(ours, zmq.POLLIN)
        while len(found) != total:
            left = until - time.monotonic()
            ready = dict(poller.poll(None if left == math.inf else max(0, math.ceil(left * 1000))))
            if ours.fileno() in ready:
                until = time.monotonic() + grace
                poller.unregister(ours)
            if pull in ready:
                match pull.recv_multipart():
                    case [b"END", count]:
                        total = int(count)
                    case [number, result]:
                        found[int(number)] = result
            elif time.monotonic() >= until:
                break
        while kill.poll(200):
            if kill.recv()[0]:
                there += 1
                kill.send(b"KILL")
            else:
                there -= 1
        signal.set_wakeup_fd(-1)
    return found
