# SPDX-License-Identifier: BSD-3-Clause
# Not yet: equal workers did not take turns.

import re
from collections import Counter

import zmq


class Worker:
    def __init__(self):
        self.places = 0
        self.hands = Counter()  # client -> how many requests of it
        self.last = 0  # when the last request was given to it; 0: never

    @property
    def busy(self):
        return sum(self.hands.values())


def places_of(frame):
    return int(frame) if re.fullmatch(rb"[1-9][0-9]?", frame) else None


def broker(ctx, frontend, backend):
    workers = {}  # in the order of the first READY
    given = 0
    held = None  # a request whose worker turned out to be gone
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        back.router_mandatory = 1
        front.bind(frontend)
        back.bind(backend)
        poller = zmq.Poller()
        poller.register(back, zmq.POLLIN)
        while True:
            free = {name: worker for name, worker in workers.items() if worker.busy < worker.places}
            if held and free:
                name = min(free, key=lambda name: (free[name].busy, free[name].last))
                try:
                    back.send_multipart([name, b"", *held])
                except zmq.ZMQError as error:
                    if error.errno != zmq.EHOSTUNREACH:
                        raise
                    del workers[name]
                    continue
                given += 1
                workers[name].last = given
                workers[name].hands[held[0]] += 1
                held = None
                continue
            poller.register(front, zmq.POLLIN if free and not held else 0)
            heard = dict(poller.poll())
            if back in heard:
                name, *frames = back.recv_multipart()
                if frames[:2] == [b"", b"READY"] and len(frames) in (2, 3):
                    places = places_of(frames[2]) if len(frames) == 3 else 1
                    if places:
                        workers.setdefault(name, Worker()).places = places
                elif len(frames) >= 4 and frames[0] == b"" and frames[2] == b"":
                    client = frames[1]
                    if name in workers and workers[name].hands[client]:
                        workers[name].hands[client] -= 1
                        given += 1
                        workers[name].last = given
                        front.send_multipart(frames[1:])
            elif front in heard:
                message = front.recv_multipart()
                if len(message) >= 3 and message[1] == b"":
                    held = message
