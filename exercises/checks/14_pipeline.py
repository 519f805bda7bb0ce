# SPDX-License-Identifier: BSD-3-Clause
"""Have every task of a batch carried out, although workers die with some of them."""

import threading
import time
from collections.abc import Callable
from typing import Any

import zmq
from exercises.scene import Answer, NotYet, Scene, TookTooLong, unexpected

from diagrams.recording import Event
from exercises.answer import Call, Outcome
from patterns.stage import Actor

ENTRY = "collect"


HINTS = (
    "A worker dies with three tasks in its socket. What does your function do from then on, and which of its lines is "
    "it that does not return?",
    "You know which tasks you have sent and which results you have; the difference is what is missing. Send, collect "
    "until it has been quiet for `patience`, look what is missing, and begin again.",
    "`pull.poll(...)` takes milliseconds and says 0 when nothing has come. One loop around the sending and the "
    "collecting, which ends when no result is missing.",
)
VARIANT = "raise TimeoutError that names the missing tasks when they have been sent five times in vain."
LIMIT = "a task whose worker was slow, and not dead, is carried out twice."
WHY = "what would go wrong if the label were left out, and the result alone had to say whose it is?"

LABELS = {
    "what the dead worker took was never sent again": "how long do you wait for a result that nobody has?",
    "what is missing was sent again only once": "what if the next worker dies, too?",
    "everything was sent again": "which tasks need no second worker, and how do you know them?",
    "it sent again while results were still coming": "from which moment do you count `patience`?",
    "milliseconds were taken for seconds": "in which unit does that call count?",
    "it gave up with results missing": "what does the contract say about the end?",
    "a result that came twice was counted twice": "what do you count, messages or tasks?",
    "two equal tasks were taken for one": "by what do you tell the result of one task from that of another?",
    "the results came back in the order of their arrival": "who says that the first task is done first?",
    "only one task was under way at a time": "what do the other workers do while you wait for this one?",
    "the task went out without its label": "which frames does a worker expect?",
    "it connected where it had to bind": "who listens at the endpoint when both sides connect?",
    "a socket was left open": "who closes the sockets when your function is done?",
}

START = 3.5  # seconds for the answer's process to open its first socket; only then does the clock run
FIRST = 2.0  # seconds for its first task
NEXT = 0.8  # seconds after which no further task will come
WHOLE = 3.0  # seconds for it to collect what one worker brings, and return
QUIET = 1.6  # seconds for what is missing to be sent again, ten times the patience
LOOK = 0.02  # seconds between two looks
FLOOD = 20  # so many sends that came too early are no misjudged moment


class Worker:
    """A worker of the checker's. `taken` is what it was given; `held` are those of them that it waited for."""

    def __init__(self, scene: Scene, name: str, tasks: str, results: str) -> None:
        self.taken: list[list[bytes]] = []
        self.held: list[list[bytes]] | None = None
        self._scene, self._name, self._tasks, self._results = scene, name, tasks, results

    def play(self, take: int = 0, *bring: int, pause: float = 0.0, leave: bool = False) -> Actor:
        """Take so many tasks, then bring the results of these (by place); then leave, or carry out all that comes."""

        def role(ctx: zmq.Context) -> None:
            with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.PUSH) as push:
                pull.connect(self._tasks)
                push.connect(self._results)
                while len(self.taken) < take and self._comes(pull):
                    self.taken.append(pull.recv_multipart())
                self.held = self.taken[:]
                for place in (p for p in bring if p < len(self.held)):
                    threading.Event().wait(pause)
                    push.send_multipart(_done(self.held[place]))
                while not leave:
                    self.taken.append(pull.recv_multipart())
                    push.send_multipart(_done(self.taken[-1]))

        return self._scene.stage.play(role, name=self._name)

    def _comes(self, pull: Any) -> bool:
        until = time.monotonic() + (NEXT if self.taken else FIRST)
        while time.monotonic() < until:
            if zmq.select([pull], [], [], LOOK)[0]:
                return True
        return False

    def look(self) -> None:
        """Blame an answer that connected to an endpoint that it had to bind."""
        ends = (ENTRY, "connect", self._tasks), (ENTRY, "connect", self._results)
        for event in self._scene.recording.events:
            if (event.actor, event.kind, event.detail) in ends:
                happened = "Your function and the workers connected to the same endpoint, and nobody listened there."
                raise NotYet("it connected where it had to bind", happened, event)


