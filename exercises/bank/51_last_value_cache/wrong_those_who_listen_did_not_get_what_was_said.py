# SPDX-License-Identifier: BSD-3-Clause
# Not yet: those who listen did not get what was said.

import zmq


class Shelf:
    def __init__(self):
        self.values = {}

    def put(self, topic, value):
        if value:
            self.values[topic] = value
        else:
            self.values.pop(topic, None)

    def below(self, prefix):
        return [[topic, value] for topic, value in self.values.items() if topic.startswith(prefix)]


def cache(ctx, upstream, downstream):
    shelf = Shelf()
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.XPUB) as xpub:
        xpub.xpub_verbose = True
        xpub.sndhwm = 0
        sub.rcvhwm = 0
        xpub.bind(downstream)
        sub.subscribe(b"")
        sub.connect(upstream)
        while True:
            ready, _, _ = zmq.select([sub, xpub], [], [])
            if sub in ready:
                frames = sub.recv_multipart()
                if len(frames) == 2:
                    shelf.put(*frames)
            if xpub in ready:
                frames = xpub.recv_multipart()
                if len(frames) == 1 and frames[0][:1] == b"\1":
                    for pair in shelf.below(frames[0][1:]):
                        xpub.send_multipart(pair)
