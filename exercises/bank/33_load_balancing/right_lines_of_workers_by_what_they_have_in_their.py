# SPDX-License-Identifier: BSD-3-Clause
# Passed: lines of workers by what they have in their hands.

import re
from collections import OrderedDict, defaultdict

import zmq

NUMBER = b"(,[1-9][0-9]?)?"


def broker(ctx, frontend, backend):
    lines = defaultdict(OrderedDict)  # how many it has -> workers with a free place, oldest first
    places, hands, given, turn = {}, {}, {}, 0

    def enter(worker):
        load = len(hands[worker])
        for line in lines.values():
            line.pop(worker, None)
        if load < places[worker]:
            line = lines[load]
            line[worker] = given[worker]
            for later in sorted(line, key=line.get):
                line.move_to_end(later)

    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.router_mandatory = back.router_mandatory = True
        front.bind(frontend)
        back.bind(backend)
        both, workers_only = zmq.Poller(), zmq.Poller()
        for poller in both, workers_only:
            poller.register(back, zmq.POLLIN)
        both.register(front, zmq.POLLIN)
        while True:
            load = min((load for load, line in lines.items() if line), default=None)
            heard = dict((workers_only if load is None else both).poll(100))
            if back in heard:
                frames = back.recv_multipart()
                match frames:
                    case [worker, b"", b"READY", *number] if re.fullmatch(NUMBER, b",".join([b"", *number])):
                        places[worker] = int(number[0]) if number else 1
                        if worker not in hands:
                            turn += 1
                            hands[worker], given[worker] = [], turn - 1000000
                        enter(worker)
                    case [worker, b"", client, b"", _, *_]:
                        if client in hands.get(worker, ()):
                            hands[worker].remove(client)
                            enter(worker)
                            try:
                                front.send_multipart(frames[2:])
                            except zmq.ZMQError as error:
                                if error.errno != zmq.EHOSTUNREACH:
                                    raise
                continue
            if front in heard:
                request = front.recv_multipart()
                if request[1:2] == [b""] and request[2:]:
                    worker = next(iter(lines[load]))
                    hands[worker].append(request[0])
                    turn += 1
                    given[worker] = turn
                    enter(worker)
                    back.send_multipart([worker, b"", *request])
