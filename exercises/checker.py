# SPDX-License-Identifier: BSD-3-Clause
"""Asks a judge about an answer: starts it as a process of its own, waits within a deadline, shows its verdict.

Nothing of an answer runs here, and a judge that fails in any way gives *the checker broke*, never *passed*.
"""

from __future__ import annotations

import contextlib
import errno
import html
import json
import os
import random
import re
import secrets
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from diagrams.draw import Picture

from . import task as tasks
from . import walls
from .nursery import MEMORY, NO_ROOM

DEADLINE = 30.0  # seconds for a whole judgment: one to six, and several times that on a slow machine
QUEUE = 120.0  # seconds to wait for a place
SEEDS = 1_000_000  # from which one is drawn
PLACES = 3 * (os.cpu_count() or 1)  # judges at once on this machine: they wait more than they compute
PLACE = "zeromq-workbook-judge"  # what a place is called
HEARD = 8 << 20  # bytes of what a judge writes
MARK = "ZEROMQ_WORKBOOK_CHECK"  # in the environment of a judge and of all that it starts

# all control characters but tab and line feed, marks of direction, further ends of lines, and halves of characters
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

HEADS = {
    "passed": "Passed.",
    "not attempted": "Not attempted.",
    "not yet": "Not yet: {label}.",
    "raised": "Your code raised.",
    "took too long": "Took too long.",
    "broke": "The checker broke, not your answer.",
    "played": "Played, not judged.",
}


@dataclass
class Verdict:
    """What is said of an answer. `label` names a misconception; `dot` and `text` are the answer's own sequence; `seed`
    is what texts and numbers were drawn from."""

    kind: str
    label: str = ""
    happened: str = ""
    next: str = ""
    limit: str = ""
    printed: str = ""
    dot: str = ""
    text: str = ""
    seed: str = ""

    @property
    def passed(self) -> bool:
        return self.kind == "passed"

    @property
    def head(self) -> str:
        return HEADS[self.kind].format(label=self.label or "something else was observed than the task asks for")

    @cached_property
    def picture(self) -> Picture | None:
        return Picture(self.dot, self.text) if self.dot else None

    def sentences(self) -> list[str]:
        """The verdict in words, without its head."""
        said = [self.happened]
        if self.kind == "passed":
            said += [f"It does not promise this: {self.limit}", f"Why did this work? {self.next}"]
        elif self.next:
            said.append(f"Next: {self.next}")
        if self.kind == "broke":
            said.append("Please report this text together with your answer.")
        elif self.seed:
            said.append(f"(Seed {self.seed} draws the same texts and numbers again.)")
        return [s for s in said if s]

    def __repr__(self) -> str:
        parts = [self.head, *self.sentences()]
        if self.text:
            parts += ["", self.text]
        if self.printed:
            parts += ["", "Your answer printed:", self.printed]
        return "\n".join(parts)

    def _drawn(self) -> str:
        if self.picture:
            with contextlib.suppress(Exception):  # no engine that draws: the text says the same
                return self.picture.html
        return f"<pre>{html.escape(self.text)}</pre>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        color = {"passed": "#1a7f37", "broke": "#6e40c9"}.get(self.kind, "#9a6700")
        body = "".join(f"<p>{_marked(s)}</p>" for s in self.sentences())
        shown = f'<div style="border-left:4px solid {color};padding:0.2em 1em"><b>{_marked(self.head)}</b>{body}'
        if self.text:
            shown += self._drawn()
        if self.printed:
            shown += f"<p>Your answer printed:</p><pre>{html.escape(self.printed)}</pre>"
        return {"text/html": shown + "</div>", "text/plain": repr(self)}


def visible(text: str) -> str:
    """Without characters that a terminal obeys, or that turn what is read: they are shown as Python writes them."""
    return UNSEEN.sub(lambda found: repr(found[0])[1:-1], text)


def _marked(text: str) -> str:
    """Escaped, with lines kept and `code` as such."""
    parts = html.escape(text).replace("\n", "<br>").split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(parts))


def check(name: str, source: str, seed: int | None = None) -> Verdict:
    """The verdict on an answer, with texts and numbers drawn anew, or from this seed. Raises ValueError if there is no
    such exercise."""
    return _ask(name, source, "check", secrets.randbelow(SEEDS) if seed is None else seed)


def play(name: str, source: str) -> Verdict:
    """What happens when the answer meets its peers in fair weather; no judgment."""
    return _ask(name, source, "try", 0)


def calls(name: str, source: str, seed: int) -> list[tuple[list[str], Any, str, float]]:
    """What an answer of our own was asked in every scene, and what it returned: arguments, result, error, seconds."""
    verdict = _ask(name, source, "calls", seed)
    if verdict.kind != "played":
        raise RuntimeError(f"{name} could not be called: {verdict!r}")
    return list(tasks.unpacked(verdict.text))


def _ask(name: str, source: str, mode: str, seed: int) -> Verdict:
    stem, seal = tasks.find(name), secrets.token_hex(8)
    order = json.dumps({"task": stem, "source": source, "mode": mode, "seed": seed, "seal": seal})
    try:
        with _place(), _folder() as folder:
            code, out, err = _judged(order, folder)
    except subprocess.TimeoutExpired:
        return Verdict("broke", happened=f"The judge had not ended after {DEADLINE:g} s.")
    except (OSError, MemoryError) as error:
        return Verdict("broke", happened=f"No judge could be started: {error!r}")
    if code == NO_ROOM:
        return Verdict("raised", happened=f"What it sent or returned took more than {MEMORY >> 20} MB to receive.")
    try:
        said = json.loads(out)
        verdict = Verdict(**{k: visible(str(v)) for k, v in said.items() if k != "seal"})
        if (said["seal"], code) != (seal, 0) or verdict.kind not in HEADS:
            raise ValueError
        return verdict
    except (ValueError, TypeError, LookupError, AttributeError):
        return Verdict("broke", happened=f"The judge ended with code {code}. {visible(err.strip()[-1500:])}")


