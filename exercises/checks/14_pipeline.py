# SPDX-License-Identifier: BSD-3-Clause
"""Have every task of a batch carried out, although workers die with some of them."""

import threading
import time
from collections.abc import Callable

import zmq

from diagrams.recording import Event
from exercises.answer import Call, Outcome
from exercises.scene import LOOK, Answer, NotYet, Scene, TookTooLong, unexpected

ENTRY = "collect"

HINTS = (
    "A worker dies with three tasks in its socket. What does your function do from then on, and which of its lines "
    "never returns?",
    "You know which tasks you have sent and which results you have; the difference is what is missing. Send, collect "
    "until it has been quiet for `patience`, look what is missing, and begin again.",
    "`pull.poll(...)` takes milliseconds and says 0 when nothing has come. One loop around the sending and the "
    "collecting, which ends when no result is missing.",
)
VARIANT = "raise TimeoutError that names the missing tasks when they have been sent five times in vain."
LIMIT = "a task whose worker was slow, and not dead, is carried out twice."
WHY = "what would go wrong if the label were left out, and the result alone had to say whose it is?"

NEVER_AGAIN = "what the dead worker took was never sent again"
ONCE = "what is missing was sent again only once"
EVERYTHING = "everything was sent again"
EARLY = "it sent again while results were still coming"
HASTY = "it sent again before its patience was over"
MILLISECONDS = "milliseconds were taken for seconds"
SLOW = "it waited longer than it was told to"
GAVE_UP = "it gave up with results missing"
TWICE = "a result that came twice was counted twice"
LATE = "a late result was thrown away"
EMPTY = "an empty result was taken for a missing one"
EQUAL = "two equal tasks were taken for one"
SHARED = "two tasks had the same label"
LENGTH = "a label had not 1 to 32 bytes"
ARRIVAL = "the results came back in the order of their arrival"
SINGLE = "only one task was under way at a time"
FRAMES = "something else went out than label and task"
EXCHANGED = "it connected where it had to bind"
OPEN = "a socket was left open"

LABELS = {
    NEVER_AGAIN: "how long do you wait for a result that nobody has?",
    ONCE: "what if the next worker dies, too?",
    EVERYTHING: "which tasks need no second worker, and how do you know them?",
    EARLY: "from which moment do you count `patience`?",
    HASTY: "how long has it been quiet when you send again?",
    MILLISECONDS: "in which unit does that call count?",
    SLOW: "how long has it been quiet when you send again?",
    GAVE_UP: "what does the contract say about the end?",
    TWICE: "what do you count, messages or tasks?",
    LATE: "what is wrong with a result whose task you have sent again meanwhile?",
    EMPTY: "how do you know which results are there: by their labels, or by what is in them?",
    EQUAL: "by what do you tell the result of one task from that of another?",
    SHARED: "how many different labels can you make, and how many tasks may there be?",
    LENGTH: "how long is a label that is made like yours, at least and at most?",
    ARRIVAL: "who says that the first task is done first?",
    SINGLE: "what do the other workers do while you wait for this one?",
    FRAMES: "which frames does a worker expect?",
    EXCHANGED: "who listens at the endpoint when both sides connect?",
    OPEN: "who closes the sockets when your function is done?",
}

START = 3.5  # seconds for the answer's process to open its first socket; only then does the clock run
FIRST = 2.0  # seconds for a worker's first task
NEXT = 0.4  # seconds after which no further task will come
WHOLE = 3.0  # seconds for the answer to collect what one worker brings, and return
MANY = 300  # tasks; more than one byte can count
FLOOD = 20  # tasks sent again at once are no misjudged moment
EARLIEST, LATEST = 0.9, 1.8  # times the patience, between which the shortest of several waits must lie

Frames = tuple[bytes, ...]


