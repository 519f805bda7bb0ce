# SPDX-License-Identifier: BSD-3-Clause
"""The process that judges one answer: it plays the peers, breaks the wire, and says what it observed.

It reads {"task", "source", "mode"} as JSON and writes a Verdict as JSON.

Every scene has a Stage of its own: the peers are its threads, the answer is a process on it, and what the peers and
the wire saw decides. Scenes run side by side; the first of them in order that is not content gives the verdict.
Whatever an answer leaves behind is a descendant of this process and is swept before it ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

from diagrams import draw, trace
from diagrams.recording import Event, Recording
from diagrams.wire import Wire
from patterns.process import Process
from patterns.stage import Actor, Stage

from . import task as tasks
from .answer import Call, Outcome, perform
from .checker import Verdict

DEADLINE = 4.0  # seconds an answer has for its calls in one scene
GRACE = 0.2  # seconds that a peer still listens when the answer has ended
LAST = 9.0  # seconds after which the judge gives up on itself
SHOWN = 14  # rows of the picture in a verdict
PRINTED = 600  # characters of what the answer printed


class NotYet(Exception):
    """The answer has a misconception: its label, what was observed, and the event at which it showed."""

    def __init__(self, label: str, happened: str, event: Event | None = None) -> None:
        super().__init__(label)
        self.label, self.happened, self.event = label, happened, event


class Raised(Exception):
    """The answer raised something that its contract does not know, or its process ended."""


class TookTooLong(Exception):
    """The answer had not returned within its deadline."""


class Scene:
    """One trial of an answer: a stage with a recording, an answer to call, and wires to break."""

    def __init__(self, source: str, entry: str, folder: Path) -> None:
        self.recording = Recording()
        self.stage = Stage(trace.Context(self.recording))
        self.outcomes: list[Outcome] = []
        self.printed = ""
        self._source, self._entry, self._folder = source, entry, folder
        self._wires = contextlib.ExitStack()
        self._answers: list[Answer] = []
        self._over = False

    def wire(self, endpoint: str) -> Wire:
        """A wire to this endpoint, recorded, closed with the scene."""
        return self._wires.enter_context(Wire(endpoint, recording=self.recording))

    def answer(self, *calls: Call, name: str = "") -> Answer:
        """Start the learner's function in a process of its own; it makes these calls in turn."""
        dump = str(self._folder / f"{id(self)}-{len(self._answers)}")
        process = self.stage.spawn(perform, self._source, self._entry, calls, dump, name=name or self._entry)
        answer = Answer(process, self, dump)
        self._answers.append(answer)
        if self._over:
            process.force()
        return answer

    def call(self, *args: Any, **options: Any) -> Outcome:
        """Call the learner's function once and return what came of it."""
        return self.answer(Call(args, options)).outcomes()[0]

    def wait(self, peer: Actor, answer: Answer, deadline: float = DEADLINE) -> Any:
        """A peer's result. Soon after the answer has ended, or once nobody asks any more, it is TookTooLong."""
        until = time.monotonic() + deadline
        while time.monotonic() < until and not self._over:
            with contextlib.suppress(TimeoutError):
                return peer.result(0.02)
            if answer.process.told:
                until = min(until, time.monotonic() + GRACE)
        raise TookTooLong("and its peer had nothing to hear")

    def first(self, kind: str, actor: str, count: int = 1) -> Event | None:
        """The count-th event of this kind by this actor, to point at in a verdict."""
        found = [e for e in self.recording.events if e.kind == kind and e.actor == actor]
        return found[count - 1] if len(found) >= count else None

    def abandon(self) -> None:
        """Stop the answers here, whatever they are doing."""
        self._over = True
        for answer in self._answers:
            answer.process.force()

    def end(self) -> None:
        self.abandon()  # an answer has said what it had to say, and need not end well
        self._wires.close()
        self.stage.close()
        self.printed = "".join(a.process.said for a in self._answers)


class Answer:
    """The learner's function at work in its process."""

    def __init__(self, process: Process, scene: Scene, dump: str) -> None:
        self.process, self._scene, self._dump = process, scene, dump

    def outcomes(self, deadline: float = DEADLINE) -> list[Outcome]:
        """What came of the calls. Raises TookTooLong or Raised where the process hung or died."""
        try:
            outcomes: list[Outcome] = self.process.result(deadline)
        except TimeoutError:
            raise TookTooLong(self.stood()) from None
        except RuntimeError:
            code = self.process.returncode
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            raise Raised(f"The process ended {how} before the function returned.") from None
        self._scene.outcomes += outcomes
        return outcomes

    def ends(self, deadline: float = 1.5) -> list[Outcome]:
        """Ask a role that runs for ever to end, as a stage does, and wait for it."""
        self.process.stop()
        return self.outcomes(deadline)

    def stood(self) -> str:
        """The line of the answer at which it stands now."""
        os.kill(self.process.pid, signal.SIGUSR1)
        until = time.monotonic() + 1.0
        found: list[str] = []
        while not found and time.monotonic() < until and not self.process.join(0.02):
            found = re.findall(r'File "<your answer>", line (\d+) in (\S+)', Path(self._dump).read_text())
        if not found:
            return "outside the answer's own lines"
        number, name = found[0]
        return f"in `{name}`, line {number}: `{self._scene._source.splitlines()[int(number) - 1].strip()}`"


