# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it did not give up after its patience.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    """Give every message to every endpoint, a copy to each, and return what was not taken.

    messages   a list of bytes; two of them may be equal
    endpoints  a list; at each of them a PULL is bound, or nobody is, or it is bound a little later: connect
               to it with PUSH, and send each message in one frame
    room       so many messages may wait in your socket for one endpoint, and no more
    patience   seconds to wait for one endpoint, until somebody is there and there is room; then give it up, and
               wait no more for it. Begin to count anew whenever a message was taken, or do not, as you like.
               Each endpoint has its own patience, whatever the others have used

    Return a list of lists: for each endpoint, in their order, the messages that were not taken there, in their
    order; an empty list where all were. A message is taken when a connection to somebody stands and `send` has
    put it into that connection's queue. What was taken must arrive, when there is at last room for it: the
    Context has a linger for that. What was not taken must never arrive. Leave no socket open.
    """
    left = []
    for endpoint in endpoints:
        with ctx.socket(zmq.PUSH) as push:
            push.sndhwm = room
            push.connect(endpoint)
            for message in messages:
                push.send(message)
        left.append([])
    return left
    # as it was
