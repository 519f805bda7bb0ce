# SPDX-License-Identifier: BSD-3-Clause
"""What keeps an answer in: nothing that it starts outlives its check, and it reaches no other process.

Where Linux allows it, judge and answers live in a process namespace of their own: its first process cannot be
signalled from inside, and its end is the end of all. Elsewhere (macOS, containers that forbid it) whatever loses its
parent is adopted by the keeper and swept: what the sweep cannot see there is a process that has left its group and
moves on faster than the table of processes can be read, for ever.

The keeper is the process that the checker started. It does nothing but wait, for the end of what it keeps or for the
end of who asked: its stdin closes when the checker has heard enough, is interrupted, or dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

NO_WALL = 78  # exit code of who could not build one
SWEEP = 2.0  # seconds in which a sweep comes to its end
EMPTY = 2  # how often nothing is to be found before nothing is there: a process may hide between two looks
LINUX = sys.platform == "linux"
WALLS = (True, False) if LINUX else (False,)  # with a namespace, and where that cannot be had without one

# from <sched.h>, <sys/mount.h>, <sys/prctl.h> and <linux/capability.h>
NEWNS, NEWUSER, NEWPID = 0x00020000, 0x10000000, 0x20000000
NOSUID, NODEV, NOEXEC, REC, PRIVATE = 0x2, 0x4, 0x8, 0x4000, 0x40000
DEATH_SIGNAL, DUMPABLE, SUBREAPER, NO_NEW_PRIVILEGES = 1, 4, 36, 38
CAPABILITIES, FILES = 0x20080522, 0b1111  # the version of the call; those that only concern the owners of files


def _system(name: str, *args: object) -> None:
    """A call of the C library. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args):
        raise OSError(ctypes.get_errno(), name)


def prctl(option: int, value: int) -> None:
    """Where this is Linux, and allowed."""
    if LINUX:
        with contextlib.suppress(OSError):
            _system("prctl", option, ctypes.c_ulong(value), 0, 0, 0)


def enter() -> None:
    """Return in a process that is kept, in a namespace of its own if there can be one. Its keeper never returns."""
    prctl(DUMPABLE, 0)  # nobody reads or writes our memory through /proc, nor the pipes that we hold
    prctl(SUBREAPER, 1)
    code = NO_WALL
    for wall in WALLS:
        bell = Bell()
        child = os.fork()
        if not child:
            bell.close()
            prctl(DEATH_SIGNAL, signal.SIGKILL)
            if wall:
                _namespace()
            else:
                prctl(SUBREAPER, 1)
            _humble()
            return
        code = _keep(child, bell)
        bell.close()
        if code != NO_WALL:
            break
    sweep(os.getpid())
    os._exit(code)


def _namespace() -> None:
    """Return in the first process of a new namespace, which has a /proc of its own. Or exit with NO_WALL."""
    try:
        user, group = os.getuid(), os.getgid()
        prctl(DUMPABLE, 1)  # or its own user could not write its map
        _system("unshare", NEWPID | NEWNS | (NEWUSER if user else 0))
        if user:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        prctl(DUMPABLE, 0)
        first = os.fork()
    except OSError:
        os._exit(NO_WALL)
    if first:
        os._exit(exit_code(os.waitpid(first, 0)[1]))
    prctl(DEATH_SIGNAL, signal.SIGKILL)
    try:
        _system("mount", None, b"/", None, ctypes.c_ulong(REC | PRIVATE), None)
        _system("mount", b"proc", b"/proc", b"proc", ctypes.c_ulong(NOSUID | NODEV | NOEXEC), None)
    except OSError:
        os._exit(NO_WALL)


def _humble() -> None:
    """Give up for good what root can do to other processes and to the system."""
    prctl(NO_NEW_PRIVILEGES, 1)
    if LINUX:
        keep = FILES if os.getuid() == 0 else 0
        with contextlib.suppress(OSError):
            _system("capset", (ctypes.c_uint32 * 2)(CAPABILITIES, 0), (ctypes.c_uint32 * 6)(keep, keep, 0, 0, 0, 0))


