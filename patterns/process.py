# SPDX-License-Identifier: BSD-3-Clause
"""A role in a process of its own: `Stage.spawn` starts it, and it can be killed and frozen.

The parent writes one pickled job to the child's stdin and keeps it open: when it closes, the child terminates its
Context and ends. The child writes lines to stdout: `E` and an event of a tracing Context, `R` and its pickled result.
What the role itself prints goes to stderr.
"""

import base64
import contextlib
import inspect
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import zmq

from ._child import Job

LONGEST = 1 << 28  # bytes of a line that a child may write
PATIENCE = 5.0  # seconds for a signal to have its effect


def _started(stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    start = f"import sys; sys.path[:] = {sys.path!r}; from {__package__}._child import main; main()"
    # a session of its own: Ctrl-C in the notebook is not for it, and its children can be found
    return subprocess.Popen(
        [sys.executable, "-u", "-c", start],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )


class Process:
    """A role running in a process of its own."""

    loads: Callable[[bytes], Any] = staticmethod(pickle.loads)  # who does not trust the role sets another
    start: Callable[[IO[bytes]], Any] = staticmethod(_started)  # who has children at hand sets another

    def __init__(
        self,
        name: str,
        role: Callable[..., Any] | str,
        context: zmq.Context[Any],
        args: tuple[Any, ...],
        options: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self._context: Any = context
        self._packed = b""
        self._outcome: tuple[bool, Any] | None = None
        self._asked = self._expected = self._frozen = False
        self.said = ""  # the end of what it wrote to stdout and stderr, once it is done
        self._told = threading.Event()
        self._reading = threading.Lock()
        # first what may fail: nothing is left behind by a job that cannot be sent
        job = Job(name, *_where(role), args, options or {}, getattr(context, "remote", ""), dict(context.sockopts))
        packed = pickle.dumps(job)
        self._stderr = tempfile.TemporaryFile()
        self._process = self.start(self._stderr)
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # it is dead already: its result says how
            self._process.stdin.write(packed)
            self._process.stdin.flush()
        self._reader = threading.Thread(target=self._read, name=f"{name}'s reader", daemon=True)
        self._reader.start()

    def __repr__(self) -> str:
        return f"<actor {self.name!r} in process {self.pid}, {'done' if self.done else 'running'}>"

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in iter(lambda: lines.readline(LONGEST), b""):
                if line.startswith(b"E") and line.endswith(b"\n"):
                    with contextlib.suppress(Exception):  # written by the role itself, and no event
                        self._context.hear(line[1:].decode())
                elif line.startswith(b"R") and line.endswith(b"\n") and not self._packed:
                    self._packed = line[1:]
                    self._told.set()
        self._told.set()

    def _ended(self) -> tuple[bool, Any]:
        """Whether its role returned, and what; or what it raised, or how it died. Only once it is told."""
        with self._reading:
            if self._outcome is None and self._packed:
                try:
                    self._outcome = self.loads(base64.b64decode(self._packed))
                except Exception as error:  # made there of what cannot be made here
                    self._outcome = (False, error)
        return self._outcome or (False, self._died())

    @property
    def returncode(self) -> int:
        """The exit code, or minus the signal that ended it. Only once it is done."""
        return int(self._process.returncode)

    @property
    def told(self) -> bool:
        """Whether its role has ended, with a result or without."""
        return self._told.is_set()

    @property
    def done(self) -> bool:
        return self._process.poll() is not None

    def result(self, timeout: float = 5.0) -> Any:
        """What the role returned, or raise what it raised. TimeoutError after `timeout` seconds."""
        if not self._told.wait(timeout):
            raise TimeoutError(f"actor {self.name!r} was still running after {timeout:g} s")
        self._asked = True
        if not self._packed:
            self.join(1.0)  # it ended without a word: ask the system how
        ok, value = self._ended()
        if not ok:
            raise value
        return value

    def error(self) -> BaseException | None:
        """What the role raised, or how it died, if nobody has seen it yet."""
        if self._asked or self._expected:
            return None
        ok, value = self._ended()
        return None if ok or isinstance(value, zmq.ContextTerminated) else value

    def _died(self) -> RuntimeError:
        said = f":\n{self.said}" if self.said else ""
        return RuntimeError(f"actor {self.name!r} ended with code {self._process.returncode}{said}")

    def freeze(self) -> None:
        """SIGSTOP: it stands still, its connections stay open, its system still accepts for it.

        Returns when all of its threads do, where the system tells (Linux).
        """
        self._signal("SIGSTOP", "frozen")
        self._frozen = True

    def thaw(self) -> None:
        """SIGCONT: it goes on where it stood."""
        self._signal("SIGCONT", "thawed")
        self._frozen = False

    def kill(self) -> None:
        """SIGKILL: no cleanup, no goodbye. Returns when it is gone."""
        self._expected = True
        self._signal("SIGKILL", "killed")
        self.join(PATIENCE)

    def _signal(self, name: str, kind: str) -> None:
        if self.done:
            raise RuntimeError(f"actor {self.name!r} has ended, it cannot be {kind}")
        note = getattr(self._context, "note", lambda actor, kind: None)
        if kind == "thawed":  # told before it can act again, the others once it cannot any more
            note(self.name, kind)
            _signal(self._process, name)
        else:
            _signal(self._process, name)
            if kind == "frozen":
                until = time.monotonic() + PATIENCE
                while not _still(self._process.pid) and time.monotonic() < until:
                    threading.Event().wait(0.001)
            note(self.name, kind)

    def stop(self) -> None:
        """Close its stdin, which asks it to end. A frozen process cannot hear that and is killed."""
        if self._frozen and not self.done:
            self.kill()
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def join(self, timeout: float) -> bool:
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        self._frozen = False
        self.stop()
        self._reader.join(1.0)
        with self._reading:  # several threads may wait for one process
            if not self._stderr.closed:
                self._stderr.seek(0)
                self.said = self._stderr.read()[-2000:].decode(errors="replace").strip()
                self._stderr.close()
        return True

    def force(self) -> bool:
        """Kill it without a word in the recording: it did not end when asked, or need not."""
        self._expected = True
        if not self.done:
            with contextlib.suppress(ProcessLookupError):
                _signal(self._process, "SIGKILL")
        return self.join(1.0)


def _signal(process: subprocess.Popen[bytes], name: str) -> None:
    """To the process and its children where there are process groups; Windows knows only its own end."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, getattr(signal, name))
    elif name == "SIGKILL":
        process.kill()
    else:
        raise RuntimeError(f"{name} does not exist on this system")


def _still(pid: int) -> bool:
    """Whether no thread of this process runs any more: the system stops one after the other."""
    with contextlib.suppress(OSError):  # one has just ended
        states = [file.read_text().rpartition(") ")[2][0] for file in Path("/proc").glob(f"{pid}/task/*/stat")]
        return set(states) <= {*"TtZX"}
    return False


def _where(role: Callable[..., Any] | str) -> tuple[str, str]:
    """How a child finds the role: ("module:name", "") or ("name", source)."""
    if isinstance(role, str):
        module, _, name = role.partition(":")
        if not name:
            raise ValueError(f"role: expected 'module:name', got {role!r}")
        return role, ""
    name = getattr(role, "__qualname__", "")
    module = getattr(role, "__module__", None) or "__main__"
    if name and module != "__main__" and "<" not in name:
        return f"{module}:{name}", ""
    try:
        return role.__name__, textwrap.dedent(inspect.getsource(role))
    except (AttributeError, OSError, TypeError) as error:
        raise ValueError(f"role: expected an importable function or one with source, got {role!r}") from error
