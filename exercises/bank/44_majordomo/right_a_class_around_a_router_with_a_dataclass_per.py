# SPDX-License-Identifier: BSD-3-Clause
# Passed: a class around a ROUTER, with a dataclass per worker.

import time
from collections import defaultdict, deque
from dataclasses import dataclass

import zmq

CLIENT, WORKER = b"MDPC01", b"MDPW01"
READY, REQUEST, REPLY, HEARTBEAT, DISCONNECT = (bytes([n]) for n in range(1, 6))


@dataclass
class Worker:
    name: bytes
    service: bytes
    heard: float
    told: float
    job: list | None = None  # [client, body]
    until: float = float("inf")


class Majordomo:
    def __init__(self, socket, interval, limit):
        self.socket, self.interval, self.limit = socket, interval, limit
        self.beat = interval * 0.9
        self.workers = {}
        self.idle = defaultdict(deque)  # service -> workers
        self.jobs = defaultdict(deque)  # service -> jobs that wait

    def tell(self, name, *frames):
        if name in self.workers:
            self.workers[name].told = time.monotonic()
        self.socket.send_multipart([name, b"", WORKER, *frames])

    def forget(self, name):
        worker = self.workers.pop(name, None)
        if worker is None:
            return
        if worker in self.idle[worker.service]:
            self.idle[worker.service].remove(worker)
        if worker.job:
            self.jobs[worker.service].appendleft(worker.job)
            self.hand_out(worker.service)

    def hand_out(self, service):
        while self.idle[service] and self.jobs[service]:
            worker = self.idle[service].popleft()
            worker.job = self.jobs[service].popleft()
            worker.until = time.monotonic() + self.limit
            client, body = worker.job
            self.tell(worker.name, REQUEST, client, b"", *body)

    def send_away(self, name):
        self.tell(name, DISCONNECT)
        self.forget(name)

    def receive(self, frames, now):
        match frames:
            case [client, b"", b"MDPC01", service, _, *_]:
                self.jobs[service].append([client, frames[4:]])
                self.hand_out(service)
            case [name, b"", b"MDPW01", word, *rest]:
                if name in self.workers:
                    self.workers[name].heard = now
                self.from_worker(name, word, rest, now)

    def from_worker(self, name, word, rest, now):
        worker = self.workers.get(name)
        match word, rest:
            case b"\x01", [service] if worker is None:
                self.workers[name] = worker = Worker(name, service, now, now)
                self.idle[service].append(worker)
                self.hand_out(service)
            case b"\x03", [client, b"", _, *_] if worker and worker.job and worker.job[0] == client:
                self.socket.send_multipart([client, b"", CLIENT, worker.service, *rest[2:]])
                worker.job, worker.until = None, float("inf")
                self.idle[worker.service].append(worker)
                self.hand_out(worker.service)
            case b"\x04", [] if worker:
                pass
            case b"\x05", []:
                self.forget(name)
            case _:
                self.send_away(name)

    def due(self):
        times = [min(w.until, w.told + self.beat, w.heard + 5 * self.interval) for w in self.workers.values()]
        return min(times, default=float("inf"))

    def tick(self, now):
        for worker in list(self.workers.values()):
            if self.workers.get(worker.name) is not worker:
                continue
            if worker.until <= now:
                self.send_away(worker.name)
            elif worker.heard + 5 * self.interval <= now:
                self.forget(worker.name)
            elif worker.told + self.beat <= now:
                self.tell(worker.name, HEARTBEAT)

    def run(self):
        while True:
            due = self.due()
            wait = None if due == float("inf") else max(0, due - time.monotonic()) * 1000 + 1
            heard = self.socket.poll(wait)
            self.tick(time.monotonic())
            if heard:
                self.receive(self.socket.recv_multipart(), time.monotonic())


def broker(ctx, endpoint, interval, limit):
    with ctx.socket(zmq.ROUTER) as socket:
        socket.bind(endpoint)
        Majordomo(socket, interval, limit).run()
