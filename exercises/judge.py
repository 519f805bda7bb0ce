# SPDX-License-Identifier: BSD-3-Clause
"""The process that judges one answer: it plays the peers, breaks the wire, and says what it observed.

It reads {"task", "source", "mode", "seal"} as JSON and writes a Verdict with that seal as JSON.

Every scene has a Stage of its own: the peers are its threads, the answer is a process on it, and what the peers and
the wire saw decides. Scenes run side by side; the first of them in order that is not content gives the verdict.
Whatever an answer leaves behind is a descendant of this process and is swept before it ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import pickle
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import zmq

from diagrams import draw, trace
from diagrams.recording import Event, Recording
from diagrams.wire import Wire
from patterns.process import Process
from patterns.stage import Actor, Stage

from . import task as tasks
from .answer import Call, Outcome, lines, perform
from .checker import Verdict, descendants, kill

DEADLINE = 4.0  # seconds an answer has for its calls in one scene
SCENE = 6.0  # seconds for all that a scene asks of an answer
START = 2.0  # seconds before that in which a busy machine may start its process
GRACE = 0.2  # seconds that a peer still listens when the answer has ended
LAST = 9.0  # seconds after which the judge gives up on itself
SHOWN = 14  # rows of the picture in a verdict
PRINTED = 600  # characters of what the answer printed
WORDS = 50_000  # characters of any text in a verdict
MOST = 2000  # events that a scene keeps


class NotYet(Exception):
    """The answer has a misconception: its label, what was observed, and the event at which it showed."""

    def __init__(self, label: str, happened: str, event: Event | None = None) -> None:
        super().__init__(label)
        self.label, self.happened, self.event = label, happened, event


class Raised(Exception):
    """The answer raised something that its contract does not know, or its process ended."""


class TookTooLong(Exception):
    """The answer had not returned within its deadline."""


class Observed(Recording):
    """A recording that is not flooded, and whose waits end with their scene, as those on its sockets do."""

    over = False

    def add(self, event: Event) -> None:
        if len(self) < MOST:
            super().add(event)

    def wait(self, kind: Any, actor: str | None = None, *, timeout: float = 5.0, **more: Any) -> None:
        until = time.monotonic() + timeout
        while True:
            try:
                return super().wait(kind, actor, timeout=min(0.05, max(0.0, until - time.monotonic())), **more)
            except TimeoutError:
                if self.over:
                    raise zmq.ContextTerminated() from None
                if time.monotonic() >= until:
                    raise


class Scene:
    """One trial of an answer: a stage with a recording, an answer to call, and wires to break."""

    def __init__(self, source: str, entry: str, folder: Path) -> None:
        self.recording = Observed()
        self.stage = Stage(trace.Context(self.recording))
        self.outcomes: list[Outcome] = []
        self.printed = ""
        self._source, self._entry, self._folder = source, entry, folder
        self._wires = contextlib.ExitStack()
        self._answers: list[Answer] = []
        self._over = False
        self.seconds = 0.0  # how long its answers were at work
        self._began = float("inf")

    def wire(self, endpoint: str) -> Wire:
        """A wire to this endpoint, recorded, closed with the scene."""
        return self._wires.enter_context(Wire(endpoint, recording=self.recording))

    def answer(self, *calls: Call, name: str = "") -> Answer:
        """Start the learner's function in a process of its own; it makes these calls in turn."""
        dump = str(self._folder / f"{id(self)}-{len(self._answers)}")
        process = self.stage.spawn(perform, self._source, self._entry, calls, dump, name=name or self._entry)
        process.loads = lambda packed: _outcomes(packed, len(calls))
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
        answer.begun()
        until = time.monotonic() + self.within(deadline)
        while time.monotonic() < until and not self._over:
            with contextlib.suppress(TimeoutError):
                return peer.result(0.02)
            if answer.process.told:
                until = min(until, time.monotonic() + GRACE)
        raise TookTooLong("and its peer had nothing to hear")

    def begin(self) -> None:
        """An answer is at work: what the scene asks of it has to be over within SCENE seconds."""
        self._began = min(self._began, time.monotonic())

    def within(self, deadline: float) -> float:
        """The deadline, or what is left of the scene's time if that is less."""
        return max(0.0, min(deadline, self._began + SCENE - time.monotonic()))

    def first(self, kind: str, actor: str, count: int = 1) -> Event | None:
        """The count-th event of this kind by this actor, to point at in a verdict."""
        found = [e for e in self.recording.events if e.kind == kind and e.actor == actor]
        return found[count - 1] if len(found) >= count else None

    def abandon(self) -> None:
        """Stop the answers here, whatever they are doing."""
        self._over = True
        for answer in self._answers:
            answer.process.force()

    def stop(self) -> None:
        """Stop the answers and the waits of their peers, and keep what was printed."""
        self.seconds = max(0.0, time.monotonic() - self._began)
        self.abandon()  # an answer has said what it had to say, and need not end well
        self.recording.over = True
        self.printed = "\n".join(a.process.said for a in self._answers if a.process.said)

    def end(self) -> None:
        """End the peers. Raises what went wrong with them."""
        try:
            self._wires.close()
        finally:
            self.stage.close()


