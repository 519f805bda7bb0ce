# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the same command twice did not do what it does once.
# A socket can be taken out of a poller once.

import zmq


def forwarder(ctx, publishers, subscribers, control):
    paused, count = False, 0
    with ctx.socket(zmq.XSUB) as front, ctx.socket(zmq.XPUB) as back, ctx.socket(zmq.REP) as rep:
        front.rcvhwm = back.sndhwm = 0
        front.bind(publishers)
        back.bind(subscribers)
        rep.bind(control)
        poller = zmq.Poller()
        poller.register(back, zmq.POLLIN)
        poller.register(rep, zmq.POLLIN)
        poller.register(front, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if front in ready:
                back.send_multipart(front.recv_multipart())
                count += 1
            if back in ready:
                front.send_multipart(back.recv_multipart())
            if rep in ready:
                match rep.recv():
                    case b"PAUSE":
                        paused = True
                        poller.unregister(front)
                        rep.send(b"paused")
                    case b"RESUME":
                        paused = False
                        poller.register(front, zmq.POLLIN)
                        rep.send(b"running")
                    case b"COUNT":
                        rep.send(b"%d" % count)
                    case _:
                        rep.send(b"what?")
