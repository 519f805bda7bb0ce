# SPDX-License-Identifier: BSD-3-Clause
"""Mend a news desk that has three faults."""

import os
import threading
import time
from typing import NoReturn

import zmq

from exercises.answer import Call, Outcome
from exercises.scene import LOOK, Answer, NotYet, Scene, TookTooLong, unexpected

ENTRY = "desk"

HINTS = (
    "There are three faults: one loses the beginning, one spoils the middle, one loses the end. Take one symptom at a "
    "time, and ask of each: which message is the first that goes wrong, and where was it then?",
    "The beginning: what does your socket know of the readers when it sends number 1? The middle: how many frames does "
    "a report have, and how many do you take? The end: what becomes of a queue when its socket is closed?",
    "An XPUB receives a byte 01 and the section of each subscription: wait until every section has come. "
    "`recv_multipart` takes one message, however many frames it has. And the Context's linger is good as it is.",
)
VARIANT = "reports may come from several reporters; publish, with each, how many that reporter has sent so far."
LIMIT = "a reader whose connection breaks misses what is published until it is back."
WHY = "which of the three faults would a test on one quiet machine have shown you?"

BEGINNING = "the readers missed the beginning"
PAUSE = "a pause took the place of the subscriptions"
CONNECTED = "a connected reader was taken for one that had subscribed"
PARTLY = "it began when only some of the readers were there"
EARLY = "reports that came early were thrown away"
IDLE = "it did not begin although everybody was there"
DEAF = "a PUB was asked for subscriptions"
FRAMES = "frames were taken for messages"
PHOTO = "the photo was lost"
GIVEN = "a report without a photo was given one"
JOINED = "several frames went out as one"
PIECES = "one report went out as several messages"
NUMBERS = "the numbers were not those of the reports"
DROPPED = "a small mark made the socket drop"
LOST = "what was still in the queue was thrown away"
SHORT = "it ended before the last report"
STAYED = "it did not return when the last report was sent"
EXCHANGED = "it connected where it had to bind"
OPEN = "a socket was left open"

LABELS = {
    BEGINNING: "what does your socket know of its readers when it sends number 1?",
    PAUSE: "what if a reader comes later than your pause ends?",
    CONNECTED: "what does a publisher do with a message for a connection that has subscribed to nothing yet?",
    PARTLY: "which sections has nobody subscribed to yet?",
    EARLY: "where may a report wait until the readers are there?",
    IDLE: "what has your socket received, byte by byte, and what do you wait for?",
    DEAF: "which type sends like a PUB and can receive as well?",
    FRAMES: "how many frames has a report, and how many do you take each time?",
    PHOTO: "where does the third frame go, and may it be empty?",
    GIVEN: "with how many frames does a report of two go out?",
    JOINED: "where does a reader find the end of the headline?",
    PIECES: "what makes several frames one message?",
    NUMBERS: "which number does the first report have, and what is counted?",
    DROPPED: "how many messages may wait for a slow reader?",
    LOST: "what does a socket do with unsent messages when it is closed?",
    SHORT: "how many reports have you counted, and what have you counted as one?",
    STAYED: "what do you wait for when all reports are there?",
    EXCHANGED: "who listens at the endpoint when both sides connect?",
    OPEN: "who closes the sockets when your function is done?",
}

START = 5.0  # seconds for the answer's process to begin, and to bind
HOLD = 0.3  # seconds in which an answer that wants to begin too early may do so
LONG = 1.1  # seconds, the same for one that takes silence for a sign
PATIENCE = 2.2  # seconds, all in all, for one that is not seen to read subscriptions
LEAST = 0.25  # seconds of it for each reader
BEGIN = 2.0  # seconds for the first message, once everybody is there and everything is pushed
WHOLE = 4.0  # seconds for all that is asked
STILL = 1.0  # seconds in which nothing arrives any more: what is missing then does not come
RETURN = 1.5  # seconds for its return when everything has arrived
LATE = 1.5  # seconds after its return in which its Context may still deliver
PAUSED = 0.2  # seconds from bind to the first message that nobody takes for at once
LINGER = 4000  # milliseconds, of the answer's Context
MOST = 500  # reports

Message = tuple[bytes, ...]


