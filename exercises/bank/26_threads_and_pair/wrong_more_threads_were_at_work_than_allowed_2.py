# SPDX-License-Identifier: BSD-3-Clause
# Not yet: more threads were at work than allowed.
# A thread for each request, as soon as it comes.

import threading
import time

import zmq


def server(ctx, endpoint, work, threads, interval):
    def job(client, number, body):
        with ctx.socket(zmq.PUSH) as push:
            push.connect("inproc://answers")
            try:
                said = [b"DONE", work(body)]
            except Exception:
                said = [b"FAILED"]
            push.send_multipart([client, b"", number, *said])

    due = {}
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.PULL) as answers:
        front.bind(endpoint)
        answers.bind("inproc://answers")
        while True:
            soon = min(due.values(), default=None)
            limit = None if soon is None else max(0, soon - time.monotonic())
            ready, _, _ = zmq.select([front, answers], [], [], limit)
            if front in ready:
                client, _, number, body = front.recv_multipart()
                due[client, number] = time.monotonic() + interval
                threading.Thread(target=job, args=[client, number, body], daemon=True).start()
            if answers in ready:
                client, _, number, *said = answers.recv_multipart()
                del due[client, number]
                front.send_multipart([client, b"", number, *said])
            for client, number in [key for key, when in due.items() if when <= time.monotonic()]:
                front.send_multipart([client, b"", number, b"WAIT"])
                due[client, number] += interval
