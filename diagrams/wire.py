# SPDX-License-Identifier: BSD-3-Clause
"""A cable that can be watched and broken: a TCP relay that understands ZMTP frames.

    client --connect--> wire.endpoint  =====  server's endpoint <--bind-- server
                 "forward" -->                       <-- "back"

`with Wire(endpoint, recording=recording) as wire: client.connect(wire.endpoint)`, then drop, delay or double the n-th
message of a direction, cut the wire, freeze it, heal it. Messages are counted from 1 over all connections, in the
order in which their fate is decided; ZMTP's own commands (READY, SUBSCRIBE, PING) are not messages and always pass.
Only NULL connections of ZMTP 3 are understood. Any other (CURVE, PLAIN, a stranger's bytes) is carried untouched: no
rule applies to it and nothing of it is logged, but it is cut and frozen with the rest, and its bytes are `carried`.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, Literal, cast

from diagrams.recording import WIRE, Event, Frame, Kind, Recording, keep

Direction = Literal["forward", "back"]
Fate = Literal["passed", "dropped", "delayed", "doubled"]

CHUNK = 65536  # bytes written at once: all that can still leave a frozen wire
DEADLINE = 10.0  # seconds for the wire's own thread to do what it was told
GREETING = 64  # bytes before the first frame
NULL = b"NULL".ljust(20, b"\0")
MORE, LONG, COMMAND = 1, 2, 4  # a frame's flags
PROPERTIES = b"x-actor", b"x-socket", b"socket-type"  # of READY; the first two are set through zmq.METADATA


@dataclass(frozen=True, slots=True)
class End:
    """Who is at one end of a connection, as far as its READY command tells: the type of the socket ("REQ"), its routing
    id, and what a tracing socket adds, its actor's name and its own within the actor ("REQ 2")."""

    actor: str = ""
    socket: str = ""
    type: str = ""
    identity: bytes = b""


NOBODY = End()


@dataclass(frozen=True, slots=True)
class Crossing:
    """What became of the n-th message of a direction; a frame over `recording.LARGE` bytes is kept as a digest."""

    direction: Direction
    n: int
    fate: Fate
    frames: tuple[Frame, ...]
    sender: End
    receiver: End


@dataclass(frozen=True, slots=True)
class _Rule:
    fate: Fate
    seconds: float = 0.0
    until: tuple[Direction, int] | None = None


PASS = _Rule("passed")


