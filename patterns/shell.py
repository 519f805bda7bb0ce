# SPDX-License-Identifier: BSD-3-Clause
"""The shell of a core: it owns the sockets and the clock, and carries messages, time and effects between them.

A **core** decides and does nothing else. It has no socket and no clock: it is told what happened and returns what is
to be done. So the same core runs here on real sockets, blocking (`run`) or under asyncio (`arun`), and in `simulation`.

    core.receive(socket, frames, now) -> effects      a message came in on the socket that the core knows by this name
    core.tick(now) -> effects                         the time that the core asked for has come
    core.deadline -> float                            that time; minus infinity at first: the first tick opens sockets

Times are seconds of time.monotonic(). What a core raises ends its role. Source: the idea that a protocol has no I/O.
"""

import contextlib
import math
import socket as network
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import zmq
import zmq.asyncio

WORK = "work"  # the name under which the result of a Work effect comes back
NEVER = math.inf
AT_ONCE = -math.inf
BATCH = 100  # messages taken from one socket before the others and the clock have their turn


@dataclass(frozen=True, slots=True)
class Open:
    """Open a socket of this type (zmq.DEALER), set options on it, and connect it to an endpoint, or bind it.

    Opening a name that is open already connects or binds that socket to one endpoint more.
    """

    socket: str
    kind: int
    endpoint: str
    bind: bool = False
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Close:
    """Close a socket; it goes on sending what it has for `linger` seconds."""

    socket: str
    linger: float = 0.0


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Let a SUB socket receive what begins with this prefix."""

    socket: str
    prefix: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Send one message. Where the socket would block, the message is lost, as it may be on any network."""

    socket: str
    frames: list[bytes]


@dataclass(frozen=True, slots=True)
class Work:
    """Do this job outside the loop; its result comes back as `receive(WORK, result, now)`."""

    job: list[bytes]


@dataclass(frozen=True, slots=True)
class Result:
    """Give this to whoever runs the core. An exception is raised there."""

    value: Any


Effect = Open | Close | Subscribe | Send | Work | Result
Worker = Callable[[list[bytes]], list[bytes]]


class Core(Protocol):
    """What a shell and the simulation ask of a core."""

    deadline: float

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterable[Effect]: ...

    def tick(self, now: float) -> Iterable[Effect]: ...


def run(ctx: zmq.Context[Any], core: Core, work: Worker | None = None) -> Iterator[Any]:
    """Play a core on real sockets and yield its results. Ends with the Context, or when the caller stops asking.

    work  does the jobs of Work effects, one at a time, in a thread of its own; what it raises ends the role
    """
    carrier = _Carrier(ctx, core, work, zmq.Poller())
    try:
        while True:
            yield from carrier.turn(carrier.poller.poll(carrier.timeout()))
    finally:
        carrier.close()


async def arun(ctx: zmq.Context[Any], core: Core, work: Worker | None = None) -> AsyncIterator[Any]:
    """The same under asyncio."""
    carrier = _Carrier(ctx, core, work, zmq.asyncio.Poller())
    try:
        while True:
            for value in carrier.turn(await carrier.poller.poll(carrier.timeout())):
                yield value
    finally:
        carrier.close()


def serve(ctx: zmq.Context[Any], core: Core, work: Worker | None = None) -> None:
    """Play a core that gives no results, for ever."""
    for _ in run(ctx, core, work):
        pass


class _Carrier:
    """The sockets of one core, by the names that the core gives them."""

    def __init__(self, ctx: zmq.Context[Any], core: Core, work: Worker | None, poller: Any) -> None:
        self.poller = poller
        self._ctx, self._core = ctx, core
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._names: dict[Any, str] = {}
        self._jobs = _Jobs(work) if work else None
        if self._jobs:
            self.poller.register(self._jobs.bell, zmq.POLLIN)

    def timeout(self) -> float | None:
        """Milliseconds until the core wants its next tick."""
        left = self._core.deadline - time.monotonic()
        return None if left == NEVER else max(0, math.ceil(min(left, 3600.0) * 1000)) if left > 0 else 0

    def turn(self, ready: list[tuple[Any, int]]) -> Iterator[Any]:
        """Tell the core what has come and what time it is, and do what it wants; yield its results."""
        for source, _ in ready:
            for name, frames in self._taken(source):
                yield from self._do(self._core.receive(name, frames, time.monotonic()))
        now = time.monotonic()
        if now >= self._core.deadline:
            yield from self._do(self._core.tick(now))

    def _taken(self, source: Any) -> Iterator[tuple[str, list[bytes]]]:
        if self._jobs and source in (self._jobs.bell, self._jobs.bell.fileno()):
            yield from ((WORK, frames) for frames in self._jobs.finished())
            return
        for _ in range(BATCH):
            if source not in self._names:  # the core has closed it meanwhile
                return
            try:
                yield self._names[source], source.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return

    def _do(self, effects: Iterable[Effect]) -> Iterator[Any]:
        for effect in effects:
            match effect:
                case Send(name, frames):
                    with contextlib.suppress(zmq.Again, KeyError):  # full, or closed: lost
                        self._sockets[name].send_multipart(frames, zmq.DONTWAIT)
                case Open():
                    self._open(effect)
                case Close(name, linger):
                    if sock := self._sockets.pop(name, None):
                        self.poller.unregister(sock)
                        del self._names[sock]
                        sock.close(linger=math.ceil(linger * 1000))
                case Subscribe(name, prefix):
                    self._sockets[name].subscribe(prefix)
                case Work(job):
                    if self._jobs is None:
                        raise ValueError("work: this core gives jobs, and nobody is there to do them")
                    self._jobs.start(job)
                case Result(value):
                    if isinstance(value, BaseException):
                        raise value
                    yield value

    def _open(self, wanted: Open) -> None:
        sock = self._sockets.get(wanted.socket)
        if sock is None:
            # a blocking socket also under asyncio: what is sent and received here never waits
            sock = self._ctx.socket(wanted.kind, socket_class=zmq.Socket)
            self._sockets[wanted.socket] = sock
            self._names[sock] = wanted.socket
            for option, value in wanted.options.items():
                setattr(sock, option, value)
            self.poller.register(sock, zmq.POLLIN)
        (sock.bind if wanted.bind else sock.connect)(wanted.endpoint)

    def close(self) -> None:
        for sock in self._sockets.values():
            sock.close()
        if self._jobs:
            self._jobs.close()


class _Jobs:
    """A thread that works while the loop goes on, and a bell that wakes the loop when it has finished something."""

    def __init__(self, work: Worker) -> None:
        self._work = work
        self._done: deque[list[bytes] | BaseException] = deque()
        self.bell, self._hand = network.socketpair()
        self._threads: list[threading.Thread] = []

    def start(self, job: list[bytes]) -> None:
        self._threads = [t for t in self._threads if t.is_alive()]
        thread = threading.Thread(target=self._play, args=(job,), name="job", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _play(self, job: list[bytes]) -> None:
        try:
            self._done.append(self._work(job))
        except BaseException as error:
            self._done.append(error)
        with contextlib.suppress(OSError):  # nobody listens any more
            self._hand.send(b"!")

    def finished(self) -> Iterator[list[bytes]]:
        self.bell.recv(4096)
        while self._done:
            result = self._done.popleft()
            if isinstance(result, BaseException):
                raise result
            yield result

    def close(self) -> None:
        """Wait a second for the job at hand; longer ones end with the process."""
        for thread in self._threads:
            thread.join(1.0)
        self.bell.close()
        self._hand.close()
