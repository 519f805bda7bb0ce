# SPDX-License-Identifier: BSD-3-Clause
"""Collect the results, send the workers home when all are there, and take only so long once SIGTERM has come."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from exercises.answer import Outcome
from exercises.peers import GLANCE, UNBOUND, Table, spun
from exercises.scene import LOOK, NotYet, Raised, Scene, unexpected

ENTRY = "sink"

HINTS = (
    "SIGTERM comes while your function waits in `recv`, and another thread takes it. What does `recv` learn of that, "
    "and when does Python run your handler?",
    "Let one poller wait for results and for the signal. Count from the first signal, and by the clock: a `poll` that "
    "a signal interrupts may return early. Who subscribes is told to you by a message, and who goes as well.",
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
SAID = "a result was taken for the end"
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
    KILLED: "what does SIGTERM do to a program that has no handler, and from when on and until when do you have one?",
    DEAF: "which thread takes the signal, when does Python run its handler, and what wakes the call that waits?",
    HASTY: "what does the contract allow to those who still work when SIGTERM comes, and in which unit?",
    LONG: "from which moment do you count the grace, and what begins it anew?",
    ON: "when is there nothing left to wait for?",
    IGNORED: "what do you do with results in the time that is left?",
    SAID: "which frame tells you whether a message is a result, and what may stand in the others?",
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

PATIENCE = 2.0  # seconds in which a busy machine does what nothing keeps it from
QUIET = 0.2  # seconds without a result
LONG_GOODBYE = 0.5  # seconds that a worker takes to go
LINGERS = 0.08  # seconds in which a sink that should stay has not left


def another_takes_it() -> None:
    """Leave SIGTERM to the other threads of the answer's process: a system gives it to any one that lets it in.

    So no signal interrupts a poll, whose limit pyzmq would then keep in whole seconds.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def it_comes_at_once() -> None:
    """Let SIGTERM come to the answer's process as soon as its first socket is bound."""
    bind = zmq.Socket.bind

    def bound(self: Any, address: Any) -> Any:
        zmq.Socket.bind = bind  # type: ignore[method-assign]
        result = bind(self, address)
        signal.raise_signal(signal.SIGTERM)
        return result

    zmq.Socket.bind = bound  # type: ignore[method-assign]


class Worker:
    """Waits for KILL, and leaves when the check closes its socket."""

    def __init__(self, hall: "Hall", name: str) -> None:
        self.name = name
        self.socket = hall.context(name).socket(zmq.SUB)
        hall.closing.callback(self.socket.close, 0)
        self.socket.subscribe(b"KILL")
        hall.meets(self.socket, "control")


