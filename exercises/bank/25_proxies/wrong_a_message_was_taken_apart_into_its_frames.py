# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a message was taken apart into its frames.
# Frame by frame.

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
        while True:
            poller.register(front, 0 if paused else zmq.POLLIN)
            ready = dict(poller.poll())
            if front in ready:
                back.send(front.recv())
                count += 1
            if back in ready:
                front.send_multipart(back.recv_multipart())
            if rep in ready:
                match rep.recv():
                    case b"PAUSE":
                        paused = True
                        rep.send(b"paused")
                    case b"RESUME":
                        paused = False
                        rep.send(b"running")
                    case b"COUNT":
                        rep.send(b"%d" % count)
                    case _:
                        rep.send(b"what?")
