# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a worker heard no heartbeats.

import time
from collections import deque

import zmq


def broker(ctx, endpoint, interval, limit):
    workers = {}  # id -> {"service", "heard", "spoken", "job", "since"}
    queues = {}  # service -> deque of [client, "", body...]
    with ctx.socket(zmq.ROUTER) as router:
        router.linger = 0
        router.bind(endpoint)

        def tell(worker, *frames):
            router.send_multipart([worker, b"", b"MDPW01", *frames])
            if worker in workers:
                workers[worker]["spoken"] = time.monotonic()

        def match(service):
            queue = queues.setdefault(service, deque())
            for name, w in workers.items():
                if not queue:
                    break
                if w["service"] == service and w["job"] is None:
                    w["job"], w["since"] = queue.popleft(), time.monotonic()
                    tell(name, b"\x02", *w["job"])

        def lose(names):
            gone = [workers.pop(n) for n in names if n in workers]
            for w in gone:
                if w["job"] is not None:
                    queues.setdefault(w["service"], deque()).appendleft(w["job"])
            for w in gone:
                match(w["service"])

        poller = zmq.Poller()
        poller.register(router, zmq.POLLIN)
        while True:
            now = time.monotonic()
            times = [w["spoken"] + interval * 0.8 for w in workers.values() if w["job"] is not None]
            times += [w["heard"] + 5 * interval for w in workers.values()]
            times += [w["since"] + limit for w in workers.values() if w["job"] is not None]
            wait = max(0.0, min(times, default=now + 1) - now)
            if poller.poll(int(wait * 1000) + 1):
                for _ in range(100):
                    try:
                        frames = router.recv_multipart(zmq.DONTWAIT)
                    except zmq.Again:
                        break
                    handle(frames, workers, queues, tell, match, lose, router)
            now = time.monotonic()
            dead = [n for n, w in workers.items() if w["heard"] + 5 * interval <= now]
            late = [
                n for n, w in workers.items() if w["job"] is not None and w["since"] + limit <= now and n not in dead
            ]
            for n in late:
                tell(n, b"\x05")
            lose(dead + late)
            for n, w in list(workers.items()):
                if w["job"] is not None and w["spoken"] + interval * 0.8 <= now:
                    tell(n, b"\x04")


def handle(frames, workers, queues, tell, match, lose, router):
    peer, rest = frames[0], frames[1:]
    if len(rest) >= 4 and rest[0] == b"" and rest[1] == b"MDPC01":
        queues.setdefault(rest[2], deque()).append([peer, b"", *rest[3:]])
        match(rest[2])
        return
    if len(rest) < 3 or rest[0] != b"" or rest[1] != b"MDPW01":
        return
    command, more = rest[2], rest[3:]
    now = time.monotonic()
    me = workers.get(peer)
    if command == b"\x01" and len(more) == 1 and me is None:
        workers[peer] = {"service": more[0], "heard": now, "spoken": now, "job": None, "since": 0.0}
        match(more[0])
    elif command == b"\x03" and len(more) >= 3 and me and me["job"] and me["job"][0] == more[0]:
        me["heard"], me["job"] = now, None
        router.send_multipart([more[0], b"", b"MDPC01", me["service"], *more[2:]])
        match(me["service"])
    elif command == b"\x04" and me:
        me["heard"] = now
    elif command == b"\x05":
        lose([peer])
    else:
        tell(peer, b"\x05")
        lose([peer])
