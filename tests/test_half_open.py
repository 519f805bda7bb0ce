# SPDX-License-Identifier: BSD-3-Clause
"""A connection that is half open: one side has forgotten it, nothing goes through, and nobody has closed it.

Who listens on it would be deaf for ever, and notices only because nothing answers.
"""

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import zmq
from sockets import MS, WAIT

from patterns import (
    binary_star,
    clone,
    heartbeats,
    inter_broker,
    last_value_cache,
    leader_election,
    publish_subscribe,
    replay,
    slow_joiner,
    steering,
)
from patterns.shell import serve
from patterns.stage import Stage

QUICK = 0.5  # seconds from one PING to the next here
NOWHERE = "inproc://nowhere"


class Relay:
    """Carries bytes to a TCP endpoint, and can forget its connections without a word to who has made them."""

    def __init__(self, to: str) -> None:
        host, port = to.removeprefix("tcp://").split(":")
        self.to = host, int(port)
        self.door = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.door.getsockname()[1]}"
        self.came = queue.Queue[None]()  # one for each connection
        self.ends: list[socket.socket] = []  # near, far, near, far
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):  # the door is shut
            while True:
                near, far = self.door.accept()[0], socket.create_connection(self.to)
                self.ends += [near, far]
                for ends in ((near, far), (far, near)):
                    self.threads.append(threading.Thread(target=self.carry, args=ends))
                    self.threads[-1].start()
                self.came.put(None)

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):  # forgotten
            while data := source.recv(1 << 16):
                sink.sendall(data)

    def forget(self) -> None:
        shut(*self.ends[1::2])


def shut(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):  # it has been already
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(to: str) -> Iterator[Relay]:
    it = Relay(to)
    try:
        yield it
    finally:
        shut(it.door)
        it.threads[0].join(WAIT)
        shut(*it.ends)
        for thread in it.threads:
            thread.join(WAIT)
        for end in (it.door, *it.ends):
            end.close()


@pytest.mark.parametrize(
    ("kind", "recipe", "role"),
    [
        (zmq.XPUB, publish_subscribe, lambda ctx, to: publish_subscribe.subscriber(ctx, b"S1", endpoint=to)),
        (zmq.XPUB, last_value_cache, lambda ctx, to: last_value_cache.subscriber(ctx, b"tea", endpoint=to)),
        (zmq.XPUB, last_value_cache, lambda ctx, to: last_value_cache.cache(ctx, to, NOWHERE)),
        (zmq.XPUB, slow_joiner, lambda ctx, to: slow_joiner.subscriber(ctx, "Ada", to, NOWHERE)),
        (zmq.XPUB, steering, lambda ctx, to: steering.watch(ctx, 1, NOWHERE, to)),
        (zmq.ROUTER, heartbeats, lambda ctx, to: heartbeats.peer(ctx, "kitchen", to)),
        (zmq.XPUB, clone, lambda ctx, to: clone.replica(ctx, updates=to, snapshots=NOWHERE, interval=QUICK / 5)),
        (zmq.XPUB, replay, lambda ctx, to: replay.subscriber(ctx, "tea", to, NOWHERE, interval=QUICK / 5)),
        (zmq.XPUB, binary_star, lambda ctx, to: binary_star.primary(ctx, NOWHERE, "inproc://says", to, QUICK / 4, 4)),
        (
            zmq.XPUB,
            inter_broker,
            lambda ctx, to: inter_broker.broker(ctx, "A", "B", place=lambda who, _: {"A": NOWHERE, "B": to}[who]),
        ),
        (
            zmq.XPUB,
            leader_election,
            lambda ctx, to: serve(ctx, leader_election.Member("A", ("B",), {"A": NOWHERE, "B": to}.get)),
        ),
        (zmq.XPUB, leader_election, lambda ctx, to: leader_election.leader(ctx, "B", place=lambda _: to)),
    ],
    ids=[
        "publish_subscribe.subscriber",
        "last_value_cache.subscriber",
        "last_value_cache.cache",
        "slow_joiner.subscriber",
        "steering.watch",
        "heartbeats.peer",
        "clone.replica",
        "replay.subscriber",
        "binary_star.primary",
        "inter_broker.broker",
        "leader_election.member",
        "leader_election.leader",
    ],
)
def test_who_listens_on_a_half_open_connection_makes_it_anew(
    kind: int, recipe: Any, role: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "PING", QUICK, raising=recipe not in (binary_star, clone, replay))
    with Stage() as stage:
        option = (
            "xpub_verbose" if kind == zmq.XPUB else "router_handover"
        )  # who comes again is told, and keeps its name
        here = stage.socket(kind, rcvtimeo=MS, **{option: 1})
        here.bind("tcp://127.0.0.1:*")
        with relay(here.last_endpoint.decode()) as between:
            stage.play(role, between.endpoint)
            between.came.get(timeout=WAIT)
            first = here.recv_multipart()
            between.forget()
            between.came.get(timeout=WAIT)
            while here.recv_multipart() != first:
                pass
            stage.close()