def _done(frames: list[bytes]) -> list[bytes]:
    """What a worker makes of a task: its label, and the task in capitals."""
    return [*frames[:-1], frames[-1].upper()]


def _start(scene: Scene, todo: list[bytes], patience: float) -> tuple[Answer, list[Worker]]:
    """Start the answer and wait until it opens a socket; three workers stand by."""
    ends = scene.stage.endpoint("tasks"), scene.stage.endpoint("results")
    workers = [Worker(scene, f"worker {name}", *ends) for name in "ABC"]
    answer = scene.answer(Call((todo, *ends, patience)))
    until = time.monotonic() + START
    while not (answer.process.told or scene.first("open", ENTRY)) and time.monotonic() < until:
        threading.Event().wait(LOOK)
    return answer, workers


def _outcome(answer: Answer, limit: float, look: Callable[[], None]) -> Outcome:
    """What came of the call. Looks now and then whether there is something to blame already."""
    until = time.monotonic() + limit
    while not answer.process.told and time.monotonic() < until:
        look()
        threading.Event().wait(LOOK)
    look()
    return answer.outcomes(LOOK)[0]


def _gone(answer: Answer, worker: Worker, actor: Actor, limit: float) -> bool:
    """Whether a worker has done what it had to and left. It may be in vain: the answer has returned."""
    until = time.monotonic() + limit
    while not actor.done and not answer.process.told and time.monotonic() < until:
        worker.look()
        threading.Event().wait(LOOK)
    return actor.done


def _again(scene: Scene) -> list[tuple[Event, float, bool]]:
    """What the answer sent again: the event, the quiet before it, and whether it had that result already."""
    before: set[tuple] = set()
    got: set[object] = set()
    found, quiet = [], 0.0
    for event in (e for e in scene.recording.events if e.actor == ENTRY and e.frames):
        if event.kind == "receive":
            got.add(event.frames[0])
            quiet = event.at
        elif event.kind == "send" and event.frames in before:
            found.append((event, event.at - quiet, event.frames[0] in got))
        elif event.kind == "send":
            before.add(event.frames)
            quiet = event.at
    return found


def _result(outcome: Outcome, todo: list[bytes], label: str, happened: str) -> None:
    """What comes back must be right; where something is missing in it, that has this label."""
    wanted, value = [task.upper() for task in todo], outcome.value
    if value == wanted or value == tuple(wanted):
        return
    lost = {"TimeoutError", "KeyError", "IndexError"} & set(outcome.raised)
    if not lost and (outcome.error or not isinstance(value, list | tuple | dict | None)):
        unexpected(outcome)
    said = f"raised {outcome.error}" if outcome.error else f"returned {value!r}"
    if isinstance(value, list | tuple) and sorted(map(repr, value)) == sorted(map(repr, wanted)):
        label, happened = (
            "the results came back in the order of their arrival",
            "They came in another order than the tasks went.",
        )
    raise NotYet(label, f"{happened} Your function {said}.")


def alone(scene: Scene) -> None:
    """one worker"""
    answer, (worker, *_) = _start(scene, [b"tea", b"milk"], 2.0)
    worker.play(2, 0, 1)
    answer.outcomes()


def fair_weather(scene: Scene) -> None:
    """results in another order, and two equal tasks"""
    todo = [b"salt", b"tea", b"milk", b"tea", b"water"]
    answer, (worker, *_) = _start(scene, todo, 1.5)
    worker.play(5, 4, 3, 2, 1, 0)
    outcome = _outcome(answer, WHOLE, lambda: _held(scene, worker, todo))
    if not worker.taken:
        unexpected(outcome)
    _result(outcome, todo, "", "Every result had come.")


