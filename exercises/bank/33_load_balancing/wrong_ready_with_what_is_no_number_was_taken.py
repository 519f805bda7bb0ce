# SPDX-License-Identifier: BSD-3-Clause
# Not yet: READY with what is no number from 1 to 99 was taken for READY.

import zmq


def broker(ctx, frontend, backend):
    places, hands = {}, {}
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.bind(frontend)
        back.bind(backend)
        poller = zmq.Poller()
        poller.register(back, zmq.POLLIN)
        while True:
            free = [worker for worker in hands if len(hands[worker]) < places[worker]]
            poller.register(front, zmq.POLLIN if free else 0)
            heard = dict(poller.poll())
            if back in heard:
                match back.recv_multipart():
                    case [worker, b"", b"READY"]:
                        places[worker] = 1
                        hands.setdefault(worker, [])
                    case [worker, b"", b"READY", number] if number.isdigit():
                        places[worker] = int(number)
                        hands.setdefault(worker, [])
                    case [worker, b"", client, b"", _, *_] as message if client in hands.get(worker, []):
                        hands[worker].remove(client)
                        front.send_multipart(message[2:])
            elif front in heard:
                match front.recv_multipart():
                    case [client, b"", _, *_] as message:
                        worker = min(free, key=lambda name: len(hands[name]))
                        hands[worker] = [*hands.pop(worker), client]
                        back.send_multipart([worker, b"", *message])
