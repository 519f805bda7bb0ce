# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a message that was wanted did not arrive.
# Messages without a second frame are passed over.

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
                topic, *rest = front.recv_multipart()
                if rest:
                    back.send_multipart([topic, *rest])
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
