# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a malformed message ended the broker.

import zmq


def broker(ctx, frontend, backend):
    places, hands = {}, {}
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.bind(frontend)
        back.bind(backend)
        poller = zmq.Poller()
        poller.register(back, zmq.POLLIN)
        while True:
            free = [w for w in hands if len(hands[w]) < places[w]]
            poller.register(front, zmq.POLLIN if free else 0)
            for socket, _ in poller.poll():
                if socket is back:
                    worker, empty, *rest = back.recv_multipart()
                    if rest[0] == b"READY":
                        places[worker] = int(rest[1]) if len(rest) > 1 else 1
                        hands.setdefault(worker, [])
                    elif rest[0] in hands.get(worker, []):
                        hands[worker].remove(rest[0])
                        front.send_multipart(rest)
                    break
                client, empty, *body = front.recv_multipart()
                worker = min(free, key=lambda w: len(hands[w]))
                hands[worker] = hands.pop(worker) + [client]
                back.send_multipart([worker, b"", client, b"", *body])
