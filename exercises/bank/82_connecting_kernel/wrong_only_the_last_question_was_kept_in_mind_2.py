# SPDX-License-Identifier: BSD-3-Clause
# Not yet: only the last question was kept in mind.
import time

import zmq


def keep(ctx, monitor, book, patience):
    before, question = 0.0, b""
    with ctx.socket(zmq.SUB) as copies, ctx.socket(zmq.PUSH) as entries:
        entries.linger = 1000
        copies.subscribe(b"")
        copies.connect(monitor)
        entries.connect(book)
        while True:
            match copies.recv_multipart():
                case [b"in", _, _, _, text]:
                    before, question = time.monotonic(), text
                case [b"out", client, engine, _, _]:
                    took = round(1000 * (time.monotonic() - before))
                    entries.send_multipart([client, engine, question, b"%d" % took])
