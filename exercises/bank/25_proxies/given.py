# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def forwarder(ctx, publishers, subscribers, control):
    """Pass messages and subscriptions on, and hold the messages back while you are told to.

    publishers   bind here; publishers connect, each an XPUB or a PUB, before the first command comes
    subscribers  bind here; subscribers connect, each a SUB
    control      bind a REP here; a command is one frame, and so is its answer

    A publisher's message goes out once, with all its frames, for those who have subscribed to it, and
    the order of each publisher is kept. What the subscribers want, and no more, is asked for at the
    publishers, and it is cancelled there when nobody wants it any more.

    b"PAUSE"   answer b"paused"; from then on no message goes out
    b"RESUME"  answer b"running"; what came in the pause goes out now, in its order, before anything new
    b"COUNT"   answer with the number of messages that you have taken from publishers and sent to the
               subscribers' side so far, in decimal digits, b"0" at first. A message counts as one,
               however many frames it has. Subscriptions do not count, nor does what still waits
    any other  answer b"what?", and nothing changes

    Two PAUSEs in a row make one pause. In a pause subscriptions and cancellations go on as ever, and every
    command is answered at once. Nothing may be lost: up to 500 messages may come in a pause, or wait
    for one slow subscriber; the publishers have no room of their own, and a socket of your Context has
    room for 100 unless you change that. Where there is nothing to do but to wait, wait, and do not
    compute. Go on for ever, until your Context ends; then raise what that raises, or return.
    """
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
                rep.recv()  # until RESUME
            if rep in ready:
                rep.send(b"running")
