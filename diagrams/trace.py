# SPDX-License-Identifier: BSD-3-Clause
"""A Context that writes a recording: give it to any recipe, nothing in the recipe changes.

    context = trace.Context(recording)            # and trace.AsyncContext(recording) for asyncio

A socket writes under the name of its actor: the Context's, or that of the thread that opened it. Where one thread
plays several parts, `with trace.acting("Ann"):` names whose sockets are opened in it. Each traced socket
puts its actor and its own name into the connection's metadata (X-actor, X-socket; frames stay as they are), so that
over tcp and ipc a receiver's event names the sender. inproc has no metadata. `zmq.proxy` moves messages in C, where
no Python sees them: its sockets show bind and connect only.

Written are: open, bind, connect, close; for a message the intent before it is sent, then sent or refused; what
arrives; barred, where the socket does not allow to receive; what a SUB subscribes to; and a wait on one socket that
ends in vain (`poll` with a timeout, or RCVTIMEO). An empty-handed attempt that did not mean to wait (DONTWAIT) is not
written, and nothing of a monitor's own socket.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import zmq
import zmq.asyncio

from .recording import Event, Kind, Large, keep

NOTEBOOK = "notebook"  # the name of whoever acts in the main thread, or in one to which nobody gave a name
UNNAMED = re.compile(r"(Thread|Dummy|ThreadPoolExecutor|asyncio)[-_]\d.*")  # what Python calls such threads
_PART: ContextVar[str | None] = ContextVar("part", default="")  # who opens sockets; None: they are not traced


@contextmanager
def acting(name: str) -> Iterator[None]:
    """Sockets opened inside belong to this actor, whichever thread opens them: one thread can play two parts."""
    if not name:
        raise ValueError("name: expected the name of an actor, got nothing")
    with _part(name):
        yield


@contextmanager
def _part(name: str | None) -> Iterator[None]:
    token = _PART.set(name)
    try:
        yield
    finally:
        _PART.reset(token)


class Sink(Protocol):
    """Where events go: a Recording, or a pipe to one."""

    def add(self, event: Event) -> None: ...


class _Pen:
    """Writes one socket's events and gathers the frames of a message until its last."""

    def __init__(self, sink: Sink, actor: str, socket: str, *, retries: bool = False) -> None:
        self.sink, self.actor, self.socket, self.retries = sink, actor, socket, retries
        self.going: list[bytes] = []
        self.coming: list[bytes] = []

    def write(
        self, kind: Kind, frames: tuple[Any, ...] = (), detail: str = "", peer: tuple[str, str] = ("", "")
    ) -> None:
        self.sink.add(Event(self.actor, kind, self.socket, frames, *peer, detail=detail))

    def send(self, act: Callable[[], Any], data: Any, flags: int, ready: Callable[[], bool]) -> Any:
        try:
            frame: bytes = data.bytes if isinstance(data, zmq.Frame) else memoryview(data).tobytes("A")  # as it lies
        except TypeError:
            return act()  # it raises, and says why
        self.going.append(frame)
        if flags & zmq.SNDMORE:
            try:
                return act()
            except zmq.ZMQError as error:  # refused at its first frame: what was built of it is forgotten
                if not (self.retries and error.errno == zmq.EAGAIN):
                    self.refused(self.going, error)
                self.going.clear()
                raise
        # asyncio tries first and queues the message when the socket would block: such a try is no act of the role
        told = not self.retries or len(self.going) > 1 or ready()
        frames = tuple(keep(f) for f in self.going)
        self.going.clear()
        if told:
            self.write("send", frames)
        try:
            result = act()
        except zmq.ZMQError as error:
            if told:
                self.write("refused", detail=_name(error))
            elif error.errno != zmq.EAGAIN:
                self.refused(frames, error)
            raise
        if not told:
            self.write("send", frames)
        self.write("sent")
        return result

    def refused(self, frames: Iterable[Any], error: zmq.ZMQError) -> None:
        self.write("send", tuple(f if isinstance(f, Large) else keep(f) for f in frames))
        self.write("refused", detail=_name(error))

    def receive(self, frame: zmq.Frame) -> None:
        self.coming.append(frame.bytes)
        if frame.more:
            return
        frames = tuple(keep(f) for f in self.coming)
        self.coming.clear()
        self.write("receive", frames, peer=(_property(frame, "X-actor"), _property(frame, "X-socket")))

    def failed(self, error: zmq.ZMQError, flags: int) -> None:
        self.coming.clear()
        if error.errno != zmq.EAGAIN:
            self.write("barred", detail=_name(error))
        elif not flags & zmq.DONTWAIT:
            self.write("wait")