class Wire:
    """A relay from a free port of 127.0.0.1 (`endpoint`) to what is bound at `to`, "tcp://host:port" or "ipc://path".

    Any thread may call any method, and on return its effect is in place. Of several rules for one message the last
    counts, and each of them counts more than chance. What goes wrong inside is raised by `close` as RuntimeError.
    """

    def __init__(self, to: str, *, recording: Recording | None = None, name: str = "wire") -> None:
        self._address = _parse(to)
        self.to, self.name = to, name
        self._recording = recording
        self._changed = threading.Condition()  # guards rules, counts, log and what is carried
        self._rules: dict[tuple[Direction, int], _Rule] = {}
        self._chance: Callable[[Direction, int], _Rule] = lambda direction, n: PASS
        self._counts: dict[Direction, int] = {"forward": 0, "back": 0}
        self._log: list[Crossing] = []
        self._carried: dict[Direction, bytearray] = {"forward": bytearray(), "back": bytearray()}
        self._turn = threading.Lock()  # one cut, freeze, heal or close at a time
        self._faults: list[BaseException] = []
        self._closed = False
        # From here on only the wire's own thread touches what is below.
        self._state: Kind = "healed"
        self._ends: set[_End] = set()
        self._joining: dict[asyncio.Task[None], _End] = {}
        self._held: set[tuple[Direction, int]] = set()
        self._waiting: dict[tuple[Direction, int], list[Callable[[], None]]] = {}
        self._socket = _bound(0)  # has the port, and listens unless the wire is cut
        self._port: int = self._socket.getsockname()[1]
        self.endpoint = f"tcp://127.0.0.1:{self._port}"
        self._note("bind", to)
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name=name, daemon=True)
        self._thread.start()
        started.result()

    def __repr__(self) -> str:
        return f"<Wire {self.name!r} {self.endpoint} -> {self.to}>"

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections, the port and the thread. Raises RuntimeError if the wire ever failed inside."""
        with self._turn:
            if self._closed:
                return
            self._closed = True
            with suppress(RuntimeError):  # the loop has ended by itself: a fault, raised below
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(DEADLINE)
            if self._thread.is_alive():
                raise RuntimeError(f"{self.name} is still busy after {DEADLINE:g} s")
        if self._faults:
            raise RuntimeError(f"{self.name} failed inside: {self._faults[0]!r}") from self._faults[0]

    # -- what happens to single messages ----------------------------------------------------------------------

    def drop(self, direction: Direction, *ns: int) -> None:
        """Lose these messages of a direction. Raises ValueError for one whose fate is already decided."""
        self._rule(direction, ns, _Rule("dropped"))

    def double(self, direction: Direction, *ns: int) -> None:
        """Deliver these messages twice, one right behind the other. Raises ValueError as `drop` does."""
        self._rule(direction, ns, _Rule("doubled"))

    def delay(
        self,
        direction: Direction,
        *ns: int,
        seconds: float | None = None,
        until: tuple[Direction, int] | None = None,
    ) -> None:
        """Hold these messages for so many seconds, or until another message has passed or is lost.

        Order is kept: what follows on the same connection in the same direction waits too, uncounted. So
        `delay("forward", 1, until=("forward", 2))` needs a second connection. Raises ValueError as `drop` does.
        """
        if (seconds is None) == (until is None):
            raise ValueError("delay: expected either seconds or until")
        if until is not None:
            if not isinstance(until, tuple) or len(until) != 2:
                raise ValueError(f"until: expected a direction and a number such as ('forward', 2), not {until!r}")
            _check(until[0], until[1:])
            if until[0] == direction and until[1] in ns:
                raise ValueError(f"until: a message cannot wait for itself: {until!r}")
        self._rule(direction, ns, _Rule("delayed", _number("seconds", seconds or 0.0), until))

    def chaos(
        self, seed: int | str, *, drop: float = 0.1, double: float = 0.1, delay: float = 0.1, seconds: float = 0.05
    ) -> None:
        """From now on messages are dropped, doubled or delayed (by so many seconds) with these probabilities.

        What befalls the n-th message of a direction depends on the seed, the direction and n alone.
        """
        odds = _number("drop", drop), _number("double", double), _number("delay", delay)
        if sum(odds) > 1:
            raise ValueError(f"drop, double, delay: expected probabilities that sum to at most 1, not {odds}")
        rules = _Rule("dropped"), _Rule("doubled"), _Rule("delayed", _number("seconds", seconds))

        def chance(direction: Direction, n: int) -> _Rule:
            roll = random.Random(f"{seed} {direction} {n}").random()
            return next((rule for rule, edge in zip(rules, accumulate(odds), strict=True) if roll < edge), PASS)

        with self._changed:
            self._chance = chance

    def _rule(self, direction: Direction, ns: tuple[int, ...], rule: _Rule) -> None:
        _check(direction, ns)
        with self._changed:
            if min(ns) <= self._counts[direction]:
                done = self._counts[direction]
                raise ValueError(f"n: {direction} {min(ns)} is past, expected a number from {done + 1}")
            self._rules.update({(direction, n): rule for n in ns})

    # -- what happens to all of them --------------------------------------------------------------------------

    def cut(self) -> None:
        """Close every connection and refuse new ones; messages on their way are lost. The port stays taken."""
        self._become("cut")

    def freeze(self) -> None:
        """Stop the bytes, both ways: connections stay up, new ones are accepted and hear nothing."""
        self._become("frozen")

    def heal(self) -> None:
        """Undo `cut` or `freeze`."""
        self._become("healed")

    def _become(self, state: Kind) -> None:
        with self._turn:
            if self._closed:
                raise RuntimeError(f"{self.name} is closed")
            asyncio.run_coroutine_threadsafe(self._switch(state), self._loop).result(DEADLINE)

    # -- what was seen ----------------------------------------------------------------------------------------

    @property
    def log(self) -> tuple[Crossing, ...]:
        """Every message whose fate is decided, in that order."""
        with self._changed:
            return tuple(self._log)

    def count(self, direction: Direction) -> int:
        """How many messages of a direction had their fate decided so far."""
        _check(direction, (1,))
        with self._changed:
            return self._counts[direction]

    def carried(self, direction: Direction) -> bytes:
        """Every byte that has gone this way, greetings too, over connections of which the wire understands nothing."""
        _check(direction, (1,))
        with self._changed:
            return bytes(self._carried[direction])

    def wait(self, direction: Direction, count: int = 1, *, timeout: float = 5.0) -> None:
        """Return once the fate of that many messages is decided. Raises TimeoutError that says of how many it is."""
        _check(direction, (count,))
        with self._changed:
            if not self._changed.wait_for(lambda: self._counts[direction] >= count, timeout):
                have = self._counts[direction]
                raise TimeoutError(f"{self.name}: {have} of {count} {direction} messages after {timeout:g} s")

    def _note(
        self, kind: Kind, detail: str = "", frames: tuple[Frame, ...] = (), a: End = NOBODY, b: End = NOBODY
    ) -> None:
        if self._recording is not None:
            event = Event(WIRE, kind, self.endpoint, frames, a.actor, a.socket, b.actor, b.socket, detail)
            self._recording.add(event)

    # -- in the wire's own thread -----------------------------------------------------------------------------

    def _run(self, started: Future[None]) -> None:
        try:
            asyncio.run(self._serve(started))
        except BaseException as error:  # nobody else would hear of it before close()
            self._faults.append(error)
            if not started.done():
                started.set_exception(error)
        finally:
            self._socket.close()

    async def _serve(self, started: Future[None]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(self._fault)
        self._listen()
        started.set_result(None)
        await self._stop.wait()
        self._loop.remove_reader(self._socket)
        await self._hang_up()

    def _fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._faults.append(context.get("exception") or RuntimeError(context["message"]))

    def _listen(self) -> None:
        self._socket.listen(1024)
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        try:
            client = self._socket.accept()[0]
        except (BlockingIOError, ConnectionAbortedError):  # it has gone again
            return
        except OSError:  # out of descriptors: a fault, and trying on at once would only spin
            self._loop.remove_reader(self._socket)
            raise
        client.setblocking(False)
        forward, back = _Flow(self, "forward"), _Flow(self, "back")
        forward.other, back.other = back, forward
        front = _End(self, forward, back)
        task = self._loop.create_task(self._join(client, front, _End(self, back, forward)))
        self._joining[task] = front
        task.add_done_callback(self._joining.pop)

    async def _join(self, client: socket.socket, front: _End, rear: _End) -> None:
        await self._loop.connect_accepted_socket(lambda: front, client)
        try:
            if isinstance(self._address, str):
                await self._loop.create_unix_connection(lambda: rear, self._address)
            else:
                await self._loop.create_connection(lambda: rear, *self._address)
        except OSError:  # nobody is bound there yet: hang up, and the client tries again
            front.abort()

    async def _switch(self, state: Kind) -> None:
        if state == self._state:
            return
        if state == "cut":
            held = _bound(self._port)  # before the listening socket is closed, so that nobody takes the port
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = held
            await self._hang_up()
        elif self._state == "cut":
            self._listen()
        self._state = state
        for end in tuple(self._ends):
            end.hears.pump()
        self._note(state)

    async def _hang_up(self) -> None:
        while self._ends or self._joining:
            for task, front in tuple(self._joining.items()):
                if front.transport is not None:  # before, nobody but the task would close the accepted socket
                    task.cancel()
            for end in tuple(self._ends):
                end.abort()
            await asyncio.sleep(0)

    def _decide(self, flow: _Flow, frames: tuple[Frame, ...]) -> tuple[int, _Rule]:
        """Number a message that stands before the wire and say what becomes of it, recorded before it is done."""
        direction, sender, receiver = flow.direction, flow.talker, flow.other.talker
        with self._changed:
            n = self._counts[direction] + 1
            rule = self._rules.pop((direction, n), None) or self._chance(direction, n)
            self._note(rule.fate, f"{direction} {n}", frames, sender, receiver)
            self._counts[direction] = n
            self._log.append(Crossing(direction, n, rule.fate, frames, sender, receiver))
            self._changed.notify_all()
        return n, rule

    def _hold(self, key: tuple[Direction, int], rule: _Rule, release: Callable[[], None]) -> None:
        self._held.add(key)
        if rule.until is None:
            self._loop.call_later(rule.seconds, release)
        elif rule.until[1] <= self._counts[rule.until[0]] and rule.until not in self._held:
            self._loop.call_soon(release)
        else:
            self._waiting.setdefault(rule.until, []).append(release)

    def _left(self, key: tuple[Direction, int]) -> None:
        """A message has passed or is lost: let go of those that waited for it."""
        self._held.discard(key)
        for release in self._waiting.pop(key, ()):
            self._loop.call_soon(release)  # soon: after this one is written


class _Flow:
    """One direction of one connection: bytes in, whole messages out, in their order."""

    other: _Flow  # the opposite direction

    def __init__(self, wire: Wire, direction: Direction) -> None:
        self.wire, self.direction = wire, direction
        self.source: asyncio.Transport | None = None
        self.sink: asyncio.Transport | None = None
        self.full = False  # the sink takes no more for now
        self.ended = False  # the source is gone: deliver what is left, then close the sink
        self.lost = False  # the sink is gone: nothing can be delivered
        self.talker = End()
        self.opaque = False
        self.greeting = b""
        self.inbox = bytearray()  # read and not yet decided
        self.scanned = 0  # length of the whole frames at the inbox's beginning, an unfinished message
        self.parts: list[tuple[int, int]] = []  # where their bodies stand in it
        self.held: tuple[int, bytes] | None = None
        self.outbox = bytearray()

    def pump(self) -> None:
        """Carry on as far as sink and rules allow, and read on only when nothing is left to carry.

        So at most one read and one unfinished message are kept in memory, and a sender feels a slow receiver.
        """
        if self.lost:
            self.clear()
        while self.sink is not None and self.free():
            while len(self.outbox) < CHUNK and self.held is None and self.step():
                pass
            if not self.outbox:
                break
            self.sink.write(self.outbox[:CHUNK])
            del self.outbox[:CHUNK]
        idle = self.lost or (self.free() and self.held is None)
        if self.source is not None and not self.ended:
            self.source.resume_reading() if idle else self.source.pause_reading()
        elif self.ended and idle and self.sink is not None:
            self.sink.close()

    def free(self) -> bool:
        sink = self.sink
        return sink is not None and not sink.is_closing() and not self.full and self.wire._state != "frozen"

    def clear(self) -> None:
        self.inbox.clear()
        self.outbox.clear()
        self.scanned, self.parts = 0, []
        if self.held is not None:
            n, self.held = self.held[0], None
            self.wire._left((self.direction, n))

    def step(self) -> bool:
        """Take the next whole thing off the inbox, if there is one, and do with it what becomes of it."""
        if not self.opaque and len(self.greeting) < GREETING:
            return self.greet()
        if self.opaque:
            raw, frames = bytes(self.inbox), None
            self.inbox.clear()
            with self.wire._changed:
                self.wire._carried[self.direction] += self.greeting + raw
            self.greeting = b""
        else:
            raw, frames = self.take()
        if frames is None:
            self.outbox += raw
            return bool(raw)
        n, rule = self.wire._decide(self, frames)
        if rule.fate == "delayed":
            self.held = n, raw
            self.wire._hold((self.direction, n), rule, partial(self.release, n))
        else:
            self.outbox += raw * {"passed": 1, "dropped": 0, "doubled": 2}[rule.fate]
            self.wire._left((self.direction, n))
        return True

    def greet(self) -> bool:
        """Pass the greeting on as it comes, for each side waits for the other's first bytes, and look what it says."""
        new = bytes(self.inbox[: GREETING - len(self.greeting)])
        del self.inbox[: len(new)]
        self.outbox += new
        self.greeting = g = self.greeting + new
        if not (b"\xff".startswith(g[:1]) and b"\x7f\x03".startswith(g[9:11]) and NULL.startswith(g[12:32])):
            self.opaque = self.other.opaque = True
            self.wire._loop.call_soon(self.other.pump)
        return bool(new)

    def take(self) -> tuple[bytes, tuple[Frame, ...] | None]:
        """The bytes of the next command, without frames, or of the next message; none while it is not yet whole."""
        box = self.inbox
        while len(box) >= self.scanned + 2:
            flags, at = box[self.scanned], self.scanned
            start = at + (9 if flags & LONG else 2)
            stop = start + int.from_bytes(box[at + 1 : start], "big")
            if len(box) < max(start, stop):
                break
            if flags & COMMAND:  # may stand between the frames of a message, and then goes ahead of them
                raw = bytes(box[at:stop])
                del box[at:stop]
                self.hear(raw[start - at :])
                return raw, None
            self.parts.append((start, stop))
            self.scanned = stop
            if not flags & MORE:
                raw, parts = bytes(box[:stop]), self.parts
                del box[:stop]
                self.scanned, self.parts = 0, []
                return raw, tuple(keep(memoryview(raw)[a:b]) for a, b in parts)
        return b"", None

    def hear(self, command: bytes) -> None:
        """Learn from READY who talks: properties are a name with its length in 1 byte, a value with its in 4."""
        if not command.startswith(b"\x05READY"):
            return
        found: dict[bytes, bytes] = {}
        rest = command[6:]
        while rest:
            key, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
            size = int.from_bytes(rest[:4], "big")
            found[key.lower()], rest = rest[4 : 4 + size], rest[4 + size :]
        actor, name, kind = (found.get(k, b"").decode("utf-8", "replace") for k in PROPERTIES)
        self.talker = End(actor, name, kind, found.get(b"identity", b""))

    def release(self, n: int) -> None:
        if self.held is not None and self.held[0] == n:
            self.outbox += self.held[1]
            self.held = None
            self.wire._left((self.direction, n))
            self.pump()


