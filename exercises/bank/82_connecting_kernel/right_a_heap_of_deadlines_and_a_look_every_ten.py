# SPDX-License-Identifier: BSD-3-Clause
# Passed: a heap of deadlines and a look every ten milliseconds.
import heapq
import time

import zmq


def keep(ctx, monitor, book, patience):
    copies, entries = ctx.socket(zmq.SUB), ctx.socket(zmq.PUSH)
    asked, heap, count = {}, [], 0
    with copies, entries:
        copies.connect(monitor)
        copies.subscribe("in")
        copies.subscribe("out")
        entries.connect(book)
        poller = zmq.Poller()
        poller.register(copies, zmq.POLLIN)
        while True:
            if poller.poll(10):
                frames = copies.recv_multipart()
                if len(frames) == 5 and frames[0] == b"in":
                    _, engine, client, number, text = frames
                    count += 1
                    asked[client, engine, number] = count, time.monotonic(), text
                    heapq.heappush(heap, (time.monotonic() + patience, count, (client, engine, number)))
                if len(frames) == 5 and frames[0] == b"out" and tuple(frames[1:4]) in asked:
                    _, before, text = asked.pop(tuple(frames[1:4]))
                    entries.send_multipart([*frames[1:3], text, b"%d" % ((time.monotonic() - before) * 1000)])
            while heap and heap[0][0] <= time.monotonic():
                _, number, key = heapq.heappop(heap)
                if key in asked and asked[key][0] == number:
                    entries.send_multipart([*key[:2], asked.pop(key)[2], b""])
