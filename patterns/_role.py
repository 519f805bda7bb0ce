# SPDX-License-Identifier: BSD-3-Clause
"""One performance of a role, in whichever thread and process it is: what `stage` and a process's child share."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

import zmq
import zmq.asyncio

DEADLINE = 2.0  # seconds that a stage gives its actors to end
LINGER = 1000  # milliseconds that a closed socket may go on sending


class Run:
    """One performance of a role, on the thread that calls it; an async role runs on an event loop of its own."""

    def __init__(self, role: Callable[..., Any], context: zmq.Context[Any], args: tuple[Any, ...]) -> None:
        self._role, self._context, self._args = role, context, args
        self._anchor = zmq.Socket(context, zmq.PAIR)  # no Context may go while a role could open a socket in it
        self.asynchronous = inspect.iscoroutinefunction(role)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False

    def __call__(self) -> Any:
        try:
            if self.asynchronous:
                with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:  # zmq.asyncio needs add_reader
                    return runner.run(self._main())
            return self._role(self._context, *self._args)
        except asyncio.CancelledError:
            if not self._cancelled:
                raise
            return None
        except zmq.ZMQError as error:
            # the end came as the role opened a socket; pyzmq may then report ENOTSOCK
            if error.errno in (zmq.ETERM, zmq.ENOTSOCK) and self._ended():
                raise zmq.ContextTerminated() from error
            raise
        finally:
            self._anchor.close()

    def _ended(self) -> bool:
        try:
            self._anchor.getsockopt(zmq.EVENTS)
        except zmq.ContextTerminated:
            return True
        return False

    async def _main(self) -> Any:
        with self._lock:
            if self._cancelled:
                return None
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            return await self._role(asynchronous(self._context), *self._args)
        finally:
            with self._lock:
                self._loop = None

    def cancel(self) -> None:
        """End an async role: an `await` does not see the Context's end. Any thread may call it."""
        with self._lock:
            self._cancelled = True
            if self._loop and self._task:
                self._loop.call_soon_threadsafe(self._task.cancel)


def asynchronous(context: zmq.Context[Any]) -> zmq.asyncio.Context:
    """The same Context for asyncio, with the same socket options."""
    make = getattr(type(context), "asynchronous", None)
    if make is not None:  # a tracing Context makes its own
        return make(context)  # type: ignore[no-any-return]
    twin = zmq.asyncio.Context(context)
    twin.sockopts.update(context.sockopts)
    return twin