class _End(asyncio.Protocol):
    """One of the two TCP connections that make a relayed one: it speaks into one flow and hears the other."""

    def __init__(self, wire: Wire, speaks: _Flow, hears: _Flow) -> None:
        self.wire, self.speaks, self.hears = wire, speaks, hears
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = self.speaks.source = self.hears.sink = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=0)  # full as soon as one write does not go out whole
        self.wire._ends.add(self)
        self.speaks.pump()
        self.hears.pump()

    def data_received(self, data: bytes) -> None:
        self.speaks.inbox += data
        self.speaks.pump()

    def pause_writing(self) -> None:
        self.hears.full = True

    def resume_writing(self) -> None:
        self.hears.full = False
        self.hears.pump()

    def connection_lost(self, error: Exception | None) -> None:
        self.wire._ends.discard(self)
        self.speaks.source = self.hears.sink = None
        self.speaks.ended = self.hears.lost = True
        self.speaks.pump()
        self.hears.pump()

    def abort(self) -> None:
        """Close at once; what waits to be written is lost."""
        if self.transport is not None:
            self.transport.abort()


def _parse(to: str) -> str | tuple[str, int]:
    """The path or the address and port of an endpoint. Raises ValueError."""
    if isinstance(to, str) and (found := re.fullmatch(r"ipc://(.+)", to)):
        return re.sub("^@", "\0", found[1])  # Linux: a name outside the file system
    if isinstance(to, str) and (found := re.fullmatch(r"tcp://\[?([^*\[\]]+)\]?:(\d+)", to)):
        with suppress(OSError, OverflowError):
            known = socket.getaddrinfo(found[1], int(found[2]), type=socket.SOCK_STREAM)
            address = min(known, key=lambda k: k[0] != socket.AF_INET)[4]  # "localhost" is 127.0.0.1, as in libzmq
            if 0 < int(found[2]) < 65536:
                return str(address[0]), int(found[2])
    raise ValueError(f"to: expected an endpoint to connect to, tcp://host:port or ipc://path, not {to!r}")


def _bound(port: int) -> socket.socket:
    """A socket that has a port of 127.0.0.1 and does not listen: who connects is refused."""
    # SO_REUSEPORT lets a second socket of ours take the port over; who does not set it, libzmq say, finds it in use.
    here = socket.socket()
    try:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        here.bind(("127.0.0.1", port))
        here.setblocking(False)
    except OSError:
        here.close()
        raise
    return here


def _check(direction: str, ns: tuple[int, ...]) -> None:
    if direction not in ("forward", "back"):
        raise ValueError(f"direction: expected 'forward' or 'back', not {direction!r}")
    if not ns or any(not isinstance(n, int) or n < 1 for n in ns):
        raise ValueError(f"n: expected message numbers from 1, not {ns!r}")


def _number(name: str, value: float) -> float:
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name}: expected a number from 0, not {value!r}")
    return value
