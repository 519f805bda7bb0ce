# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a command was answered in other words.
# All that is no PAUSE is answered as if it were RESUME; the rest waits.

import zmq


def forwarder(ctx, publishers, subscribers, control):
    with ctx.socket(zmq.XSUB) as front, ctx.socket(zmq.XPUB) as back, ctx.socket(zmq.REP) as rep:
        front.bind(publishers)
        back.bind(subscribers)
        rep.bind(control)
        poller = zmq.Poller()
        for socket in front, back, rep:
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if front in ready:
                back.send_multipart(front.recv_multipart())
            if back in ready:
                front.send_multipart(back.recv_multipart())
            if rep in ready and rep.recv() == b"PAUSE":
                rep.send(b"paused")
                rep.recv()
            if rep in ready:
                rep.send(b"running")
