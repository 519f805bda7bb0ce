# SPDX-License-Identifier: BSD-3-Clause
# Not yet: answers were taken to come in the order of the questions.
import collections
import time

import zmq


def keep(ctx, monitor, book, patience):
    asked = collections.defaultdict(collections.deque)
    with ctx.socket(zmq.SUB) as copies, ctx.socket(zmq.PUSH) as entries:
        entries.linger = 1000
        copies.subscribe(b"")
        copies.connect(monitor)
        entries.connect(book)
        while True:
            if copies.poll(20):
                way, *frames = copies.recv_multipart()
                if way == b"in" and len(frames) == 4:
                    engine, client, _, text = frames
                    asked[client, engine].append((time.monotonic(), text))
                elif way == b"out" and len(frames) == 4 and asked[tuple(frames[:2])]:
                    before, text = asked[tuple(frames[:2])].popleft()
                    took = round(1000 * (time.monotonic() - before))
                    entries.send_multipart([*frames[:2], text, b"%d" % took])
            for (client, engine), waiting in asked.items():
                while waiting and time.monotonic() >= waiting[0][0] + patience:
                    entries.send_multipart([client, engine, waiting.popleft()[1], b""])
