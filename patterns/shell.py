# SPDX-License-Identifier: BSD-3-Clause
"""The shell of a core: it owns the sockets and the clock, and carries messages, time and effects between them.

A **core** decides and does nothing else. It has no socket and no clock: it is told what happened and returns what is
to be done. So the same core runs here on real sockets, blocking (`run`) or under asyncio (`arun`), and in `simulation`.

    core.receive(socket, frames, now) -> effects      a message came in on the socket that the core knows by this name
    core.tick(now) -> effects                         the time that the core asked for has come
    core.deadline -> float                            that time; minus infinity at first: the first tick opens sockets

Times are seconds of time.monotonic(). After a tick the deadline lies later than `now`. Effects are a list, or come
from a generator, and are done in their order. What a core raises ends its role. Copy with `_jobs.py`.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import zmq
import zmq.asyncio

from ._jobs import Jobs, Worker

WORK = "work"  # the name under which the result of a Work effect comes back; no socket may have it
NEVER = math.inf
AT_ONCE = -math.inf
BATCH = 100  # messages taken from one socket before the others and the clock have their turn
LONGEST = 3600.0  # seconds of one wait; then the clock is looked at again
PATIENCE = 1.0  # seconds that the end of a role waits for the job at hand
LINGER = 1000  # milliseconds that a socket may go on sending after the end of its core, unless it has a bound already
LAST, MORE = int(zmq.DONTWAIT), int(zmq.DONTWAIT | zmq.SNDMORE)  # plain numbers: flags are slow to combine
LOST = (zmq.EAGAIN, zmq.EHOSTUNREACH)  # there is no room; a mandatory ROUTER knows nobody of that name
EMPTY = (zmq.EAGAIN, zmq.EFSM)  # nothing has come; it is for a REQ or REP to send


@dataclass(frozen=True, slots=True)
class Open:
    """Open a socket of this type (zmq.DEALER) under a name, set options on it, and connect it, or bind it.

    Where the name is open already, its socket gets the options, and one endpoint more. Under CURVE whoever binds is
    the server, with the Context's own keys, so that one Context with a `curve_serverkey`, too, serves both ends.
    """

    socket: str
    kind: int
    endpoint: str
    bind: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.socket == WORK:
            raise ValueError(f"socket: {WORK!r} is the name of the jobs' results")


@dataclass(frozen=True, slots=True)
class Close:
    """Close a socket, if it is open; it goes on sending what it has for `linger` seconds.

    ZeroMQ closes in the background: to bind the same address again at once may be refused.
    """

    socket: str
    linger: float = 0.0


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Let a SUB socket receive what begins with this prefix. KeyError if no socket is open under this name."""

    socket: str
    prefix: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Send one message, or lose it: a core never waits, and whoever needs it to arrive has it acknowledged.

    It is lost where the socket would block (nobody is connected, or all are at their high-water mark), and where a
    mandatory ROUTER knows nobody of that name. KeyError if no socket is open under this name: a mistake of the core.
    """

    socket: str
    frames: list[bytes]


@dataclass(frozen=True, slots=True)
class Work:
    """Do this job outside the loop; its result comes back as `receive(WORK, result, now)`. One job after the other."""

    job: list[bytes]


@dataclass(frozen=True, slots=True)
class Result:
    """Give this to whoever runs the core. An exception is raised there."""

    value: Any


Effect = Open | Close | Subscribe | Send | Work | Result
Make = Callable[[int], Any]


class Core(Protocol):
    """What a shell and the simulation ask of a core."""

    deadline: float

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterable[Effect]: ...

    def tick(self, now: float) -> Iterable[Effect]: ...


def run(ctx: zmq.Context[Any], core: Core, work: Worker | None = None) -> Generator[Any, None, None]:
    """Play a core on real sockets and yield its results. Ends with the Context, or when the caller stops asking.

    The core stands still while the caller looks at a result, and its sockets stay open: `term()` waits until the
    generator is closed, or gone. A `for` over it lets it go whatever happens; one that has a name wants `closing`.

    work  does the jobs of Work effects, one after the other, in a thread of its own; what it raises ends the role
    """
    poller = zmq.Poller()
    with _carrying(ctx, ctx.socket, core, work, poller, PATIENCE) as carrier:
        while True:
            for value in carrier.turn(poller.poll(carrier.timeout())):
                if isinstance(value, BaseException):
                    raise value
                yield value


async def arun(ctx: zmq.Context[Any], core: Core, work: Worker | None = None) -> AsyncGenerator[Any, None]:
    """The same under asyncio. It ends when its task is cancelled, or by `aclose()`; a job at hand is not waited for."""
    poller = zmq.asyncio.Poller()
    make = partial(ctx.socket, socket_class=zmq.Socket)  # blocking ones: what is sent and received here never waits
    with _carrying(ctx, make, core, work, poller, 0.0) as carrier:
        while True:
            await asyncio.sleep(0)  # a wait of no time at all would not let the loop go on
            for value in carrier.turn(await poller.poll(carrier.timeout())):
                if isinstance(value, BaseException):
                    raise value
                yield value


def serve(ctx: zmq.Context[Any], core: Core, work: Worker | None = None) -> None:
    """Play a core that gives no results, for ever."""
    for _ in run(ctx, core, work):
        pass


@contextlib.contextmanager
def _carrying(
    ctx: zmq.Context[Any], make: Make, core: Core, work: Worker | None, poller: Any, patience: float
) -> Iterator["Carrier"]:
    """A carrier, and with it a thread for its jobs and what the poller waits for. All of it ends here."""
    end = ctx.socket(zmq.PAIR, socket_class=_End)
    jobs = Jobs(work) if work else None
    carrier = Carrier(make, core, poller, jobs, time.monotonic)
    poller.register(end, zmq.POLLIN)
    if jobs:
        poller.register(jobs.bell, zmq.POLLIN)
    try:
        yield carrier
    finally:
        carrier.close()
        end.close()
        if jobs:
            jobs.close(patience)


class _End(zmq.Socket[bytes]):
    """Never connected, never traced: it shows the Context's end to a core that has no socket open."""


