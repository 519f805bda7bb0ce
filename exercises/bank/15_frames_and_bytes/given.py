# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def stamp(ctx, inbox, outbox, count, now):
    """Stamp `count` messages and pass them on, in the order in which they come.

    inbox    bind a PULL here: messages of two or more frames, [title][header][more]...
             title   any bytes, not always text
             header  a JSON object in UTF-8, such as {"kind": "drink"}
             more    no frame, one or several, each any bytes; some are empty
    outbox   connect a PUSH here, perhaps before anybody is bound, and send each message on as one message with
             the same frames, but with "seen" in the header: `now` as text in the form of ISO 8601, in place
             of any older value
    count    return after that many messages have been passed on
    now      a datetime with its time zone

    A message that has fewer than two frames, or whose header is not a JSON object in UTF-8, is dropped and
    does not count; no header is nested deeper than `json` can read. Leave no socket open.
    """
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.PUSH) as push:
        pull.bind(inbox)
        push.connect(outbox)
        for _ in range(count):
            title = pull.recv()
            header = pull.recv_json()
            header["seen"] = now.isoformat()
            push.send(title, zmq.SNDMORE)
            push.send_json(header)