class Reader:
    """A reader of one section. `got` is what came, of which so much is `seen`; `wanted` is what is to come."""

    def __init__(self, desk: "Desk", section: bytes, endpoint: str, subscribes: bool) -> None:
        self.section, self.name = section, f"{section.decode()} reader"
        self.got, self.seen, self.last = list[Message](), 0, 0
        numbered = enumerate(desk.reports, 1)
        self.wanted = [(section, b"%d" % number, *rest) for number, (top, *rest) in numbered if top == section]
        self.may = threading.Event()  # subscribe
        if subscribes:
            self.may.set()

        def role(ctx: zmq.Context) -> None:
            with ctx.socket(zmq.SUB) as sub:
                sub.linger, sub.rcvhwm = 0, 0
                if subscribes:
                    sub.subscribe(section)
                sub.connect(endpoint)
                while not self.may.is_set():
                    zmq.select([sub], [], [], LOOK)
                if not subscribes:
                    sub.subscribe(section)
                while True:
                    if zmq.select([sub], [], [], LOOK)[0]:
                        self.got.append(tuple(sub.recv_multipart()))

        desk.scene.stage.play(role, name=self.name)

    def due(self, pushed: int) -> int:
        """How many messages it is to have of so many reports."""
        return sum(int(message[1]) <= pushed for message in self.wanted)