class Hall(Table):
    """The sink under trial, the workers, and whoever brings results in their name."""

    def __init__(self, scene: Scene, grace: float, before: Callable[[], None] = another_takes_it) -> None:
        super().__init__(scene, "results", "control", args=(grace,), before=before)
        self.grace, self.workers, self.brought = grace, list[Worker](), dict[int, bytes]()
        self.when = f"Another thread had taken SIGTERM, with a grace of {grace:g} s"

    def __enter__(self) -> "Hall":
        super().__enter__()
        self.push = self.context("belt").socket(zmq.PUSH)
        self.closing.callback(self.push.close, 0)
        if not self.meets(self.push, "results"):
            self.closing.close()
            self.alive()
            raise NotYet(UNTAKEN, f"For {PATIENCE:g} s nobody took results from the PUSH that brings them.")
        return self

    def meets(self, socket: Any, end: str) -> bool:
        """Connect; whether the sink's socket and this one get on with each other."""
        with socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) as monitor:
            socket.connect(self.ends[end])
            met = self.answer.until(lambda: monitor.poll(0), PATIENCE)
            socket.disable_monitor()
        return met

    def alive(self) -> None:
        if event := self.scene.joined("connect", *self.ends.values()):
            raise NotYet(EXCHANGED, "Your function and the workers connected to one endpoint; nobody listened.", event)
        if self.gone:
            unexpected(self.ended())

    def come(self, *names: str) -> None:
        """Workers, one after the other; their subscriptions have arrived."""
        for name in names:
            self.workers.append(Worker(self, name))
            self.caught_up(zmq.Context.shadow(self.workers[-1].socket.context.underlying))

    def caught_up(self, context: zmq.Context[Any]) -> None:
        """Return when a newcomer has been served: the I/O threads of both ends have done what came before it.

        It is no part of the story, so its Context is not traced.
        """
        with context.socket(zmq.SUB) as newcomer:
            self.meets(newcomer, "control")

    def bring(self, *numbers: int, end: bool = False) -> None:
        """These results, and what is said at the end."""
        for number in numbers:
            self.push.send_multipart([b"%d" % number, self.brought[number]])
        if end:
            self.push.send_multipart([b"END", b"%d" % len(self.brought)])

    def day(self, count: int) -> list[int]:
        """So many tasks, and an order in which their results come."""
        self.brought = dict(enumerate(self.scene.words(count), 1))
        return self.scene.random.sample(range(1, count + 1), count)

    def sigterm(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.answer.process.pid, signal.SIGTERM)

    @property
    def gone(self) -> bool:
        """Whether the sink has ended."""
        return self.answer.process.told

    def ended(self) -> Outcome:
        """What it has returned. Else the verdict: it raised, or the signal has ended its process."""
        try:
            outcome = self.answer.outcomes(LOOK)[-1]
        except Raised:
            if self.answer.process.done and self.answer.process.returncode == -signal.SIGTERM:
                raise NotYet(KILLED, f"{self.when}, and the process was gone.") from None
            raise
        if outcome.error and "b'END'" in outcome.message:  # no number
            happened = f"The result of a task was b'END', and your function raised {outcome.error}: {outcome.message}."
            raise NotYet(SAID, happened)
        if outcome.error:
            unexpected(outcome)
        return outcome

    def heard(self, worker: Worker, seconds: float) -> bool:
        """Whether KILL comes to it in that time."""
        if not self.answer.until(lambda: worker.socket.poll(0), seconds, after=GLANCE):
            return False
        frames = worker.socket.recv_multipart()
        if frames != [b"KILL"]:
            raise NotYet(FRAMES, f"{worker.name} got {frames!r}.", self.scene.first("receive", worker.name))
        return True

    def early(self, seconds: float, label: str, when: str) -> None:
        """Nobody is sent home in that time."""
        self.answer.until(lambda: any(worker.socket.poll(0) for worker in self.workers), seconds)
        for worker in self.workers:
            if self.heard(worker, 0.0):
                raise NotYet(label, f"{when}, and {worker.name} got KILL.", self.scene.first("receive", worker.name))
        if self.gone:
            self.ended()
            raise NotYet(label, f"{when}, and your function returned.")

    def sent_home(self, label: str, when: str, seconds: float = PATIENCE) -> None:
        """All workers get KILL, and soon."""
        missing = [worker.name for worker in self.workers if not self.heard(worker, seconds)]
        if missing and self.gone:
            self.ended()
            raise NotYet(NOBODY, f"{when}; your function returned, and {' and '.join(missing)} had not got KILL.")
        if missing:
            label = label if len(missing) == len(self.workers) else NOBODY
            happened = f"{when}; {PATIENCE:g} s later {' and '.join(missing)} had not got KILL."
            raise NotYet(label, f"{happened} Your function stood {self.answer.stood()}.")

    def stays(self, when: str, seconds: float = LINGERS) -> None:
        """It does not leave yet."""
        if self.answer.until(lambda: self.gone, seconds):
            self.ended()
            raise NotYet(LEFT, f"{when}, and your function had returned.")

    def returned(self, wanted: Sequence[int], label: str = RESULT) -> Outcome:
        """It has returned these results, with nothing left behind."""
        outcome = self.outcome()
        due = {number: self.brought[number] for number in wanted}
        if outcome.value != due:
            lacking = isinstance(outcome.value, dict) and outcome.value.items() <= due.items()
            happened = f"{due!r} was due, and your function returned {outcome.value!r}."
            raise NotYet(label if lacking else RESULT, happened)
        if outcome.left_open:
            raise NotYet(OPEN, "Your function had returned, and a socket of its Context was still open.")
        return outcome

    def outcome(self) -> Outcome:
        for worker in self.workers:
            worker.socket.close(0)
        if not self.answer.until(lambda: self.gone, PATIENCE):
            there = f"All {len(self.workers)} workers had got KILL and gone" if self.workers else "No worker was there"
            raise NotYet(STAYED, f"{there}; {PATIENCE:g} s later your function stood {self.answer.stood()}.")
        return self.ended()


def alone(scene: Scene) -> None:
    """one worker and two results"""
    with Hall(scene, 1.0) as hall:
        hall.come("Ann")
        numbers = hall.day(2)
        hall.bring(*numbers, end=True)
        hall.sent_home(NOBODY, "All results were there")
        hall.outcome()


def a_day(scene: Scene) -> None:
    """a day that comes to its end by itself, and a worker that comes late"""
    with Hall(scene, 0.1) as hall:
        hall.come("Ann", "Ben")
        *numbers, last = hall.day(scene.random.randrange(11, 15))
        hall.brought[numbers[0]] = b"END"
        hall.bring(*numbers[:4], end=True)
        hall.bring(*numbers[4:])
        hall.early(QUIET, EARLY, f"{len(numbers)} of {len(numbers) + 1} results were there")
        hall.bring(last)
        hall.sent_home(NOBODY, "All results were there")
        hall.sigterm()
        hall.when = "SIGTERM came for the first time when Ann and Ben had got KILL and were still there"
        hall.stays(hall.when, hall.grace + LINGERS)
        late = Worker(hall, "Cleo")
        hall.workers.append(late)
        if not hall.heard(late, PATIENCE):
            hall.stays("Ann and Ben were still there when Cleo came", 0.0)
            happened = "Cleo subscribed when Ann and Ben had got KILL and were still there; she did not get it."
            raise NotYet(LATE, happened)
        hall.workers[0].socket.close(0)
        hall.stays("Ann had gone, and Ben and Cleo were still there")
        hall.workers[1].socket.close(0)
        hall.stays("Ann and Ben had gone, and Cleo was still there")
        hall.returned([*numbers, last])