def _judged(order: str, folder: str) -> tuple[int, str, str]:
    """A judge's exit code, what it told and what it complained of. It works in this folder, and nothing is left."""
    mark = secrets.token_hex(8)
    path = os.pathsep.join([str(tasks.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        # -P: what lies in the current folder must not shadow what the checker imports; -u: a fork has nothing to flush
        [sys.executable, "-P", "-u", "-c", "from exercises.judge import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        cwd=folder,
        # a thread of OpenBLAS has a stack that counts as an answer's memory
        env={"OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path, "TMPDIR": folder, MARK: mark},
        start_new_session=True,
    ) as judge:
        try:
            return _heard(judge, order)
        finally:  # also when the reader interrupts the cell
            assert judge.stdin
            judge.stdin.close()  # what keeps the judge ends with it
            with contextlib.suppress(subprocess.TimeoutExpired):
                judge.wait(walls.SWEEP + 0.5)
            walls.clear(lambda: _family(judge, mark), [os.getpgid(0)])


def _heard(judge: subprocess.Popen[bytes], order: str) -> tuple[int, str, str]:
    """A judge's exit code and the beginning of what it wrote. Its stdin stays open: that it closes is its end."""
    assert judge.stdin
    assert judge.stdout
    assert judge.stderr
    left, until = memoryview(order.encode() + b"\n"), time.monotonic() + DEADLINE
    heard = {judge.stdout: bytearray(), judge.stderr: bytearray()}
    with selectors.DefaultSelector() as waiting:
        os.set_blocking(judge.stdin.fileno(), False)
        waiting.register(judge.stdin, selectors.EVENT_WRITE)
        for pipe in heard:
            waiting.register(pipe, selectors.EVENT_READ)
        while any(pipe in heard for pipe in (key.fileobj for key in waiting.get_map().values())):
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("the judge", DEADLINE)
            for key, _ in waiting.select(max(0.0, until - time.monotonic())):
                if key.fileobj is judge.stdin:
                    with contextlib.suppress(BlockingIOError):
                        try:
                            left = left[os.write(key.fd, left) :]
                        except BrokenPipeError:  # it has ended, and its exit code says how
                            left = left[:0]
                    if not left:
                        waiting.unregister(judge.stdin)
                    continue
                chunk = os.read(key.fd, 1 << 16)
                heard[key.fileobj] += chunk[: HEARD - len(heard[key.fileobj])]  # type: ignore[index]
                if not chunk:
                    waiting.unregister(key.fileobj)
    code = judge.wait(max(0.0, until - time.monotonic()))
    out, err = (bytes(part).decode(errors="replace") for part in heard.values())
    return code, out, err


def _family(judge: subprocess.Popen[bytes], mark: str) -> dict[int, int]:
    """The judge if it still runs, what descends from it, and what carries its mark although it has lost its parents;
    each with its group."""
    running, mine = walls.processes(), f"{MARK}={mark}".encode()
    found = {pid: group for pid, (_, group) in running.items() if mine in _environment(pid)}
    if judge.poll() is None:
        found |= {judge.pid: judge.pid, **walls.descendants(judge.pid)}
    return found


def _environment(pid: int) -> list[bytes]:
    try:
        return walls.told(pid, "environ").split(b"\0")
    except OSError:  # it has ended, or is somebody else's
        return []


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    """A temporary folder, removed whatever lies in it: `shutil` gives up on deep ones."""
    folder = Path(tempfile.mkdtemp(prefix="zmq-"))
    try:
        yield str(folder)
    finally:
        with contextlib.suppress(OSError):
            while inside := list(os.scandir(folder)):
                for entry in inside:
                    if entry.is_dir(follow_symlinks=False):
                        os.chmod(entry, 0o700)
                        for deeper in os.scandir(entry):  # one floor up
                            os.rename(deeper, folder / secrets.token_hex(8))
                        os.rmdir(entry)
                    else:
                        os.unlink(entry)
            folder.rmdir()


@contextlib.contextmanager
def _place() -> Iterator[None]:
    """One of the places for judges on this machine. Raises TimeoutError when none becomes free."""
    until = time.monotonic() + QUEUE
    with contextlib.ExitStack() as held:
        time.sleep(random.uniform(0.0, 0.02))  # who has just had a place leaves it to those who wait
        while not any(_taken(number, held) for number in range(PLACES)):
            if time.monotonic() > until:
                raise TimeoutError(f"others were checked here for {QUEUE:g} s")
            time.sleep(random.uniform(0.0, 0.02))
        yield


def _taken(number: int, held: contextlib.ExitStack) -> bool:
    """Whether this place could be taken: it is a name that the system frees with the process that holds it."""
    place = held.enter_context(socket.socket(socket.AF_UNIX))
    try:
        place.bind(f"\0{PLACE}-{number}")
    except OSError as error:
        place.close()
        return error.errno != errno.EADDRINUSE  # a system without such names has no places to count
    return True
