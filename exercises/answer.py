# SPDX-License-Identifier: BSD-3-Clause
"""What runs inside an answer's own process: the learner's source, its calls, and what came of each.

It is played by `Stage.spawn`, so its sockets are traced event by event, and it may hang, crash or exit as it likes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import faulthandler
import inspect
import io
import linecache
import os
import resource
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic  # an answer may change what stands in `time`
from types import CodeType, ModuleType
from typing import Any

import zmq
from zmq.utils.garbage import gc as collector

from patterns._role import asynchronous

MEMORY = 3 << 28  # bytes of address space on top of what the process has at the start
OUTPUT = 1 << 20  # bytes that it may print, or return in one piece
SAID = 1000  # characters of a message or a repr that leave this process
TCP = (socket.AF_INET, socket.AF_INET6)
FRAMES = 6  # lines of a traceback
TURNS = 5  # of the loop for what a coroutine has cancelled, when it has returned
NAME = "<your answer>"
_OURS: set[int] = set()  # the Contexts in which a socket may be opened without a word
BEGINS, ENDS = "begins", "ends"  # what is noted of a call
SET = "an option on its caller's Context"
Before = tuple[list[threading.Thread], dict[int, Any]]  # the threads that ran, and the Context's options
NEW = ".new"  # ends the path of a file that is not ready yet
OWN = ".own"  # ends the path of a file that tells of a socket in another Context


def _nothing() -> None:
    """What is done before most calls."""


@dataclass(frozen=True)
class Call:
    """One call of the learner's function: its arguments beside the Context. `before` is called first, in its process
    and thread; it is found by its name, as a role is."""

    args: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)
    before: Callable[[], None] = _nothing


@dataclass(frozen=True)
class Outcome:
    """What came of one call. `raised` names the exception's class and its bases, `trace` is the learner's part.

    left_open  how many sockets of the Context it was given are open
    left       what else still runs or listens, in words
    """

    value: Any = None
    raised: tuple[str, ...] = ()
    message: str = ""
    trace: str = ""
    errno: int = 0
    seconds: float = 0.0
    left_open: int = 0
    left: tuple[str, ...] = ()

    @property
    def error(self) -> str:
        return self.raised[0] if self.raised else ""


def perform(ctx: zmq.Context[Any], source: str, entry: str, calls: Sequence[Call], dump: str) -> list[Outcome]:
    """Run the source, then each call in turn; stop at the first that raises something else than TimeoutError.

    dump  path of a file that gets the stack when the process receives SIGUSR1: where an answer stood; a second one
          beside it is made with the first socket that is not opened in `ctx`, which may keep the answer from returning

    Under that name it is noted in a tracing Context when a call begins and ends. A coroutine gets the Context's twin
    for asyncio; one loop runs all of its calls, and stands still when there are no more.
    """
    note = getattr(ctx, "note", lambda name, kind: None)
    _watch(ctx, dump + OWN)
    stack = open(dump + NEW, "w")  # it must outlive this function's other work
    faulthandler.register(signal.SIGUSR1, stack, all_threads=False)
    os.rename(dump + NEW, dump)  # whoever sees it may send the signal, which would have ended us before
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT, OUTPUT))
    _limit_memory()
    os.chdir(os.path.dirname(dump))
    module = _module(source)
    before = threading.enumerate(), dict(ctx.sockopts)
    outcome = _tried(ctx, source, before, lambda: exec(_compiled(source), module.__dict__))
    if outcome.raised:
        return [outcome]
    role = getattr(module, entry, None)
    if not callable(role):
        return [Outcome(raised=("NameError",), message=f"the answer defines no function {entry!r}")]
    given = asynchronous(ctx) if inspect.iscoroutinefunction(role) else ctx
    loop = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)  # zmq.asyncio needs add_reader

    def called(call: Call) -> Any:
        call.before()
        result = role(given, *call.args, **call.options)
        return loop.run(_awaited(result)) if inspect.iscoroutine(result) else result

    outcomes = []
    for call in calls:
        note(dump, BEGINS)
        outcome = _tried(given, source, before, partial(called, call))
        note(dump, ENDS)
        outcomes.append(outcome)
        if outcome.raised and "TimeoutError" not in outcome.raised:
            break
    return outcomes


async def _awaited(result: Awaitable[Any]) -> Any:
    """What comes of a coroutine; what it has cancelled may still close its sockets."""
    try:
        return await result
    finally:
        for _ in range(TURNS):
            await asyncio.sleep(0)


def _module(source: str) -> ModuleType:
    """The main module, whose source can be looked up: dataclasses, pickle and inspect go by that."""
    module = sys.modules["__main__"] = ModuleType("__main__")
    module.__file__ = NAME
    linecache.cache[NAME] = len(source), None, lines(source), NAME
    return module


def _compiled(source: str) -> CodeType:
    return compile(source, NAME, "exec", dont_inherit=True)  # without the __future__ of this module


def aside() -> zmq.Context[Any]:
    """A Context for what the checker itself does in an answer's process."""
    context: zmq.Context[Any] = zmq.Context()
    _OURS.add(context.underlying)
    return context