def silence(scene: Scene) -> None:
    """silence after SIGTERM"""
    with Hall(scene, round(scene.random.uniform(0.35, 0.45), 3)) as hall:
        hall.come("Ann")
        first, second, *_ = hall.day(4)
        hall.bring(first, end=True)
        hall.bring(second)
        hall.early(LINGERS, EARLY, "Two of four results were there")
        hall.sigterm()
        hall.early(0.9 * hall.grace, HASTY, hall.when)
        hall.sent_home(DEAF, f"{hall.when}, which was over")
        hall.sigterm()
        hall.when = "SIGTERM came again when Ann had got KILL and was still there"
        hall.stays(hall.when)
        hall.returned([first, second])


def results_keep_coming(scene: Scene) -> None:
    """SIGTERM again and again while results keep coming"""
    with Hall(scene, round(scene.random.uniform(0.4, 0.5), 3)) as hall:
        hall.come("Ann")
        first, *more = hall.day(50)
        hall.bring(first)
        began, ahead = time.monotonic(), len(more)
        while (left := began + 0.9 * hall.grace - time.monotonic()) > 0:
            hall.sigterm()
            hall.bring(more.pop())
            hall.early(min(left, hall.grace / 4), HASTY, hall.when)
        due = min(3, ahead - len(more))  # one may overtake the first signal, and the last be too late
        while not hall.heard(hall.workers[0], hall.grace / 4):
            if hall.gone or time.monotonic() > began + hall.grace + PATIENCE:
                hall.sent_home(LONG, f"{hall.when}, which was over; results kept coming", 0.0)
            hall.sigterm()
            hall.bring(more.pop())
        value = hall.outcome().value
        if not isinstance(value, dict) or not value.items() <= hall.brought.items():
            raise NotYet(RESULT, f"Of {hall.brought!r} some had come, and your function returned {value!r}.")
        if len(value) < due:
            raise NotYet(IGNORED, f"{hall.when}; results kept coming, and your function returned {value!r}.")


def the_rest_in_time(scene: Scene) -> None:
    """everything that was missing after SIGTERM"""
    with Hall(scene, 4.0) as hall:
        hall.come("Ann")
        first, *rest = hall.day(4)
        hall.bring(first)
        hall.sigterm()
        if spent := spun(hall.answer.process.pid, QUIET, lambda: threading.Event().wait(LOOK)):
            happened = f"SIGTERM had come, and nothing else. In {QUIET:g} s your function computed for {spent:.2f} s."
            raise NotYet(BUSY, happened)
        hall.early(0.0, HASTY, hall.when)
        hall.bring(*rest, end=True)
        hall.sent_home(ON, "After SIGTERM everything that was missing came")
        hall.stays("Ann had got KILL and was still there", LONG_GOODBYE)
        hall.returned([first, *rest], IGNORED)


def nobody_there(scene: Scene) -> None:
    """no worker that has to be told: one has come, and gone again"""
    with Hall(scene, 2.0) as hall:
        hall.come("Ann")
        ann = hall.workers.pop().socket
        ann.close(int(PATIENCE * 1000))
        ann.context.term()  # by now her subscription has left, and she has gone
        with zmq.Context() as context:
            hall.caught_up(context)
        numbers = hall.day(3)
        hall.bring(*numbers, end=True)
        hall.returned(numbers)


def at_once(scene: Scene) -> None:
    """SIGTERM as soon as there is a socket to connect to"""
    hall = Hall(scene, round(scene.random.uniform(0.25, 0.35), 3), it_comes_at_once)
    hall.when = f"SIGTERM came when the first socket was bound, with a grace of {hall.grace:g} s"
    hall.answer.begun()
    if not hall.answer.until(lambda: hall.gone, hall.grace + PATIENCE):
        raise NotYet(DEAF, f"{hall.when}; {PATIENCE:g} s after it was over your function stood {hall.answer.stood()}.")
    if hall.returned([]).seconds < 0.9 * hall.grace:
        raise NotYet(HASTY, f"{hall.when}, and your function returned sooner.")


TRY = alone
SCENES = (a_day, silence, results_keep_coming, the_rest_in_time, nobody_there, at_once)
