# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a reply that was not due freed a place.

import zmq


def broker(ctx, frontend, backend):
    places, busy = {}, {}
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.bind(frontend)
        back.bind(backend)
        poller = zmq.Poller()
        poller.register(back, zmq.POLLIN)
        while True:
            free = [worker for worker in busy if busy[worker] < places[worker]]
            poller.register(front, zmq.POLLIN if free else 0)
            heard = dict(poller.poll())
            if back in heard:
                match back.recv_multipart():
                    case [worker, b"", b"READY"]:
                        places[worker] = 1
                        busy.setdefault(worker, 0)
                    case [worker, b"", b"READY", number] if number.isdigit() and int(number):
                        places[worker] = int(number)
                        busy.setdefault(worker, 0)
                    case [worker, b"", client, b"", _, *_] as message if worker in busy:
                        busy[worker] = max(0, busy[worker] - 1)
                        front.send_multipart(message[2:])
            elif front in heard:
                match front.recv_multipart():
                    case [client, b"", _, *_] as message:
                        worker = min(free, key=busy.get)
                        busy[worker] = busy.pop(worker) + 1
                        back.send_multipart([worker, b"", *message])
