# SPDX-License-Identifier: BSD-3-Clause
# Not yet: only the last question was kept in mind.
import time

import zmq


def keep(ctx, monitor, book, patience):
    last = None
    with ctx.socket(zmq.SUB) as copies, ctx.socket(zmq.PUSH) as entries:
        entries.linger = 1000
        copies.subscribe(b"")
        copies.connect(monitor)
        entries.connect(book)
        while True:
            if last and not copies.poll(max(0, 1000 * (last[0] + patience - time.monotonic()))):
                entries.send_multipart([*last[1:], b""])
                last = None
                continue
            match copies.recv_multipart():
                case [b"in", engine, client, _, text]:
                    last = time.monotonic(), client, engine, text
                case [b"out", client, engine, _, _] if last:
                    took = round(1000 * (time.monotonic() - last[0]))
                    entries.send_multipart([*last[1:], b"%d" % took])
                    last = None
