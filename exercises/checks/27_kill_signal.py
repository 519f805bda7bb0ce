# SPDX-License-Identifier: BSD-3-Clause
"""Collect the results, send the workers home when all are there, and take only so long once SIGTERM has come."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import zmq
from zmq.utils.monitor import recv_monitor_message

from exercises.answer import Outcome
from exercises.peers import GLANCE, UNBOUND, Table, spun
from exercises.scene import LOOK, NotYet, Scene, unexpected

ENTRY = "sink"

HINTS = (
    "SIGTERM comes while your function waits in `recv`. Its handler returns. What does `recv` do then, and who looks "
    "at what the handler has left behind?",
    "Let one poller wait for results and for the signal, and count from the first signal, not from the last result. "
    "Who subscribes is told to you by a message, and who goes as well.",
    "`signal.set_wakeup_fd` and a `socket.socketpair()` whose other end the poller watches; `xpub_verboser`, and a "
    "`recv` on the XPUB that tells `01 KILL` from `00 KILL`.",
)
VARIANT = "after a second SIGTERM wait no longer, and send KILL at once."
LIMIT = "a worker that is frozen keeps its subscription, and the sink waits for it for ever."
WHY = "where were the subscriptions of the morning, until you looked?"

EARLY = "workers were sent home before the last result was there"
NOBODY = "not every worker was sent home"
LATE = "a worker that came late was not sent home"
LEFT = "it left while workers were there"
STAYED = "the workers had gone, and it stayed"
KILLED = "SIGTERM ended the process"
DEAF = "after SIGTERM it went on waiting"
HASTY = "it gave up before the grace was over"
LONG = "it waited longer than the grace"
ON = "it waited on although everything was there"
IGNORED = "what came after SIGTERM did not count"
RESULT = "what it returned is not what was brought"
BUSY = "it was busy while it had only to wait"
FRAMES = "something else than KILL was published"
UNTAKEN = "the results were not taken"
OPEN = "a socket was left open"
EXCHANGED = "it connected where it had to bind"

LABELS = {
    EARLY: "which two numbers tell you that everything is there?",
    NOBODY: "what is published at the end, by which socket, and who has subscribed by then?",
    LATE: "how does a worker get a message that was published before it subscribed?",
    LEFT: "who may still come, or has not yet heard you, and how do you know that nobody is left?",
    STAYED: "how do you know that a worker has gone, and for how many do you wait?",
    KILLED: "what does SIGTERM do to a program that has no handler for it, and from when on do you have one?",
    DEAF: "what does a call do that a signal has interrupted when the handler returns?",
    HASTY: "what does the contract allow to those who still work when SIGTERM comes, and in which unit?",
    LONG: "from which moment do you count the grace, and what begins it anew?",
    ON: "when is there nothing left to wait for?",
    IGNORED: "what do you do with results in the time that is left?",
    RESULT: "what is a key of that dictionary, and what its value?",
    BUSY: "what does the poller say the next time, of something that you have seen and not taken away?",
    FRAMES: "which frames does KILL have?",
    UNTAKEN: "which type of socket receives what a PUSH sends?",
    OPEN: "who closes the sockets when your function is done?",
    UNBOUND: "which of the two endpoints has nobody who listens there?",
    EXCHANGED: "who stays where it is, and who comes and goes?",
}

EQUIVALENT = {
    "line 11, swap: (ours, theirs)": "the two ends are alike",
    "line 24, less: 1000": "it waits in smaller steps, up to the same end",
    "line 24, more: 0": "a millisecond is as good as none",
    "line 36, more: 0": "a millisecond is as good as none",
    "line 42, drop: signal.set_wakeup_fd(-1)": "no signal comes when the function has returned",
}

SETTLED = 0.1  # seconds in which a subscription arrives that has left
PATIENCE = 2.0  # seconds in which a busy machine does what nothing keeps it from
QUIET = 0.2  # seconds without a result
LONG_GOODBYE = 0.5  # seconds that a worker takes to go
LINGERS = 0.08  # seconds in which a sink that should stay has not left
STEP = 0.01  # seconds from one look at a waiting answer to the next

Frames = list[bytes]


class Worker:
    """Waits for KILL and leaves when the check says so."""

    def __init__(self, hall: "Hall", name: str) -> None:
        self.name = name
        self.socket = hall.context(name).socket(zmq.SUB)
        hall.closing.callback(self.leaves)
        self.socket.subscribe(b"KILL")
        with self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) as monitor:
            self.socket.connect(hall.ends["control"])
            hall.until(lambda: monitor.poll(0), PATIENCE)
            if monitor.poll(0):
                recv_monitor_message(monitor)
            self.socket.disable_monitor()

    def leaves(self) -> None:
        self.socket.close(0)


class Hall(Table):
    """The sink under trial, the workers, and whoever brings results in their name."""

    def __init__(self, scene: Scene, grace: float) -> None:
        super().__init__(scene, "results", "control", args=(grace,))
        self.grace, self.workers, self.brought = grace, list[Worker](), dict[int, bytes]()

    def __enter__(self) -> "Hall":
        super().__enter__()
        self.push = self.context("belt").socket(zmq.PUSH)
        self.push.sndtimeo = round(PATIENCE * 1000)
        self.closing.callback(self.push.close, 0)
        self.push.connect(self.ends["results"])
        return self

    def alive(self) -> None:
        if event := self.scene.joined("connect", *self.ends.values()):
            raise NotYet(EXCHANGED, "Your function and the workers connected to one endpoint; nobody listened.", event)
        super().alive()

    def come(self, *names: str) -> None:
        """Workers, one after the other; what they have sent has arrived when the last one is there."""
        self.workers += [Worker(self, name) for name in names]
        threading.Event().wait(SETTLED)

    def bring(self, *numbers: int) -> None:
        for number in numbers:
            self.send(b"%d" % number, self.brought[number])

    def day(self, count: int) -> list[int]:
        """So many tasks, and an order in which their results come."""
        words = self.scene.words(count)
        self.brought = {number: words[number - 1] for number in range(1, count + 1)}
        return self.scene.random.sample(range(1, count + 1), count)

    def says_how_many(self) -> None:
        self.send(b"END", b"%d" % len(self.brought))

    def send(self, *frames: bytes) -> None:
        try:
            self.push.send_multipart(frames)
        except zmq.Again:
            self.alive()
            happened = f"For {PATIENCE:g} s nobody took {frames!r} from the PUSH that brings results."
            raise NotYet(UNTAKEN, happened) from None

    def sigterm(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.answer.process.pid, signal.SIGTERM)

    def signalled(self, seconds: float) -> float:
        """SIGTERM comes, and nobody is sent home in that time. When it came."""
        began = time.monotonic()
        self.sigterm()
        self.early(seconds, HASTY, self.when)
        return began

    # what is seen

    @property
    def when(self) -> str:
        return f"With a grace of {self.grace:g} s, SIGTERM had come"

    def unheard(self, label: str) -> NoReturn:
        """The grace is long over, and no KILL has come."""
        if self.gone:
            self.died()
            self.unexpected(NOBODY, f"{self.when}; your function returned, and no KILL had come.")
        raise NotYet(
            label, f"{self.when}; {PATIENCE:g} s after it was over, no KILL had come. It stood {self.answer.stood()}."
        )

    def until(self, over: Callable[[], Any], seconds: float) -> bool:
        limit = time.monotonic() + self.scene.within(seconds)
        while not over() and time.monotonic() < limit:
            threading.Event().wait(LOOK)
        return bool(over())

    @property
    def gone(self) -> bool:
        """Whether the sink has ended."""
        return self.answer.process.told

    def heard(self, worker: Worker, seconds: float) -> bool:
        """Whether KILL comes to it in that time."""
        if not self.until(lambda: worker.socket.poll(0) or self.gone, seconds) or not worker.socket.poll(GLANCE * 1000):
            return False
        frames = worker.socket.recv_multipart()
        if frames != [b"KILL"]:
            happened = f"{worker.name} got {frames!r}."
            raise NotYet(FRAMES, happened, self.scene.first("receive", worker.name))
        return True

    def early(self, seconds: float, label: str, when: str) -> None:
        """Nobody is sent home in that time."""
        self.until(lambda: self.gone or any(worker.socket.poll(0) for worker in self.workers), seconds)
        for worker in self.workers:
            if worker.socket.poll(0) and self.heard(worker, 0.0):
                raise NotYet(label, f"{when}, and {worker.name} got KILL.", self.scene.first("receive", worker.name))
        if self.gone:
            self.died()
            self.unexpected(label, f"{when}, and your function returned.")

    def died(self) -> None:
        """Blame a process that the signal has ended."""
        process = self.answer.process
        if not self.until(lambda: process.done, GLANCE) or process.returncode != -signal.SIGTERM:
            return
        raise NotYet(KILLED, "SIGTERM came when both sockets were bound, and the process was gone.")

    def unexpected(self, label: str, happened: str) -> NoReturn:
        """It has returned; or raised, and that is another matter."""
        outcome = self.answer.outcomes(LOOK)[-1]
        if outcome.error:
            unexpected(outcome)
        raise NotYet(label, happened)

    def sent_home(self, label: str, when: str) -> None:
        """All workers get KILL, and soon."""
        missing = [worker for worker in self.workers if not self.heard(worker, PATIENCE)]
        if not missing:
            return
        if self.gone:
            self.died()
            outcome = self.answer.outcomes(LOOK)[-1]
            if outcome.error:
                unexpected(outcome)
        names = " and ".join(worker.name for worker in missing)
        if self.gone or len(missing) < len(self.workers):
            label = NOBODY
        raise NotYet(label, f"{when}, and {PATIENCE:g} s later {names} had not got KILL.")

    def stays(self, when: str, seconds: float = LINGERS) -> None:
        """It does not leave yet."""
        if self.until(lambda: self.gone, seconds):
            self.unexpected(LEFT, f"{when}, and your function had returned.")

    def returned(self, wanted: Sequence[int], label: str = RESULT) -> None:
        """It has returned these results, with nothing left behind."""
        outcome = self.outcome()
        due = {number: self.brought[number] for number in wanted}
        if outcome.value != due:
            lacking = isinstance(outcome.value, dict) and outcome.value.items() <= due.items()
            happened = f"{due!r} was due, and your function returned {outcome.value!r}."
            raise NotYet(label if lacking else RESULT, happened)
        if outcome.left_open:
            raise NotYet(OPEN, "Your function had returned, and a socket of its Context was still open.")

    def outcome(self) -> Outcome:
        for worker in self.workers:
            worker.leaves()
        if not self.until(lambda: self.gone, PATIENCE):
            there = f"All {len(self.workers)} workers had got KILL and gone" if self.workers else "No worker had come"
            raise NotYet(STAYED, f"{there}; {PATIENCE:g} s later your function stood {self.answer.stood()}.")
        self.died()
        outcome = self.answer.outcomes(LOOK)[-1]
        if outcome.error:
            unexpected(outcome)
        return outcome


def alone(scene: Scene) -> None:
    """one worker and two results"""
    with Hall(scene, 1.0) as hall:
        hall.come("Ann")
        numbers = hall.day(2)
        hall.bring(*numbers)
        hall.says_how_many()
        hall.sent_home(NOBODY, "All results were there")
        hall.outcome()


def a_day(scene: Scene) -> None:
    """a day that comes to its end by itself, and a worker that comes late"""
    with Hall(scene, 0.1) as hall:
        hall.come("Ann", "Ben")
        *numbers, last = hall.day(scene.random.randrange(11, 15))
        hall.bring(*numbers[:4])
        hall.says_how_many()
        hall.bring(*numbers[4:])
        hall.early(QUIET, EARLY, f"{len(numbers)} of {len(numbers) + 1} results were there")
        hall.bring(last)
        hall.sent_home(NOBODY, "All results were there")
        hall.stays("Ann and Ben had got KILL and were still there")
        late = Worker(hall, "Cleo")
        hall.workers.append(late)
        if not hall.heard(late, PATIENCE):
            if hall.gone:
                hall.unexpected(LEFT, "Ann and Ben were still there when Cleo came, and your function had returned.")
            raise NotYet(
                LATE, "Cleo subscribed when Ann and Ben had got KILL and were still there; she did not get it."
            )
        hall.workers[0].leaves()
        hall.stays("Ann had gone, and Ben and Cleo were still there")
        hall.workers[1].leaves()
        hall.stays("Ann and Ben had gone, and Cleo was still there")
        hall.returned([*numbers, last])


def silence(scene: Scene) -> None:
    """SIGTERM, and nothing comes any more"""
    with Hall(scene, round(scene.random.uniform(0.35, 0.45), 3)) as hall:
        hall.come("Ann")
        first, second, *_ = hall.day(4)
        hall.bring(first, second)
        if scene.random.random() < 0.5:
            hall.says_how_many()
        hall.early(LINGERS, EARLY, "Two of four results were there")
        hall.signalled(0.9 * hall.grace)
        if not hall.heard(hall.workers[0], PATIENCE):
            hall.unheard(DEAF)
        hall.returned([first, second])


def results_keep_coming(scene: Scene) -> None:
    """SIGTERM again and again, while results keep coming"""
    with Hall(scene, round(scene.random.uniform(0.4, 0.5), 3)) as hall:
        hall.come("Ann")
        first, second, *more = hall.day(50)
        hall.bring(first)
        began = hall.signalled(0.0)
        hall.bring(second)
        while (left := began + 0.9 * hall.grace - time.monotonic()) > 0:
            hall.early(min(left, hall.grace / 4), HASTY, hall.when)
            hall.bring(more.pop())
            hall.sigterm()
        while not hall.heard(hall.workers[0], hall.grace / 4):
            if hall.gone or time.monotonic() > began + hall.grace + PATIENCE:
                hall.unheard(LONG)
            hall.bring(more.pop())
            hall.sigterm()
        outcome = hall.outcome()
        if not isinstance(outcome.value, dict) or not outcome.value.items() <= hall.brought.items():
            raise NotYet(RESULT, f"Of {hall.brought!r} some had come, and your function returned {outcome.value!r}.")
        if not {first, second} <= set(outcome.value):
            happened = f"{hall.when}; number {second} came at once, and your function returned {outcome.value!r}."
            raise NotYet(IGNORED, happened)


def the_rest_in_time(scene: Scene) -> None:
    """SIGTERM, and then everything that was missing"""
    with Hall(scene, 4.0) as hall:
        hall.come("Ann")
        first, *rest = hall.day(4)
        hall.bring(first)
        hall.sigterm()
        spent = spun(hall.answer.process.pid, QUIET, lambda: threading.Event().wait(STEP))
        if spent:
            happened = f"SIGTERM had come, and nothing else. In {QUIET:g} s your function computed for {spent:.2f} s."
            raise NotYet(BUSY, happened)
        hall.early(0.0, HASTY, hall.when)
        hall.bring(*rest)
        hall.says_how_many()
        hall.sent_home(ON, "After SIGTERM everything that was missing came")
        hall.stays("Ann had got KILL and was still there", LONG_GOODBYE)
        hall.returned([first, *rest], IGNORED)


def nobody_there(scene: Scene) -> None:
    """no worker that has to be told"""
    with Hall(scene, 2.0) as hall:
        numbers = hall.day(3)
        hall.bring(*numbers)
        hall.says_how_many()
        hall.returned(numbers)


TRY = alone
SCENES = (a_day, silence, results_keep_coming, the_rest_in_time, nobody_there)