def _name(error: zmq.ZMQError) -> str:
    try:
        return zmq.Errno(error.errno or 0).name
    except ValueError:
        return str(error.errno)


def _property(frame: zmq.Frame, name: str) -> str:
    try:
        return str(frame.get(name))
    except zmq.ZMQError:  # no such property: inproc, or a peer that is not traced
        return ""


class _Traced:
    """What the blocking and the asyncio socket have in common."""

    _pen: _Pen | None = None

    def bind(self, addr: str | bytes) -> Any:
        result = super().bind(addr)  # type: ignore[misc]
        if self._pen:
            self._pen.write("bind", detail=self.last_endpoint.decode())  # type: ignore[attr-defined]
        return result

    def connect(self, addr: str | bytes) -> Any:
        result = super().connect(addr)  # type: ignore[misc]
        if self._pen:
            self._pen.write("connect", detail=addr if isinstance(addr, str) else addr.decode())
        return result

    def setsockopt(self, option: int, optval: Any) -> None:
        super().set(option, optval)  # type: ignore[misc]
        if self._pen and option in (zmq.SUBSCRIBE, zmq.UNSUBSCRIBE):
            prefix = optval.encode() if isinstance(optval, str) else bytes(optval)
            self._pen.write("subscribe" if option == zmq.SUBSCRIBE else "unsubscribe", (prefix,))

    set = setsockopt

    def get_monitor_socket(self, *args: Any, **more: Any) -> Any:
        with _part(None):
            return super().get_monitor_socket(*args, **more)  # type: ignore[misc]

    def close(self, linger: int | None = None) -> None:
        if self._pen and not self.closed:  # type: ignore[attr-defined]
            self._pen.write("close")
        super().close(linger)  # type: ignore[misc]


class Socket(_Traced, zmq.Socket[bytes]):
    """A blocking socket whose sends, receives and vain waits are written down."""

    def send(self, data: Any, flags: int = 0, copy: bool = True, track: bool = False, **more: Any) -> Any:  # type: ignore[override]
        def act() -> Any:
            return zmq.Socket.send(self, data, flags, copy=copy, track=track, **more)

        def ready() -> bool:
            return bool(int(self.get(zmq.EVENTS)) & zmq.POLLOUT)

        return self._pen.send(act, data, flags, ready) if self._pen else act()

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        if not self._pen:
            return super().recv(flags, copy, track)
        try:
            frame = super().recv(flags, copy=False, track=track)
        except zmq.ZMQError as error:
            self._pen.failed(error, flags)
            raise
        self._pen.receive(frame)
        return frame.bytes if copy else frame

    def recv_into(self, buf: Any, /, *, nbytes: int = 0, flags: int = 0) -> int:
        try:
            size = int(super().recv_into(buf, nbytes=nbytes, flags=flags))
        except zmq.ZMQError as error:
            if self._pen:
                self._pen.failed(error, flags)
            raise
        if self._pen:
            self._pen.coming.append(bytes(memoryview(buf).cast("B")[: min(size, nbytes or size)]))
            if not self.get(zmq.RCVMORE):
                frames = tuple(keep(f) for f in self._pen.coming)
                self._pen.coming.clear()
                self._pen.write("receive", frames)
        return size

    def poll(self, timeout: int | None = None, flags: int = zmq.POLLIN) -> int:
        ready = super().poll(timeout, flags)
        if self._pen and not ready and timeout and flags & zmq.POLLIN:
            self._pen.write("wait")
        return ready


