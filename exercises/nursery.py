# SPDX-License-Identifier: BSD-3-Clause
"""Where the processes of answers come from: forked in milliseconds, for all that they import is there already.

The nursery is a process with one thread and no Context. It forks the judge first, then an answer whenever the judge
asks for one through a socket: a byte, with the descriptors that become stdin, stdout and stderr. It tells the judge the
new process's id, and later its exit code, as pairs of 32-bit integers. It looks at the judge's memory, too, where
everything that an answer sends ends up: the judge itself may be too busy to notice.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections import deque
from typing import IO, NoReturn

from . import walls

MEMORY = 176 << 20  # bytes that a judge may hold
LOOK = 5  # milliseconds between two looks at them
NO_ROOM = 77  # exit code of a judge that held more
TOLD = struct.Struct("ii")  # a process's id, and its exit code or BORN
BORN = -1000
FORK, NUMPY = b"f", b"n"  # what the judge may ask for


class Child:
    """A process out of the nursery, with what `patterns.process` uses of a subprocess.Popen."""

    def __init__(self, stdin: int, stdout: int) -> None:
        self.stdin, self.stdout = open(stdin, "wb"), open(stdout, "rb")
        self.pid, self.returncode = 0, None
        self.born, self.ended = threading.Event(), threading.Event()

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        if not self.ended.wait(timeout):
            raise subprocess.TimeoutExpired("an answer", timeout or 0.0)
        return self.returncode


class Nursery:
    """The judge's end of it."""

    def __init__(self, line: socket.socket) -> None:
        self._line, self._asking = line, threading.Lock()
        self._asked: deque[Child] = deque()
        self._children: dict[int, Child] = {}
        threading.Thread(target=self._hear, name="nursery", daemon=True).start()

    def start(self, stderr: IO[bytes]) -> Child:
        """A new process, which reads its job from stdin as a child of `patterns.process` does. Raises OSError."""
        stdin, hand = os.pipe()
        ear, stdout = os.pipe()
        child = Child(hand, ear)
        with self._asking:
            self._asked.append(child)
            socket.send_fds(self._line, [FORK], [stdin, stdout, stderr.fileno()])
        os.close(stdin)
        os.close(stdout)
        child.born.wait()
        if child.pid < 0:
            child.stdin.close()
            child.stdout.close()
            raise OSError("the system starts no more processes")
        return child

    def import_numpy(self) -> None:
        """Have it at hand for those that are started from now on."""
        self._line.send(NUMPY)

    def _hear(self) -> None:
        with self._line.makefile("rb") as told:
            while record := told.read(TOLD.size):
                pid, code = TOLD.unpack(record)
                if code == BORN:
                    child = self._asked.popleft()
                    child.pid = pid
                    self._children[pid] = child
                    child.born.set()
                else:
                    child = self._children.pop(pid)
                    child.returncode = code
                    child.ended.set()
        os._exit(1)  # without a nursery there is no judge


def opened() -> Nursery | None:
    """Make this process a nursery. Returns in the judge with the way to ask it, and None in each answer's process."""
    gc.freeze()  # a collection would copy what all of them share
    ours, theirs = socket.socketpair()
    bell = walls.Bell()
    judge = os.fork()
    if not judge:
        walls.prctl(walls.DEATH_SIGNAL, signal.SIGKILL)
        bell.close()
        ours.close()
        return Nursery(theirs)
    theirs.close()
    devnull = os.open(os.devnull, os.O_RDWR)  # the order is not ours to read, nor the verdict to tell
    for number in (0, 1):
        os.dup2(devnull, number)
    os.close(devnull)
    children: set[int] = set()
    poller = select.poll()
    poller.register(ours, select.POLLIN)
    poller.register(bell, select.POLLIN)
    while True:
        heard = dict(poller.poll(LOOK))
        if bell.fileno() in heard:
            bell.hear()
            _reap(judge, children, ours)
        if ours.fileno() in heard and not _answered(ours, bell, children):
            return None
        if _memory(judge) > MEMORY:
            _close(NO_ROOM, children)


def _answered(ours: socket.socket, bell: walls.Bell, children: set[int]) -> bool:
    """Do what the judge asks for. False in the new process."""
    try:
        asked, given, _, _ = socket.recv_fds(ours, 1, 3)
    except ConnectionError:
        asked, given = b"", []
    if not asked:  # it has ended, which the bell will tell
        threading.Event().wait(0.001)
    elif asked == NUMPY:
        with contextlib.suppress(ImportError):
            import numpy  # noqa: F401
    elif len(given) == 3:
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if not pid:
            ours.close()
            bell.close()
            _set_out(given)
            return False
        children.add(pid)
        _tell(ours, pid, BORN)
    for number in given:
        os.close(number)
    return True


def _tell(ours: socket.socket, pid: int, code: int) -> None:
    with contextlib.suppress(ConnectionError):  # the judge has ended
        ours.send(TOLD.pack(pid, code))


def _set_out(given: list[int]) -> None:
    """What makes a process of its own of a fork."""
    os.setsid()  # its children can be found
    walls.prctl(walls.DUMPABLE, 1)
    for number, own in enumerate(given):
        os.dup2(own, number)
        os.close(own)
    if random := sys.modules.get("numpy.random"):
        random.seed()  # or all would draw the same numbers


def _reap(judge: int, children: set[int], ours: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if pid == judge:
                _close(walls.exit_code(status), children)
            if pid in children:
                children.remove(pid)
                _tell(ours, pid, os.waitstatus_to_exitcode(status))


def _close(code: int, children: set[int]) -> NoReturn:
    for child in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
    walls.sweep(os.getpid())
    os._exit(code)


def _memory(pid: int) -> int:
    """Bytes that this process holds in memory, as far as the system can say."""
    try:
        return int(walls.told(pid, "statm").split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0
