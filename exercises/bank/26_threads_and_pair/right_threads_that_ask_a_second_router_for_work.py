# SPDX-License-Identifier: BSD-3-Clause
# Passed: threads that ask a second ROUTER for work.

import threading
import time
from collections import OrderedDict, deque

import zmq


def worker(ctx, work):
    req = ctx.socket(zmq.REQ)
    req.connect("inproc://jobs")
    try:
        req.send(b"")
        while True:
            job = req.recv_multipart()
            try:
                result = [b"DONE", work(job[-1])]
            except Exception:
                result = [b"FAILED"]
            req.send_multipart(job[:-1] + result)
    except zmq.ContextTerminated:
        pass
    finally:
        req.close(0)


def server(ctx, endpoint, work, threads, interval):
    outside, inside = ctx.socket(zmq.ROUTER), ctx.socket(zmq.ROUTER)
    inside.bind("inproc://jobs")
    for _ in range(threads):
        threading.Thread(target=worker, args=(ctx, work), daemon=True).start()
    outside.bind(endpoint)
    free, line, pending, tick = deque(), deque(), OrderedDict(), time.monotonic()
    try:
        while True:
            events = zmq.select([outside, inside], [], [], max(0, tick - time.monotonic()) if pending else None)[0]
            if inside in events:
                who, _, *reply = inside.recv_multipart()
                free.append(who)
                if reply != [b""]:
                    client, number = reply[:2]
                    pending.pop((client, number))
                    outside.send_multipart([client, b"", *reply[1:]])
            if outside in events:
                client, _, number, body = outside.recv_multipart()
                if not pending:
                    tick = time.monotonic() + interval
                pending[client, number] = True
                line.append((client, number, body))
            if pending and time.monotonic() >= tick:
                tick += interval
                for client, number in pending:
                    outside.send_multipart([client, b"", number, b"WAIT"])
            while free and line:
                inside.send_multipart([free.popleft(), b"", *line.popleft()])
    finally:
        outside.close(0)
        inside.close(0)
