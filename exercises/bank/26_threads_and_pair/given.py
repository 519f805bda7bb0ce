# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import threading
from contextlib import suppress

import zmq


def answer(rep, work):
    with rep, suppress(zmq.ContextTerminated):
        while True:
            number, body = rep.recv_multipart()
            rep.send_multipart([number, b"DONE", work(body)])


def server(ctx, endpoint, work, threads, interval):
    """Answer requests with `work`, in several threads, and tell those who wait that you are there.

    endpoint  bind here; clients connect, each a DEALER
    work      a function: work(body) returns the result, both bytes, or raises an Exception of any kind. It
              may take very long, and its thread stands still meanwhile. Several threads may call it at once
    threads   so many requests are worked on at once, never more. Where a thread has nothing to do, no
              request waits, and those that wait are begun in the order in which they came
    interval  seconds

    A request is [b""][number][body]. A client may send many before the first is answered, each with a
    number, in digits without a leading 0, that it never uses again; two clients may use the same. Each
    message to a client is one of these:

    [b""][number][b"DONE"][result]  the answer, as soon as the work is done
    [b""][number][b"FAILED"]        the answer if the work has raised; the server goes on as before
    [b""][number][b"WAIT"]          once every `interval` for each request that has come and has no answer
                                    yet, whether it is in work or waits for a thread. The first comes an
                                    `interval` after the request at the latest; within n intervals a
                                    client gets at most n + 1 for one request, and none after the answer

    Messages of another form do not come. Up to 1,000 requests may wait; clients soon take what they are
    sent. No two threads may use one socket at the same time. Where there is nothing to do but to wait,
    wait, and do not compute. Go on for ever, until your Context ends; then raise what that raises, or
    return, without waiting for the work: it need not be answered, and its thread may hold a socket.
    """
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as workers:
        clients.bind(endpoint)
        workers.bind("inproc://workers")
        for _ in range(threads):
            rep = ctx.socket(zmq.REP)
            rep.connect("inproc://workers")
            threading.Thread(target=answer, args=[rep, work], daemon=True).start()
        poller = zmq.Poller()
        poller.register(clients, zmq.POLLIN)
        poller.register(workers, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if clients in ready:
                workers.send_multipart(clients.recv_multipart())
            if workers in ready:
                clients.send_multipart(workers.recv_multipart())