def _held(scene: Scene, worker: Worker, todo: list[bytes]) -> None:
    """What the only worker was given before it brought anything."""
    worker.look()
    held = worker.held
    if not held:
        return
    if any(len(frames) != 2 for frames in held):
        happened = f"The worker got {held[0]!r} where it expects a label and a task."
        raise NotYet("the task went out without its label", happened, scene.first("send", ENTRY))
    bodies, labels = {frames[1] for frames in held}, {frames[0] for frames in held}
    if len(labels) == len(bodies) == len(set(todo)):
        happened = f"There were {len(todo)} tasks, two of them equal, and the worker got {len(labels)} labels."
        raise NotYet("two equal tasks were taken for one", happened, scene.first("send", ENTRY, 3))
    if len(held) == 1:
        happened = f"The worker got 1 of {len(todo)} tasks, and no other before it had brought its result."
        raise NotYet("only one task was under way at a time", happened, scene.first("send", ENTRY))
    if len(labels) < len(todo):
        happened = f"There were {len(todo)} tasks, and the worker got {len(held)} with {len(labels)} different labels."
        raise NotYet("", happened, scene.first("send", ENTRY))


def workers_that_die(scene: Scene) -> None:
    """two workers that die one after the other"""
    todo = [b"one", b"two", b"three", b"four", b"five", b"six"]
    answer, (first, second, third) = _start(scene, todo, 0.12)
    _gone(answer, first, first.play(6, 1, 4, leave=True), WHOLE)
    if not first.taken:
        unexpected(answer.outcomes(LOOK)[0])
    if _gone(answer, second, second.play(4, 2, leave=True), QUIET):
        third.play()
    try:
        outcome = _outcome(answer, QUIET if second.held else 0.0, third.look)
    except TookTooLong as where:
        stood = f"Another one waited for {QUIET:g} s and got nothing: your function stood {where}."
        if again := _again(scene):
            happened = f"Two workers died, each with tasks. {stood}"
            raise NotYet("what is missing was sent again only once", happened, again[0][0]) from None
        happened, event = (
            f"A worker took 6 tasks, brought 2 results and died. {stood}",
            scene.first("receive", ENTRY, 2),
        )
        raise NotYet("what the dead worker took was never sent again", happened, event) from None
    _result(
        outcome, todo, "it gave up with results missing", "A worker died with 4 of 6 tasks, and another one was there."
    )
    for event, _, known in _again(scene):
        if known:
            happened = f"You had the result of {event.frames[-1]!r} when you sent that task once more."
            raise NotYet("everything was sent again", happened, event)


def a_slow_worker(scene: Scene) -> None:
    """a slow worker"""
    todo, patience = [b"one", b"two", b"three", b"four"], 0.3
    answer, (worker, *_) = _start(scene, todo, patience)
    worker.play(4, 0, 1, 2, 3, pause=0.11)

    def look() -> None:
        worker.look()
        early = _early(scene, patience)
        if len(early) > FLOOD:
            happened = f"`patience` was {patience:g} s, and you sent tasks again and again before it was over."
            raise NotYet("milliseconds were taken for seconds", happened, early[0][0])

    outcome = _outcome(answer, WHOLE, look)
    for event, quiet in _early(scene, patience):
        happened = (
            f"`patience` was {patience:g} s, and you sent {event.frames[-1]!r} again {quiet:.2f} s after a result."
        )
        raise NotYet("it sent again while results were still coming", happened, event)
    _result(outcome, todo, "it gave up with results missing", "The worker was slow, and brought every result.")


def _early(scene: Scene, patience: float) -> list[tuple[Event, float]]:
    return [(event, quiet) for event, quiet, _ in _again(scene) if quiet < 0.9 * patience]


def results_that_come_twice(scene: Scene) -> None:
    """results that come twice"""
    todo = [b"one", b"two", b"three"]
    answer, (worker, *_) = _start(scene, todo, 0.12)
    worker.play(6, 0, 3, 1, 4, 2, 5)
    outcome = _outcome(answer, WHOLE, worker.look)
    _result(
        outcome,
        todo,
        "a result that came twice was counted twice",
        "Each result came twice, one right after the other.",
    )
    if outcome.left_open:
        raise NotYet(
            "a socket was left open", "Your function had returned, and a socket of its Context was still open."
        )


TRY = alone
SCENES = (fair_weather, workers_that_die, a_slow_worker, results_that_come_twice)
