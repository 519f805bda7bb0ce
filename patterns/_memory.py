# SPDX-License-Identifier: BSD-3-Clause
"""Sockets that exist only in memory: what the carrier of a core needs of ZeroMQ, for `simulation`.

A connection keeps order and loses nothing while it stands. When it parts, what is on its way is lost; connecting again
gives a fresh routing id, and what a connecting DEALER or PUSH could not send yet survives. Subscriptions travel as
messages. A PUB drops the newest at its high-water mark, a ROUTER that and what it cannot route; others refuse.
What it is not: no lock-step (so no REQ, no REP), no fair queuing; no single message is lost or doubled; an XPUB is not
told that a subscriber has gone.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import zmq

HWM = 1000  # messages that wait for one peer, unless the socket's option sndhwm says otherwise
RETRY = 0.1  # seconds between two attempts to connect
DELAY = (0.001, 0.02)  # seconds that a message is under way, at least and at most


class Medium:
    """What lies between the sockets, and the time. `at` puts an act on the agenda, `run` does what is on it."""

    def __init__(self, seed: int | str, write: Callable[..., object]) -> None:
        self.random, self.now, self._write = random.Random(seed), 0.0, write
        self.bound: dict[str, Socket] = {}
        self.cuts: set[frozenset[str]] = set()  # pairs of nodes that cannot reach each other
        self.delays: dict[frozenset[str], tuple[float, float]] = {}  # of pairs for which it is not DELAY
        self.count, self.sent = itertools.count(1), itertools.count(1)
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []

    def at(self, when: float, act: Callable[[], object]) -> None:
        heapq.heappush(self._agenda, (when, next(self.count), act))

    def run(self, until: float) -> None:
        while self._agenda and self._agenda[0][0] <= until:
            self.now, _, act = heapq.heappop(self._agenda)
            act()
        self.now = until

    def note(
        self, actor: str, kind: str, socket: str = "", frames: Any = (), peer: Any = ("", ""), detail: str = ""
    ) -> None:
        """Tell what happens in the words of a recording."""
        self._write(actor, kind, socket, frames, *peer, detail, self.now)


class Socket:
    """A socket, as far as a carrier uses one. Its options are attributes.

    owner  has a `name`, is `frozen` or not, and is told by `turn()` that something has come
    """

    routing_id, sndhwm, immediate, linger, probe_router, mechanism = b"", HWM, 0, 0, 0, zmq.NULL

    def __init__(self, medium: Medium, owner: Any, kind: int, title: str) -> None:
        if kind in (zmq.REQ, zmq.REP):
            raise ValueError(f"kind: {title} has a lock-step, which is not simulated; use DEALER or ROUTER")
        self.medium, self.owner, self.kind, self.title = medium, owner, kind, title
        self.pipes: list[_Pipe] = []
        self.prefixes: list[bytes] = []
        self.inbox: deque[tuple[_Pipe, _Pipe]] = deque()  # both ends of that through which the next message came
        self.begun: list[bytes] = []  # the frames of a message whose last one is still to come
        self.note("open")

    def note(self, kind: str, frames: Any = (), peer: Any = ("", ""), detail: str = "") -> None:
        self.medium.note(self.owner.name, kind, self.title, frames, peer, detail)

    def bind(self, endpoint: str) -> None:
        if endpoint in self.medium.bound:
            raise ValueError(f"endpoint: {endpoint} is bound already")
        self.medium.bound[endpoint] = self
        self.note("bind", detail=endpoint)

    def connect(self, endpoint: str) -> None:
        self.note("connect", detail=endpoint)
        _Pipe(self, endpoint)

    def subscribe(self, prefix: bytes) -> None:
        self.note("subscribe", [prefix])
        self.prefixes.append(prefix)
        for pipe in self.pipes:
            pipe.carry([b"\1" + prefix])

    def send(self, frame: bytes, flags: int) -> None:
        self.begun.append(frame)
        if flags & zmq.SNDMORE:
            return
        frames, self.begun = self.begun, []
        self.note("send", frames)
        room = self.sndhwm or math.inf  # 0 is no limit
        pipes = [p for p in self.pipes if len(p.waiting) < room and (p.far or not self.immediate)]
        if self.kind == zmq.ROUTER:
            pipes, frames = [p for p in pipes if p.far and p.peer == frames[0]], frames[1:]
        elif self.kind in (zmq.PUB, zmq.XPUB):
            pipes = [p for p in pipes if frames[0].startswith(tuple(p.prefixes))]
        elif pipes:  # the next in turn
            self.pipes.remove(pipes[0])
            self.pipes.append(pipes[0])
            pipes = pipes[:1]
        else:
            self.note("refused", detail="EAGAIN")
            raise zmq.Again
        number = str(next(self.medium.sent))  # tells which message it is, where it is received
        self.note("sent", detail=number)
        for pipe in pipes:
            pipe.carry(frames, number)

    def recv_multipart(self, flags: int) -> list[bytes]:
        if not self.inbox:
            raise zmq.Again
        near, far = self.inbox.popleft()
        frames, number = far.waiting.popleft()
        received = [near.peer, *frames] if self.kind == zmq.ROUTER else [*frames]
        self.note("receive", received, (far.socket.owner.name, far.socket.title), number)
        return received

    def close(self, linger: int = 0) -> None:
        """Close it. What is on its way still has `linger` milliseconds to arrive."""
        self.note("close")
        self.medium.bound = {endpoint: s for endpoint, s in self.medium.bound.items() if s is not self}
        self.inbox.clear()
        for pipe in self.pipes.copy():
            pipe.endpoint = ""  # it does not come back
            if linger and pipe.waiting:
                self.medium.at(self.medium.now + min(linger / 1000, DELAY[1]), pipe.part)
            else:
                pipe.part()


class _Pipe:
    """One socket's end of a connection, and what goes from here to the other end."""

    def __init__(self, socket: Socket, endpoint: str = "", far: "_Pipe | None" = None) -> None:
        self.socket, self.endpoint, self.far, self.medium = socket, endpoint, far, socket.medium
        self.peer = b""  # the other end's routing id
        self.prefixes: list[bytes] = []  # what the other end has subscribed to
        self.waiting = deque(([b"\1" + prefix], "") for prefix in socket.prefixes)  # sent here, not received there yet
        socket.pipes.append(self)
        if endpoint:
            self.medium.at(self.medium.now + self.medium.random.uniform(*DELAY), self.join)

    def join(self) -> None:
        """Connect, or try again later, as long as the socket is open."""
        here, there = self.socket.owner, self.medium.bound.get(self.endpoint)
        if there and not (here.frozen or there.owner.frozen or {here.name, there.owner.name} in self.medium.cuts):
            self.far = _Pipe(there, far=self)
            for end, other in ((self, self.far), (self.far, self)):
                end.peer = other.socket.routing_id or b"\0" + next(self.medium.count).to_bytes(4, "big")
                for _ in end.waiting:
                    end.set_off(other)
            if there.probe_router:  # of a socket that connects it is not simulated
                self.far.carry([b""])
        elif self.endpoint:
            self.medium.at(self.medium.now + RETRY, self.join)

    def part(self) -> None:
        """What is on its way is lost. The end that connects begins anew."""
        for end in (self, self.far):
            if end and end in end.socket.pipes:
                end.socket.pipes.remove(end)
                end.far = None
                if end.endpoint:
                    _Pipe(end.socket, end.endpoint)

    def carry(self, frames: list[bytes], number: str = "") -> None:
        """Send a message through here; it waits until the ends are joined."""
        self.waiting.append((frames, number))
        if self.far:
            self.set_off(self.far)

    def set_off(self, far: "_Pipe") -> None:
        """One more of those that wait will arrive: the first of them then, so that order is kept."""
        ends = frozenset((self.socket.owner.name, far.socket.owner.name))
        delay = self.medium.random.uniform(*self.medium.delays.get(ends, DELAY))
        self.medium.at(self.medium.now + delay, partial(self.arrive, far))

    def arrive(self, far: "_Pipe") -> None:
        if self.far is not far:  # they have parted
            return
        socket = far.socket
        if socket.kind in (zmq.PUB, zmq.XPUB):
            far.prefixes.append(self.waiting[0][0][0][1:])
        if socket.kind == zmq.PUB:
            self.waiting.popleft()
        else:
            socket.inbox.append((far, self))
            socket.owner.turn()
