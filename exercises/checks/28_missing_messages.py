# SPDX-License-Identifier: BSD-3-Clause
"""Mend a news desk that has three faults."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import zmq
from exercises.scene import Answer, NotYet, Scene, unexpected

from diagrams.recording import Event
from exercises.answer import Call

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

LABELS = {
    "the readers missed the beginning": "what does your socket know of its readers when it sends number 1?",
    "a pause took the place of the subscriptions": "what if a reader comes later than your pause ends?",
    "it began when only some of the readers were there": "which sections has nobody subscribed to yet?",
    "it did not begin although everybody was there": "what has your socket received, byte for byte, and what do you "
    "wait for?",
    "a PUB was asked for subscriptions": "which type sends like a PUB and can receive as well?",
    "frames were taken for messages": "how many frames has a report, and how many do you take each time?",
    "the photo was lost": "where does the third frame go?",
    "a report without a photo was given one": "how many frames goes out a report of two with?",
    "several frames went out as one": "where does a reader find the end of the headline?",
    "one report went out as several messages": "what makes several frames one message?",
    "the numbers were not those of the reports": "which number has the first report, and who counts with it?",
    "a small mark made the socket drop": "how many messages may wait for a slow reader?",
    "what was still in the queue was thrown away": "what does a socket do with unsent messages when it is closed?",
    "it ended before the last report": "how many reports have you counted, and what have you counted as one?",
    "it waited for a report that does not come": "how many reports have you counted when all are there?",
    "it connected where it had to bind": "who listens at the endpoint when both sides connect?",
    "a socket was left open": "who closes the sockets when your function is done?",
}

START = 3.5  # seconds for the answer's process to open its first socket; only then does the clock run
BIND = 1.5  # seconds for it to bind
HEAR = 0.5  # seconds for it to read a subscription; one that reads is seen doing so
HOLD = 0.25  # seconds in which an answer that wants to begin too early may do so
PATIENCE = 1.9  # seconds, the same for one that has not been seen to read a subscription
BEGIN = 1.6  # seconds for the first message, once everybody is there and everything is pushed
WHOLE = 3.0  # seconds for all that is asked
STILL = 0.8  # seconds in which nothing arrives any more: what is missing then does not come
RETURN = 1.2  # seconds for its return when everything has arrived
LATE = 1.5  # seconds after its return in which its Context may still deliver
UNDER_WAY = 0.6  # seconds after the end of its process in which something may still come
LOOK = 0.02  # seconds between two looks
PAUSED = 0.2  # seconds from bind to the first message that nobody takes for at once
LINGER = 4000  # milliseconds, of the answer's Context
KITCHEN, WEATHER = b"kitchen", b"weather"
Message = tuple[bytes, ...]


class Desk:
    """The answer at work, with a reporter and the readers of the checker's around it."""

    def __init__(self, scene: Scene, reports: Sequence[Message]) -> None:
        self.scene, self.reports = scene, list(reports)
        self.ends = scene.stage.endpoint("reports"), scene.stage.endpoint("news")
        scene.stage.context.linger = LINGER
        self.readers: list[Reader] = []
        self._may = 0
        self._patience = PATIENCE
        self.answer: Answer = scene.answer(Call((*self.ends, [KITCHEN, WEATHER], len(self.reports))))
        paths = [end.removeprefix("ipc://") for end in self.ends]
        self.wait(START, lambda: all(map(os.path.exists, paths)) or scene.first("open", ENTRY))
        self.answer.begun()
        there = self.wait(BIND, lambda: all(map(os.path.exists, paths)) or self.joined("connect"))
        if not all(map(os.path.exists, paths)) and (event := self.joined("connect")):
            happened = "Your function connected to an endpoint to which everybody else connects, so nobody listened."
            raise NotYet("it connected where it had to bind", happened, event)
        if not there and not self.answer.process.told:
            raise NotYet("", f"Your function opened a socket and bound not both; it stood {self.answer.stood()}.")
        scene.stage.play(self._reporter, name="reporter")

    def _reporter(self, ctx: zmq.Context) -> None:
        with ctx.socket(zmq.PUSH) as push:
            push.linger = 0
            push.connect(self.ends[0])
            sent = 0
            while True:
                while sent < self._may:
                    push.send_multipart(self.reports[sent])
                    sent += 1
                zmq.select([push], [], [], LOOK)

    def push(self, count: int | None = None) -> None:
        """Let the reporter push the reports up to this number."""
        self._may = len(self.reports) if count is None else count

    def reader(self, section: bytes, endpoint: str = "") -> "Reader":
        """Play a reader, and wait until the answer has been seen to know of it, or could have."""
        reader = Reader(self, section, endpoint or self.ends[1])
        self.readers.append(reader)
        seen = self.scene.first("open", ENTRY)  # one that is not traced cannot be seen reading
        self.wait(HEAR if seen else HOLD, lambda: self.first() or b"\1" + section in self.known())
        return reader

    def wait(self, seconds: float, over: Callable[[], Any] = lambda: False) -> bool:
        """Wait until something is the case, the answer has ended, or time is up. Whether it is the case."""
        until = time.monotonic() + seconds
        while not over() and not self.answer.process.told and time.monotonic() < until:
            threading.Event().wait(LOOK)
        return bool(over())

    def joined(self, how: str) -> Event | None:
        return next(
            (e for e in self.scene.recording if e.actor == ENTRY and e.kind == how and e.detail in self.ends), None
        )

    def first(self) -> Event | None:
        """The answer's first message, as its trace tells."""
        return self.scene.first("send", ENTRY)

    def known(self) -> list[bytes]:
        """What an XPUB of the answer's has received before its first message, as its trace tells."""
        frames, first = [], self.first()
        for event in self.scene.recording.events:
            if event is first:
                break
            if (event.actor, event.kind, event.socket[:4]) == (ENTRY, "receive", "XPUB"):
                frames += [frame for frame in event.frames if isinstance(frame, bytes)]
        return frames

    def held(self, who: str) -> None:
        """Somebody is missing: give an answer that begins too early the time to do so, and blame it."""
        opened = [e.socket for e in self.scene.recording.events if e.kind == "open" and e.actor == ENTRY]
        deaf = "XPUB" not in opened or len(set(self.known())) < len(self.readers)
        began = time.monotonic()
        self.wait(max(HOLD, self._patience) if opened and deaf else HOLD, self.first)
        self._patience -= time.monotonic() - began
        if self.first():
            self._early(who)
        if self.answer.process.told:
            self._failed()
            raise NotYet("the readers missed the beginning", f"{who} Your function had already returned.")

    def _early(self, who: str) -> None:
        first, known, bound = self.first(), self.known(), self.joined("bind")
        if known:
            label = "it began when only some of the readers were there"
            happened = f"When your function sent its first message, it knew of {len(set(known))} of 2 readers. {who}"
        elif bound and first and first.at - bound.at > PAUSED:
            label = "a pause took the place of the subscriptions"
            happened = f"Your function let time go by, read no subscription, and published. {who}"
        else:
            label = "the readers missed the beginning"
            happened = f"Your function published as soon as it had a report. {who}"
        raise NotYet(label, happened, first)

    def _failed(self) -> None:
        """An answer that raised: name what is known of it."""
        outcome = self.answer.outcomes(LOOK)[0]
        if outcome.errno == zmq.ENOTSUP:
            happened = "`recv` raised ENOTSUP: this type of socket receives nothing."
            raise NotYet("a PUB was asked for subscriptions", happened, self.scene.first("barred", ENTRY))
        if outcome.error:
            unexpected(outcome)

    def done(self, count: int | None = None) -> bool:
        """Whether each reader has as many messages as it is to have of so many reports."""
        return all(len(r.got) >= len(r.wanted(count)) for r in self.readers)

    def arrive(self, count: int | None = None) -> bool:
        """Wait until each reader has what it is to have of so many reports, or nothing comes any more."""
        have, last = -1, time.monotonic()

        def over() -> bool:
            nonlocal have, last
            if (now := sum(len(r.got) for r in self.readers)) != have:
                have, last = now, time.monotonic()
            return self.done(count) or time.monotonic() - last > STILL or any(r.strange() for r in self.readers)

        self.wait(WHOLE, over)
        return self.done(count)

    def begun(self, seconds: float) -> bool:
        return self.wait(seconds, lambda: self.first() or any(r.got for r in self.readers))

    def most(self, count: int) -> None:
        """So many reports are pushed, and one is still to come: blame an answer that drops while it works."""
        self.push(count)
        if not self.begun(BEGIN / 2):
            return
        if self.arrive(count) or self.answer.process.told or self.scene.recording.count("sent", ENTRY) < count:
            return
        for reader in self.readers:
            self._compare(reader)
        reader = next(r for r in self.readers if len(r.got) < len(r.wanted(count)))
        happened = f"{reader.name} got {len(reader.got)} of {len(reader.wanted(count))} messages that you had sent."
        right = {message for each in self.readers for message in each.wanted()}
        label = "a small mark made the socket drop" if right >= self._sent() else ""
        raise NotYet(label, happened, self.scene.first("receive", reader.name) or self.first())

    def _sent(self) -> set[Message]:
        """What the answer has sent, as its trace tells; long frames cannot be told."""
        events = [e for e in self.scene.recording.events if e.actor == ENTRY and e.kind == "send"]
        return {
            tuple(f for f in e.frames if isinstance(f, bytes))
            for e in events
            if all(isinstance(f, bytes) for f in e.frames)
        }

    def finish(self) -> None:
        """Everybody is there: push what is left, wait until each reader has got what it wants, and look at it."""
        if self._may < len(self.reports):
            self.push()
        if self.begun(BEGIN):
            self.arrive()
        if self.answer.process.told:
            late, last = time.monotonic() + LATE, 0.0  # its Context may still be at work, and then what is under way
            while not self.done() and time.monotonic() < min(late, last or late):
                threading.Event().wait(LOOK)
                last = last or (self.answer.process.done and time.monotonic() + UNDER_WAY)
        else:
            self.wait(HOLD)
        if self.answer.process.told:
            self._failed()
        for reader in self.readers:
            self._compare(reader)
        if not self.done():
            self._missing()
        if not self.answer.process.told:
            self.wait(RETURN)
        if not self.answer.process.told:
            happened = f"All {len(self.reports)} reports had come and were published; it stood {self.answer.stood()}."
            waits = "recv" in happened or "poll" in happened
            raise NotYet("it waited for a report that does not come" if waits else "", happened)
        outcome = self.answer.outcomes(LOOK)[0]
        if outcome.left_open:
            raise NotYet(
                "a socket was left open", f"When your function returned, {outcome.left_open} of its sockets were open."
            )
        self.wait_quiet()
        for reader in self.readers:
            self._compare(reader)

    def wait_quiet(self) -> None:
        """Something may come that nobody has asked for."""
        threading.Event().wait(0.05)

    def _shifted(self) -> Event | None:
        """A message of the answer's whose first frame is no section, as its trace tells."""
        for event in self.scene.recording.events:
            if event.actor == ENTRY and event.kind == "send" and not event.socket.startswith("PUSH"):
                top = event.frames[0] if event.frames else b""
                if isinstance(top, bytes) and any(top in report[1:] for report in self.reports):
                    return event
        return None

    def _compare(self, reader: "Reader") -> None:
        """Look at what one reader has got, and name the first thing that is not as it should be."""
        event = self.scene.first("receive", reader.name)
        if shifted := self._shifted():
            happened = "A frame from the inside of a report went out as a section."
            if len(shifted.frames) == 1:
                raise NotYet("one report went out as several messages", happened, shifted)
            raise NotYet("frames were taken for messages", happened, shifted)
        for place, got in enumerate(reader.got):
            here = self.scene.first("receive", reader.name, place + 1) or event
            wanted = reader.numbered.get(got[1]) if len(got) > 1 else None
            happened = f"{reader.name} got {_shown(got)}" + (f" and not {_shown(wanted)}." if wanted else ".")
            if got == wanted:
                continue
            known = [
                report for report in self.reports if len(got) > 1 and got[2:] == report[1:] and got[0] == report[0]
            ]
            if wanted is not None and len(wanted) > 3 and got == wanted[:3]:
                raise NotYet("the photo was lost", happened, here)
            if wanted is not None and got == (*wanted, b""):
                raise NotYet("a report without a photo was given one", happened, here)
            if known:
                raise NotYet("the numbers were not those of the reports", happened, here)
            fits = wanted or [*reader.wanted(), ()][min(place, len(reader.wanted()))]
            if len(got) < len(fits) and b"".join(got).replace(b" ", b"") == b"".join(fits).replace(b" ", b""):
                raise NotYet("several frames went out as one", happened, here)
            if len(got) < len(fits) and _pieces(got, fits):
                raise NotYet("one report went out as several messages", happened, here)
            raise NotYet("", happened, here)
        numbers = [int(got[1]) for got in reader.got]
        if sorted(set(numbers)) != numbers:
            raise NotYet("", f"{reader.name} got the numbers {_few(numbers)}, some twice or in another order.", event)

    def _missing(self) -> None:
        reader = next(r for r in self.readers if len(r.got) < len(r.wanted()))
        wanted = [int(message[1]) for message in reader.wanted()]
        got = [int(message[1]) for message in reader.got]
        happened = f"{reader.name} got {len(got)} of {len(wanted)} messages"
        event = self.scene.first("receive", reader.name)
        sent = self.scene.recording.count("sent", ENTRY)
        if not self.answer.process.told and not sent and not got:
            stood = f"Every section had its reader, and your function had sent nothing; it stood {self.answer.stood()}."
            opened = {e.socket for e in self.scene.recording.events if e.kind == "open" and e.actor == ENTRY}
            waits = self.known() and opened == {"PULL", "XPUB"}
            raise NotYet("it did not begin although everybody was there" if waits else "", stood)
        if not self.answer.process.told:
            raise NotYet("", f"{happened}; your function stood {self.answer.stood()}.", event)
        if sent and sent < len(self.reports):
            raise NotYet(
                "it ended before the last report", f"Your function sent {sent} of {len(self.reports)} messages.", event
            )
        if got and got == wanted[-len(got) :]:
            raise NotYet("the readers missed the beginning", f"{happened}, and missed the first.", event)
        right = {message for each in self.readers for message in each.wanted()}
        if got == wanted[: len(got)] and sent >= len(self.reports) and right >= self._sent():
            happened = f"{happened}, when the rest still waited in your socket and your function had returned."
            raise NotYet("what was still in the queue was thrown away", happened, event)
        raise NotYet("", f"{happened}: the numbers {_few(got)}.", event)


