# SPDX-License-Identifier: BSD-3-Clause
"""Threaded server: one address for the clients, and behind it threads of one process that work at the same time.

    client REQ ---> ROUTER [ DEALER --inproc--> REP thread, REP thread, ... ] server

    python -m patterns.threaded_server server --threads 4
    python -m patterns.request_reply client hello

The threads share the Context and nothing else: each has one socket, which nobody else uses. Frames as in RFC 28.
Threads help where `work` waits, or computes outside Python's lock; what computes in Python needs processes.
Left out: to know who is idle; a request is dealt to the next thread, and waits there though another has nothing to do.
Copy with `request_reply.py`; from the shell with `play.py`.
Source: the ZeroMQ Guide, chapter 2, "Multithreading with ZeroMQ".
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import zmq

from .request_reply import LINGER, upper

ENDPOINT = "tcp://127.0.0.1:5555"  # where the client of `request_reply` looks for its server
THREADS = 4

# What each trouble, of the server or of a client's connection, does to one exchange; the test beside it shows it.
GUARANTEES = {
    "crash": ("blocked", "test_all_clients_of_a_server_that_dies_wait_for_ever"),
    "freeze": ("blocked", "test_all_clients_of_a_frozen_server_wait_until_it_thaws"),
    "cut": ("blocked", "test_a_client_whose_reply_is_cut_off_waits_for_ever_and_the_others_do_not"),
    "slow": ("safe", "test_slow_work_holds_up_its_own_thread_and_what_was_dealt_to_it"),
    "restart": ("blocked", "test_a_restarted_server_does_not_know_the_old_request"),
}
# In the textbook's words: at most once, for a fail-stop server; its threads are no spare parts, they die together.
# Use something else when a crash must not take all of them (`shared_queue`, with processes), when requests differ much
# in length (`load_balancing`), or when the work is one event loop's (`zmq.asyncio`).


def server(
    ctx: zmq.Context[Any], endpoint: str = ENDPOINT, threads: int = THREADS, work: Callable[[bytes], bytes] = upper
) -> None:
    """Answer each request with `work` of its frames, in `threads` threads at once, for ever.

    work  is called in several threads at the same time. A request on which it raises is logged, and its reply is one
          empty frame.

    The threads end with the Context, each after the work it has at hand. ValueError unless there is at least one.
    """
    if threads < 1:
        raise ValueError(f"threads: expected at least 1, got {threads!r}")
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as workers:
        clients.linger = workers.linger = LINGER
        clients.bind(endpoint)
        inside = f"inproc://behind {clients.last_endpoint.decode()}"
        workers.bind(inside)
        for number in range(threads):
            socket = ctx.socket(zmq.REP)  # opened here and given away: from `start` on it is the thread's alone
            socket.linger = LINGER
            socket.connect(inside)
            threading.Thread(target=_answer, args=(socket, work), name=f"thread {number}", daemon=True).start()
        del socket
        zmq.proxy(clients, workers)


def _answer(socket: "zmq.Socket[bytes]", work: Callable[[bytes], bytes]) -> None:
    with socket, suppress(zmq.ContextTerminated):
        while True:
            request = socket.recv_multipart()
            try:
                reply = [work(frame) for frame in request]
            except Exception:
                logging.getLogger(__name__).exception("the work on %r failed", request)
                reply = [b""]
            socket.send_multipart(reply)


if __name__ == "__main__":
    from .play import play

    play(server)
