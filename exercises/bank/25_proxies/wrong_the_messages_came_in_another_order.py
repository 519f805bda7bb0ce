# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the messages came in another order.
# The one that came last goes out first.

from collections import deque

import zmq


def forwarder(ctx, publishers, subscribers, control):
    held, gone, pause = deque(), 0, False
    xsub, xpub, rep = ctx.socket(zmq.XSUB), ctx.socket(zmq.XPUB), ctx.socket(zmq.REP)
    try:
        for socket, endpoint in ((xsub, publishers), (xpub, subscribers), (rep, control)):
            socket.set_hwm(0)
            socket.bind(endpoint)
        while True:
            ready, _, _ = zmq.select([xsub, xpub, rep], [], [])
            if xsub in ready:
                held.append(xsub.recv_multipart(copy=False))
            if xpub in ready:
                xsub.send_multipart(xpub.recv_multipart())
            if rep in ready:
                word = rep.recv()
                if word in (b"PAUSE", b"RESUME"):
                    pause = word == b"PAUSE"
                    rep.send(b"paused" if pause else b"running")
                else:
                    rep.send(str(gone).encode() if word == b"COUNT" else b"what?")
            while held and not pause:
                xpub.send_multipart(held.pop())
                gone += 1
    finally:
        for socket in (xsub, xpub, rep):
            socket.close(0)
