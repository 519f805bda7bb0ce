# SPDX-License-Identifier: BSD-3-Clause
# Not yet: what only begins like a copy was taken for one.

import math
import time

import zmq


def keep(ctx, monitor, book, patience):
    with ctx.socket(zmq.SUB) as copies, ctx.socket(zmq.PUSH) as entries:
        entries.linger = 1000
        copies.subscribe(b"")
        copies.connect(monitor)
        entries.connect(book)
        asked = {}
        while True:
            wait = None
            if asked:
                first = next(iter(asked.values()))[0]
                wait = max(0, math.ceil(1000 * (first + patience - time.monotonic())))
            came = copies.poll(wait)
            now = time.monotonic()
            while asked:
                key = next(iter(asked))
                if asked[key][0] + patience > now:
                    break
                _, text = asked.pop(key)
                entries.send_multipart([key[0], key[1], text, b""])
            if not came:
                continue
            message = copies.recv_multipart()
            if len(message) != 5:
                continue
            way, receiver, sender, number, text = message
            if way.startswith(b"in"):
                asked[sender, receiver, number] = now, text
            elif way == b"out" and (receiver, sender, number) in asked:
                before, question = asked.pop((receiver, sender, number))
                entries.send_multipart([receiver, sender, question, b"%d" % (1000 * (now - before))])
