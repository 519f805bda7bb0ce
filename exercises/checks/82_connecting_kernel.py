# SPDX-License-Identifier: BSD-3-Clause
"""Keep the book of a monitored queue: who asked what of whom, and how long it took."""

import contextlib
import time
from dataclasses import dataclass
from typing import NoReturn, Self

import zmq

from exercises.peers import ENDLESS, SOON, START, Frames, Table, spun
from exercises.scene import GRACE, LOOK, NotYet, Scene, unexpected

ENTRY = "keep"

HINTS = (
    "By what can you tell which question an answer belongs to? And who wakes you when no answer comes?",
    "Remember each open question under all that makes it one, with the moment of its copy. Wait for the next copy, but "
    "never longer than until the oldest open question has used up its patience.",
    "`sub.poll(milliseconds)` with what is left of the patience of the oldest question; a dictionary under "
    "`(client, engine, number)`; `asked.pop(key, None)` for an answer that is nobody's.",
)
VARIANT = "have the book say as well, every ten seconds, how many questions each engine has open."
LIMIT = "copies that were published before it had connected, or that the queue's PUB dropped, are missing in the book."
WHY = "what would the book say if the queue had copied a question and then dropped it?"

BOUND = "it bound where it had to connect"
NOT_ALL = "not both ways were subscribed to"
EXCHANGED = "engine and client were exchanged"
ANSWER = "the answer was entered where the question belongs"
NUMBERS = "two questions of a client to one engine were taken for one"
ORDER = "answers were taken to come in the order of the questions"
ENGINES = "questions to two engines were taken for one"
CLIENTS = "questions of two clients were taken for one"
ONE = "only the last question was kept in mind"
MISSING = "an answered question was not entered"
WAITED = "no answer was entered while another question was open"
EARLY = "a question was entered before it was answered"
UNIT = "the time was not in milliseconds"
TIME = "the time was not that from the question to its answer"
NEVER = "a question without an answer was never entered"
NEXT = "it looked at its open questions only when another copy came"
ANEW = "each copy began the patience anew"
HASTY = "it did not wait as long as it was told to"
EMPTY = "the last frame was not empty where there was no answer"
TWICE = "an answer that came too late was entered as well"
ALIKE = "what only begins like a copy was taken for one"
FORM = "a message of another form was taken for a copy"
NOTHING = "an answer without a question ended it"
ODD = "a message that is no copy ended it"
LATE = "an entry came late"
FRAMES = "an entry had other frames than were asked for"
SPUN = "it did not sleep while it waited"

LABELS = {
    BOUND: "who is there first at each of the two addresses, and who comes to it?",
    NOT_ALL: "with what does a question's copy begin, and with what an answer's?",
    EXCHANGED: "who stands second in a question's copy, and who in an answer's?",
    ANSWER: "which of the two texts does an entry hold?",
    NUMBERS: "what tells two open questions of one client to one engine apart?",
    ORDER: "which of the frames says to which question an answer belongs?",
    ENGINES: "may a client use a number with two engines at a time?",
    CLIENTS: "whose are the numbers?",
    ONE: "how many questions may be open when an answer comes?",
    MISSING: "under which names do you look for the question of an answer, and when is its entry sent?",
    WAITED: "does an entry have to wait until another question is answered?",
    EARLY: "what do you know of a question when only its own copy has come?",
    UNIT: "what does your clock count, and what the book?",
    TIME: "from which copy on does a question's time count?",
    NEVER: "what becomes of a question whose engine does not exist?",
    NEXT: "who wakes your function when nothing passes any more?",
    ANEW: "how long may your function wait for the next copy, if its oldest question is already old?",
    HASTY: "from which moment does the patience of this question count?",
    EMPTY: "how long did it take to answer what was not answered?",
    TWICE: "is the question still open when its patience is over?",
    ALIKE: "what does a subscription to `in` let through?",
    FORM: "how many frames has a copy?",
    NOTHING: "which question is it that belongs to this answer, and what if there is none?",
    ODD: "what do you know of a message before you take it apart?",
    LATE: "what does your function do between the moment when an entry falls due and its entry?",
    FRAMES: "which frames make an entry, and in which order?",
    SPUN: "what does your function do as long as no copy comes?",
    ENDLESS: "what does your function do with zmq.ContextTerminated?",
}
LONG = 30.0  # seconds of patience where nobody is to lose it
CLOCK = 3  # milliseconds by which rounding, and two clocks, may differ
SILENCE = 1.2  # seconds after its patience within which a question has to be given up
PROMPT = 0.15  # seconds within which an entry comes that is due: one of several at least, on a busy machine
AT_ONCE = 0.1  # seconds in which an entry comes that is made too early
QUIET = 0.2  # seconds in which nothing passes
NAMES = ("Ann", "Bob", "Carl", "Dora", "Eve", "Finn", "Gus", "Ida")