class Bench:
    """The answer at work, and one worker after another that takes its tasks. `todo` are all of them.

    taken   what the workers were given, each with the time when it came
    hasty   what they were given again although nobody can have lost patience
    pushed  when the last result was about to be brought
    began   when the last worker came
    """

    def __init__(self, scene: Scene, todo: list[bytes], patience: float) -> None:
        self.scene, self.todo, self.patience = scene, todo, patience
        self.ends = scene.stage.endpoint("tasks"), scene.stage.endpoint("results")
        self.results = {task: task.upper() for task in todo}
        self.taken: list[tuple[float, Frames]] = []
        self.hasty: list[Frames] = []
        self.pushed, self.workers, self.began = 0.0, 0, 0.0
        self.answer: Answer = scene.answer(Call((todo, *self.ends, patience)))
        self.answer.until(lambda: scene.first("open", ENTRY), START)

    def play(self, work: Callable[["Bench", zmq.Socket, zmq.Socket], None]) -> Callable[[], bool]:
        """Let a worker do this with its two sockets, and leave. Whether it has left."""

        def role(ctx: zmq.Context) -> None:
            with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.PUSH) as push:
                pull.connect(self.ends[0])
                push.connect(self.ends[1])
                work(self, pull, push)

        self.began = time.monotonic()
        actor = self.scene.stage.play(role, name=f"worker {'ABCDEFG'[self.workers]}")
        self.workers += 1
        return lambda: actor.done

    def take(self, pull: zmq.Socket, most: int) -> list[Frames]:
        """So many tasks, or fewer if no further one comes."""
        got: list[Frames] = []
        while len(got) < most and zmq.select([pull], [], [], NEXT if got else FIRST)[0]:
            got.append(tuple(pull.recv_multipart()))
            self.taken.append((time.monotonic(), got[-1]))
        return got

    def bring(self, push: zmq.Socket, frames: Frames) -> None:
        self.pushed = time.monotonic()  # before it can have come: what is too early is so whoever was quicker
        push.send_multipart([*frames[:-1], self.results.get(frames[-1], frames[-1].upper())])

    def look(self) -> None:
        """Blame what the workers were given."""
        if event := self.scene.joined("connect", *self.ends):
            happened = "Your function and the workers connected to the same endpoint, and nobody listened there."
            raise NotYet(EXCHANGED, happened, event)
        bodies: dict[bytes, set[bytes]] = {}
        for number, (_, frames) in enumerate(self.taken[:], 1):
            event = self.scene.first("send", ENTRY, number)
            if len(frames) != 2 or frames[1] not in self.todo:
                raise NotYet(FRAMES, f"A worker got {frames!r} where it expects a label and a task.", event)
            if not 1 <= len(frames[0]) <= 32:
                raise NotYet(LENGTH, f"A task came with a label of {len(frames[0])} bytes.", event)
            bodies.setdefault(frames[0], set()).add(frames[1])
            if len(bodies[frames[0]]) > 1:
                one, other, *_ = sorted(bodies[frames[0]])
                raise NotYet(SHARED, f"The tasks {one!r} and {other!r} came under one label, {frames[0]!r}.", event)

    def outcome(self, seconds: float = WHOLE) -> Outcome:
        """What comes of the call."""
        if not self.answer.until(lambda: self.answer.process.told, seconds, self.look):
            raise TookTooLong(self.answer.stood())
        return self.answer.outcomes(LOOK)[0]

    def right(self, outcome: Outcome, label: str, happened: str) -> None:
        """What came back must be every result in the order of the tasks; what is missing in it has this label."""
        wanted, value = [self.results[task] for task in self.todo], outcome.value
        if not outcome.error and value in (wanted, tuple(wanted)):
            return
        if not {"TimeoutError", "KeyError", "IndexError"} & set(outcome.raised):
            if outcome.error or not isinstance(value, list | tuple | dict | None):
                unexpected(outcome)
            if isinstance(value, list | tuple) and sorted(map(repr, value)) == sorted(map(repr, wanted)):
                label, happened = ARRIVAL, "The results came back in another order than the tasks have."
        raise NotYet(label, f"{happened} Your function {_said(outcome)}.")

    def pause(self, number: int) -> float:
        """How long after its `number`-th task the answer sent the next; by its own word, which only names a fault."""
        sent = [self.scene.first("send", ENTRY, each) for each in (number, number + 1)]
        before, after = (e.at if e else self.taken[n][0] for n, e in enumerate(sent, number - 1))
        return after - before

    def again(self) -> Event | None:
        """Where the answer sent a task once more."""
        return self.scene.first("send", ENTRY, len(self.todo) + 1)


def _said(outcome: Outcome) -> str:
    return f"raised {outcome.error}" if outcome.error else f"returned {outcome.value!r}"


