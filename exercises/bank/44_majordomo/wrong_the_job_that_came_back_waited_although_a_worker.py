# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the job that came back waited although a worker was free.

import time
from collections import defaultdict, deque
from types import SimpleNamespace

import zmq


def broker(ctx, endpoint, interval, limit):
    requests, waiting, known = defaultdict(deque), defaultdict(deque), {}
    beat = time.monotonic() + interval
    with ctx.socket(zmq.ROUTER) as router:
        router.bind(endpoint)

        def command(worker, *frames):
            router.send_multipart([worker, b"", b"MDPW01", *frames])

        def hand_out(service):
            while requests[service] and waiting[service]:
                worker, job = waiting[service].popleft(), requests[service].popleft()
                known[worker].job, known[worker].due = job, time.monotonic() + limit
                client, body = job
                command(worker, b"\x02", client, b"", *body)

        def forget(worker):
            entry = known.pop(worker, None)
            if entry is None:
                return
            if entry.job:
                requests[entry.service].appendleft(entry.job)
            else:
                waiting[entry.service].remove(worker)

        while True:
            now = time.monotonic()
            if now >= beat:
                for worker in known:
                    command(worker, b"\x04")
                beat = now + interval
            for worker, entry in list(known.items()):
                if entry.job and entry.due <= now:
                    command(worker, b"\x05")
                    forget(worker)
                elif entry.expiry <= now:
                    forget(worker)
            times = [beat, *(min(e.expiry, e.due if e.job else e.expiry) for e in known.values())]
            if not router.poll(max(0, min(times) - now) * 1000):
                continue
            sender, _, protocol, *frames = router.recv_multipart()
            now = time.monotonic()
            if sender in known:
                known[sender].expiry = now + 5 * interval
            if protocol == b"MDPC01":
                service, *body = frames
                requests[service].append((sender, body))
                hand_out(service)
            elif frames[0] == b"\x01" and sender not in known:
                known[sender] = SimpleNamespace(service=frames[1], expiry=now + 5 * interval, job=None, due=0)
                waiting[frames[1]].append(sender)
                hand_out(frames[1])
            elif frames[0] == b"\x03" and sender in known and known[sender].job:
                entry = known[sender]
                router.send_multipart([frames[1], b"", b"MDPC01", entry.service, *frames[3:]])
                entry.job = None
                waiting[entry.service].append(sender)
                hand_out(entry.service)
            elif frames[0] == b"\x04" and sender in known:
                pass
            else:
                command(sender, b"\x05")
                forget(sender)