class Reader:
    """A reader of the checker's. `got` is what came."""

    def __init__(self, desk: Desk, section: bytes, endpoint: str) -> None:
        self.desk, self.section, self.name = desk, section, f"{section.decode()} reader"
        self.got: list[Message] = []
        self.numbered: dict[bytes, Message] = {
            b"%d" % number: (report[0], b"%d" % number, *report[1:])
            for number, report in enumerate(desk.reports, 1)
            if report[0] == section
        }

        def role(ctx: zmq.Context) -> None:
            with ctx.socket(zmq.SUB) as sub:
                sub.linger, sub.rcvhwm = 0, 0
                sub.subscribe(section)
                sub.connect(endpoint)
                while True:
                    if zmq.select([sub], [], [], LOOK)[0]:
                        self.got.append(tuple(sub.recv_multipart()))

        desk.scene.stage.play(role, name=self.name)

    def wanted(self, count: int | None = None) -> list[Message]:
        """What it is to have, of the first so many reports."""
        most = len(self.desk.reports) if count is None else count
        return [message for number, message in self.numbered.items() if int(number) <= most]

    def strange(self) -> bool:
        return any(got not in self.numbered.values() for got in self.got)


def _pieces(got: Message, wanted: Message) -> bool:
    """Whether this is a beginning of the message that was to come."""
    return bool(got) and got == wanted[: len(got)]


