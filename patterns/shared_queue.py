# SPDX-License-Identifier: BSD-3-Clause
"""Shared queue: clients ask one place, a broker hands each request to the next service, the reply finds its way back.

    client REQ ---> ROUTER broker DEALER <--- REP service

    python -m patterns.shared_queue broker
    python -m patterns.shared_queue service
    python -m patterns.shared_queue client hello

Frames: [""][hello] from a REQ; behind the ROUTER [id][""][hello], and one id more for each further broker (RFC 28).
`zmq.proxy(clients, services)` does the same in C: quicker, and only a capture socket shows what passes (`proxies`).
Left out: to notice that a service hangs or is busy, or that a connection is half open.
Copy with `request_reply.py`; from the shell with `play.py`.
Source: the ZeroMQ Guide, chapter 2, "Shared Queue", and chapter 3, "The Request-Reply Mechanisms".
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import zmq

from . import request_reply
from .request_reply import LINGER, upper

CLIENTS = "tcp://127.0.0.1:5559"
SERVICES = "tcp://127.0.0.1:5560"

# What each trouble, of a service or its connection, does to one exchange; the test beside it shows it.
GUARANTEES = {
    "crash": ("blocked", "test_a_client_whose_service_dies_with_the_request_waits_for_ever"),
    "freeze": ("blocked", "test_every_second_request_waits_for_a_frozen_service_until_it_thaws"),
    "cut": ("blocked", "test_a_client_whose_request_is_cut_off_waits_for_ever"),
    "slow": ("safe", "test_a_slow_service_delays_its_own_requests_and_no_others"),
    "restart": ("blocked", "test_a_restarted_service_gets_new_requests_and_not_the_old_one"),
}
# In the textbook's words: at most once, for fail-stop services; the broker is a single point of failure.
# Use something else when clients must come back from a lost reply (`lazy_pirate`), or when services differ in speed: a
# DEALER deals in turn and does not know who is idle.


def wrap(ids: Sequence[bytes], body: Sequence[bytes]) -> list[bytes]:
    """Frames of a message: the envelope, which is these ids and an empty delimiter, then the body.

    The id of the next hop stands first. ValueError for an empty id, which would end the envelope, or an empty body.
    """
    if b"" in ids:
        raise ValueError(f"ids: expected none that is empty, got {list(ids)!r}")
    if not body:
        raise ValueError("body: expected at least one frame")
    return [*ids, b"", *body]


def unwrap(frames: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The ids and the body of a message: the first empty frame ends the envelope, whatever stands behind it.

    ValueError where there is no empty frame, or nothing behind it.
    """
    if b"" not in frames[:-1]:
        raise ValueError(f"frames: expected an empty one in front of the body, got {list(frames)!r}")
    end = frames.index(b"")
    return list(frames[:end]), list(frames[end + 1 :])


def broker(ctx: zmq.Context[Any], frontend: str = CLIENTS, backend: str = SERVICES) -> None:
    """Pass requests to the services in turn and replies back to who asked, for ever.

    No frame is looked at: the ROUTER puts an id in front of what comes in and takes it off what goes out. While no
    service has room, one request waits here and the others in the sockets, and replies are passed on all the same. A
    client that asks and asks and does not read loses the replies for which its queues have no room.
    """
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.linger = services.linger = LINGER
        clients.bind(frontend)
        services.bind(backend)
        poller = zmq.Poller()
        request: list[bytes] = []
        while True:
            poller.register(clients, 0 if request else zmq.POLLIN)
            poller.register(services, zmq.POLLIN | (zmq.POLLOUT if request else 0))
            ready = dict(poller.poll())
            if ready.get(services, 0) & zmq.POLLIN:
                clients.send_multipart(services.recv_multipart())
            if clients in ready:
                request = clients.recv_multipart()
            if request:
                with suppress(zmq.Again):  # no service has room
                    services.send_multipart(request, zmq.DONTWAIT)
                    request = []


def service(ctx: zmq.Context[Any], backend: str = SERVICES, work: Callable[[bytes], bytes] = upper) -> None:
    """Answer each request with `work` of its frames, for ever. Connects to the broker, so it may come and go."""
    with ctx.socket(zmq.REP) as socket:
        socket.linger = LINGER
        socket.connect(backend)
        while True:
            request = socket.recv_multipart()
            socket.send_multipart([work(frame) for frame in request])


def client(ctx: zmq.Context[Any], *requests: str, frontend: str = CLIENTS) -> list[str]:
    """Ask each request in turn and return the replies: the client of `request_reply`, which sees no difference."""
    return request_reply.client(ctx, *requests, endpoint=frontend)


if __name__ == "__main__":
    from .play import play

    play(broker, service, client)
