# SPDX-License-Identifier: BSD-3-Clause
"""A stage on which roles are played: as threads or as processes, each under a name, all ended within one deadline.

    with Stage() as stage:
        endpoint = stage.endpoint("server")
        stage.play(server, endpoint)                    # a thread; an async role gets a loop of its own in it
        stage.spawn(server, endpoint, name="second")    # a process: it can be killed and frozen
        answer = stage.play(client, "hello", endpoint=endpoint).result()

A role is a function whose first parameter is a Context. At the end of the block the stage closes its own sockets,
cancels asyncio roles, terminates the Context, closes the processes' stdin, and waits `deadline` seconds. What then
still runs is stopped by force and named in a StageError. What an actor raised is raised here, unless `result` has
raised it; where there is more than one error, all of them in an ExceptionGroup.

Give `Stage` a tracing Context and every actor is recorded. Copy with `process.py`, `_role.py` and `_child.py`.
"""

import ctypes
import gc
import os
import shutil
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import zmq

from ._role import DEADLINE, LINGER, Run
from .process import Process


class StageError(RuntimeError):
    """Something did not end with its stage; the message names each."""


class Actor:
    """A role running in a thread of this process, known by its name."""

    def __init__(self, name: str, role: Callable[..., Any], context: zmq.Context[Any], args: tuple[Any, ...]) -> None:
        self.name = name
        self._run = Run(role, context, args)
        self._future: Future[Any] = Future()
        self._thread = threading.Thread(target=self._play, name=name, daemon=True)
        self._asked = False
        self._thread.start()

    def __repr__(self) -> str:
        return f"<actor {self.name!r}, {'done' if self.done else 'running'}>"

    def _play(self) -> None:
        try:
            self._future.set_result(self._run())
        except BaseException as error:  # whatever ended the role belongs to whoever asks for its result
            traceback.clear_frames(error.__traceback__)  # a socket held by a frame would hold up the end
            self._future.set_exception(error)

    @property
    def done(self) -> bool:
        return self._future.done()

    def result(self, timeout: float = 5.0) -> Any:
        """What the role returned, or raise what it raised. TimeoutError after `timeout` seconds."""
        try:
            self._future.exception(timeout)
        except TimeoutError:
            raise TimeoutError(f"actor {self.name!r} was still running after {timeout:g} s") from None
        self._asked = True
        return self._future.result()

    def error(self) -> BaseException | None:
        """What the role raised and nobody has seen yet. The Context's end is no error."""
        error = self._future.exception() if self.done else None
        return None if self._asked or isinstance(error, zmq.ContextTerminated) else error

    @property
    def asynchronous(self) -> bool:
        return self._run.asynchronous

    def cancel(self) -> None:
        """Ask an asyncio role to end."""
        self._run.cancel()

    def stop(self) -> None:
        """Cancel an asyncio role and wait for it: its Context must not go before its loop has."""
        if self.asynchronous:
            self.cancel()
            self.join(DEADLINE / 2)

    def join(self, timeout: float) -> bool:
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def force(self) -> bool:
        """Raise SystemExit inside a thread that swallows every error of its sockets. Python code only.

        An asyncio role that went on after it was cancelled is cancelled once more.
        """
        if self.asynchronous:
            self.cancel()
            if self.join(0.1):
                return True
        for _ in range(5):
            ident = ctypes.c_ulong(self._thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))
            if self.join(0.1):
                return True
        return False