def _few(numbers: list[int]) -> str:
    shown = [str(number) for number in numbers]
    return ", ".join(shown if len(shown) < 9 else [*shown[:4], "…", *shown[-3:]])


def _shown(message: Message) -> str:
    return repr([frame[:20] for frame in message])


def _reports(count: int, *photos: int, size: int = 0) -> list[Message]:
    """So many reports of two sections in turn, these of them with a photo, headlines of so many bytes."""
    return [
        (
            (KITCHEN, WEATHER)[number % 2],
            b"headline %d" % number + b"." * size,
            *([b"photo %d" % number] if number in photos else []),
        )
        for number in range(1, count + 1)
    ]


def readers_that_come_late(scene: Scene) -> None:
    """readers that come late"""
    desk = Desk(scene, _reports(8))
    desk.push(7)
    desk.held("No reader had come yet.")
    desk.reader(WEATHER)
    desk.held("One of the two readers had not come yet.")
    desk.reader(KITCHEN)
    desk.most(7)
    desk.finish()


def reports_with_photos(scene: Scene) -> None:
    """reports with photos and reports without"""
    desk = Desk(scene, _reports(9, 2, 3, 6))
    desk.push(8)
    desk.reader(KITCHEN)
    desk.held("One of the two readers had not come yet.")
    desk.reader(WEATHER)
    desk.most(len(desk.reports) - 1)
    desk.finish()