class Carrier:
    """Carries messages, time and effects between one core and its sockets, by the names that the core gives them.

    make    makes a socket of a type: a Context does, and a node of the simulation
    poller  is told which sockets there are
    jobs    does what Work effects ask for
    clock   tells the time in seconds
    """

    def __init__(self, make: Make, core: Core, poller: Any, jobs: Any, clock: Callable[[], float]) -> None:
        self._make, self._core, self._poller, self._jobs, self._clock = make, core, poller, jobs, clock
        self._sockets: dict[str, Any] = {}
        self._names: dict[Any, str] = {}

    def timeout(self) -> int:
        """Milliseconds until the core wants its next tick."""
        return math.ceil(1000 * min(max(self._core.deadline - self._clock(), 0.0), LONGEST))

    def turn(self, ready: list[tuple[Any, int]]) -> Iterator[Any]:
        """Tell the core what has come and what time it is, and do what it wants; yield its results."""
        for source, _ in ready:
            for name, frames in self._taken(source):
                yield from self._do(self._core.receive(name, frames, self._clock()))
        if (now := self._clock()) >= self._core.deadline:
            yield from self._do(self._core.tick(now))

    def _taken(self, source: Any) -> Iterator[tuple[str, list[bytes]]]:
        if self._jobs and source == self._jobs.bell:
            yield from ((WORK, frames) for frames in self._jobs.finished())
            return
        for _ in range(BATCH):
            if source not in self._names:  # the core has closed it meanwhile
                return
            try:
                yield self._names[source], source.recv_multipart(zmq.DONTWAIT)
            except zmq.ZMQError as error:
                if error.errno in EMPTY:
                    return
                raise

    def _do(self, effects: Iterable[Effect]) -> Iterator[Any]:
        for effect in effects:
            match effect:
                case Send(name, frames):
                    send = self._sockets[name].send
                    try:  # as send_multipart does, at half its price
                        for frame in frames[:-1]:
                            send(frame, MORE)
                        send(frames[-1], LAST)
                    except zmq.ZMQError as error:
                        if error.errno not in LOST:
                            raise
                case Open():
                    self._open(effect)
                case Close(name, linger):
                    if sock := self._sockets.pop(name, None):
                        self._poller.unregister(sock)
                        del self._names[sock]
                        sock.close(linger=math.ceil(linger * 1000))
                case Subscribe(name, prefix):
                    self._sockets[name].subscribe(prefix)
                case Work(job):
                    if self._jobs is None:
                        raise ValueError("work: this core gives jobs, and nobody is there to do them")
                    self._jobs.start(job)
                case Result(value):
                    yield value

    def _open(self, wanted: Open) -> None:
        sock = self._sockets.get(wanted.socket)
        if sock is None:
            sock = self._make(wanted.kind)
            if sock.linger < 0:  # for ever, and the Context's end would wait for it
                sock.linger = LINGER
            self._sockets[wanted.socket], self._names[sock] = sock, wanted.socket
            self._poller.register(sock, zmq.POLLIN)
        for option, value in wanted.options.items():
            setattr(sock, option, value)
        if wanted.bind and sock.mechanism == zmq.CURVE:
            sock.curve_server = True
        (sock.bind if wanted.bind else sock.connect)(wanted.endpoint)

    def close(self) -> None:
        for sock in self._sockets.values():
            sock.close()
