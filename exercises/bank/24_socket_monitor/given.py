# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def diagnose(ctx, endpoints, topic, seconds):
    """Say of each endpoint why nothing of a topic comes from it, as things stand when the time is over.

    endpoints  a list of strings, "tcp://...", no two alike: connect a SUB to each
    topic      bytes, not empty: a message is of this topic if its first frame begins with it
    seconds    the time for all of them together, at least 1: use it all, and return within 0.5 s of its end

    Return a list with a name for each endpoint, in their order; the first of these that fits:

    "well"     a message of the topic has come
    "other"    a connection stands, the other side answers, and all that came was of other topics
    "silent"   a connection stands, the other side answers, and no message has come
    "frozen"   a handshake succeeded once; now the endpoint takes connections, and nobody answers on them
    "gone"     a handshake succeeded once; now nobody listens
    "refused"  somebody listens, and every handshake has failed: the other side hangs up
    "mute"     somebody listens, takes connections, and never says a word
    "nobody"   nobody listens, and nobody ever did

    "The other side" is libzmq, and while its connection carries anything it shakes hands, hangs up, or answers a
    PING within 0.1 s.
    Of one who refuses, a monitor may tell no more than CONNECTED and DISCONNECTED, and libzmq may not try it
    again.
    Whatever changes at an endpoint changes in the first half of the time: somebody may come late, go, come
    back, or stop answering, or another listen there who never says a word. Who refuses, or is mute from the
    beginning, stays so. Leave no socket open.
    """
    names = []
    for endpoint in endpoints:
        with ctx.socket(zmq.SUB) as sub:
            sub.subscribe(topic)
            with sub.get_monitor_socket(zmq.EVENT_CONNECTED) as monitor:
                sub.connect(endpoint)
                names.append("silent" if monitor.poll(seconds * 1000 / len(endpoints)) else "nobody")
                sub.disable_monitor()
    return names
