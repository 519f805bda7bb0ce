# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it waited longer than the grace.

import signal
import socket

import zmq


def sink(ctx, results, control, grace):
    found, total, limit, there = {}, None, None, 0
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
            ready = dict(poller.poll(limit))
            if ours.fileno() in ready:
                limit = grace * 1000
                poller.unregister(ours)
            if pull in ready:
                match pull.recv_multipart():
                    case [b"END", count]:
                        total = int(count)
                    case [number, result]:
                        found[int(number)] = result
            elif not ready:
                break
        while kill.poll(None if there else 0):
            if kill.recv()[0]:
                there += 1
                kill.send(b"KILL")
            else:
                there -= 1
        signal.set_wakeup_fd(-1)
    return found
