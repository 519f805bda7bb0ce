# SPDX-License-Identifier: BSD-3-Clause
"""A core on a clock that is a number: what the checks of answers share that give a core to their shell.

    with played(scene, lambda shell: Call((ENDPOINT, 2.0, shell))) as (answer, [line]):
        clock = Clock(scene, answer, line)      # a check derives its own, which knows what becomes of each effect
        clock.receive("peers", [b"ann", b"PONG"])
        clock.until(10.0)

The answer's function is given a `Shell`, which does with the core what the checker says, in the answer's own process,
so that whatever the core does is done there. No time passes but the checker's.
"""

from __future__ import annotations

import ast
import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import zmq

from diagrams.recording import Event
from patterns.shell import NEVER, Close, Effect, Open, Result, Send, Subscribe

from .answer import Call
from .scene import Answer, NotYet, Scene, TookTooLong, unexpected

START = 5.0  # seconds of real time until the answer's process has begun
PATIENCE = 3.0  # seconds of real time that the core has for one call
MOST = 300  # ticks in one life of a core
NOT_PLAYED = "no core was given to the shell"
NOT_LATER = "after a tick its deadline was not later than now"


@dataclass(frozen=True)
class Shell:
    """What the answer gets as its shell. `line` is the endpoint at which the checker says what to do."""

    line: str

    def __call__(self, ctx: zmq.Context[Any], core: Any) -> None:
        with zmq.Context(ctx).socket(zmq.PAIR) as line:  # a plain Context: this is no part of the scene
            line.connect(self.line)
            line.send(b"ready")
            while (order := ast.literal_eval(line.recv().decode()))[0] != "end":
                act, *arguments = order
                effects = getattr(core, act)(*arguments)
                if not isinstance(effects, (list, tuple, Iterator)):
                    raise TypeError(f"{act} returned {effects!r}, expected a list of effects")
                plain = [_plain(effect) for effect in effects]  # a generator may set the deadline at its end
                line.send(repr((_seconds(core.deadline), plain)).encode())


def _seconds(deadline: Any) -> str:
    if isinstance(deadline, bool) or not isinstance(deadline, (int, float)) or math.isnan(deadline):
        raise TypeError(f"deadline: expected seconds as a number, got {deadline!r}")
    return repr(float(min(max(deadline, -NEVER), NEVER)))


def _plain(effect: Effect) -> tuple[Any, ...]:
    match effect:
        case Open(name, kind, endpoint, bind):
            return "open", str(name), int(kind), str(endpoint), bool(bind)
        case Close(name):
            return "close", str(name)
        case Subscribe(name, prefix):
            return "subscribe", str(name), bytes(prefix)
        case Send(name, frames):
            return "send", str(name), [_frame(frame) for frame in frames]
        case Result(value):
            return "result", _value(value)
    raise TypeError(f"expected an effect, got {effect!r}")


def _frame(frame: Any) -> bytes:
    if not isinstance(frame, (bytes, bytearray, memoryview, zmq.Frame)):
        raise TypeError(f"Send: expected frames of bytes, got {frame!r}")
    return bytes(frame)


def _value(value: Any) -> Any:
    """Plain data as it is; bytes for all that is like bytes, tuples for all sequences, a text for the rest."""
    match value:
        case bytes() | bytearray() | memoryview():
            return bytes(value)
        case Mapping():
            return {_value(key): _value(each) for key, each in value.items()}
        case str() | bool() | int() | None:
            return value if type(value) in (str, bool, int, type(None)) else repr(value)
        case Sequence():
            return tuple(map(_value, value))
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
        self._hear(START)

    def effect(self, kind: str, *what: Any) -> None:
        """What becomes of ("open", name, kind, endpoint, bind), ("close", name), ("subscribe", name, prefix),
        ("send", name, frames) or ("result", value)."""
        raise NotImplementedError

    def receive(self, socket: str, frames: Sequence[bytes]) -> None:
        self._do("receive", socket, list(frames), self.now)

    def tick(self) -> None:
        self.now = max(self.now, self.deadline)
        self._do("tick", self.now)
        self.ticks.append(self.now)
        if len(self.ticks) > MOST:
            raise NotYet("", f"By {self.now:g} s your core had wanted {MOST} ticks.")
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

    def says(self, actor: str, socket: str, frames: Sequence[bytes]) -> Event:
        """A message leaves; the event to point at."""
        event = self.write(actor, "send", socket, frames)
        self.write(actor, "sent", socket)
        return event

    def _do(self, *order: Any) -> None:
        self._order(*order)
        deadline, effects = ast.literal_eval(self._hear(PATIENCE).decode())
        self.deadline = float(deadline)
        for effect in effects:
            self.effect(*effect)

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
