# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def show(ctx, endpoint, keys, panel):
    """Keep a panel, which is slow, on the newest value of each key, and tell it who sent the value.

    endpoint  a publisher is bound here, and passes on what many senders publish: connect one SUB
    keys      a list of different keys (bytes, none of them empty): they count, and no others
    panel     a REP is bound here: send it [key][address][value], and then wait for its reply

    A message that counts has three frames, [key][address][value]. The key is exactly one of `keys`;
    the address says who sent it; address and value are any bytes, or none. Pass over everything else:
    other keys, such as b"teapot" beside b"tea", and messages with fewer or more frames.

    A key waits from the moment a message of it is received until it is shown. Whenever the panel is
    free (at the start, and after each reply), take in everything that is in your socket by then. Then
    show one key: the one that has waited longest, with the value and the address of its newest message.
    A newer message does not change the place of a key that waits. A key that has been shown waits again
    when the next message of it comes, even if that says the same. If no key waits, wait for a message.

    The panel replies b"NEXT", or b"STOP": then return, whatever still waits. The next message, or the
    reply, may be a second away. Your Context sets no limit to a queue. Leave no socket open.
    """
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.REQ) as req:
        for key in keys:
            sub.subscribe(key)
        sub.connect(endpoint)
        req.connect(panel)
        while True:
            req.send_multipart(sub.recv_multipart())
            if req.recv() == b"STOP":
                return
