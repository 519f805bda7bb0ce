# SPDX-License-Identifier: BSD-3-Clause
"""Ask several servers at once, with one deadline for all, on a loop that goes on."""

import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NoReturn

import zmq

from diagrams.recording import Event
from exercises.answer import ENDS, SET, Call, Outcome
from exercises.scene import DEADLINE, LOOK, Answer, Mute, NotYet, Scene, TookTooLong, counted, unexpected

ENTRY = "ask_all"

HINTS = (
    "One server never answers. On which line does your coroutine wait then, who else can run meanwhile, and what "
    "becomes of the answers that have come?",
    "Let one task ask each server, and one more show that you live. Wait for the askers until all are done or the time "
    "is over; then look which of them are done, in your own order, and cancel what is not.",
    "`asyncio.wait(tasks, timeout=…)` returns when all are done or the time is over, and neither raises nor cancels. A "
    "cancelled task leaves its `with`; its socket goes at once if its `linger` is 0.",
)
VARIANT = "return as soon as more than half of the servers have given the same answer, and cancel the others."
LIMIT = "an answer that comes in the moment of the deadline may be left out, although its server has worked for it."
WHY = "What would the loop have to do if the servers were a thousand, and where in your code does that stand?"

UNASKED = "a server was not asked"
FRAMES = "a server got something other than the question"
TWICE = "a server was asked more than once"
BY_ONE = "the servers were asked one after the other"
BLOCKED = "a blocking call held up the loop"
FLOOD = "signs of life came without a pause"
FEW = "the watcher heard too few signs of life"
OTHER_SIGN = "the watcher heard something other than `alive`"
GOES_ON = "signs of life went on after the return"
ORDER = "the answers came back in the order in which they came"
MIXED = "an answer stood under another server's name"
NO_ERROR = "that nobody answered was taken for an error"
COST = "a silent server cost the answers of the others"
KEPT = "a server that had not answered was not left out"
MISSING = "an answer that had come was not returned"
EMPTY = "an empty answer was taken for none"
FORM = "something else was returned than pairs of an endpoint and its answer"
EARLY = "it gave up before the time was over"
LATE = "it took longer than its time"
WAITED = "it waited although all had answered"
LEFT = "a socket was left open"
BEHIND = "a question that nobody waits for was not given up"
OPTION = "an option was set on the Context that was given"

LABELS = {
    UNASKED: "to which of the endpoints does a socket of yours connect, and what does it send?",
    FRAMES: "a REP knows by an empty frame where the message begins; who writes it, and what may stand behind it?",
    TWICE: "how often does each of your tasks send, and how many of them connect to one endpoint?",
    BY_ONE: "what has to have happened before your second question leaves?",
    BLOCKED: "which of your calls returns only when something has come, and who runs on this loop meanwhile?",
    FLOOD: "what does your task do from one sign to the next, and how long does that take?",
    FEW: "who sends the signs while you wait for answers, and in which unit does that sleep?",
    OTHER_SIGN: "what does the contract say that the watcher hears?",
    GOES_ON: "what ends the task that sends the signs?",
    ORDER: "in which order do you look at what has come?",
    MIXED: "what ties an answer to its endpoint when another server has not answered?",
    NO_ERROR: "what is the list of those who have answered, if it is nobody?",
    COST: "what becomes of the results that are there when the time is over for all of them together?",
    KEPT: "what stands in your list for a server that has not answered, and what does the contract say of it?",
    MISSING: "who keeps an answer from its arrival until you return?",
    EMPTY: "how does your code tell an answer without bytes from no answer?",
    FORM: "what is returned: a list of what, with what in it, and of which types?",
    EARLY: "what ends your wait, and in which unit is its time?",
    LATE: "how many waits have a time of their own, and when does each begin?",
    WAITED: "what ends your wait when there is nothing left to wait for?",
    LEFT: "who closes the socket of a task that is cancelled, and does anybody wait for that?",
    OPTION: "whose Context is it, and on what can you set the same option instead?",
    BEHIND: "what does a closed socket do with a message that it could not send yet?",
}

EQUIVALENT = {
    **dict.fromkeys(
        ("line 8, drop: socket.linger = 0", "line 8, more: 0", "line 8, less: 0"),
        "the watcher is there, so what is for it waits nowhere",
    ),
    "line 17, more: 0": "a millisecond is as good as none",
    "line 30, swap: (signs, *asking)": "who is cancelled first is the same to all",
    "line 32, swap: [signs, *asking]": "it is waited for all of them",
}