@dataclass
class Question:
    """One question: whose, to whom, under which number; and when its copy was sent."""

    client: bytes
    engine: bytes
    number: bytes
    text: bytes
    at: float = 0.0


class Queue(Table):
    """The monitor stream of a queue, and the book; the answer between them."""

    def __init__(self, scene: Scene, patience: float = LONG) -> None:
        self.scene, self.patience = scene, patience
        closing = self.closing = contextlib.ExitStack()
        self.stream = self.context("queue").socket(zmq.XPUB)
        self.book = self.context("book").socket(zmq.PULL)
        for socket, end in (self.stream, "monitor"), (self.book, "book"):
            closing.callback(socket.close, 0)
            socket.bind(scene.stage.endpoint(end))
        super().__init__(scene, "monitor", "book", args=(patience,))
        self.closing = closing
        self.open, self.asked = list[Question](), list[Question]()
        self.numbers = [b"%d" % n for n in scene.random.sample(range(1, 100), 9)]
        self.names = [name.encode() for name in scene.random.sample(NAMES, 3)]
        self.engines = [b"engine-%d" % n for n in scene.random.sample(range(20), 3)]
        self.texts = iter(scene.words(40))
        self.late = list[float]()  # how long after it was due each entry came, in seconds

    def __enter__(self) -> Self:
        """Return when the answer has subscribed to both ways."""
        self.answer.begun()
        wanted, until = list[bytes](), time.monotonic() + START
        while not all(any(way.startswith(prefix) for prefix in wanted) for way in (b"in", b"out")):
            if zmq.select([self.stream], [], [], LOOK)[0]:
                [event] = self.stream.recv_multipart()
                wanted += [event[1:]] * event.startswith(b"\1")
            elif time.monotonic() > until or self.answer.process.told:
                self.alive()
                if event := self.scene.joined("bind", *self.ends.values()):
                    raise NotYet(BOUND, f"It bound a socket at {event.detail}, where somebody is bound.", event)
                raise NotYet(NOT_ALL, f"It ran for {START:g} s, and had subscribed to {wanted!r}.")
        return self

    def ask(self, client: int, engine: int, number: int = 0, text: bytes = b"") -> Question:
        """The copy of a new question."""
        text = text or next(self.texts)
        question = Question(self.names[client], self.engines[engine], self.numbers[number], text)
        question.at = time.monotonic()
        self.copy(b"in", question.engine, question.client, question.number, question.text)
        self.open.append(question)
        self.asked.append(question)
        return question

    def reply(self, question: Question) -> None:
        """The copy of its answer."""
        self.copy(b"out", question.client, question.engine, question.number, question.text.upper())

    def copy(self, *frames: bytes) -> None:
        self.stream.send_multipart(frames)

    def entry(self, seconds: float = SOON) -> Frames:
        """The next entry; nothing if none comes."""
        until, ended = time.monotonic() + self.scene.within(seconds), False
        while not zmq.select([self.book], [], [], 0.02)[0]:
            if time.monotonic() >= until:
                return []
            if self.answer.process.told and not ended:
                ended, until = True, min(until, time.monotonic() + GRACE)
        return self.book.recv_multipart()

    def answered(self, question: Question, mixed: str = "", nothing: str = "", since: float = 0.0) -> None:
        """Answer it, and have it entered.

        mixed, nothing  the labels if another one is entered instead, or none
        since           when the answer is known to have read its copy already
        """
        sent = time.monotonic()
        self.reply(question)
        entry = self.entry()
        came = time.monotonic()
        if not entry:
            self.missing(question, nothing or mixed, mixed)
        self.judge(entry, question, mixed)
        self.late.append(came - sent)
        if since:
            self.timed(entry, 1000 * (sent - since) - CLOCK, 1000 * (came - question.at) + CLOCK)
        self.open.remove(question)

    def missing(self, question: Question, label: str = "", ends: str = "") -> NoReturn:
        """Nothing is entered. `ends` is the label where that is because the function has raised something."""
        happened = f"{question.client!r} asked {question.engine!r}, was answered, and nothing was entered."
        if outcome := self.answer.ended():
            if outcome.error and ends:
                raise NotYet(ends, f"{happened} Your function had raised {outcome.error}: {outcome.message}.")
            unexpected(outcome)
        if event := self.scene.joined("bind", *self.ends.values()):
            raise NotYet(BOUND, f"{happened} It bound a socket at {event.detail}, where somebody is bound.", event)
        self.blame(label or MISSING, happened)

    def judge(self, entry: Frames, question: Question, mixed: str) -> None:
        """Whether this is the entry of this question, whatever its time."""
        due = [question.client, question.engine, question.text]
        happened = f"{due!r} was due, and you entered {entry!r:.200}."
        if len(entry) != 4:
            self.blame(FRAMES, happened)
        if entry[:3] == due:
            return
        if entry[:3] == [question.engine, question.client, question.text]:
            self.blame(EXCHANGED, happened)
        if entry[:2] == due[:2] and entry[2] == question.text.upper():
            self.blame(ANSWER, happened)
        if sorted(entry[:3]) == sorted(due):
            self.blame(FRAMES, happened)
        if any(entry == [q.client, q.engine, q.text, b""] for q in self.open):
            self.blame(HASTY, f"{happened} The patience, {self.patience:.2f} s, was not over.")
        others = [q.text for q in self.asked if q is not question]
        self.blame(mixed if entry[2] in others else "", happened)

    def timed(self, entry: Frames, low: float, high: float) -> None:
        """Whether its last frame is a time between these, in milliseconds."""
        happened = f"From question to answer it was between {low:.0f} and {high:.0f} ms; you entered {entry!r:.200}."
        try:
            took = float(entry[3])
        except ValueError:
            self.blame(FRAMES, happened)
        if low <= took <= high and entry[3].isdigit():
            return
        seconds = any(low <= took * factor <= high for factor in (1e3, 1e-3, 1e-6)) or entry[3] in (b"0", b"1")
        self.blame(UNIT if seconds or not entry[3].isdigit() else TIME, happened)

    def given_up(self, question: Question, entry: Frames) -> None:
        """Whether this entry says that it was not answered, and not too early."""
        waited = time.monotonic() - question.at
        self.judge(entry, question, "")
        happened = f"{question.client!r} asked {question.engine!r}, which did not answer; "
        happened += f"with a patience of {self.patience:.2f} s you entered {entry!r:.200} after {waited:.2f} s."
        if waited < self.patience - CLOCK / 1000:
            self.blame(HASTY, happened)
        if entry[3]:
            self.blame(EMPTY, happened)
        self.late.append(waited - self.patience)
        self.open.remove(question)

    def prompt(self) -> None:
        """Whether entries came when they were due. A busy machine holds up some of them, a function that waits all."""
        if min(self.late) > PROMPT:
            self.blame(LATE, f"Of {len(self.late)} entries none came within {min(self.late):.2f} s after it was due.")


