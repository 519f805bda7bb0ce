# SPDX-License-Identifier: BSD-3-Clause
"""What runs inside an answer's own process: the learner's source, its calls, and what came of each.

It is played by `Stage.spawn`, so its sockets are traced event by event, and it may hang, crash or exit as it likes.
"""

from __future__ import annotations

import faulthandler
import resource
import signal
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import zmq

MEMORY = 1 << 30  # bytes of address space on top of what the process has at the start
OUTPUT = 1 << 20  # bytes that it may print
NAME = "<your answer>"


@dataclass(frozen=True)
class Call:
    """One call of the learner's function: its arguments beside the Context."""

    args: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came of one call. `raised` names the exception's class and its bases, `trace` is the learner's part."""

    value: Any = None
    raised: tuple[str, ...] = ()
    message: str = ""
    trace: str = ""
    errno: int = 0
    seconds: float = 0.0
    left_open: int = 0

    @property
    def error(self) -> str:
        return self.raised[0] if self.raised else ""


def perform(ctx: zmq.Context[Any], source: str, entry: str, calls: Sequence[Call], dump: str) -> list[Outcome]:
    """Run the source, then each call in turn; stop at the first that raises something else than TimeoutError.

    dump  path of a file that gets the stack when the process receives SIGUSR1: where an answer stood
    """
    stack = open(dump, "w")  # noqa: SIM115 - it must outlive this function's other work
    faulthandler.register(signal.SIGUSR1, stack, all_threads=False)
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT, OUTPUT))
    _limit_memory()
    namespace: dict[str, Any] = {"__name__": "answer"}
    try:
        exec(compile(source, NAME, "exec"), namespace)
    except BaseException as error:
        return [_raised(error, source, 0.0)]
    role = namespace.get(entry)
    if not callable(role):
        return [Outcome(raised=("NameError",), message=f"the answer defines no function {entry!r}")]
    outcomes = []
    for call in calls:
        start = time.monotonic()
        try:
            value = role(ctx, *call.args, **call.options)
            outcome = Outcome(_plain(value), seconds=time.monotonic() - start, left_open=_open(ctx))
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)
            outcome = _raised(error, source, time.monotonic() - start, _open(ctx))
        outcomes.append(outcome)
        if outcome.raised and "TimeoutError" not in outcome.raised:
            break
    return outcomes


def _limit_memory() -> None:
    try:
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    except (OSError, ValueError):
        pass  # a system that cannot say or limit this


def _open(ctx: zmq.Context[Any]) -> int:
    return sum(not s.closed for s in list(ctx._sockets))


def _plain(value: Any) -> Any:
    """The value if it is plain data, else its repr: the learner's own classes do not leave this process."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(v) for v in value) if type(value) in (list, tuple) else repr(value)
    if type(value) is dict:
        return {_plain(k): _plain(v) for k, v in value.items()}
    return repr(value)


def _raised(error: BaseException, source: str, seconds: float, left_open: int = 0) -> Outcome:
    lines = source.splitlines()
    if isinstance(error, SyntaxError):
        trace = f"line {error.lineno}: {(error.text or '').strip()}"
    else:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == NAME]
        trace = "\n".join(
            f"line {f.lineno}, in {f.name}: {lines[f.lineno - 1].strip()}" for f in frames if f.lineno and f.lineno <= len(lines)
        )
    names = tuple(c.__name__ for c in type(error).__mro__ if c is not object)
    return Outcome(None, names, str(error), trace, getattr(error, "errno", None) or 0, seconds, left_open)