def _watch(ctx: zmq.Context[Any], note: str) -> None:
    """Make the file `note` when a socket is opened in another Context; one that shadows `ctx` is none."""
    opened = zmq.Socket.__init__
    _OURS.update((ctx.underlying, collector.context.underlying))  # pyzmq's own, for messages it does not copy

    def watched(self: zmq.Socket[Any], context: Any = None, *args: Any, **options: Any) -> None:
        if isinstance(context, zmq.Context) and context.underlying not in _OURS:
            open(note, "w").close()
        opened(self, context, *args, **options)

    zmq.Socket.__init__ = watched  # type: ignore[method-assign]


def _tried(ctx: zmq.Context[Any], source: str, before: Before, act: Callable[[], Any]) -> Outcome:
    """What comes of something that the answer does."""
    process, start = os.getpid(), monotonic()
    try:
        value = act()
        seconds = monotonic() - start
        return Outcome(_plain(value), seconds=seconds, left_open=_open(ctx), left=_left(ctx, before))
    except BaseException as error:
        seconds = monotonic() - start
        traceback.clear_frames(error.__traceback__)  # what they hold may be large, or an open socket
        return _raised(error, source, seconds, _open(ctx))
    finally:
        if os.getpid() != process:  # a child that the answer forked came back to here: it has nothing to say
            os._exit(0)


def _limit_memory() -> None:
    try:
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    except (OSError, ValueError):
        pass  # a system that cannot say or limit this


def _open(ctx: zmq.Context[Any]) -> int:
    return sum(not s.closed for s in list(ctx._sockets))


def _left(ctx: zmq.Context[Any], before: Before) -> tuple[str, ...]:
    """What the answer started and did not end, in words."""
    threads, options = before
    ours = [*threads, collector.thread]  # pyzmq starts a thread of its own with the first message that is not copied
    left = [f"the thread {t.name!r}" for t in threading.enumerate() if t not in ours]
    if ctx.sockopts != options:
        left.append(SET)
    try:
        if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            left.append("a process")
    except (ChildProcessError, AttributeError):
        pass  # it has none; macOS has no waitid before Python 3.13
    if _listens():
        threading.Event().wait(0.05)  # a ZeroMQ socket closes its port a moment later than itself
        left += ["a port on which it listens"] * _listens()
    return tuple(left)


def _listens() -> bool:
    """Whether this process listens on a TCP port, where the system tells which files are open (Linux)."""
    for number in map(int, os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ()):
        with contextlib.suppress(OSError):  # it is no socket, or the descriptor that listed the folder
            one = socket.socket(fileno=number)
            try:
                if one.family in TCP and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    return True
            finally:
                one.detach()  # it is not ours to close
    return False


def _plain(value: Any, depth: int = 8) -> Any:
    """The value if it is plain data, else its repr: the learner's own classes do not leave this process."""
    if value is None:
        return None
    for kind in (bool, float, str, bytes):
        if isinstance(value, kind):
            return kind(value) if kind in (bool, float) or len(value) <= OUTPUT else _shown(value)
    if isinstance(value, int):
        return int(value) if value.bit_length() <= 1024 else _shown(value)
    if type(value) in (list, tuple, dict) and depth and len(value) <= OUTPUT // 64:
        if isinstance(value, dict):
            return {_plain(k, depth - 1): _plain(v, depth - 1) for k, v in value.items()}
        return type(value)(_plain(v, depth - 1) for v in value)
    return _shown(value)


def _shown(value: Any) -> str:
    try:
        return _cut(repr(value))
    except Exception as error:
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= SAID else text[:SAID] + " …"


def lines(source: str) -> list[str]:
    """The lines of a source as Python counts them."""
    return list(io.StringIO(source, newline=None))


def _raised(error: BaseException, source: str, seconds: float, left_open: int) -> Outcome:
    text = lines(source)
    if isinstance(error, SyntaxError) and error.filename == NAME and error.lineno:
        trace = [f"line {error.lineno}: {_cut((error.text or '').strip())}"]
    else:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == NAME]
        trace = [
            f"line {f.lineno}, in {f.name}: {_cut(text[f.lineno - 1].strip())}"
            for f in frames
            if f.lineno and f.lineno <= len(text)
        ]
    if len(trace) > FRAMES:
        trace[FRAMES // 2 : -FRAMES // 2] = [f"… {len(trace) - FRAMES} lines more …"]
    names = tuple(c.__name__ for c in type(error).__mro__ if c is not object)
    number = getattr(error, "errno", None)
    number = int(number) if isinstance(number, int) else 0
    return Outcome(None, names, _message(error), "\n".join(trace), number, seconds, left_open)


def _message(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return f"an answer may use {MEMORY >> 20} MB"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return f"an answer may print {OUTPUT >> 20} MB, and write as much to a file"
    try:
        return _cut(str(error))
    except Exception as other:
        return f"(its text raises {type(other).__name__})"
