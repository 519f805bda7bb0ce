# SPDX-License-Identifier: BSD-3-Clause
"""A core on a clock that is a number: what the checks of answers share that give a core to their shell.

    with played(scene, lambda shell: Call((ENDPOINT, 2.0, shell))) as (answer, [line]):
        clock = Clock(scene, answer, line)      # a check derives its own, which knows what becomes of each effect
        clock.receive("peers", [b"ann", b"PONG"])
        clock.until(10.0)

The answer's function is given a `Shell`, which does with the core what the checker says, in the answer's own process,
so that whatever the core does is done there. No time passes but the checker's. It is told from 0 on in a scene; the
core is told numbers that no other clock of this machine shows.
"""

from __future__ import annotations

import ast
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import zmq

from diagrams.recording import Event
from patterns.shell import NEVER, Close, Effect, Open, Result, Send, Subscribe

from .answer import Call
from .scene import Answer, NotYet, Scene, TookTooLong, unexpected

START = 5.0  # seconds of real time until the answer's process has begun
PATIENCE = 3.0  # seconds of real time that the core has for one call
MOST = 300  # ticks in one life of a core
LATE = 2.0**33  # seconds: later than any clock of this machine, and floats still tell microseconds
GRID = 64  # all times that a check gives are whole multiples of 1/GRID seconds; those of a running clock are not
DEPTH = 8  # of nested data in a result

NOT_PLAYED = "no core was given to the shell"
NOT_LATER = "after a tick its deadline was not later than now"
TOO_OFTEN = "it wanted tick after tick where nothing was due"
OWN_CLOCK = "it asked a clock of its own"
UNBOUND = "no ROUTER was bound to the endpoint"


@dataclass(frozen=True)
class Shell:
    """What the answer gets as its shell. `line` is the endpoint at which the checker says what to do."""

    line: str

    def __call__(self, ctx: zmq.Context[Any], core: Any) -> None:
        opened = set[str]()
        with zmq.Context(ctx).socket(zmq.PAIR) as line:  # a plain Context: this is no part of the scene
            line.connect(self.line)
            line.send(b"ready")
            while (order := ast.literal_eval(line.recv().decode()))[0] != "end":
                act, *arguments = order
                dies = act == "kill"
                effects = getattr(core, "receive" if dies else act)(*arguments)
                if not isinstance(effects, (list, tuple, Iterator)):
                    raise TypeError(f"{act} returned {effects!r}, expected a list of effects")
                plain = []
                for effect in effects:  # a generator may set the deadline at its end
                    plain.append(_plain(effect, opened))
                    if dies and plain[-1][0] == "send":
                        break
                line.send(repr((_seconds(core.deadline), plain)).encode())


def _seconds(deadline: Any) -> str:
    """The deadline as a float; infinite where it is more than that holds."""
    if isinstance(deadline, bool) or not isinstance(deadline, Real) or deadline != deadline:
        raise TypeError(f"deadline: expected seconds as a number, got {deadline!r}")
    return repr(float(deadline) if abs(deadline) < 2.0**64 else NEVER if deadline > 0 else -NEVER)


def _plain(effect: Effect, opened: set[str]) -> tuple[Any, ...]:
    """An effect as plain data. Raises what a shell on real sockets would raise."""
    match effect:
        case Open(name, kind, endpoint, bind):
            opened.add(name)
            return "open", str(name), int(kind), str(endpoint), bool(bind)
        case Close(name):
            opened.discard(name)
            return "close", str(name)
        case Subscribe(name) | Send(name) if name not in opened:
            raise KeyError(f"no socket is open under the name {name!r}")
        case Subscribe(name, prefix):
            return "subscribe", str(name), bytes(prefix)
        case Send(name, frames):
            return "send", str(name), [_frame(frame) for frame in frames]
        case Result(value):
            return "result", _value(value)
    raise TypeError(f"expected an effect, got {effect!r}")


