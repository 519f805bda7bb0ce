# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    """Give every message to every endpoint, a copy to each, and return what was not taken.

    messages   a list of bytes; two of them may be equal. The list is your caller's: leave it as it is
    endpoints  a list, no two of them equal; at each a PULL is bound, or nothing is, or a PULL is bound a
               little later: connect to it with PUSH, and send each message in one frame
    room       at most this many messages may wait in your socket for one endpoint; at least 1
    patience   seconds to wait for one endpoint, until somebody is there and there is room; then give it up, and
               send it nothing more. Start counting again whenever a message was taken, or do not, as you like.
               Each endpoint has its own patience, whatever the others have used

    Return a list of lists: for each endpoint, in their order, the messages that were not taken there, in their
    order; an empty list where all were. A message is taken when a connection to somebody stands and `send` has
    put it into that connection's queue. What was taken must arrive once there is room for it: the
    Context gives it the time for that. What was not taken must never arrive. Close your sockets.
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
