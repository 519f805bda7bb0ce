# SPDX-License-Identifier: BSD-3-Clause
"""What the recipes' tests share: marks, stages under CURVE, roles from the shell. The fixtures are in `conftest`."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from diagrams import trace
from diagrams.recording import Recording
from patterns.stage import Actor, Stage

ROOT = Path(__file__).parents[1]
WAIT = 20.0  # seconds for what has to come
MS = int(WAIT * 1000)
STUCK = 0.2  # seconds after which what never comes is given up
END = 2.0  # seconds in which Ctrl-C ends a role

ipc = pytest.mark.skipif(not zmq.has("ipc"), reason="no ipc on this system")
curve = pytest.mark.skipif(not zmq.has("curve"), reason="no CURVE in this libzmq")
signals = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP and SIGINT for processes here")
transports = pytest.mark.parametrize("transport", [pytest.param("ipc", marks=ipc), "tcp"])

TURNED_AWAY = (
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_DISCONNECTED
)


def free_port() -> int:
    """A port that the system gives to nobody who asks for any: there, another test might have it before the server."""
    for port in range(20000 + os.getpid() % 1000 * 10, 32000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    pytest.fail("no port is free")


def is_stuck(actor: Actor, seconds: float = STUCK) -> bool:
    """Whether a role is still at it after so many seconds."""
    return not actor.join(seconds)


def guarantees_hold(table: dict[str, tuple[str, str]], tests: dict[str, Any]) -> None:
    """A recipe's GUARANTEES name each trouble, in words that the workbook explains, and tests that exist."""
    assert list(table) == ["crash", "freeze", "cut", "slow", "restart"]
    for word, test in table.values():
        assert word in ("safe", "lost", "duplicated", "reordered", "blocked")
        assert test.startswith("test_")
        assert callable(tests.get(test)), f"there is no {test}"


def address(stage: Stage, transport: str, name: str) -> str:
    """Where to bind by this transport; `bound_at` tells which port it has become."""
    return "tcp://127.0.0.1:*" if transport == "tcp" else stage.endpoint(name)


class Service:
    """Work that notes each request and, while it is held, is not done with any."""

    def __init__(self) -> None:
        self.got: Queue[bytes] = Queue()
        self.seen: list[bytes] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, request: bytes) -> bytes:
        self.seen.append(request)
        number = len(self.seen)
        self.got.put(request)
        assert self.go.wait(WAIT)
        return self.answer(request, number)

    def answer(self, request: bytes, number: int) -> bytes:
        return request.upper()


def thinker(ctx: zmq.Context[Any], told: str, role: Callable[..., None], *ends: str) -> None:
    """Play a role, for a process, that tells what its first request is and thinks about it for ever."""
    with ctx.socket(zmq.DEALER) as tell:
        tell.connect(told)

        def think(request: bytes) -> bytes:
            tell.send(request)
            return bytes(tell.recv())

        role(ctx, *ends, think)


@contextmanager
def event(socket: Any, wanted: int, count: int = 1) -> Iterator[None]:
    """What is done inside leads to so many of these events at the socket; afterwards the socket knows it."""
    with socket.get_monitor_socket(wanted) as monitor:
        yield
        for _ in range(count):
            assert monitor.poll(WAIT * 1000)
            monitor.recv_multipart()
        socket.disable_monitor()
    socket.poll(0)


def caught_up(stage: Stage) -> None:
    """Return when this stage knows of everything that has happened to its connections.

    A message passes through the one I/O thread, which has dealt before with whatever was there before.
    """
    with stage.context.socket(zmq.PULL) as pull, stage.context.socket(zmq.PUSH) as push:
        pull.rcvtimeo = MS
        pull.bind("tcp://127.0.0.1:*")
        push.connect(pull.last_endpoint)
        push.send(b"")
        pull.recv()


# -- under CURVE --------------------------------------------------------------------------------------------------


@contextmanager
def under_curve(recording: Recording) -> Iterator[tuple[Stage, Stage, Stage]]:
    """Three stages: for who binds, with the server's keys; for who may come, with keys of its own; and without keys.

    The first two are recorded.
    """
    public, secret = zmq.curve_keypair()
    theirs, ours = trace.Context(recording), trace.Context(recording)
    theirs.curve_publickey, theirs.curve_secretkey, theirs.curve_server = public, secret, True
    ours.curve_publickey, ours.curve_secretkey = zmq.curve_keypair()
    ours.curve_serverkey = public
    with Stage(theirs) as home, Stage(ours) as abroad, Stage() as street:
        yield home, abroad, street


@contextmanager
def with_one_key(recording: Recording) -> Iterator[tuple[Stage, Stage]]:
    """Two stages: for members of a group, whose Context is server and client with the same keys; and without keys."""
    ours = trace.Context(recording)
    ours.curve_publickey, ours.curve_secretkey = zmq.curve_keypair()
    ours.curve_serverkey = ours.curve_publickey
    with Stage(ours) as home, Stage() as street:
        yield home, street


@contextmanager
def turned_away(street: Stage, kind: int, endpoint: str, says: Sequence[bytes] = ()) -> Iterator[None]:
    """A stranger knocks, and has been turned away once when the block begins; by its end nobody has let it in.

    Which end hangs up first is a race. So the stranger is told of a protocol error and gives up, or loses the
    connection and tries again; all that holds is that it fails, that no try succeeds, and that it hears nothing.
    """
    stranger = street.socket(kind, linger=0)
    with stranger.get_monitor_socket(TURNED_AWAY | zmq.EVENT_HANDSHAKE_SUCCEEDED) as monitor:
        if kind == zmq.SUB:
            stranger.subscribe(b"")
        stranger.connect(endpoint)
        if says:
            with suppress(zmq.Again):  # turned away already, and so there is nobody to send to
                stranger.send_multipart(says, zmq.DONTWAIT)
        assert monitor.poll(MS), "nobody has turned the stranger away"
        yield
        while monitor.poll(0):
            assert recv_monitor_message(monitor)["event"] != zmq.EVENT_HANDSHAKE_SUCCEEDED, "the stranger was let in"
        stranger.disable_monitor()
    assert not stranger.poll(0), "the stranger has heard something"


def bound_at(recording: Recording, actor: str, count: int = 1) -> list[str]:
    """Where the first so many sockets are bound that a recorded actor binds."""
    recording.wait("bind", actor, count=count, timeout=WAIT)
    return [event.detail for event in recording if (event.kind, event.actor) == ("bind", actor)][:count]


# -- from the shell -----------------------------------------------------------------------------------------------


@contextmanager
def shell(recipe: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Play a role of a recipe as whoever types `python -m patterns.<recipe> <words>` does; killed with the block."""
    command = [sys.executable, "-W", "error", "-m", f"patterns.{recipe}", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=WAIT)


def bound_to(process: subprocess.Popen[str], count: int = 1) -> list[str]:
    """The first endpoints at which a role from the shell says that it is bound."""
    assert process.stderr
    assert select.select([process.stderr], [], [], WAIT)[0], "it is not bound"
    return [process.stderr.readline().removeprefix("bound to ").strip() for _ in range(count)]


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end of a role from the shell: its exit code, its stdout and its stderr."""
    out, err = process.communicate(timeout=WAIT)
    return process.returncode, out, err


def ends_on_ctrl_c(*processes: subprocess.Popen[str]) -> None:
    """Roles from the shell end on Ctrl-C: in time, without a word, with exit code 0."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    since = time.monotonic()
    for process in processes:
        assert ended(process) == (0, "", "")
    assert time.monotonic() - since < END