def _frame(frame: Any) -> bytes | str:
    """What is no frame leaves as the text that stands for it."""
    return bytes(frame) if isinstance(frame, (bytes, bytearray, memoryview, zmq.Frame)) else repr(frame)


def _value(value: Any, depth: int = DEPTH) -> Any:
    """Plain data as it is; bytes for all that is like bytes, tuples for all sequences, a text for the rest."""
    match value:
        case bytes() | bytearray() | memoryview():
            return bytes(value)
        case bool() | None:
            return value
        case int():
            return int.__int__(value)  # also of an Enum
        case str():
            return str.__str__(value)
        case _ if not depth:
            return "…"
        case Mapping():
            return {_value(key, depth - 1): _value(each, depth - 1) for key, each in value.items()}
        case Sequence():
            return tuple(_value(each, depth - 1) for each in value)
    return repr(value)


class Clock:
    """Plays one core. A check derives its own and defines `effect`; it tells the core what came with `receive`.

    now       seconds on the checker's clock
    deadline  when the core wants to be ticked next
    ticks     when it was
    """

    def __init__(self, scene: Scene, answer: Answer, line: zmq.Socket[Any]) -> None:
        self.now, self.deadline, self.ticks = 0.0, -NEVER, list[float]()
        self.scene, self.answer, self._line = scene, answer, line
        self._zero = LATE + 1024.0 * scene.random.randrange(1, 1024)  # what the core is told at 0
        self._hear(START)

    def effect(self, kind: str, *what: Any) -> None:
        """What becomes of ("open", name, kind, endpoint, bind), ("close", name), ("subscribe", name, prefix),
        ("send", name, frames) or ("result", value). A frame that is not bytes is the text that stands for it."""
        raise NotImplementedError

    def receive(self, socket: str, frames: Sequence[bytes]) -> None:
        self._do("receive", socket, list(frames))

    def kill(self, socket: str, frames: Sequence[bytes]) -> None:
        """The core receives this, and does nothing after the first message that it sends then: kill its process."""
        self._do("kill", socket, list(frames))

    def tick(self) -> None:
        self.now = max(self.now, self.deadline)
        self.ticks.append(self.now)
        self._do("tick")
        if len(self.ticks) > MOST:
            raise NotYet(TOO_OFTEN, f"By {self.now:g} s your core had wanted {MOST} ticks.")
        if self.deadline <= self.now:
            happened = f"You were ticked at {self.now:g} s, and then wanted the next tick at {self.deadline:g} s."
            raise NotYet(NOT_LATER, f"{happened} A shell would spin.")

    def until(self, when: float) -> None:
        """Tick the core whenever it wants to be, up to this time."""
        while self.deadline <= when:
            self.tick()

    def end(self) -> None:
        """Let the shell return: this life is over."""
        self._order("end")

    def write(self, actor: str, kind: str, socket: str, frames: Sequence[bytes] = (), *origin: str) -> Event:
        """What an actor does, as a row of the picture. `origin`: who sent what is received, and its socket."""
        peer, of, detail = (*origin, "", "", "")[:3]
        self.scene.recording.write(actor, kind, socket, frames, peer, of, detail, self.now)
        return self.scene.recording.events[-1]

    def says(self, actor: str, socket: str, frames: Sequence[bytes | str]) -> Event:
        """A message leaves; the event to point at."""
        event = self.write(actor, "send", socket, [f if isinstance(f, bytes) else f.encode() for f in frames])
        self.write(actor, "sent", socket)
        return event

    def _do(self, act: str, *what: Any) -> None:
        self._order(act, *what, self._zero + self.now)
        deadline, effects = ast.literal_eval(self._hear(PATIENCE).decode())
        self._look(float(deadline))
        self.deadline = float(deadline) - self._zero
        for effect in effects:
            self.effect(*effect)

    def _look(self, deadline: float) -> None:
        """A deadline that is near another clock's time, and on no grid, comes from there."""
        clocks = time.monotonic(), time.time()
        if abs(deadline) < NEVER and deadline * GRID % 1 and any(abs(deadline - clock) < 600.0 for clock in clocks):
            happened = f"At {self.now:g} s your deadline was {deadline:g}: a time of this machine's own clock."
            raise NotYet(OWN_CLOCK, happened)

    def _order(self, *order: Any) -> None:
        with contextlib.suppress(zmq.Again):  # it has gone; we shall hear of that
            self._line.send(repr(order).encode(), zmq.DONTWAIT)

    def _hear(self, patience: float) -> bytes:
        """What the shell in the answer's process says; or what became of the answer instead."""
        until = time.monotonic() + patience
        while not self._line.poll(20):
            if self.answer.process.told:
                outcome = next((o for o in self.answer.outcomes(0.1) if o.error), None)
                if outcome:
                    unexpected(outcome)
                raise NotYet(NOT_PLAYED, "Your function returned, and nobody plays the core.")
            if time.monotonic() > until:
                raise TookTooLong(self.answer.stood())
        return self._line.recv()


