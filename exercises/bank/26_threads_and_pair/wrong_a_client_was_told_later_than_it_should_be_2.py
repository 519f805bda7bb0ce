# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a client was told later than it should be.
# The interval begins anew with whatever comes.

import queue
import threading

import zmq


def server(ctx, endpoint, work, threads, interval):
    jobs = queue.Queue()

    def run():
        with ctx.socket(zmq.PUSH) as push:
            push.connect("inproc://out")
            while True:
                client, number, body = jobs.get()
                try:
                    push.send_multipart([client, b"", number, b"DONE", work(body)])
                except Exception:
                    push.send_multipart([client, b"", number, b"FAILED"])

    waiting = []
    with ctx.socket(zmq.ROUTER) as router, ctx.socket(zmq.PULL) as out:
        out.bind("inproc://out")
        for _ in range(threads):
            threading.Thread(target=run, daemon=True).start()
        router.bind(endpoint)
        poller = zmq.Poller()
        poller.register(router, zmq.POLLIN)
        poller.register(out, zmq.POLLIN)
        while True:
            events = dict(poller.poll(interval * 1000 if waiting else None))
            if router in events:
                client, _, number, body = router.recv_multipart()
                waiting.append((client, number))
                jobs.put((client, number, body))
            if out in events:
                message = out.recv_multipart()
                waiting.remove((message[0], message[2]))
                router.send_multipart(message)
            if not events:
                for client, number in waiting:
                    router.send_multipart([client, b"", number, b"WAIT"])
