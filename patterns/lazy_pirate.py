# SPDX-License-Identifier: BSD-3-Clause
"""Lazy Pirate: a client that gives up waiting, asks again, and says so when nobody ever answers.

    client REQ ---request--->   (lost, or the server dead)
           x closes, a new REQ ---request---> REP server

    python -m patterns.request_reply server
    python -m patterns.lazy_pirate client hello

Frames as in `request_reply`; `relaxed` puts [request id] in front of the delimiter (REQ_CORRELATE).
Left out: the server. It is any REP; after a lost reply it does the work a second time, because it cannot know.
Copy alone; from the shell with `play.py`. Source: the ZeroMQ Guide, chapter 4, "Client-Side Reliability".
"""

import math
from contextlib import suppress
from typing import Any

import zmq

ENDPOINT = "tcp://127.0.0.1:5555"
TIMEOUT = 2.5  # seconds to wait for one reply
TRIES = 3
LONGEST = 1_000_000  # seconds; ZeroMQ counts milliseconds in 31 bits

# What each trouble does to one request; the test beside it shows it.
GUARANTEES = {
    "crash": ("safe", "test_a_server_that_dies_and_stays_away_costs_a_timeout_error"),
    "freeze": ("safe", "test_a_frozen_server_costs_a_timeout_error_not_the_client"),
    "cut": ("duplicated", "test_a_cut_that_takes_the_reply_makes_the_server_work_twice"),
    "slow": ("duplicated", "test_a_reply_later_than_the_timeout_makes_the_server_work_twice"),
    "restart": ("duplicated", "test_a_server_that_dies_and_comes_back_answers_the_retry"),
}
# "Safe": answered, or TimeoutError within timeout x tries; whether the work was done is then unknown. "Duplicated":
# the same, and the work may have been done more than once. In the usual terms: at least once, or an error.
# Use something else for work that must not be done twice: number the requests and let the server remember.


def client(
    ctx: zmq.Context[Any],
    *requests: str,
    endpoint: str = ENDPOINT,
    timeout: float = TIMEOUT,
    tries: int = TRIES,
) -> list[str]:
    """Ask each request in turn and return the replies. Raises TimeoutError for the first that nobody answers.

    A byte of a reply that is no UTF-8 is shown as such: \\xff.
    """
    replies = (ask(ctx, request.encode(), endpoint, timeout, tries) for request in requests)
    return [reply.decode(errors="backslashreplace") for reply in replies]


def ask(
    ctx: zmq.Context[Any], request: bytes, endpoint: str = ENDPOINT, timeout: float = TIMEOUT, tries: int = TRIES
) -> bytes:
    """Return the reply to one request, asked up to `tries` times with `timeout` seconds for each.

    A REQ that has waited in vain will not send again, and its reply may still come: each try has a socket of its own.
    Raises TimeoutError that says who did not answer and how often it was asked, ValueError for unusable limits.
    """
    check(timeout, tries)
    for _ in range(tries):
        with ctx.socket(zmq.REQ) as socket:
            socket.linger = 0  # a question nobody waits for is not worth delivering
            socket.sndtimeo = math.ceil(timeout * 1000)
            socket.connect(endpoint)
            with suppress(zmq.Again):  # turned away before it was sent; or, over inproc, what came was no reply
                socket.send(request)
                if socket.poll(math.ceil(timeout * 1000)):
                    reply: bytes = socket.recv(zmq.DONTWAIT)
                    return reply
    raise TimeoutError(f"{endpoint} did not answer {tries} times, {timeout:g} s each")


def relaxed(
    ctx: zmq.Context[Any], request: bytes, endpoint: str = ENDPOINT, timeout: float = TIMEOUT, tries: int = TRIES
) -> bytes:
    """The same on one socket: RELAXED lets a REQ send again, CORRELATE numbers each request and drops late replies.

    Neither does without the other. A late reply makes `poll` true although there is nothing to receive, so the wait is
    a `recv` with RCVTIMEO. What could not be sent yet piles up: a server that comes late gets every try at once. All
    tries have one connection: if that is half open, each of them is lost, where `ask` comes through with the next.
    """
    check(timeout, tries)
    with ctx.socket(zmq.REQ) as socket:
        socket.req_relaxed = socket.req_correlate = 1
        socket.linger = 0
        socket.sndtimeo = socket.rcvtimeo = math.ceil(timeout * 1000)
        socket.connect(endpoint)
        for _ in range(tries):
            with suppress(zmq.Again):
                socket.send(request)
                reply: bytes = socket.recv()
                return reply
    raise TimeoutError(f"{endpoint} did not answer {tries} times, {timeout:g} s each")


def check(timeout: float, tries: int) -> None:
    """Refuse limits that would wait for ever or ask never."""
    if not 0 < timeout <= LONGEST:
        raise ValueError(f"timeout: expected seconds above 0 and up to {LONGEST:,}, got {timeout!r}")
    if tries < 1:
        raise ValueError(f"tries: expected at least 1, got {tries!r}")


if __name__ == "__main__":
    from .play import play

    play(client)