class Desk:
    """The answer at work, a reporter that has pushed `pushed` of the reports, and the readers that have come."""

    def __init__(self, scene: Scene, sections: list[bytes], reports: list[Message]) -> None:
        self.scene, self.sections, self.reports, self.pushed = scene, sections, reports, 0
        self.readers: list[Reader] = []
        self._patience = PATIENCE
        scene.stage.context.linger = LINGER
        self.ends = scene.stage.endpoint("reports"), scene.stage.endpoint("news")
        self.answer: Answer = scene.answer(Call((*self.ends, list(sections), len(reports))))
        paths = [end.removeprefix("ipc://") for end in self.ends]
        self.answer.until(lambda: all(map(os.path.exists, paths)) or scene.joined("connect", *self.ends), START)
        if not all(map(os.path.exists, paths)) and not self.answer.process.told:
            if event := scene.joined("connect", *self.ends):
                happened = "Your function connected to an endpoint to which everybody else connects: nobody listened."
                raise NotYet(EXCHANGED, happened, event)
            raise TookTooLong(f"{self.answer.stood()}, and had not bound both endpoints")
        scene.stage.play(self._reporter, name="reporter")

    def _reporter(self, ctx: zmq.Context) -> None:
        with ctx.socket(zmq.PUSH) as push:
            push.linger = 0
            push.connect(self.ends[0])
            for number, report in enumerate(self.reports):
                while number >= self.pushed:
                    zmq.select([push], [], [], LOOK)
                push.send_multipart(report)
            while True:  # a closed socket would throw away what waits
                zmq.select([push], [], [])

    def come(self, section: bytes, endpoint: str = "", subscribes: bool = True) -> Reader:
        """A reader comes. The next may come when the answer is seen to know that, or could know it."""
        reader = Reader(self, section, endpoint or self.ends[1], subscribes)
        self.readers.append(reader)
        if subscribes:
            self.know(reader)
        return reader

    def know(self, reader: Reader) -> None:
        began = time.monotonic()
        reader.may.set()
        self.answer.until(
            lambda: b"\1" + reader.section in self.scene.heard("XPUB", ENTRY) or self._begun(),
            max(LEAST, self._patience),
            self._look,
        )
        self._patience -= time.monotonic() - began

    def held(self, who: str, unheard: str = "", seconds: float = HOLD) -> None:
        """Somebody is missing: an answer must neither begin nor end. `unheard` is the label of one that has read no
        subscription, and has waited for longer than a pause."""
        if not self.answer.until(self._begun, seconds, self._look) and not self.answer.process.told:
            return
        self._whole()
        self._early(f"{who} Your function had begun to publish.", unheard)

    def _begun(self) -> bool:
        return any(reader.got for reader in self.readers)

    def _informed(self) -> bool:
        """Whether it had heard of every reader before its first message."""
        return {b"\1" + section for section in self.sections} <= set(self.scene.heard("XPUB", ENTRY))

    def _early(self, happened: str, unheard: str = "") -> NoReturn:
        """Somebody misses the beginning. The answer's trace tells what it knew when it published, and so why."""
        self.answer.until(lambda: self.scene.first("send", ENTRY), LEAST, after=LEAST)  # its trace comes later
        heard, first = self.scene.heard("XPUB", ENTRY), self.scene.first("send", ENTRY)
        bound = self.scene.joined("bind", self.ends[1])
        if first is None or bound is None:
            raise NotYet(BEGINNING, happened)
        if self._informed():
            raise NotYet(EARLY, f"{happened} All were there when your function sent its first message.", first)
        if heard:
            raise NotYet(PARTLY, f"{happened} It had read {len(heard)} of 2 subscriptions.", first)
        label = BEGINNING if first.at - bound.at < PAUSED else unheard if unheard and self._patience < 0 else PAUSE
        raise NotYet(label, f"{happened} It had read no subscription.", first)

    def _whole(self) -> None:
        """An answer that has ended must not have raised."""
        outcome: Outcome | None = self.answer.ended()
        if outcome and outcome.errno == zmq.ENOTSUP:
            happened = "`recv` raised ENOTSUP: this type of socket receives nothing."
            raise NotYet(DEAF, happened, self.scene.first("barred", ENTRY))
        if outcome and outcome.error:
            unexpected(outcome)

    def _there(self, pushed: int) -> bool:
        """Whether the readers have all that is due of so many reports."""
        return all(len(reader.got) >= reader.due(pushed) for reader in self.readers)

    def arrived(self, begin: float = BEGIN) -> bool:
        """Wait until the readers have all that is due, or nothing comes any more. Whether they have."""
        have, last = -1, time.monotonic()

        def over() -> bool:
            nonlocal have, last
            if (now := sum(len(reader.got) for reader in self.readers)) != have:
                have, last = now, time.monotonic()
            return self._there(self.pushed) or time.monotonic() - last > (STILL if have else begin)

        self.answer.until(over, WHOLE, self._look, after=LATE)
        return self._there(self.pushed)

    def finish(self) -> None:
        """Everybody is there: push what is left, wait until each reader has got what it wants, and look at it."""
        if self.pushed < len(self.reports):
            self.pushed = len(self.reports) - 1
            if not self.arrived(BEGIN / 2) and self._begun() and not self.answer.process.told:
                self._missing()
            self.pushed = len(self.reports)
        if not self.arrived():
            self._missing()
        if not self.answer.until(lambda: self.answer.process.told, RETURN, self._look):
            happened = f"All {self.pushed} reports had come and were published; it stood {self.answer.stood()}."
            raise NotYet(STAYED, happened)
        self._whole()
        threading.Event().wait(5 * LOOK)  # something may come that is not due
        self._look()
        if self.answer.outcomes(LOOK)[0].left_open:
            raise NotYet(OPEN, "Your function had returned, and a socket of its Context was still open.")

    def _look(self) -> None:
        """What the readers got must be reports of theirs, whole, under their numbers, in their order."""
        for reader in self.readers:
            for got in reader.got[reader.seen :]:
                reader.seen += 1
                event = self.scene.first("receive", reader.name, reader.seen)
                happened = f"{reader.name} got {_shown(got)}."
                if got not in reader.wanted:
                    raise NotYet(self._strange(reader, got), happened, event)
                if reader.wanted.index(got) < reader.last:
                    raise NotYet("", f"{happened} It had got that, or a later one, before.", event)
                reader.last = reader.wanted.index(got) + 1

    def _strange(self, reader: Reader, got: Message) -> str:
        """The label for a message that is no report of this reader's."""
        top, *rest = got
        mine = [list(report[1:]) for report in self.reports if report[0] == reader.section]
        if top == reader.section and rest:
            for label, strange in ((NUMBERS, mine), (PHOTO, [m[:1] for m in mine]), (GIVEN, [[*m, b""] for m in mine])):
                if rest[1:] in strange:
                    return FRAMES if label == PHOTO and self._shifted() else label
        elif top == reader.section or any(top in report[1:] for report in self.reports):
            return FRAMES if rest else PIECES
        whole = b" ".join(got)
        return JOINED if any(len(got) < len(w) and all(frame in whole for frame in w) for w in reader.wanted) else ""

    def _shifted(self) -> bool:
        """Whether a frame from the inside of a report came, or still comes, where a section is due."""

        def inside() -> bool:
            return any(got[0] in report[1:] for r in self.readers for got in r.got for report in self.reports)

        self.answer.until(lambda: inside() or self._there(self.pushed), STILL, after=STILL)
        return inside()

    def _missing(self) -> NoReturn:
        """A reader lacks some of what is due."""
        self._whole()
        told = self.answer.process.told
        reader = next(r for r in self.readers if len(r.got) < r.due(self.pushed))
        got, wanted = reader.got[:], reader.wanted[: reader.due(self.pushed)]
        happened = f"{reader.name} got {len(got)} of {len(wanted)} messages"
        event = self.scene.first("receive", reader.name)
        if not told and not self._begun() and self.pushed == len(self.reports):
            happened = f"Every section had its reader, and nothing came; your function stood {self.answer.stood()}."
            raise NotYet(IDLE, happened)
        sent = sum(e.kind == "sent" and e.actor == ENTRY for e in self.scene.recording.events)
        if (not got or got[0] != wanted[0]) and (not self._informed() or 0 < sent < len(self.reports)):
            self._early(f"{happened}, and not the first.")
        if not told and any(other.got and other.got[-1] == other.wanted[-1] for other in self.readers):
            raise NotYet(DROPPED, f"{happened}, and the other one had got all that was due.", event)
        if told and 0 < sent < len(self.reports):
            raise NotYet(SHORT, f"{happened}. Your function sent {sent} of {len(self.reports)} and returned.", event)
        if told and got:
            raise NotYet(LOST, f"{happened}: the last did not come any more when your function had returned.", event)
        raise NotYet("", f"{happened}; your function stood {self.answer.stood()}.", event)