def alone(scene: Scene) -> None:
    """one worker"""
    bench = Bench(scene, [b"tea", b"milk"], 2.0)
    bench.play(lambda bench, pull, push: [bench.bring(push, task) for task in reversed(bench.take(pull, 2))])
    bench.answer.outcomes()


def fair_weather(scene: Scene) -> None:
    """results in another order, and two equal tasks"""
    first, second, third, nothing = scene.words(4)
    bench = Bench(scene, [first, second, third, second, nothing], 1.5)
    bench.results[nothing] = b""
    held: list[Frames] = []

    def work(bench: Bench, pull: zmq.Socket, push: zmq.Socket) -> None:
        held.extend(bench.take(pull, 5))
        for task in reversed(held):
            bench.bring(push, task)
        bench.take(pull, 1)  # what is missing to the answer it sends again

    left = bench.play(work)
    bench.answer.until(lambda: left() or len(bench.taken) > 5, FIRST + WHOLE, bench.look, after=0.5)
    if not held:
        unexpected(bench.outcome())
    if len(held) < 5:
        labels, bodies = {frames[0] for frames in held}, {frames[1] for frames in held}
        happened = f"The worker got {len(held)} of 5 tasks and no other before it had brought a result."
        if len(held) == 1:
            raise NotYet(SINGLE, happened, scene.first("send", ENTRY))
        raise NotYet(EQUAL if len(labels) == len(bodies) == 4 else "", happened, scene.first("send", ENTRY, len(held)))
    if len({frames[0] for frames in held}) < 5:
        happened = f"There were 5 tasks, two of them equal, and {len({f[0] for f in held})} labels."
        raise NotYet(EQUAL, happened, scene.first("send", ENTRY, 4))
    if len(bench.taken) > 5 and bench.taken[5][1][1] == nothing:
        happened = f"The result of {nothing!r} is empty; it had come, and you sent that task again."
        raise NotYet(EMPTY, happened, bench.again())
    outcome = bench.outcome()
    bench.right(outcome, EMPTY if isinstance(outcome.value, list) and len(outcome.value) == 4 else "", "All had come.")


def workers_that_die(scene: Scene) -> None:
    """three workers that die one after the other"""
    bench = Bench(scene, scene.words(6), round(scene.random.uniform(0.25, 0.35), 3))
    waits: list[float] = []
    missing = set(bench.todo)
    for death in range(4):
        started, due = len(bench.taken), set(missing)

        def work(
            bench: Bench, pull: zmq.Socket, push: zmq.Socket, wanted: int = len(due), last: bool = death == 3
        ) -> None:
            got = bench.take(pull, wanted)
            if wanted == 6:
                _held(bench, pull)
            for task in got if last else got[:1]:
                bench.bring(push, task)
                missing.discard(task[1])

        quiet, left = bench.pushed, bench.play(work)
        bench.answer.until(left, FIRST + WHOLE, bench.look, after=0.1)
        if bench.hasty:
            happened = f"The patience was {bench.patience:g} s. A worker had taken all 6 tasks, and before any result "
            happened += f"it got {len(bench.hasty)} of them again{' and more' * (len(bench.hasty) > FLOOD)}."
            raise NotYet(MILLISECONDS if len(bench.hasty) > FLOOD else HASTY, happened, bench.again())
        came = bench.taken[started:]
        if not came:
            _unsent(bench, death)
        waits += [came[0][0] - quiet] if death else []
        if death > 1 and waits[-1] < EARLIEST * bench.patience:  # before that, the first worker held what it had
            renewed = bench.pause(started) < EARLIEST * bench.patience
            happened = (
                f"The patience was {bench.patience:g} s; tasks came again {waits[-1]:.3f} s after the last result."
            )
            raise NotYet(HASTY if renewed else EARLY, happened, bench.again())
        known = [frames[1] for _, frames in came if frames[1] not in due]
        if known:
            happened = f"You had the result of {known[0]!r} when you sent that task once more."
            raise NotYet(EVERYTHING, happened, bench.again())
    bench.right(bench.outcome(), GAVE_UP, "Three workers died, and a fourth was there.")
    if min(waits) > LATEST * bench.patience:
        happened = f"The patience was {bench.patience:g} s; three times it was quiet for {min(waits):.2f} s and more."
        raise NotYet(SLOW, happened, bench.again())


