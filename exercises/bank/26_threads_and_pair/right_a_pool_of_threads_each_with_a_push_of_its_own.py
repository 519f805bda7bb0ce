# SPDX-License-Identifier: BSD-3-Clause
# Passed: a pool of threads, each with a PUSH of its own.

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import zmq


@dataclass
class Asked:
    client: bytes
    number: bytes
    next: float


def server(ctx, endpoint, work, threads, interval):
    mine = threading.local()

    def job(key, body):
        if not hasattr(mine, "push"):
            mine.push = ctx.socket(zmq.PUSH)
            mine.push.connect("inproc://results")
        try:
            said = [b"DONE", work(body)]
        except Exception:
            said = [b"FAILED"]
        mine.push.send_multipart([key, *said])

    open_, keys, pool = {}, iter(range(1 << 60)), ThreadPoolExecutor(threads)
    with ctx.socket(zmq.ROUTER) as router, ctx.socket(zmq.PULL) as results:
        router.bind(endpoint)
        results.bind("inproc://results")
        while True:
            now = time.monotonic()
            for asked in open_.values():
                if asked.next <= now:
                    router.send_multipart([asked.client, b"", asked.number, b"WAIT"])
                    asked.next += interval
            soon = min((asked.next for asked in open_.values()), default=None)
            ready = zmq.select([router, results], [], [], None if soon is None else max(0, soon - now))[0]
            if results in ready:
                key, *said = results.recv_multipart()
                asked = open_.pop(key)
                router.send_multipart([asked.client, b"", asked.number, *said])
            if router in ready:
                client, _, number, body = router.recv_multipart()
                key = b"%d" % next(keys)
                open_[key] = Asked(client, number, time.monotonic() + interval)
                pool.submit(job, key, body)
