# SPDX-License-Identifier: BSD-3-Clause
# Not yet: one worker was filled while another had nothing to do.

from collections import deque

import zmq


def broker(ctx, frontend, backend):
    line, has, hands = deque(), {}, {}
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.bind(frontend)
        back.bind(backend)
        poller = zmq.Poller()
        poller.register(back, zmq.POLLIN)
        while True:
            poller.register(front, zmq.POLLIN if line else 0)
            heard = dict(poller.poll())
            if back in heard:
                message = back.recv_multipart()
                match message:
                    case [worker, b"", b"READY", *number] if len(number) < 2:
                        number = (number or [b"1"])[0]
                        if number.isdigit():
                            line.extend([worker] * (int(number) - has.get(worker, 0)))
                            has[worker] = int(number)
                            hands.setdefault(worker, [])
                    case [worker, b"", client, b"", _, *_] if client in hands.get(worker, []):
                        hands[worker].remove(client)
                        line.append(worker)
                        front.send_multipart(message[2:])
            elif front in heard:
                message = front.recv_multipart()
                if len(message) > 2 and message[1] == b"":
                    worker = line.popleft()
                    hands[worker].append(message[0])
                    back.send_multipart([worker, b"", *message])
