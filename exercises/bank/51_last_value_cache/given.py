# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def cache(ctx, upstream, downstream):
    """Pass values on, and hand out the current ones to whoever subscribes, but none that was taken back.

    upstream    a publisher is bound here: connect, and subscribe to everything
    downstream  bind here; subscribers connect, and each subscribes to prefixes of topics

    A value comes in two frames, [topic][value]. No topic is empty. An empty value takes its topic back:
    from then on this topic has no current value, until the next that is not empty. Topics whose names
    begin alike, such as b"tea" and b"tea.green", have nothing else in common.

    Pass each message on once, as it came, the empty ones as well, for those who listen. Whenever a
    subscription arrives, also if others have the same, or if it was made and cancelled before, send
    the current value of every topic that begins with it, each once and in two frames. Others who have
    subscribed to these topics may get them once more. Nothing else goes out.

    Neither side is to be trusted. What is not two frames is no value, and subscribers may send a frame
    that is no subscription: pass over it. There are at most 500 topics, and a subscriber that reads
    slowly still gets the whole answer to its subscription. Go on for ever, until your Context ends;
    then raise what that raises, or return.
    """
    last = {}
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.XPUB) as xpub:
        xpub.bind(downstream)
        sub.subscribe(b"")
        sub.connect(upstream)
        poller = zmq.Poller()
        poller.register(sub, zmq.POLLIN)
        poller.register(xpub, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if sub in ready:
                topic, value = sub.recv_multipart()
                last[topic] = value
                xpub.send_multipart([topic, value])
            if xpub in ready:
                event = xpub.recv()
                if event[:1] == b"\1" and event[1:] in last:
                    xpub.send_multipart([event[1:], last[event[1:]]])