class Stage:
    """Where actors play. Owns `context` (plain, or a tracing one) and terminates it.

    deadline  seconds that everything has to end in
    """

    def __init__(self, context: zmq.Context[Any] | None = None, *, deadline: float = DEADLINE) -> None:
        if context is not None and not isinstance(context, zmq.Context):
            raise ValueError(f"context: expected a zmq.Context instance, got {context!r}")
        self.context: zmq.Context[Any] = zmq.Context() if context is None else context
        self.context.sockopts.setdefault(zmq.LINGER, LINGER)
        self.deadline = deadline
        self._folder, self._ports, self._making = "", dict[str, str](), threading.Lock()
        self._actors: list[Actor | Process] = []
        self._sockets: list[zmq.Socket[Any]] = []

    def endpoint(self, name: str) -> str:
        """A private endpoint under this name, the same at every call: ipc, or tcp where that cannot be had.

        There is no ipc in pyzmq's wheels for Windows, nor for a path longer than the system allows (107 bytes, Linux).
        """
        if not name or not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"name: expected letters, digits, '-' or '_', got {name!r}")
        with self._making:  # any actor may ask first
            self._folder = self._folder or tempfile.mkdtemp(prefix="zmq-")
            path = f"{self._folder}/{name}"
            if zmq.has("ipc") and len(os.fsencode(path)) <= zmq.IPC_PATH_MAX_LEN:
                return f"ipc://{path}"
            if name not in self._ports:
                self._ports[name] = _port()
            return self._ports[name]

    def socket(self, kind: int, **options: Any) -> Any:
        """A socket for the notebook itself; the stage closes it. Options are set before it is bound or connected."""
        sock = self.context.socket(kind)
        for option, value in options.items():
            setattr(sock, option, value)
        self._sockets.append(sock)
        return sock

    def play(self, role: Callable[..., Any], *args: Any, name: str = "", **options: Any) -> Actor:
        """Play a role in a thread. Its name is that of the function unless given; a second one gets a number."""
        actor = Actor(self._name(role, name), partial(role, **options) if options else role, self.context, args)
        self._actors.append(actor)
        return actor

    def spawn(self, role: Callable[..., Any] | str, *args: Any, name: str = "", **options: Any) -> Process:
        """Play a role in a process that can be killed and frozen.

        An importable function goes by its name, one from a notebook as its source: then it must import for itself
        what it needs, `zmq` apart. Arguments and result are pickled.
        """
        process = Process(self._name(role, name), role, self.context, args, options)
        self._actors.append(process)
        return process

    def _name(self, role: Callable[..., Any] | str, name: str) -> str:
        base = name or getattr(role, "__name__", "actor")
        taken = {a.name for a in self._actors}
        if name and name in taken:
            raise ValueError(f"name: there is already an actor {name!r} on this stage")
        return next(n for n in (base, *(f"{base} {i}" for i in range(2, 10_000))) if n not in taken)

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        troubles = self._end()
        if error:
            for trouble in troubles:
                error.add_note(f"On the stage: {type(trouble).__name__}: {trouble}")
        elif len(troubles) > 1:
            raise BaseExceptionGroup("on the stage", troubles)
        elif troubles:
            raise troubles[0]

    def close(self) -> None:
        """End everything, as the end of a `with` block does."""
        self.__exit__(None, None, None)

    def _end(self) -> list[BaseException]:
        until = time.monotonic() + self.deadline
        for sock in self._sockets:
            sock.close()
        for actor in self._actors:
            actor.stop() if isinstance(actor, Process) else actor.cancel()
        half = time.monotonic() + self.deadline / 2
        for actor in self._actors:  # the Context of an asyncio role must not go before its loop has
            if isinstance(actor, Actor) and actor.asynchronous:
                actor.join(max(0.0, half - time.monotonic()))
        term = threading.Thread(target=self.context.term, name="term", daemon=True)
        term.start()
        stubborn = [a for a in self._actors if not a.join(max(0.0, until - time.monotonic()))]
        left = [f"{a.name!r}{'' if a.force() else ', which could not be stopped'}" for a in stubborn]
        term.join(max(0.2, until - time.monotonic()))
        if term.is_alive():
            if all(a.done for a in self._actors):
                for sock in _open(self.context):
                    left.append(f"a {zmq.SocketType(int(sock.type)).name} socket left open")
                    sock.close(linger=0)
            term.join(1.0)
        shutil.rmtree(self._folder, ignore_errors=True)
        raised = [(a, e) for a in self._actors if a not in stubborn and (e := a.error())]
        errors = [error for _, error in raised]
        if left or term.is_alive():
            what = ", ".join(left) or "the Context"
            errors.append(StageError(f"after {self.deadline:g} s this had not ended by itself: {what}"))
        for actor, error in raised if len(errors) > 1 else ():
            error.add_note(f"raised by actor {actor.name!r}")
        return errors


def _open(context: zmq.Context[Any]) -> list[zmq.Socket[Any]]:
    """The sockets that are open in this Context or its twin for asyncio."""
    sockets = [it for it in gc.get_objects() if issubclass(type(it), zmq.Socket) and not it.closed]
    return [s for s in sockets if s.context and s.context.underlying == context.underlying]


def _port() -> str:
    """A tcp endpoint on loopback that is free now."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as probe:
        return f"tcp://127.0.0.1:{probe.bind_to_random_port('tcp://127.0.0.1')}"