def alone(scene: Scene) -> None:
    """two questions, which nobody answers"""  # an entry with its time would be another one each time it is played
    with Queue(scene, 0.3) as queue:
        queue.ask(0, 0)
        queue.ask(1, 1)
        queue.entry(0.6)
        queue.entry(0.6)


def an_engine_that_takes_its_time(scene: Scene) -> None:
    """an engine that takes its time"""
    with Queue(scene) as queue:
        queue.answered(queue.ask(0, 0))
        queue.entry(scene.random.uniform(0.06, 0.09))  # nothing comes, and no time of what follows begins here
        slow, read = queue.ask(0, 0), 0.0
        for pause in scene.random.uniform(0.12, 0.18), scene.random.uniform(0.06, 0.09):
            queue.answered(queue.ask(1, 1, 1), EARLY, WAITED)
            read = read or time.monotonic()  # the copies before have been read by now
            if entry := queue.entry(pause):
                happened = f"{slow.client!r} had asked, nobody had answered, and you entered {entry!r:.200}."
                queue.blame(HASTY if entry[3:] == [b""] else EARLY, happened)
        queue.answered(slow, ONE, since=read)


def open_questions(scene: Scene) -> None:
    """several open questions"""
    with Queue(scene) as queue:
        first, second = queue.ask(0, 0, 0), queue.ask(0, 0, 1, b"in")
        queue.answered(first, NUMBERS)
        third = queue.ask(0, 0, 0, b"out")
        queue.answered(third, ORDER)
        queue.answered(second, ORDER)
        near, far = queue.ask(0, 0, 2), queue.ask(0, 1, 2)
        queue.answered(near, ENGINES)
        queue.answered(far, ENGINES)
        mine, yours = queue.ask(0, 0, 3), queue.ask(1, 0, 3)
        queue.answered(mine, CLIENTS)
        queue.answered(yours, CLIENTS)
        queue.prompt()


