# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the last frame was not empty where there was no answer.
import math
import time

import zmq


def keep(ctx, monitor, book, patience):
    asked = {}
    with ctx.socket(zmq.SUB) as copies, ctx.socket(zmq.PUSH) as entries:
        entries.linger = 1000
        copies.subscribe(b"")
        copies.connect(monitor)
        entries.connect(book)
        while True:
            oldest = min((before for before, _ in asked.values()), default=math.inf)
            left = oldest + patience - time.monotonic()
            if copies.poll(None if left == math.inf else max(0, math.ceil(1000 * left))):
                match copies.recv_multipart():
                    case [b"in", engine, client, number, text]:
                        asked[client, engine, number] = time.monotonic(), text
                    case [b"out", client, engine, number, _] if (client, engine, number) in asked:
                        before, text = asked.pop((client, engine, number))
                        took = round(1000 * (time.monotonic() - before))
                        entries.send_multipart([client, engine, text, b"%d" % took])
            for (client, engine, number), (before, text) in list(asked.items()):
                if time.monotonic() >= before + patience:
                    del asked[client, engine, number]
                    entries.send_multipart([client, engine, text, b"%d" % round(1000 * patience)])