def a_reader_that_is_slow_for_a_while(scene: Scene) -> None:
    """a reader that is slow for a while"""
    desk = Desk(scene, _reports(301, size=6000))
    wire = scene.wire(desk.ends[1])
    desk.reader(WEATHER)
    desk.reader(KITCHEN, wire.endpoint)
    wire.freeze()
    desk.push(300)
    seen = scene.first("open", ENTRY)  # one that is not traced cannot be seen sending
    desk.wait(WHOLE if seen else 2 * HOLD, lambda: scene.recording.count("sent", ENTRY) >= 300)
    wire.heal()
    desk.most(300)
    desk.finish()


def the_end_while_a_reader_is_slow(scene: Scene) -> None:
    """the end while a reader is slow"""
    desk = Desk(scene, _reports(240, size=8000))
    wire = scene.wire(desk.ends[1])
    desk.reader(WEATHER)
    desk.reader(KITCHEN, wire.endpoint)
    wire.freeze()
    desk.push()
    desk.wait(WHOLE)
    until = time.monotonic() + HOLD  # a closed socket throws away what it has in a thread of the Context
    while not desk.answer.process.done and time.monotonic() < until:
        threading.Event().wait(LOOK)
    wire.heal()
    desk.finish()


def fair_weather(scene: Scene) -> None:
    """fair weather"""
    desk = Desk(scene, _reports(4))
    desk.reader(KITCHEN)
    desk.reader(WEATHER)
    desk.most(len(desk.reports) - 1)
    desk.finish()


def a_day(scene: Scene) -> None:
    """a day with late readers and a photo"""
    desk = Desk(scene, _reports(4, 2))
    desk.push()
    desk.wait(HOLD)
    desk.reader(KITCHEN)
    desk.reader(WEATHER)
    desk.wait(HOLD)
    desk.answer.outcomes()


TRY = a_day
SCENES = (
    readers_that_come_late,
    reports_with_photos,
    a_reader_that_is_slow_for_a_while,
    the_end_while_a_reader_is_slow,
    fair_weather,
)