EVERY = 0.05  # seconds from one sign of life to the next, as the contract says
LEAST = 4  # signs in a time that has room for fourteen and more
MOST = 200  # signs in a time that is due some sixteen
AFTER = 3  # signs after the return that no busy machine explains
MARGIN = 0.15  # seconds in which the last sign may still be on its way
APART = 0.2  # seconds from one server's answer to the next one's
HELD = 0.7  # seconds that the first server waits for the others to be asked
SPARE = 0.5  # seconds that a busy machine may take beside the deadline
LOOKS = 4  # at a loop that is held up, each a sign's distance after the one before
SLOW = 0.25  # seconds that an answer may take within the time


class Server:
    """Does what a REP does, and sees what a REP would drop. It answers when it may, or never.

    may    whether it may answer now
    asked  when each question came; `odd` is what came instead
    """

    def __init__(self, scene: Scene, name: str, answer: bytes, question: bytes) -> None:
        self.scene, self.name, self.answer, self.question = scene, name, answer, question
        self.may: Callable[[], bool] = lambda: True
        self.asked: list[float] = []
        self.odd: list[list[bytes]] = []
        self.answered = 0.0
        self.endpoint = scene.stage.endpoint(name)

    def play(self) -> None:
        self.scene.stage.play(self.role, name=self.name)

    def role(self, ctx: zmq.Context[Any]) -> None:
        waiting: list[bytes] = []
        with ctx.socket(zmq.ROUTER) as router:
            router.bind(self.endpoint)
            while True:
                if zmq.select([router], [], [], LOOK)[0]:  # a poll in vain would stand in the picture
                    who, *frames = router.recv_multipart()
                    if frames == [b"", self.question]:
                        self.asked.append(time.monotonic())
                        waiting.append(who)
                    else:
                        self.odd.append(frames)
                while waiting and self.may():
                    router.send_multipart([waiting.pop(0), b"", self.answer])
                    self.answered = time.monotonic()


class Watcher:
    """Hears the signs of life. `times` is when each came."""

    def __init__(self, scene: Scene, name: str) -> None:
        self.times: list[float] = []
        self.odd: list[list[bytes]] = []
        self.name, self.endpoint = name, scene.stage.endpoint(name)
        scene.stage.play(self.role, name=name)

    def role(self, ctx: zmq.Context[Any]) -> None:
        with ctx.socket(zmq.PULL) as pull:
            pull.bind(self.endpoint)
            while True:
                frames = pull.recv_multipart()
                self.times.append(time.monotonic())
                if frames != [b"alive"]:
                    self.odd.append(frames)


class Hall:
    """Servers that are asked the same, in the order of asking, and a watcher. `mark` tells one hall from another."""

    def __init__(self, scene: Scene, count: int, seconds: float, mark: str = "") -> None:
        self.scene, self.seconds = scene, seconds
        self.question, *words = scene.words(count + 1)
        numbers = scene.random.sample(range(1, 10), count)
        self.servers = [
            Server(scene, f"server-{n}{mark}", word, self.question) for n, word in zip(numbers, words, strict=True)
        ]
        self.watcher = Watcher(scene, f"watcher{mark}")

    def call(self, *more: str) -> Call:
        """The arguments, with `more` endpoints in the middle of the servers' own."""
        for server in self.servers:
            server.play()
        ends = [server.endpoint for server in self.servers]
        return Call(([ends[0], *more, *ends[1:]], self.question, self.seconds, self.watcher.endpoint))

    def frames(self) -> None:
        """Each server that heard anything heard the question, once."""
        for server in self.servers:
            if server.odd:
                happened = f"A server expects an empty frame and {self.question!r}; it got {server.odd[0]!r}."
                raise NotYet(FRAMES, happened, self.scene.first("receive", server.name))
            if len(server.asked) > 1:
                happened = f"{server.name} heard the question {counted(len(server.asked))} in one call."
                raise NotYet(TWICE, happened, self.scene.first("receive", server.name, 2))
        if self.watcher.odd:
            happened = f"The watcher heard {self.watcher.odd[0]!r}."
            raise NotYet(OTHER_SIGN, happened, self.last_sign())

    def pairs(self, outcome: Outcome, answered: list[Server], silent: list[str]) -> None:
        """What was returned is what these servers answered, in their order."""
        value, wanted = outcome.value, [(server.endpoint, server.answer) for server in answered]
        happened = f"Your function returned {self._named(value)}."
        if not isinstance(value, list) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in value):
            raise NotYet(FORM, happened)
        got: list[tuple[Any, Any]] = [(p[0], p[1]) for p in value]
        if got == wanted:
            return
        known, said = [*[end for end, _ in wanted], *silent], [answer for _, answer in wanted]
        if any(end in silent and answer not in said for end, answer in got):
            raise NotYet(KEPT, f"Somebody had not answered, and y{happened[1:]}")
        if not all(end in known and type(answer) is bytes and answer in said for end, answer in got):
            raise NotYet(FORM, happened)
        if any(pair not in wanted for pair in got):
            raise NotYet(MIXED, f"{happened} The answers were {self._named(wanted)}.")
        if missing := [pair for pair in wanted if pair not in got]:
            label = EMPTY if all(not answer for _, answer in missing) else MISSING
            raise NotYet(label, f"{self._named(missing)} had come in time, and y{happened[1:]}")
        raise NotYet(ORDER if len(got) == len(wanted) else FORM, f"You asked {', '.join(self.names)}. {happened}")

    def last_sign(self) -> Event | None:
        return self.scene.first("receive", self.watcher.name, max(1, len(self.watcher.times)))

    def early(self, outcome: Outcome) -> NoReturn:
        """It returned while somebody could still answer."""
        happened = (
            f"Somebody had not answered yet, and of {self.seconds:g} s your function took {outcome.seconds:.2f} s."
        )
        raise NotYet(EARLY, happened)

    @property
    def names(self) -> list[str]:
        return [server.name for server in self.servers]

    def _named(self, value: Any) -> str:
        """The value, with the servers' names for their endpoints."""
        text = f"{value!r:.600}"
        for server in self.servers:
            text = text.replace(repr(server.endpoint), server.name)
        return text[:300]

    def usual(self, outcome: Outcome) -> None:
        """What holds of every call."""
        if outcome.error:
            if any(server.answered for server in self.servers) and _gave_up(outcome):
                happened = f"Others had answered, and your function raised {outcome.error}.\n{outcome.trace}"
                raise NotYet(COST, happened)
            unexpected(outcome)
        self.frames()
        for server in self.servers:
            if not server.asked:
                raise NotYet(UNASKED, f"Your function returned, and {server.name} had not heard the question.")


