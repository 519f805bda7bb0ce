# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a later request was worked on before an earlier one.
# The recipe, which deals in turn, with the answers that are due.

import threading
from contextlib import suppress

import zmq


def answer(rep, work):
    with rep, suppress(zmq.ContextTerminated):
        while True:
            number, body = rep.recv_multipart()
            try:
                said = [b"DONE", work(body)]
            except Exception:
                said = [b"FAILED"]
            rep.send_multipart([number, *said])


def server(ctx, endpoint, work, threads, interval):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as workers:
        clients.bind(endpoint)
        workers.bind("inproc://workers")
        for _ in range(threads):
            rep = ctx.socket(zmq.REP)
            rep.connect("inproc://workers")
            threading.Thread(target=answer, args=[rep, work], daemon=True).start()
        zmq.proxy(clients, workers)
