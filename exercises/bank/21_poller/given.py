# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def serve(ctx, urgent, ordinary, stop, work, seconds):
    """Carry out what comes from two lines until a word or the time ends it; return the results.

    urgent, ordinary  bind a PULL to each: the two lines. A message has one frame
    stop              bind a PULL here, too: when any message comes, even an empty one, that is the end
    work              a function from bytes to bytes: call it with every message you have received
    seconds           the time for everything, counted from the call: when it is over, that is the end

    While both lines have something, three urgent messages are carried out, then one ordinary, then three
    urgent, and so on; where you start counting after one of them was empty is up to you. While only one
    line has something, that one is served. While neither has, sleep until something comes on any of the
    three sockets, and wake up without reason at most twenty times a second. After the end you may finish
    the turn in hand, three urgent messages and one ordinary at most; carry out nothing that still waits in
    the lines then. Return a list of what `work` returned, in the order in which it was done. Close your
    sockets.
    """
    with ctx.socket(zmq.PULL) as first, ctx.socket(zmq.PULL) as second, ctx.socket(zmq.PULL) as word:
        first.bind(urgent)
        second.bind(ordinary)
        word.bind(stop)
        done = []
        while not word.poll(0):
            done.append(work(first.recv()))
            done.append(work(second.recv()))
        return done