def questions_without_an_answer(scene: Scene) -> None:
    """questions without an answer"""
    patience = scene.random.uniform(0.18, 0.25)
    with Queue(scene, patience) as queue:
        lost, pause = queue.ask(0, 0), 0.3 * patience
        while lost in queue.open and time.monotonic() - lost.at < 4 * patience + SILENCE / 2:
            other, until = queue.ask(1, 1, 1), time.monotonic() + pause  # others are asked and answered
            queue.reply(other)
            while other in queue.open or time.monotonic() < until:
                entry = queue.entry(SOON if other in queue.open else max(0.0, until - time.monotonic()))
                if entry[:3] == [other.client, other.engine, other.text]:
                    queue.open.remove(other)
                elif entry:
                    queue.given_up(lost, entry)
                elif other in queue.open:
                    queue.missing(other)
        if lost in queue.open:
            _never(queue, lost, ANEW)
        queue.reply(lost)
        late = queue.ask(1, 1, 2)
        queue.reply(late)
        entry = queue.entry()
        if lost.text in entry[2:3] or lost.text.upper() in entry[2:3]:
            queue.blame(TWICE, f"{lost.client!r} was answered after {patience:.2f} s, and you entered {entry!r:.200}.")
        if not entry:
            queue.missing(late, ends=NOTHING)
        queue.judge(entry, late, "")
        queue.open.remove(late)
        second, third = queue.ask(0, 0), queue.ask(0, 2)
        for question in second, third:
            if not (entry := queue.entry(patience + SILENCE)):
                _never(queue, question, NEXT)
            queue.given_up(question, entry)
        queue.prompt()


def _never(queue: Queue, lost: Question, label: str) -> NoReturn:
    """It has not been given up. Maybe it will be when there is silence, or when there is not."""
    happened = f"{lost.client!r} asked {lost.engine!r}, which did not answer. In "
    happened += f"{time.monotonic() - lost.at:.2f} s, with a patience of {queue.patience:.2f} s, it was not entered."
    if label == NEXT:
        queue.reply(queue.ask(1, 1, 5))
    entries = [queue.entry(queue.patience + SILENCE / 2), queue.entry(0.3)]
    queue.alive()
    queue.blame(label if [lost.client, lost.engine, lost.text] in [e[:3] for e in entries] else NEVER, happened)


def strangers(scene: Scene) -> None:
    """messages that are no copies"""
    with Queue(scene) as queue:
        nobody = Question(queue.names[2], queue.engines[2], queue.numbers[8], next(queue.texts))
        there, back = (nobody.engine, nobody.client), (nobody.client, nobody.engine)
        end = (nobody.number, nobody.text)
        told: dict[str, list[tuple[bytes, ...]]] = {
            NOTHING: [(b"out", *back, *end)],
            ODD: [(b"in",), (b"out", nobody.client), (b"in", *there), (b"out", *back, nobody.number), (b"info", b"1")],
            FORM: [(b"in", *there, *end, b"more"), (b"out", *back, *end)],
            ALIKE: [(b"intask", *there, *end), (b"outtask", *back, *end), (b"out", *back, *end)],
        }
        for label, messages in told.items():
            for frames in messages:
                queue.copy(*frames)
            known = queue.ask(0, 0, 4)
            queue.reply(known)
            entry = queue.entry()
            if nobody.text in entry or nobody.text.upper() in entry:
                queue.blame(label, f"After {messages!r:.300} you entered {entry!r:.200}.")
            if not entry:
                ends = NOTHING if label == NOTHING else ODD
                queue.missing(known, FORM if label == ODD else label.replace(NOTHING, MISSING), ends)
            queue.judge(entry, known, "")
            queue.open.remove(known)
        known = queue.ask(0, 0, 5)
        for way in b"intask", b"outtask":
            queue.copy(way, known.client, known.engine, known.number, known.text)
        if queue.book.poll(1000 * AT_ONCE):
            queue.blame(ALIKE, f"{known.engine!r} had not answered yet, and you entered {queue.entry()!r:.200}.")
        queue.answered(known)


def the_end(scene: Scene) -> None:
    """silence, and the end of its Context"""
    with Queue(scene) as queue:
        queue.answered(queue.ask(0, 0))
        queue.ask(0, 0, 1)
        spent = spun(queue.answer.process.pid, QUIET, lambda: zmq.select([queue.book], [], [], LOOK))
        if spent and not queue.answer.process.told:
            happened = f"Nothing passed. In {QUIET:g} s your function was computing for {spent:.2f} s."
            raise NotYet(SPUN, happened, scene.first("send", ENTRY))
        queue.end()


EQUIVALENT = {
    "line 9, drop: entries.linger = 1000": "the book takes every entry at once: none is left when the socket closes",
    "line 9, more: 1000": "the same",
    "line 9, less: 1000": "the same",
    "line 16, less: 0": "what is over was given up a moment before, so that it is hardly ever below 0",
}
TRY = alone
SCENES = (an_engine_that_takes_its_time, open_questions, questions_without_an_answer, strangers, the_end)
