# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the frames of two messages were mixed.
# All threads use the ROUTER, under a lock that is held for a frame, and not for a message.

import threading
import time
from queue import SimpleQueue

import zmq


def say(router, lock, frames):
    for place, frame in enumerate(frames, 1):
        with lock:
            router.send(frame, zmq.SNDMORE if place < len(frames) else 0)
        time.sleep(0.002)


def labour(router, lock, jobs, told, work):
    while True:
        envelope, body = jobs.get()
        try:
            said = [b"DONE", work(body)]
        except Exception:
            said = [b"FAILED"]
        told.pop(envelope)
        say(router, lock, [*envelope, *said])


def server(ctx, endpoint, work, threads, interval):
    jobs, told, lock = SimpleQueue(), {}, threading.Lock()
    with ctx.socket(zmq.ROUTER) as router:
        router.bind(endpoint)
        for _ in range(threads):
            threading.Thread(target=labour, args=(router, lock, jobs, told, work), daemon=True).start()
        while True:
            with lock:
                request = router.recv_multipart() if router.poll(5) else []
            if request:
                *envelope, body = request
                told[tuple(envelope)] = time.monotonic() + interval
                jobs.put((tuple(envelope), body))
            time.sleep(0.001)
            now = time.monotonic()
            for envelope in [each for each, when in list(told.items()) if when <= now]:
                told[envelope] += interval
                say(router, lock, [*envelope, b"WAIT"])
