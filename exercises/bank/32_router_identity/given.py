# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def deliver(ctx, endpoint, letters, patience):
    """Deliver the letters in their order, and return the list of those that could not be delivered.

    endpoint   bind a ROUTER here; guests connect to it with DEALERs, each under its name (its routing id)
    letters    a list of pairs (name, text), both bytes; a guest receives its letter as one frame, the text
    patience   seconds that one letter may take, from the moment when it is its turn

    Guests say nothing, before or after. A guest may connect before you or later, or never. It may also come back
    on a new connection while the old one still stands; then letters whose turn comes after that are for the new one.
    A letter for whose name there is no connection waits until there is one, or until its patience is over; then it
    is not delivered, and the next one has its turn, which may be for the same guest. While a letter waits, no other
    one is sent, and your function sleeps. A letter that its connection has taken counts as delivered; see that it
    arrives, also if the guest reads it only when you have returned. Leave no socket open.
    It ends when its Context does: let zmq.ContextTerminated through.
    """
    with ctx.socket(zmq.ROUTER) as router:
        router.bind(endpoint)
        for name, text in letters:
            router.send_multipart([name, text])
    return []