class Bell:
    """A descriptor that can be read whenever a child has ended."""

    def __init__(self) -> None:
        self._ear, self._hand = os.pipe()
        os.set_blocking(self._ear, False)
        os.set_blocking(self._hand, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._hand, warn_on_full_buffer=False)

    def fileno(self) -> int:
        return self._ear

    def hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._ear, 4096)

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._ear)
        os.close(self._hand)


def _keep(child: int, bell: Bell) -> int:
    """Wait for the end of this child, or bring it about when stdin closes. Its exit code."""
    poller = select.poll()
    poller.register(bell, select.POLLIN)
    poller.register(0, 0)  # tells its end, whatever is still to be read
    while True:
        heard = dict(poller.poll())
        if 0 in heard:
            kill([child])
            poller.unregister(0)
        bell.hear()
        pid = -1
        while pid:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == child:
                return exit_code(status)


def exit_code(status: int) -> int:
    """An exit code that says by which signal a process ended, as in a shell."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def told(pid: int, name: str) -> bytes:
    """What the system tells of a process in this file. Raises OSError. (Asked so often that a Path is too slow.)"""
    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
        return file.read()


def processes() -> dict[int, tuple[int, int]]:
    """Every process that runs, with its parent and its group. Nothing where there is no /proc."""
    found = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        with contextlib.suppress(OSError, ValueError):
            facts = told(int(name), "stat").rpartition(b")")[2].split()
            state, parent, group, threads = *facts[:3], facts[17]
            if state not in b"ZX" or int(threads) > 1:  # its first thread may have ended before the others
                found[int(name)] = (int(parent), int(group))
    return found


def descendants(pid: int) -> dict[int, int]:
    """The processes that descend from this one, as far as their parents live, each with its group."""
    running, found = processes(), {pid}
    while more := {child for child, (parent, _) in running.items() if parent in found} - found:
        found |= more
    return {child: running[child][1] for child in found - {pid}}


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def strike(groups: Iterable[int], ours: Iterable[int]) -> None:
    """Kill whole groups, but not ours: a group dies at one stroke, however fast its members follow each other."""
    for group in set(groups).difference(ours, [0]):  # 0 would mean our own
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def sweep(root: int, spare: Iterable[int] = ()) -> int:
    """Kill whatever descends from this process but those, until nothing is left. How many there were."""
    spared = {os.getpid(), root, *spare}
    ours = {os.getpgid(pid) for pid in spared}
    return clear(lambda: {p: group for p, group in descendants(root).items() if p not in spared}, ours, bury=True)


def clear(look: Callable[[], dict[int, int]], ours: Iterable[int], bury: bool = False) -> int:
    """Kill what is seen at each look, processes and their groups, until nothing is to be seen. How many there were.

    Who is at rest is seen in the table of processes; of who forks and dies, again and again, the last has just died.
    So whose own children may be among them says `bury`.
    """
    seen, until, empty = set[int](), time.monotonic() + SWEEP, 0
    while empty < EMPTY and time.monotonic() < until:
        left = look()
        strike(left.values(), ours)
        kill(left)
        dead = bury and _bury(ours)
        empty = 0 if dead or left else empty + 1
        seen.update(left)
    return len(seen)


def _bury(ours: Iterable[int]) -> bool:
    """Take leave of the children of this process that have ended, and of whoever else is in their groups."""
    some = False
    with contextlib.suppress(ChildProcessError, AttributeError):  # there are none; macOS has no waitid before 3.13
        while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            with contextlib.suppress(ProcessLookupError):  # not every system knows the group of the dead
                strike([os.getpgid(dead.si_pid)], ours)  # before it is gone, and its number free for another group
            os.waitpid(dead.si_pid, 0)
            some = True
    return some
