# SPDX-License-Identifier: BSD-3-Clause
# Passed: one Python queue for the requests, one PUSH for each thread.

import threading
import time
from queue import SimpleQueue

import zmq


def labour(push, jobs, work):
    try:
        while (job := jobs.get()) is not None:
            *envelope, body = job
            try:
                said = [b"DONE", work(body)]
            except Exception:
                said = [b"FAILED"]
            push.send_multipart([*envelope, *said])
    except zmq.ContextTerminated:
        pass
    finally:
        push.close()


def server(ctx, endpoint, work, threads, interval):
    jobs, told = SimpleQueue(), {}
    router, pull = ctx.socket(zmq.ROUTER), ctx.socket(zmq.PULL)
    pull.bind("inproc://done")
    router.bind(endpoint)
    for _ in range(threads):
        push = ctx.socket(zmq.PUSH)
        push.connect("inproc://done")
        threading.Thread(target=labour, args=(push, jobs, work), daemon=True).start()
    poller = zmq.Poller()
    poller.register(router, zmq.POLLIN)
    poller.register(pull, zmq.POLLIN)
    try:
        while True:
            wait = 1000 * (min(told.values()) - time.monotonic()) if told else -1
            events = dict(poller.poll(int(wait) + 1 if wait > 0 else 0 if told else None))
            if pull in events:
                message = pull.recv_multipart()
                told.pop(tuple(message[:3]))
                router.send_multipart(message)
            if router in events:
                message = router.recv_multipart()
                told[tuple(message[:3])] = time.monotonic() + interval
                jobs.put(message)
            now = time.monotonic()
            for envelope in [each for each, when in told.items() if when <= now]:
                router.send_multipart([*envelope, b"WAIT"])
                told[envelope] += interval
    finally:
        for _ in range(threads):
            jobs.put(None)
        router.close()
        pull.close()
