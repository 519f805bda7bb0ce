# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the end of its Context did not end it.
import time

import zmq


def keep(ctx, monitor, book, patience):
    with ctx.socket(zmq.SUB) as copies, ctx.socket(zmq.PUSH) as entries:
        entries.linger = 1000
        copies.subscribe(b"in")
        copies.subscribe(b"out")
        copies.connect(monitor)
        entries.connect(book)
        asked = {}
        while True:
            try:
                over = [key for key, (before, _) in asked.items() if time.monotonic() >= before + patience]
                for key in over:
                    entries.send_multipart([*key[:2], asked.pop(key)[1], b""])
                if not copies.poll(20):
                    continue
                way, receiver, sender, number, text = copies.recv_multipart()
            except (zmq.ZMQError, ValueError):
                time.sleep(0.02)
                continue
            if way == b"in":
                asked[sender, receiver, number] = time.monotonic(), text
            elif way == b"out" and (receiver, sender, number) in asked:
                before, question = asked.pop((receiver, sender, number))
                took = round(1000 * (time.monotonic() - before))
                entries.send_multipart([receiver, sender, question, b"%d" % took])
