# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the limit was looked at only when a message came.

import time
from collections import deque

import zmq


def broker(ctx, endpoint, interval, limit):
    workers, queues = {}, {}
    with ctx.socket(zmq.ROUTER) as router:
        router.linger = 0
        router.bind(endpoint)

        def match(service):
            queue = queues.setdefault(service, deque())
            for name, w in workers.items():
                if queue and w["service"] == service and w["job"] is None:
                    w["job"], w["since"] = queue.popleft(), time.monotonic()
                    router.send_multipart([name, b"", b"MDPW01", b"\x02", *w["job"]])

        def forget(name):
            w = workers.pop(name, None)
            if w:
                if w["job"]:
                    queues[w["service"]].appendleft(w["job"])
                match(w["service"])

        while True:
            frames = router.recv_multipart()
            now = time.monotonic()
            for name in list(workers):
                w = workers[name]
                if now - w["heard"] > 5 * interval:
                    forget(name)
                elif w["job"] and now - w["since"] >= limit:
                    router.send_multipart([name, b"", b"MDPW01", b"\x05"])
                    forget(name)
                else:
                    router.send_multipart([name, b"", b"MDPW01", b"\x04"])
            peer, _, kind, *rest = frames
            if kind == b"MDPC01":
                queues.setdefault(rest[0], deque()).append([peer, b"", *rest[1:]])
                match(rest[0])
            elif rest[0] == b"\x01":
                workers[peer] = dict(service=rest[1], heard=now, job=None, since=0)
                match(rest[1])
            elif peer not in workers:
                router.send_multipart([peer, b"", b"MDPW01", b"\x05"])
            elif rest[0] == b"\x03":
                w = workers[peer]
                w["heard"], w["job"] = now, None
                router.send_multipart([rest[1], b"", b"MDPC01", w["service"], *rest[3:]])
                match(w["service"])
            elif rest[0] == b"\x04":
                workers[peer]["heard"] = now
            elif rest[0] == b"\x05":
                forget(peer)