def _gave_up(outcome: Outcome) -> bool:
    return bool({"TimeoutError", "CancelledError", "Again", "BaseExceptionGroup"} & set(outcome.raised))


def _held_up(answer: Answer) -> str:
    """The line of the answer's own at which its loop does not go on; nothing if it goes on.

    A coroutine that awaits is on no stack: then the loop stands in lines that are not the answer's.
    """
    for _ in range(LOOKS):
        if not (stood := answer.stood()).startswith("in `"):
            return ""
        threading.Event().wait(EVERY)
    return stood


def alone(scene: Scene) -> None:
    """three servers, one of which never answers"""
    hall = Hall(scene, 3, 0.5)
    hall.servers[1].may = lambda: False
    scene.answer(hall.call()).outcomes()


def the_first_comes_last(scene: Scene) -> None:
    """answers in another order and an empty one"""
    hall = Hall(scene, scene.random.choice((3, 4)), 3.0)
    servers = hall.servers
    servers[scene.random.randrange(1, len(servers))].answer = b""
    servers[-1].may = lambda: all(server.asked for server in servers)
    for server, after in pairwise(servers):
        server.may = partial(_has_answered, after)
    answer = scene.answer(hall.call())
    answer.begun()
    answer.until(lambda: any(s.asked or s.odd for s in servers), 2.0)
    hall.frames()
    if not answer.until(lambda: all(s.asked for s in servers), HELD) and any(s.asked for s in servers):
        _one_by_one(hall, answer)
    [outcome] = answer.outcomes()
    hall.usual(outcome)
    answer.until(lambda: all(s.answered for s in servers), SPARE, after=SPARE)
    if _ended(scene, answer) < max(s.answered for s in servers) - MARGIN:
        hall.early(outcome)
    if outcome.seconds > 0.9 * hall.seconds:
        happened = f"It had {hall.seconds:g} s, all had answered, and it returned after {outcome.seconds:.1f} s."
        raise NotYet(WAITED, happened)
    hall.pairs(outcome, servers, [])


def _has_answered(server: Server) -> bool:
    """A while ago."""
    return 0.0 < server.answered < time.monotonic() - APART


def _outcomes(answer: Answer, hall: Hall) -> list[Outcome]:
    """What came of the calls, the last of which had a silent server and must have ended by itself."""
    try:
        return answer.outcomes()
    except TookTooLong:
        if stood := _held_up(answer):
            happened = f"Somebody never answered, and your function stood {stood}, and with it the loop."
            raise NotYet(BLOCKED, happened, hall.last_sign()) from None
        happened = f"It had {hall.seconds:g} s for all, somebody never answered, and seconds later it still waited."
        raise NotYet(LATE, happened, hall.last_sign()) from None


def _ended(scene: Scene, answer: Answer, call: int = 1) -> float:
    """When the so many-th call of an answer had ended, as its judge has seen it."""
    ends = [at for kind, at in scene.recording.calls.get(answer.dump, []) if kind == ENDS]
    return ends[call - 1] if len(ends) >= call else time.monotonic()


