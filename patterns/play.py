# SPDX-License-Identifier: BSD-3-Clause
"""Play a role from the shell: a module that ends with `play(server, client)` runs as

    python -m patterns.request_reply server --endpoint tcp://127.0.0.1:0
    python -m patterns.request_reply client hello

A role's endpoints and its parameters with a plain default are options; what only Python can give keeps its default.
Addresses that it binds go to stderr, what it returns to stdout, a list one item a line. Exit codes: 0 done, or ended
by Ctrl-C or SIGTERM; 1 it raised TimeoutError or ValueError, or its address cannot be had; 2 unusable arguments.
A role runs in the main thread, so it may handle SIGTERM itself; then that no longer ends it, but Ctrl-C does.
Without CURVE nothing leaves this machine unless `--open` is given. Copy with `_role.py`.
"""

import argparse
import inspect
import os
import re
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import zmq
import zmq.asyncio

from ._role import DEADLINE, LINGER, Run

END = 1.5  # seconds that a role has to end in; then it is broken off
TICK = 0.1  # seconds that are left for the last step at least
TYPES: dict[str, Callable[[str], Any]] = {"str": str, "bytes": str.encode, "int": int, "float": float}
LOCAL = re.compile(r"(ipc|inproc)://.+|\w+://([^;]*;)?(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:[^:;]*)?")


class _Guarded:
    """Tells where it is bound, and leaves this machine only under CURVE or when told to."""

    def bind(self, addr: str) -> Any:
        self._guard(addr)
        result = super().bind(addr)  # type: ignore[misc]
        if not addr.startswith("inproc:"):  # nobody else can come there
            print(f"bound to {self.last_endpoint.decode()}", file=sys.stderr, flush=True)  # type: ignore[attr-defined]
        return result

    def connect(self, addr: str) -> Any:
        self._guard(addr)
        return super().connect(addr)  # type: ignore[misc]

    def _guard(self, addr: str) -> None:
        if not (LOCAL.fullmatch(addr) or self.context.open or self.mechanism == zmq.CURVE):  # type: ignore[attr-defined]
            raise ValueError(f"{addr} is beyond this machine and not secured by CURVE: give --open if you mean it")


class _Socket(_Guarded, zmq.Socket[bytes]): ...


class _AsyncSocket(_Guarded, zmq.asyncio.Socket): ...


class Context(zmq.Context[Any]):
    """A Context whose sockets tell where they are bound and stay on this machine, unless it is `open`."""

    _socket_class: type[zmq.Socket[Any]] = _Socket
    open = False

    def socket(self, socket_type: int, socket_class: Any = None, **options: Any) -> Any:
        if socket_class is zmq.Socket:  # the shell of a core asks for a blocking one
            socket_class = _Socket
        return super().socket(socket_type, socket_class, **options)

    def asynchronous(self) -> "Context":
        """The same for asyncio."""
        twin = Context(self)
        twin._socket_class, twin.open = _AsyncSocket, self.open
        twin.sockopts.update(self.sockopts)
        return twin


def play(*roles: Callable[..., Any]) -> NoReturn:
    """Play the one of `roles` that the command line asks for, and exit."""
    options = vars(parser(*roles).parse_args())
    role, context = options.pop("the role"), Context()
    context.open, context.linger = options.pop("open"), LINGER
    bound = inspect.signature(role).bind_partial(context)
    bound.arguments.update(options)
    bound.apply_defaults()
    run, name, code = Run(partial(role, **bound.kwargs), context, bound.args[1:]), role.__name__, 0
    asked, over = threading.Event(), threading.Event()
    wakes, woken = socket.socketpair()
    wakes.setblocking(False)

    def end() -> None:
        woken.recv(1)  # by a signal, or because the role is over
        until = time.monotonic() + END
        asked.set()
        run.cancel()
        if run.asynchronous:  # its Context must not go before its loop has
            over.wait(DEADLINE / 2)
        term = threading.Thread(target=context.term, daemon=True)
        term.start()
        term.join(max(TICK, until - time.monotonic()))
        if term.is_alive() or not over.wait(max(TICK, until - time.monotonic())):
            print(f"{name} was busy and has been broken off", file=sys.stderr, flush=True)
            os._exit(code)

    ending = threading.Thread(target=end, daemon=True)
    with wakes, woken:
        for number in (signal.SIGINT, signal.SIGTERM):  # they send, too: a role may have the wakeup to itself
            signal.signal(number, lambda *_: wakes.send(b"\0"))
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        ending.start()
        try:
            result = run()
            for item in result if isinstance(result, list) else [] if result is None else [result]:
                print(item.decode(errors="backslashreplace") if isinstance(item, bytes) else item, flush=True)
        except Exception as error:
            traceback.clear_frames(error.__traceback__)  # a socket held by a frame would hold up the end
            if not asked.is_set():
                mistake = getattr(error, "errno", None) == zmq.EFSM  # the role itself is wrong: show where
                if mistake or not isinstance(error, TimeoutError | ValueError | zmq.ZMQError):
                    raise
                print(f"{name}: {error}", file=sys.stderr)
                code = 1
        finally:
            over.set()
            wakes.send(b"\0")
            ending.join()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def parser(*roles: Callable[..., Any]) -> argparse.ArgumentParser:
    """The command line of these roles, explained by their docstrings and their module's."""
    module, form = sys.modules[roles[0].__module__], argparse.RawDescriptionHelpFormatter
    prog = f"python -m {module.__spec__.name}" if module.__spec__ else None
    top = argparse.ArgumentParser(prog=prog, description=module.__doc__, formatter_class=form)
    commands = top.add_subparsers(title="roles", metavar="role", required=True)
    for role in roles:
        doc = inspect.getdoc(role) or ""
        brief = doc.partition("\n")[0].replace("%", "%%")
        sub = commands.add_parser(role.__name__, help=brief, description=doc, formatter_class=form)
        for parameter in list(inspect.signature(role).parameters.values())[1:]:
            _argument(sub, parameter)
        sub.add_argument("--open", action="store_true", help="allow endpoints beyond this machine without CURVE")
        sub.set_defaults(**{"the role": role})
    return top


def _argument(sub: argparse.ArgumentParser, parameter: inspect.Parameter) -> None:
    name, default = parameter.name, parameter.default
    given = default is not parameter.empty
    address = name.endswith("endpoint") or (isinstance(default, str) and "://" in default)
    kind = TYPES.get(getattr(parameter.annotation, "__name__", parameter.annotation), type(default) if given else str)
    how: Any = {"action": argparse.BooleanOptionalAction} if kind is bool else {"type": endpoint if address else kind}
    if parameter.kind is parameter.VAR_POSITIONAL:
        sub.add_argument(name, nargs="*", **how)
    elif not given and not address:
        sub.add_argument(name, **how)
    elif address or isinstance(default, str | int | float):
        told = "default: %(default)s" if given else "required"
        sub.add_argument(f"--{name.replace('_', '-')}", required=not given, default=default, help=told, **how)


def endpoint(text: str) -> str:
    """The type of an endpoint among the arguments."""
    if not re.fullmatch(r"(tcp|ipc|inproc|udp|tipc|wss?|e?pgm|norm|vmci)://.+", text):
        raise argparse.ArgumentTypeError(f"expected an endpoint such as tcp://127.0.0.1:5555, not {text!r}")
    if re.fullmatch(r"tcp://(\[.*\]|[^:]*):?", text):
        raise argparse.ArgumentTypeError(f"expected a port as well, as in tcp://127.0.0.1:5555, not {text!r}")
    return text
