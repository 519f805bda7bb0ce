# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a worker got more requests than it has places.

import re
from collections import Counter
from itertools import count

import zmq


class Worker:
    def __init__(self, turn):
        self.places = 0
        self.hands = Counter()  # client -> how many of its requests
        self.turn = (0, turn)  # (0, order of READY), later (1, order of its last request)

    @property
    def load(self):
        return sum(self.hands.values())


class Kitchen:
    def __init__(self, front, back):
        self.front, self.back = front, back
        self.workers = {}
        self.clock = count()

    def free(self):
        return [name for name, worker in self.workers.items() if worker.load < worker.places]

    def ready(self, name, places):
        if name not in self.workers:
            self.workers[name] = Worker(next(self.clock))
        self.workers[name].places = places

    def reply(self, name, client, frames):
        worker = self.workers.get(name)
        if worker is None or not worker.hands[client]:
            return
        worker.hands[client] -= 1
        self.front.send_multipart(frames)

    def from_worker(self, message):
        match message:
            case [name, b"", b"READY"]:
                self.ready(name, 1)
            case [name, b"", b"READY", places] if re.fullmatch(rb"[1-9][0-9]?", places):
                self.ready(name, int(places))
            case [name, b"", client, b"", _, *_]:
                self.reply(name, client, message[2:])

    def from_client(self, message):
        match message:
            case [client, b"", _, *_]:
                name = min(self.free(), key=lambda each: (self.workers[each].load, self.workers[each].turn))
                worker = self.workers[name]
                worker.hands[client] = 1
                worker.turn = (1, next(self.clock))
                self.back.send_multipart([name, b"", *message])

    def run(self):
        while True:
            ears = [self.back, self.front] if self.free() else [self.back]
            heard, _, _ = zmq.select(ears, [], [])
            if self.back in heard:
                self.from_worker(self.back.recv_multipart())
            elif self.front in heard:
                self.from_client(self.front.recv_multipart())


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.bind(frontend)
        back.bind(backend)
        Kitchen(front, back).run()
