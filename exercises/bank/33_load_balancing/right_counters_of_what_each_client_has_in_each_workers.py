# SPDX-License-Identifier: BSD-3-Clause
# Passed: counters of what each client has in each worker's hands, in a class.

from collections import Counter

import zmq


class Worker:
    def __init__(self, name):
        self.name, self.places, self.asked, self.turn = name, 0, Counter(), 0

    @property
    def load(self):
        return sum(self.asked.values())


class Balance:
    def __init__(self):
        self.workers, self.turns = {}, 0

    def free(self):
        return [w for w in self.workers.values() if w.load < w.places]

    def ready(self, name, places):
        self.workers.setdefault(name, Worker(name)).places = places

    def choose(self, client):
        worker = min(self.free(), key=lambda w: (w.load, w.turn))
        self.turns += 1
        worker.turn = self.turns
        worker.asked[client] += 1
        return worker.name

    def done(self, name, client):
        worker = self.workers.get(name)
        if worker is None or not worker.asked[client]:
            return False
        worker.asked[client] -= 1
        return True


def number(frames):
    if not frames:
        return 1
    [digits, *more] = frames
    return int(digits) if digits.isdigit() and not digits.startswith(b"0") and len(digits) < 3 and not more else 0


def broker(ctx, frontend, backend):
    balance = Balance()
    front, back = ctx.socket(zmq.ROUTER), ctx.socket(zmq.ROUTER)
    try:
        front.bind(frontend)
        back.bind(backend)
        while True:
            ready, _, _ = zmq.select([back, front] if balance.free() else [back], [], [])
            if back in ready:
                worker, empty, *rest = back.recv_multipart()
                if empty or not rest:
                    continue
                if rest[0] == b"READY" and len(rest) < 3:
                    places = number(rest[1:])
                    if places > 0:
                        balance.ready(worker, places)
                elif len(rest) >= 3 and not rest[1] and balance.done(worker, rest[0]):
                    front.send_multipart(rest)
            if front in ready and balance.free():
                request = front.recv_multipart()
                if len(request) >= 3 and request[1] == b"":
                    back.send_multipart([balance.choose(request[0]), b""] + request)
    finally:
        front.close()
        back.close()