class Bound(Clock):
    """Plays a core that has one ROUTER, bound to `endpoint`, and its peers, each a DEALER with its name as routing id.

    A check derives its own: `sent` is called with what is sent to a peer that has spoken, `gave` with each result.
    """

    FRAMES = ""  # the label for a message to nobody

    def __init__(self, scene: Scene, answer: Answer, line: zmq.Socket[Any], role: str, endpoint: str) -> None:
        self.role, self.endpoint, self.peers, self._name = role, endpoint, set[str](), ""
        super().__init__(scene, answer, line)
        self.until(0.0)
        if not self._name:
            raise NotYet(UNBOUND, "The first tick opened no socket.")

    def sent(self, peer: str, frames: list[bytes | str], event: Event) -> None:
        raise NotImplementedError

    def gave(self, value: Any) -> None:
        """Nobody asks for a result."""

    def say(self, peer: str, *frames: bytes) -> None:
        """A peer says something, now."""
        if peer not in self.peers:
            self.write(peer, "connect", "DEALER", (), "", "", self.endpoint)
        self.peers.add(peer)
        self.says(peer, "DEALER", frames)
        self.write(self.role, "receive", "ROUTER", (peer.encode(), *frames), peer, "DEALER")
        self.receive(self._name, [peer.encode(), *frames])

    def effect(self, kind: str, *what: Any) -> None:
        if kind == "open":
            if what[1:] != (zmq.ROUTER, self.endpoint, True):
                raise NotYet(UNBOUND, f"At {self.now:g} s it opened another socket, or did not bind it there.")
            self._name = what[0]
            self.write(self.role, "bind", "ROUTER", (), "", "", self.endpoint)
        elif kind == "close":
            raise NotYet(UNBOUND, f"At {self.now:g} s it closed a socket.")
        elif kind == "send":
            event, frames = self.says(self.role, "ROUTER", what[1]), list(what[1])
            peer = next((peer for peer in self.peers if frames[:1] == [peer.encode()]), None)
            if peer is None:
                raise NotYet(self.FRAMES, f"At {self.now:g} s this was sent: {frames!r}; nobody has that name.", event)
            self.sent(peer, frames[1:], event)
        elif kind == "result":
            self.gave(*what)


@contextlib.contextmanager
def played(scene: Scene, *calls: Callable[[Shell], Call]) -> Iterator[tuple[Answer, list[zmq.Socket[Any]]]]:
    """Start the answer, which makes a call for each life of its core; and the lines on which its shells are told."""
    with contextlib.ExitStack() as stack:
        lines, made = [], []
        for number, call in enumerate(calls):
            line = stack.enter_context(zmq.Context(scene.stage.context).socket(zmq.PAIR))
            line.linger = 0
            line.bind(scene.stage.endpoint(f"line-{number}"))
            lines.append(line)
            made.append(call(Shell(scene.stage.endpoint(f"line-{number}"))))
        answer = scene.answer(*made)
        answer.begun()
        yield answer, lines