class AsyncSocket(_Traced, zmq.asyncio.Socket):
    """The asyncio twin: what it sends and receives passes through a traced shadow of the same socket."""

    def attach(self, pen: _Pen) -> None:
        shadow = Socket.shadow(self.underlying)
        shadow._pen = pen
        self._shadow_sock = shadow
        self._pen = pen

    # What fails for want of time or room fails here, not in the shadow, which never waits.

    def send(self, data: Any, flags: int = 0, *args: Any, **more: Any) -> Any:
        return self._look(super().send(data, flags, *args, **more), lambda pen, error: pen.refused([data], error))

    def send_multipart(self, msg_parts: Any, flags: int = 0, *args: Any, **more: Any) -> Any:
        future = super().send_multipart(msg_parts, flags, *args, **more)
        return self._look(future, lambda pen, error: pen.refused(msg_parts, error))

    def recv(self, flags: int = 0, *args: Any, **more: Any) -> Any:
        return self._look(super().recv(flags, *args, **more), lambda pen, error: pen.failed(error, flags))

    def recv_multipart(self, flags: int = 0, *args: Any, **more: Any) -> Any:
        return self._look(super().recv_multipart(flags, *args, **more), lambda pen, error: pen.failed(error, flags))

    def _look(self, future: Any, vain: Callable[[_Pen, zmq.Again], None]) -> Any:
        def look(done: Any) -> None:
            if self._pen and not done.cancelled() and isinstance(done.exception(), zmq.Again):
                vain(self._pen, done.exception())

        if future.done():
            look(future)
        else:
            future.add_done_callback(look)
        return future

    def poll(self, timeout: int | None = None, flags: int = zmq.POLLIN) -> Any:
        def look(done: Any) -> None:
            if not done.cancelled() and not done.exception() and not done.result() and self._pen:
                self._pen.write("wait")

        future: Any = super().poll(timeout, flags)  # type: ignore[call-arg]
        if timeout and flags & zmq.POLLIN:
            future.add_done_callback(look)
        return future


class Context(zmq.Context[Socket]):
    """A Context whose sockets write to `sink`, under `actor` or the name of the thread that opens them."""

    _socket_class = Socket
    _sink: Sink | None = None
    _actor = ""
    _names: dict[tuple[str, str], int]
    _lock: threading.Lock

    remote = "diagrams.trace:remote"  # what a process calls to be traced like this context

    def __init__(self, sink: Sink | zmq.Context[Any] | int = 1, actor: str = "", **options: Any) -> None:
        # pyzmq itself calls the class with an io_threads number or a context to shadow
        plain = isinstance(sink, (int, zmq.Context))
        super().__init__(*([sink] if plain else []), **options)
        self.__dict__.update(_sink=None if plain else sink, _actor=actor, _names={}, _lock=threading.Lock())
        if isinstance(sink, Context):
            self.__dict__.update({k: sink.__dict__[k] for k in ("_sink", "_actor", "_names", "_lock")})
            self.sockopts = dict(sink.sockopts)

    def hear(self, line: str) -> None:
        """Write an event that a process has sent as a line."""
        if self._sink is not None:
            self._sink.add(Event.parse(line))

    def note(self, actor: str, kind: Kind) -> None:
        """Write what was done to an actor from outside: frozen, thawed, killed."""
        if self._sink is not None:
            self._sink.add(Event(actor, kind))

    def asynchronous(self) -> AsyncContext:
        """This context for asyncio: same sockets' home, same sink."""
        return AsyncContext(self)

    def socket(self, socket_type: int, socket_class: Any = None, **options: Any) -> Any:
        if socket_class is zmq.Socket:  # a blocking one is asked for, from an asyncio context: that is traced, too
            socket_class = Socket
        sock = super().socket(socket_type, socket_class, **options)
        part = _PART.get()
        if self._sink is not None and part is not None and isinstance(sock, (Socket, AsyncSocket)):
            usual = self._actor or _thread()
            actor = part or usual
            kind = zmq.SocketType(socket_type).name
            with self._lock:
                number = self._names[actor, kind] = self._names.get((actor, kind), 0) + 1
            name = kind if number == 1 else f"{kind} {number}"
            for key, value in (("X-actor", actor), ("X-socket", name)):
                zmq.Socket.set_string(sock, zmq.METADATA, f"{key}:{value}")
            pen = _Pen(self._sink, actor, name, retries=isinstance(sock, AsyncSocket))
            if isinstance(sock, AsyncSocket):
                sock.attach(pen)
            else:
                sock._pen = pen
            pen.write("open", detail=usual if part else "")
        return sock


class AsyncContext(Context):
    """The asyncio twin of `Context`."""

    _socket_class = AsyncSocket  # type: ignore[assignment]


def _thread() -> str:
    current = threading.current_thread()
    return NOTEBOOK if current is threading.main_thread() or UNNAMED.fullmatch(current.name) else current.name


class _Lines:
    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def add(self, event: Event) -> None:
        self._write(event.line())


def remote(write: Callable[[str], object], actor: str) -> Context:
    """A Context in another process: it passes each event on as a line, which `Context.hear` takes in at home."""
    return Context(_Lines(write), actor)
