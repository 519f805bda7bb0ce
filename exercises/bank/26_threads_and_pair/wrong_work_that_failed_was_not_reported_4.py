# SPDX-License-Identifier: BSD-3-Clause
# Not yet: work that failed was not reported.
# It takes a ZMQError of the work for the end of the Context.

import threading
import time
from collections import deque
from contextlib import ExitStack, suppress

import zmq


def answer(pair, work):
    with pair, suppress(zmq.ContextTerminated):
        while True:
            body = pair.recv()
            try:
                said = [b"DONE", work(body)]
            except zmq.ZMQError:
                return
            except Exception:
                said = [b"FAILED"]
            pair.send_multipart(said)


def server(ctx, endpoint, work, threads, interval):
    waiting, idle, busy, due = deque(), [], {}, {}
    with ctx.socket(zmq.ROUTER) as front, ExitStack() as ours:
        front.bind(endpoint)
        poller = zmq.Poller()
        poller.register(front, zmq.POLLIN)
        for number in range(threads):
            near, far = ours.enter_context(ctx.socket(zmq.PAIR)), ctx.socket(zmq.PAIR)
            near.bind(f"inproc://thread-{number}")
            far.connect(f"inproc://thread-{number}")
            threading.Thread(target=answer, args=(far, work), daemon=True).start()
            poller.register(near, zmq.POLLIN)
            idle.append(near)
        while True:
            soon = min(due.values(), default=None)
            limit = soon and max(0, soon - time.monotonic()) * 1000 + 1
            for socket, _ in poller.poll(limit):
                if socket is front:
                    client, _, number, body = front.recv_multipart()
                    due[client, number] = time.monotonic() + interval
                    waiting.append((client, number, body))
                else:
                    client, number = busy.pop(socket)
                    del due[client, number]
                    front.send_multipart([client, b"", number, *socket.recv_multipart()])
                    idle.append(socket)
            while waiting and idle:
                socket, (client, number, body) = idle.pop(), waiting.popleft()
                busy[socket] = client, number
                socket.send(body)
            for (client, number), when in due.items():
                if when <= time.monotonic():
                    front.send_multipart([client, b"", number, b"WAIT"])
                    due[client, number] = when + interval