def _one_by_one(hall: Hall, answer: Answer) -> NoReturn:
    """Somebody was asked and does not answer yet, and the others were not asked."""
    hall.frames()
    asked = [server for server in hall.servers if server.asked]
    happened = f"For {HELD:g} s {' and '.join(each.name for each in asked)} had the question and the others had not"
    stood = _held_up(answer)
    for server in hall.servers:
        server.may = lambda: True
    answer.until(lambda: len(asked) < sum(bool(server.asked) for server in hall.servers), HELD, after=MARGIN)
    if len(asked) == sum(bool(server.asked) for server in hall.servers):
        if (outcome := answer.ended()) and outcome.error and not _gave_up(outcome):
            unexpected(outcome)
        raise NotYet(UNASKED, f"{happened}. Then it was answered, and still nobody else was asked.")
    event = hall.scene.first("receive", asked[0].name)
    if stood:
        raise NotYet(BLOCKED, f"{happened}; your function stood {stood}, and with it the loop.", event)
    raise NotYet(BY_ONE, f"{happened}.", event)


def a_silent_server(scene: Scene) -> None:
    """a server that never answers and one that is not there"""
    seconds = scene.random.choice((0.7, 0.75, 0.8))
    hall = Hall(scene, 4, seconds)
    silent, slow = scene.random.sample(hall.servers, 2)
    silent.may = lambda: False
    slow.may = lambda: bool(slow.asked) and time.monotonic() > slow.asked[0] + SLOW
    answered = [server for server in hall.servers if server is not silent]
    with Mute() as mute:
        answer = scene.answer(hall.call(mute.endpoint))
        answer.begun()
        began = time.monotonic()
        answer.until(lambda: silent.asked, SLOW)
        while not answer.process.told and time.monotonic() - began < DEADLINE:
            stood = _held_up(answer)
            if (signs := len(hall.watcher.times)) > MOST:
                happened = f"In {time.monotonic() - began:.1f} s the watcher heard {signs} signs of life."
                raise NotYet(FLOOD, happened, hall.last_sign())
            if stood:
                happened = f"Time went on, {silent.name} did not answer, and your function stood {stood}, "
                raise NotYet(BLOCKED, f"{happened}and with it the loop.", hall.last_sign())
        [outcome] = _outcomes(answer, hall)
        hall.usual(outcome)
        if (signs := len(hall.watcher.times)) < LEAST and outcome.seconds > 0.9 * seconds:
            happened = f"In {outcome.seconds:.1f} s so many signs of life had reached the watcher: {signs}."
            raise NotYet(FEW, happened, hall.last_sign())
        if outcome.seconds > seconds + SPARE:
            raise NotYet(LATE, f"It had {seconds:g} s for all, and it took {outcome.seconds:.1f} s.")
        if outcome.seconds < 0.9 * seconds:
            hall.early(outcome)
        hall.pairs(outcome, answered, [silent.endpoint, mute.endpoint])
        if outcome.left_open:
            raise NotYet(LEFT, "Your function had returned, and a socket of its Context was still open.")
        if mute.holds(SPARE):
            happened = f"{SPARE:g} s after the return a closed socket still held on to deliver {hall.question!r}."
            raise NotYet(BEHIND, happened)


def one_call_after_another(scene: Scene) -> None:
    """a second call beside which nothing of the first goes on, and a third, which nobody answers"""
    hall, other, quiet = Hall(scene, 2, 2.0), Hall(scene, 2, 0.7, "-again"), Hall(scene, 2, 0.3, "-at-last")
    for server in other.servers[0], *quiet.servers:
        server.may = lambda: False
    answer = scene.answer(hall.call(), other.call(), quiet.call())
    outcomes = _outcomes(answer, other)
    hall.usual(outcomes[0])
    over = _ended(scene, answer)
    after = [at for at in hall.watcher.times if at > over + MARGIN]
    if len(after) >= AFTER:
        happened = (
            f"Your function had returned, and in the next {other.seconds:g} s its watcher heard {len(after)} more."
        )
        raise NotYet(GOES_ON, happened, hall.last_sign())
    for each, outcome, answered in zip(
        (hall, other, quiet), outcomes, (hall.servers, other.servers[1:], []), strict=False
    ):
        if not answered and _gave_up(outcome):
            raise NotYet(NO_ERROR, f"Nobody had answered, and your function raised {outcome.error}.")
        each.usual(outcome)
        each.pairs(outcome, answered, [s.endpoint for s in each.servers if s not in answered])
    if any(SET in outcome.left for outcome in outcomes):
        raise NotYet(OPTION, "When your function had returned, an option of its caller's Context had changed.")
    if any(outcome.left_open for outcome in outcomes):
        raise NotYet(LEFT, "Your function had returned, and a socket of its Context was still open.")


TRY = alone
SCENES = (the_first_comes_last, one_call_after_another, a_silent_server)