def _shown(message: Message) -> str:
    return repr([frame[:20] for frame in message])


def _report(section: bytes, number: int, *photo: bytes, size: int = 0) -> Message:
    return section, b"headline %d" % number + b"." * size, *photo


def readers_that_come_late(scene: Scene) -> None:
    """readers that come late"""
    one, two = sections = scene.words(2)
    desk = Desk(scene, sections, [_report(sections[number % 2], number) for number in range(8)])
    desk.pushed = 7
    desk.held("No reader had come yet.")
    desk.come(one)
    desk.held("One of the two readers had not come yet.")
    late = desk.come(two, subscribes=False)
    desk.held("One of the two readers had connected, and had subscribed to nothing yet.", CONNECTED)
    desk.know(late)
    desk.finish()


def reports_with_photos(scene: Scene) -> None:
    """reports with photos and reports without"""
    one, two = sections = scene.words(2)
    photos: list[Message] = [(), (two + b".png",), (b"",), (), (one + b".gif",), (two + b".jpg",), ()]
    scene.random.shuffle(photos)
    reports = [(sections[n % 2], b"%s and %s %d" % (two, one, n), *photo) for n, photo in enumerate([*photos, (), ()])]
    desk = Desk(scene, sections, reports)
    desk.pushed = len(reports) - 1
    desk.come(two)
    desk.held("One of the two readers had not come yet.", seconds=LONG)
    desk.come(one)
    desk.finish()


def a_reader_that_is_slow_for_a_while(scene: Scene) -> None:
    """a reader that is slow for a while"""
    slow, quick = sections = scene.words(2)
    reports = [_report(quick if number == MOST - 2 else slow, number, size=8000) for number in range(MOST)]
    desk = Desk(scene, sections, reports)
    wire = scene.wire(desk.ends[1])
    reader = desk.come(quick)
    desk.come(slow, wire.endpoint)
    wire.freeze()
    desk.pushed = MOST - 1
    desk.answer.until(lambda: reader.got, BEGIN)
    wire.heal()
    desk.finish()


def the_end_while_a_reader_is_slow(scene: Scene) -> None:
    """the end while a reader is slow"""
    slow, quick = sections = scene.words(2)
    reports = [_report(quick if number == 119 else slow, number, size=8000) for number in range(120)]
    desk = Desk(scene, sections, reports)
    wire = scene.wire(desk.ends[1])
    desk.come(quick)
    desk.come(slow, wire.endpoint)
    wire.freeze()
    desk.pushed = len(desk.reports)
    desk.answer.until(lambda: desk.answer.process.told, BEGIN)
    desk.answer.until(lambda: desk.answer.process.done, HOLD, after=HOLD)  # its Context throws away, if it is to
    wire.heal()
    desk.finish()


def a_day(scene: Scene) -> None:
    """a day with late readers and a photo"""
    sections = [b"kitchen", b"weather"]
    desk = Desk(scene, sections, [_report(sections[n % 2], n, *[b"photo 2"] * (n == 2)) for n in (1, 2, 3, 4)])
    desk.pushed = len(desk.reports)
    desk.answer.until(lambda: False, HOLD)
    desk.come(b"kitchen")
    desk.come(b"weather")
    desk.answer.until(lambda: False, HOLD)
    desk.answer.outcomes()


TRY = a_day
SCENES = (
    readers_that_come_late,
    reports_with_photos,
    a_reader_that_is_slow_for_a_while,
    the_end_while_a_reader_is_slow,
)