def unexpected(outcome: Outcome) -> NoReturn:
    """Give up on an outcome that the contract does not know."""
    if outcome.error:
        raise Raised(f"{outcome.error}: {outcome.message}\n{outcome.trace}".rstrip())
    raise NotYet("", f"the function returned {outcome.value!r}")


Result = tuple[Scene, BaseException | None]


def _play(scene_of: Callable[[Scene], None], scene: Scene) -> Result:
    trouble: BaseException | None = None
    try:
        scene_of(scene)
    except BaseException as error:
        trouble = error
    try:
        scene.end()
    except BaseException as error:  # an error of ours, or of a peer: nothing an answer can be blamed for
        trouble = trouble or error
    return scene, trouble


def judge(name: str, source: str) -> Verdict:
    """Judge an answer. Faults of the checker itself are not caught here."""
    task = tasks.load(name)
    if not source.strip() or tasks.same(source, task.GIVEN):
        return Verdict("not attempted", happened="This is the task as it was given. %try plays it without judging.")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(task.SCENES)) as pool:
        scenes = [Scene(source, task.ENTRY, Path(folder)) for _ in task.SCENES]
        results = pool.map(_play, task.SCENES, scenes)
        for scene, trouble in results:
            if trouble is not None:
                for other in scenes:  # what they would say no longer matters
                    other.abandon()
                return _blame(task, scene, trouble)
    survived = [(s.__doc__ or s.__name__).strip().splitlines()[0] for s in task.SCENES]
    return Verdict("passed", happened=f"It survived {', '.join(survived)}.", next=task.WHY, limit=task.LIMIT,
                   printed=_cut(scenes[0].printed))  # fmt: skip


def play(name: str, source: str) -> Verdict:
    """Play an answer without judging it and show what happened, whatever it was."""
    task = tasks.load(name)
    with tempfile.TemporaryDirectory() as folder:
        scene, trouble = _play(task.TRY, Scene(source or task.GIVEN, task.ENTRY, Path(folder)))
    if trouble is not None and not isinstance(trouble, (NotYet, Raised, TookTooLong)):
        raise trouble
    said = [repr(o.value) if not o.error else f"{o.error}: {o.message}" for o in scene.outcomes]
    happened = f"It gave {', '.join(said)}." if said else str(trouble or "It did not return.")
    return _with_picture(Verdict("played", happened=happened, printed=_cut(scene.printed)), scene, None)


def _blame(task: tasks.Task, scene: Scene, trouble: BaseException) -> Verdict:
    printed = _cut(scene.printed)
    if isinstance(trouble, NotYet):
        verdict = Verdict("not yet", trouble.label, trouble.happened, task.LABELS.get(trouble.label, ""), printed=printed)
        return _with_picture(verdict, scene, trouble.event)
    if isinstance(trouble, Raised):
        return Verdict("raised", happened=str(trouble), printed=printed)
    if isinstance(trouble, TookTooLong):
        verdict = Verdict("took too long", happened=f"After {DEADLINE:g} s your answer still stood {trouble}.", printed=printed)
        return _with_picture(verdict, scene, None)
    raise trouble


def _with_picture(verdict: Verdict, scene: Scene, event: Event | None) -> Verdict:
    picture, row = draw.until(scene.recording, event, SHOWN)
    if row and verdict.happened:
        verdict.happened += f" (Row {row} of the picture.)"
    verdict.dot, verdict.text = picture.dot, picture.text
    return verdict


def _cut(text: str) -> str:
    return text if len(text) <= PRINTED else "… " + text[-PRINTED:]


def _adopt() -> None:
    """Become the parent of every descendant that loses its own, where the system offers that (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _descendants(pid: int) -> Iterator[int]:
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, path.read_text().split()):
                yield from _descendants(child)
                yield child


def sweep() -> None:
    """Kill whatever descends from this process and wait for it."""
    until = time.monotonic() + 2.0
    while (left := list(_descendants(os.getpid()))) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _alarm(number: int, frame: object) -> None:
    """Behind everything else: a checker that hangs must end, too."""
    json.dump(Verdict("broke", happened=f"The judge had not ended after {LAST:g} s.").__dict__, sys.stdout)
    sys.stdout.flush()
    sweep()
    os._exit(1)


def main() -> None:
    order: dict[str, Any] = json.load(sys.stdin)
    _adopt()
    signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, LAST)
    try:
        verdict = (play if order["mode"] == "try" else judge)(order["task"], order["source"])
    except BaseException:
        verdict = Verdict("broke", happened="".join(traceback.format_exc(limit=-6)).strip())
    finally:
        sweep()
    json.dump(verdict.__dict__, sys.stdout)