class Answer:
    """The learner's function at work in its process."""

    def __init__(self, process: Process, scene: Scene, dump: str) -> None:
        self.process, self._scene, self._dump = process, scene, dump

    def begun(self) -> None:
        """Return when the answer's own code runs: its time begins then. Or soon, if it does not."""
        until = time.monotonic() + START
        while not os.path.exists(self._dump) and not self.process.told and time.monotonic() < until:
            time.sleep(0.005)
        self._scene.begin()

    def outcomes(self, deadline: float = DEADLINE) -> list[Outcome]:
        """What came of the calls. Raises TookTooLong or Raised where the process hung or died."""
        try:
            self.begun()
            outcomes: list[Outcome] = self.process.result(self._scene.within(deadline))
        except TimeoutError:
            raise TookTooLong(self.stood()) from None
        except RuntimeError:
            raise Raised(f"The process ended {self._how()} before the function returned.") from None
        except Exception as error:  # it wrote into what was not meant for it
            raise Raised(f"The process sent back what is no result: {error}") from None
        self._scene.outcomes += outcomes
        return outcomes

    def ends(self, deadline: float = 1.5) -> list[Outcome]:
        """Ask a role that runs for ever to end, as a stage does, and wait for it."""
        self.process.stop()
        return self.outcomes(deadline)

    def _how(self) -> str:
        if not self.process.done:
            return "its connection to the checker"
        code = self.process.returncode
        names = {s.value: s.name for s in signal.Signals}
        return f"with exit code {code}" if code >= 0 else f"by {names.get(-code, f'signal {-code}')}"

    def stood(self) -> str:
        """The line of the answer at which it stands now."""
        text, until, ended = lines(self._scene._source), time.monotonic() + 0.5, self.process.done
        if not ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGUSR1)
        while True:
            with contextlib.suppress(FileNotFoundError):  # it has not begun
                found = re.findall(r'File "<your answer>", line (\d+) in (\S+)', Path(self._dump).read_text())
                if found and 0 < int(found[0][0]) <= len(text):
                    number, name = found[0]
                    return f"in `{name}`, line {number}: `{text[int(number) - 1].strip()}`"
            if ended or time.monotonic() > until:
                return "outside the answer's own lines"
            ended = self.process.join(0.02)


