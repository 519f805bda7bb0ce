# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the end of its Context did not end it.
# Every error is passed over.

import zmq


def forwarder(ctx, publishers, subscribers, control):
    front, back, rep = ctx.socket(zmq.XSUB), ctx.socket(zmq.XPUB), ctx.socket(zmq.REP)
    front.rcvhwm = back.sndhwm = 0
    front.bind(publishers)
    back.bind(subscribers)
    rep.bind(control)
    paused, count = False, 0
    while True:
        try:
            reading = [back, rep] if paused else [front, back, rep]
            ready, _, _ = zmq.select(reading, [], [])
            if front in ready:
                back.send_multipart(front.recv_multipart())
                count += 1
            if back in ready:
                front.send_multipart(back.recv_multipart())
            if rep in ready:
                word = rep.recv()
                if word in (b"PAUSE", b"RESUME"):
                    paused = word == b"PAUSE"
                answers = {b"PAUSE": b"paused", b"RESUME": b"running", b"COUNT": b"%d" % count}
                rep.send(answers.get(word, b"what?"))
        except zmq.ZMQError:
            pass
