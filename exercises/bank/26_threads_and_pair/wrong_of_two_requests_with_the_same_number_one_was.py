# SPDX-License-Identifier: BSD-3-Clause
# Not yet: of two requests with the same number one was forgotten.
# A dictionary of jobs by their number.

import time
from concurrent.futures import ThreadPoolExecutor

import zmq


def server(ctx, endpoint, work, threads, interval):
    pool = ThreadPoolExecutor(threads)
    jobs = {}
    with ctx.socket(zmq.ROUTER) as router:
        router.bind(endpoint)
        while True:
            if router.poll(20):
                client, _, number, body = router.recv_multipart()
                jobs[number] = [client, pool.submit(work, body), time.monotonic() + interval]
            for key, job in list(jobs.items()):
                number, client = key, job[0]
                if job[1].done():
                    del jobs[key]
                    router.send_multipart(
                        [client, b"", number, *([b"FAILED"] if job[1].exception() else [b"DONE", job[1].result()])]
                    )
                elif job[2] <= time.monotonic():
                    job[2] += interval
                    router.send_multipart([client, b"", number, b"WAIT"])
