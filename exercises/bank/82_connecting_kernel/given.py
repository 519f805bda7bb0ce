# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: the journal of the lesson, for one open question at a time.
import time

import zmq


def keep(ctx, monitor, book, patience):
    """Keep the book of a monitored queue: an entry for each question, answered or not.

    monitor    connect a SUB here; the queue's PUB, bound, publishes its monitor stream
    book       connect a PUSH here, and send each entry; a PULL is bound
    patience   seconds that an answer may take

    A copy has five frames: [in][engine][client][number][text] for a question, and for its answer
    [out][client][engine][number][text]. The number, some bytes, is the client's own. Questions that one client has
    open with one engine have different numbers; apart from that, a number may come again: from another client, to
    another engine, and to the same engine when the question is open no longer. Engines answer in any order.

    An entry has four frames: [client][engine][text of the question][milliseconds]. It is sent as soon as the copy of
    the answer comes, with the time between the two copies in whole milliseconds, as decimal digits. If none has come
    when the patience is over, counted from the question's copy, the entry is sent then, and its last frame is empty.
    With its entry a question is no longer open: an answer that comes later belongs to none.
    What has another number of frames, or another first frame (one that begins with in or out among them), is no copy.
    It is passed over, and so is an answer that belongs to no open question.
    While nothing comes, your function sleeps. It ends when its Context does.
    """
    with ctx.socket(zmq.SUB) as copies, ctx.socket(zmq.PUSH) as entries:
        entries.linger = 1000
        copies.subscribe(b"in")
        copies.subscribe(b"out")
        copies.connect(monitor)
        entries.connect(book)
        asked = {}
        while True:
            way, receiver, sender, number, text = copies.recv_multipart()
            if way == b"in":
                asked[sender, receiver] = time.monotonic(), text
            elif way == b"out":
                before, question = asked.pop((receiver, sender))
                took = round(1000 * (time.monotonic() - before))
                entries.send_multipart([receiver, sender, question, b"%d" % took])
