# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def post(ctx, letters, receipts, letter, seconds):
    """Send one letter and say whether it was delivered: True or False.

    letters    connect a PUSH here; the reader binds, perhaps a little later, perhaps never
    receipts   bind a PULL here; for each letter it has read, the reader sends the same bytes as a receipt
    letter     bytes, to be sent as one message, once
    seconds    how long you may take in all

    Return True as soon as the receipt for this letter has come. Receipts may come for other people's
    letters; pass them over. When the time is over return False, and then a letter that has not left
    yet must not be delivered any more: on False your caller does something else about it. Leave no socket
    open. The Context is not yours: set nothing on it; your caller will end it.
    """
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.linger = -1
        push.connect(letters)
        pull.bind(receipts)
        push.send(letter)
        return True
