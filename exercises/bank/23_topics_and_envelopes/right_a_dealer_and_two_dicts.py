# SPDX-License-Identifier: BSD-3-Clause
# Passed: a DEALER for the panel, and numbers for the places.

import itertools

import zmq


def show(ctx, endpoint, keys, panel):
    clock, since, news = itertools.count(), {}, {}
    with ctx.socket(zmq.XSUB) as sub, ctx.socket(zmq.DEALER) as dealer:
        sub.connect(endpoint)
        for key in keys:
            sub.send(b"\x01" + key)
        dealer.connect(panel)
        while True:
            while not since or zmq.select([sub], [], [], 0)[0]:
                key, *rest = sub.recv_multipart()
                if key in keys and len(rest) == 2:
                    since.setdefault(key, next(clock))
                    news[key] = rest
            key = min(since, key=since.get)
            del since[key]
            dealer.send_multipart([b"", key, *news[key]])
            if dealer.recv_multipart()[-1] == b"STOP":
                break
