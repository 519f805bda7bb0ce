# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def publish(ctx, messages, endpoint, subscribers):
    """Publish every message to whoever subscribes to its topic; begin when all subscribers are there.

    messages     a list of pairs of bytes (topic, text). Each goes out once and in this order, in two
                 frames [topic][text], and nothing else goes out
    endpoint     bind here
    subscribers  how many must be there, all at the same time, before the first message goes out

    A subscriber is a SUB in somebody else's program and cannot answer. It connects, subscribes to one
    topic or to several, may cancel some of them, and last of all subscribes to b"ready." and its name,
    b"ready.Ada" say. No two that are there have the same name, and no message's topic begins so. From
    one subscriber all this arrives in this order. One that leaves before the start is not there any
    more: all its subscriptions are cancelled, and after a while another comes, or the same again.
    Wait as long as it takes. Nobody else comes. Return when all messages are sent: your Context sets no
    limit to a queue, and what still waits in a socket that you close is delivered. Leave no socket open.
    """
    with ctx.socket(zmq.PUB) as pub:
        pub.bind(endpoint)
        for topic, text in messages:
            pub.send_multipart([topic, text])