def _held(bench: Bench, pull: zmq.Socket) -> None:
    """The first worker brings nothing for half of the patience, and notes what comes meanwhile."""
    threading.Event().wait(bench.patience / 2)
    while zmq.select([pull], [], [], 0)[0] and len(bench.hasty) <= FLOOD:
        bench.hasty.append(tuple(pull.recv_multipart()))
    due = int((time.monotonic() - bench.began) / (EARLIEST * bench.patience))  # rounds, on a busy machine
    if len(bench.hasty) <= due * len(bench.todo):
        bench.hasty.clear()


def _unsent(bench: Bench, death: int) -> None:
    """A worker was there after so many deaths, and got nothing."""
    outcome = bench.answer.ended()
    if outcome and not death:
        unexpected(outcome)
    if outcome:
        bench.right(outcome, GAVE_UP, "Workers had died with tasks, and another one was there.")
    if not death:
        raise TookTooLong(bench.answer.stood())
    happened = f"{death} worker{'s' * (death > 1)} died, each with tasks. Another one waited for {FIRST:g} s and got "
    happened += f"nothing: your function stood {bench.answer.stood()}."
    raise NotYet(NEVER_AGAIN if death == 1 else ONCE, happened, bench.again() or bench.scene.first("receive", ENTRY))


def a_slow_worker(scene: Scene) -> None:
    """a slow worker"""
    patience = round(scene.random.uniform(0.3, 0.4), 3)
    bench = Bench(scene, scene.words(5), patience)

    gaps: list[float] = []

    def work(bench: Bench, pull: zmq.Socket, push: zmq.Socket) -> None:
        for task in bench.take(pull, 5):
            since = bench.pushed or time.monotonic()
            threading.Event().wait(patience / 2.5)
            bench.bring(push, task)
            gaps.append(time.monotonic() - since)

    left = bench.play(work)
    bench.answer.until(left, FIRST + WHOLE, bench.look)
    event = bench.again() if scene.recording.count("sent", ENTRY) > 5 else None
    if event and max(gaps) < EARLIEST * patience:  # and not because the machine is busy
        happened = f"The patience was {patience:g} s, a result came every {patience / 2.5:.2f} s, and you sent again."
        raise NotYet(EARLY, happened, event)
    bench.right(bench.outcome(), GAVE_UP, "The worker was slow, and brought every result.")


def results_late_and_twice(scene: Scene) -> None:
    """results that come late, and twice"""
    bench = Bench(scene, scene.words(3), 0.15)
    late: list[Frames] = []

    def work(bench: Bench, pull: zmq.Socket, push: zmq.Socket) -> None:
        late.extend(bench.take(pull, 3))
        if len(late) < 3 or not bench.take(pull, 3):  # what is missing comes again
            return
        for task in late:
            bench.bring(push, task)
            bench.bring(push, task)
        while not bench.answer.process.told and zmq.select([pull], [], [], FIRST)[0]:
            bench.taken.append((time.monotonic(), tuple(pull.recv_multipart())))  # and is not carried out once more

    left = bench.play(work)
    bench.answer.until(left, FIRST + WHOLE, bench.look, after=0.1)
    if not bench.answer.process.told and bench.pushed:
        happened = "The results of all three tasks had come, each twice, under the labels that went out first; then "
        happened += f"nothing was wanted but those of a later sending. Your function stood {bench.answer.stood()}."
        raise NotYet(LATE, happened, bench.again())
    outcome = bench.outcome()
    bench.right(outcome, TWICE, "Each result came twice, one right after the other.")
    if outcome.left_open:
        raise NotYet(OPEN, "Your function had returned, and a socket of its Context was still open.")


def many_tasks(scene: Scene) -> None:
    """three hundred tasks"""
    bench = Bench(scene, [b"%s %d" % (word, n) for n, word in enumerate(scene.words(30) * (MANY // 30))], 1.5)
    left = bench.play(lambda bench, pull, push: [bench.bring(push, task) for task in bench.take(pull, MANY)])
    bench.answer.until(left, FIRST + WHOLE, bench.look, after=0.5)
    bench.right(bench.outcome(), GAVE_UP, f"There were {MANY} tasks, and all were carried out.")


TRY = alone
SCENES = (fair_weather, workers_that_die, a_slow_worker, results_late_and_twice, many_tasks)
