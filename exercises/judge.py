# SPDX-License-Identifier: BSD-3-Clause
"""The process that judges one answer: it plays the scenes of a check, and says what was observed.

It reads {"task", "source", "mode", "seed", "seal"} as a line of JSON and writes a Verdict with that seal as JSON.
Its parent is the nursery, where all that it starts comes from, behind walls.

Scenes run side by side; the first of them in order that is not content gives the verdict. Whatever an answer leaves
behind is a descendant of this process and is swept before it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from diagrams import draw
from diagrams.recording import Event
from patterns import _child
from patterns.process import Process

from . import task as tasks
from . import walls
from .checker import Verdict
from .nursery import opened
from .scene import ELSEWHERE, IDEAS, NotYet, Raised, Scene, TookTooLong

LAST = 25.0  # seconds after which the judge gives up on itself
SHOWN = 14  # rows of the picture in a verdict
PRINTED = 600  # characters of what the answer printed
WORDS = 50_000  # characters of any text in a verdict

Result = tuple[Scene, BaseException | None]


def _play(scene_of: Callable[[Scene], None], scene: Scene) -> Result:
    trouble: BaseException | None = None
    try:
        scene_of(scene)
    except BaseException as error:
        trouble = error
    if scene.elsewhere:  # whatever came of that
        happened = (
            "What its caller has set on the Context that your function was given does not reach them, nor does its end."
        )
        trouble = NotYet(ELSEWHERE, happened)
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


def _scene(task: tasks.Task, source: str, seed: object) -> Scene:
    """A scene with a folder of its own, which goes with the checker's."""
    return Scene(source, task.ENTRY, Path(tempfile.mkdtemp()), seed)


def judge(name: str, source: str, seed: int) -> Verdict:
    """Judge an answer, with texts and numbers drawn from this seed. Faults of the checker are not caught here."""
    task = tasks.load(name)
    if not source.strip() or tasks.same(source, task.given):
        return Verdict("not attempted", happened="This is the task as it was given. %try plays it without judging.")
    with ThreadPoolExecutor(len(task.SCENES)) as pool:
        scenes = [_scene(task, source, f"{seed} {s.__name__}") for s in task.SCENES]
        results = pool.map(_play, task.SCENES, scenes)
        for scene, trouble in results:
            if trouble is not None:
                for other in scenes:  # what they would say no longer matters
                    other.abandon()
                verdict = _blame(task, scene, trouble)
                verdict.seed = str(seed)
                return verdict
    survived = [(s.__doc__ or s.__name__).strip().splitlines()[0] for s in task.SCENES]
    verdict = Verdict("passed", happened=f"It survived {', '.join(survived)}.", next=task.WHY, limit=task.LIMIT)
    verdict.printed = _cut(scenes[0].printed, PRINTED)
    left = list(dict.fromkeys(what for s in scenes for o in s.outcomes for what in o.left))
    if left:
        verdict.happened += f" It left behind: {', '.join(left)}."
    return verdict


def calls(name: str, source: str, seed: int) -> str:
    """What an answer was asked in all scenes and what came of it, packed: arguments, result, TimeoutError, seconds."""
    task = tasks.load(name)
    scenes = [_scene(task, source, f"{seed} {s.__name__}") for s in task.SCENES]
    made = [call for act, scene in zip(task.SCENES, scenes, strict=True) for call in _play(act, scene)[0].calls]
    late = [
        (call.args, outcome.value, outcome.message if outcome.error else "", outcome.seconds) for call, outcome in made
    ]
    return tasks.packed([(list(map(repr, args)), *rest) for args, *rest in late])


def play(name: str, source: str) -> Verdict:
    """Play an answer without judging it and show what happened, whatever it was."""
    task = tasks.load(name)
    scene, trouble = _play(task.TRY, _scene(task, source or task.given, 0))
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
            "not yet", trouble.label, trouble.happened, (IDEAS | task.LABELS).get(trouble.label, ""), printed=printed
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
    """Bounded."""
    return text if len(text) <= WORDS else text[:WORDS] + " …"


def sweep() -> int:
    """Kill whatever the answers have left behind. How many processes there were."""
    return walls.sweep(os.getppid())


def main() -> None:
    walls.enter()
    if not (nursery := opened()):
        _child.main()
        return
    Process.start = nursery.start  # type: ignore[method-assign]
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    if "numpy" in order["source"]:
        nursery.import_numpy()
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a peer prints is no verdict

    def tell(verdict: Verdict) -> None:
        said = verdict.__dict__ if order["mode"] == "calls" else {k: _sayable(v) for k, v in verdict.__dict__.items()}
        told.write(json.dumps({"seal": order["seal"]} | said))
        told.flush()

    def alarm(number: int, frame: object) -> None:
        """Behind everything else: a checker that hangs must end, too."""
        tell(Verdict("broke", happened=f"The judge had not ended after {LAST:g} s."))
        sweep()
        os._exit(0)

    signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, LAST)
    try:
        if order["mode"] == "try":
            verdict = play(order["task"], order["source"])
        elif order["mode"] == "calls":
            verdict = Verdict("played", text=calls(order["task"], order["source"], order["seed"]))
        else:
            verdict = judge(order["task"], order["source"], order["seed"])
    except BaseException:
        verdict = Verdict("broke", happened="".join(traceback.format_exc(limit=-6)).strip())
    swept = sweep()
    signal.setitimer(signal.ITIMER_REAL, 0)
    if swept and verdict.passed and "a process" not in verdict.happened:
        verdict.happened += " It left behind: a process."
    tell(verdict)
    os._exit(0)  # whatever else stands in the way of an orderly end