class _Unpickler(pickle.Unpickler):
    """Makes outcomes and plain data, and runs nothing of what an answer may have written into its result."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (Outcome.__module__, Outcome.__name__):
            return Outcome
        raise pickle.UnpicklingError(f"{module}.{name}")


def _outcomes(packed: bytes, calls: int) -> tuple[bool, list[Outcome]]:
    """What came of so many calls. Raises ValueError for anything else."""
    ok, outcomes = _Unpickler(io.BytesIO(packed)).load()
    if ok is not True or not isinstance(outcomes, list) or not all(map(_sound, outcomes)):
        raise ValueError("not outcomes of calls")
    if len(outcomes) > calls or not outcomes or (len(outcomes) < calls and not outcomes[-1].raised):
        raise ValueError(f"{len(outcomes)} outcomes of {calls} calls")
    return ok, outcomes


def _sound(outcome: object) -> bool:
    return (
        isinstance(outcome, Outcome)
        and all(type(getattr(outcome, f.name)) is type(f.default) for f in fields(Outcome) if f.name != "value")
        and all(isinstance(word, str) for word in outcome.raised + outcome.left)
    )


def heard(socket: zmq.Socket[Any], over: threading.Event) -> bool:
    """Whether something comes before the answer has ended, or soon after."""
    for _ in range(120):
        ended = over.is_set()
        if zmq.select([socket], [], [], 0.4 if ended else 0.05)[0]:  # a poll in vain would stand in the picture
            return True
        if ended:
            break
    return False


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
        scene.stop()
        if trouble is None:
            scene.end()
    except BaseException as error:  # an error of ours, or of a peer: nothing an answer can be blamed for
        trouble = trouble or error
    if trouble is not None:  # what peers would still say no longer matters: nobody waits for them
        threading.Thread(target=_quietly, args=(scene.end,), daemon=True).start()
    return scene, trouble


def _quietly(act: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):
        act()


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
    verdict = Verdict("passed", happened=f"It survived {', '.join(survived)}.", next=task.WHY, limit=task.LIMIT)
    verdict.printed = _cut(scenes[0].printed, PRINTED)
    left = list(dict.fromkeys(what for s in scenes for o in s.outcomes for what in o.left))
    if left:
        verdict.happened += f" It left behind: {', '.join(left)}."
    return verdict


def play(name: str, source: str) -> Verdict:
    """Play an answer without judging it and show what happened, whatever it was."""
    task = tasks.load(name)
    with tempfile.TemporaryDirectory() as folder:
        scene, trouble = _play(task.TRY, Scene(source or task.GIVEN, task.ENTRY, Path(folder)))
    if trouble is not None and not isinstance(trouble, (NotYet, Raised, TookTooLong)):
        raise trouble
    said = [repr(o.value) if not o.error else f"{o.error}: {o.message}" for o in scene.outcomes]
    happened = (
        f"It gave {', '.join(said)}."
        if said
        else str(trouble or "It went on, as a server does, until its peers had heard enough.")
    )
    return _with_picture(Verdict("played", happened=happened, printed=_cut(scene.printed, PRINTED)), scene, None)


def _blame(task: tasks.Task, scene: Scene, trouble: BaseException) -> Verdict:
    printed = _cut(scene.printed, PRINTED)
    if isinstance(trouble, NotYet):
        verdict = Verdict(
            "not yet", trouble.label, trouble.happened, task.LABELS.get(trouble.label, ""), printed=printed
        )
        return _with_picture(verdict, scene, trouble.event)
    if isinstance(trouble, Raised):
        return Verdict("raised", happened=str(trouble), printed=printed)
    if isinstance(trouble, TookTooLong):
        happened = f"After {max(1, int(scene.seconds))} s your answer still stood {trouble}."
        verdict = Verdict("took too long", happened=happened, printed=printed)
        return _with_picture(verdict, scene, None)
    raise trouble


def _with_picture(verdict: Verdict, scene: Scene, event: Event | None) -> Verdict:
    try:
        picture, row = draw.until(scene.recording, _drawn(scene, event), SHOWN)
    except Exception as error:  # of what an answer wrote itself; the picture only illustrates
        verdict.text = f"(No picture could be drawn: {error!r})"
        return verdict
    if row and verdict.happened:
        verdict.happened += f" (Row {row} of the picture.)"
    verdict.dot, verdict.text = picture.dot, picture.text
    return verdict


def _drawn(scene: Scene, event: Event | None) -> Event | None:
    """The event that has a row of its own: a refusal is drawn with what was to be sent."""
    if event is None or event.kind not in ("sent", "refused"):
        return event
    sends: list[Event] = []
    for other in scene.recording.events:
        if other is event:
            break
        if (other.actor, other.socket, other.kind) == (event.actor, event.socket, "send"):
            sends.append(other)
    return sends[-1] if sends else event


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else "… " + text[-most:]


def _sayable(text: str) -> str:
    """Bounded, and without what no encoding knows."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= WORDS else text[:WORDS] + " …"


def _adopt() -> None:
    """Become the parent of every descendant that loses its own, where the system offers that (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def sweep() -> int:
    """Kill whatever descends from this process and wait for it. How many there were."""
    until = time.monotonic() + 2.0
    found = set()
    while (left := descendants(os.getpid())) and time.monotonic() < until:
        found.update(left)
        kill(left)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    return len(found)


def main() -> None:
    order: dict[str, Any] = json.load(sys.stdin)
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a peer prints is no verdict

    def tell(verdict: Verdict) -> None:
        told.write(json.dumps({"seal": order["seal"]} | {k: _sayable(v) for k, v in verdict.__dict__.items()}))
        told.flush()

    def alarm(number: int, frame: object) -> None:
        """Behind everything else: a checker that hangs must end, too."""
        tell(Verdict("broke", happened=f"The judge had not ended after {LAST:g} s."))
        sweep()
        os._exit(0)

    _adopt()
    signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, LAST)
    try:
        verdict = (play if order["mode"] == "try" else judge)(order["task"], order["source"])
    except BaseException:
        verdict = Verdict("broke", happened="".join(traceback.format_exc(limit=-6)).strip())
    swept = sweep()
    signal.setitimer(signal.ITIMER_REAL, 0)
    if swept and verdict.passed and "a process" not in verdict.happened:
        verdict.happened += " It left behind: a process."
    tell(verdict)
    os._exit(0)  # whatever else stands in the way of an orderly end
