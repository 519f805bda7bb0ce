# SPDX-License-Identifier: BSD-3-Clause
"""Average the reports of exactly one line, of a publisher that also says much else."""

import math
import re
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

import zmq
from exercises.scene import Answer, NotYet, Scene, TookTooLong, unexpected

from exercises.answer import Call, Outcome

ENTRY = "average"


HINTS = (
    "Which of the messages begin with the bytes that you have subscribed to? Write down a few that do and are not "
    "meant.",
    "Two questions for every message: is it from my line, and is it a report? The first can be asked at the publisher "
    "or at home, where you can compare whole names. Only what passes both counts.",
    "In every report the byte after the name is the same. And `int` raises ValueError for what is no number; it takes "
    "bytes as well as text.",
)
VARIANT = "take several lines in one call and return the average of each, from one socket."
LIMIT = "what was reported before your subscription had arrived at the publisher is not in the average."
WHY = "which bytes does your subscription ask for, and what can still arrive that is no report?"

LABELS = {
    "a prefix was taken for equality": "which other names begin with the name of your line?",
    "everything was asked for, and sorted out at home": "what may cross the connection, and who sees to that?",
    "it never subscribed": "what does a SUB receive that has said nothing?",
    "the subscription fitted no report": "which bytes did you ask for, and which bytes does a report begin with?",
    "noise was counted among the reports": "what does your loop count, messages or reports?",
    "noise that is no report ended the function": "which of your lines may fail, and for which messages?",
    "early trains were taken for noise": "how does the contract write the minutes of a train that was early?",
    "it came and went for every report": "who hears what is said while your socket is closed?",
    "it gave up before all reports had come": "what does the contract say about waiting?",
    "it bound where it had to connect": "who has the address, and who goes there?",
    "a socket was left open": "who closes the socket when your function is done?",
}

FIRST = 0.5  # seconds in which the answer may connect before the publisher binds
START = 3.0  # seconds for it to connect at all; only then does the clock run
SUBSCRIBE = 1.2  # seconds for its subscription to arrive
MORE = 0.05  # seconds for a second one, before the first line is said
RETURN = 1.5  # seconds for it to return once everything has been said
VAIN = 0.5  # seconds for the same, if nothing that was said can have reached it
PAUSE = 0.2  # seconds between two reports of a publisher that takes its time
LOOK = 0.02  # seconds between two looks
WAYS = 4  # in which the minutes may be read by somebody who does not look at the name
REPORT = re.compile(rb"(\S+) (-?[0-9]+)")


class Station:
    """The checker's publisher: it waits for a subscription and then says its lines.

    `heard` are the subscriptions and cancellations that it has received, `said` is how many lines it has sent.
    """

    def __init__(self, scene: Scene, line: bytes, count: int, lines: list[bytes], pause: float = 0.0) -> None:
        self.line, self.count, self.lines, self.pause = line, count, lines, pause
        self.heard: list[bytes] = []
        self.said = 0
        self.curious = True  # whether it listens also when it has said everything
        self._scene, self._endpoint = scene, scene.stage.endpoint("station")
        self.wire = scene.wire(self._endpoint)

    def call(self) -> Answer:
        """Start the answer, and the station when the answer has connected: it may come first."""
        answer = self._scene.answer(Call((self.wire.endpoint, self.line, self.count)))
        answer.begun()
        _wait(FIRST, lambda: answer.process.told or self.connected)
        self._scene.stage.play(self._role, name="station")
        return answer

    @property
    def connected(self) -> bool:
        return self._scene.first("connect", ENTRY) is not None

    def _role(self, ctx: zmq.Context) -> None:
        with ctx.socket(zmq.XPUB) as xpub:
            xpub.xpub_verbose = 1
            xpub.bind(self._endpoint)
            self.heard.append(xpub.recv())
            self._listen(xpub, MORE)
            for text in self.lines:
                xpub.send(text)
                self.said += 1
                self._listen(xpub, self.pause)
            while self.curious:
                self.heard.append(xpub.recv())
            self._scene.recording.wait("close", ENTRY, timeout=START)

    def _listen(self, xpub: Any, seconds: float) -> None:
        until = time.monotonic() + seconds
        while zmq.select([xpub], [], [], max(0.0, until - time.monotonic()))[0]:
            self.heard.append(xpub.recv())

    @property
    def vain(self) -> str:
        """In words, if no report of the line begins with anything that was subscribed to."""
        asked = [said[1:] for said in self.heard if said.startswith(b"\1")]
        reports = [text for text in self.lines if self.exact(text) is not None]
        if not asked or any(text.startswith(prefix) for text in reports for prefix in asked):
            return ""
        return f"You subscribed to {asked[0]!r}, and the reports were {reports[0]!r} and the like."

    def average(self, minutes: Callable[[bytes], int | None]) -> float:
        """What comes out if so many of the messages count for which this gives minutes."""
        counted = [value for text in self.lines if (value := minutes(text)) is not None]
        return sum(counted[: self.count]) / self.count

    def exact(self, text: bytes) -> int | None:
        """The minutes of a report of the line."""
        known = REPORT.fullmatch(text)
        return int(known[2]) if known and known[1] == self.line else None

    def late(self, text: bytes) -> int | None:
        """The same, of a train that was not early."""
        minutes = self.exact(text)
        return minutes if minutes is not None and minutes >= 0 else None

    def lax(self, text: bytes, way: int) -> int | None:
        """The minutes that a lenient reader finds in a message that begins with the name, in one of `WAYS` ways."""
        if not text.startswith(self.line):
            return None
        behind, last = len(self.line), text.split()[-1] if b" " in text else b""
        return _int((last, text[behind:], text[behind + 1 :], text.removeprefix(self.line + b" "))[way])

    def hasty(self) -> list[float]:
        """What comes out if noise is passed over and yet counted as one of so many."""
        found = []
        for beginning in (self.line, self.line + b" "):
            taken = [text for text in self.lines if text.startswith(beginning)][: self.count]
            minutes = [value for text in taken if (value := self.exact(text)) is not None]
            if minutes and len(minutes) < self.count:
                found += [sum(minutes) / len(minutes), sum(minutes) / self.count]
        return found


def _int(text: bytes) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _wait(seconds: float, done: Callable[[], Any]) -> None:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        threading.Event().wait(LOOK)


def _outcome(scene: Scene, station: Station, answer: Answer) -> Outcome:
    """What came of the call. Looks now and then whether there is something to blame already."""

    def done() -> bool:
        _look(scene, station)
        return bool(answer.process.told)

    _wait(START, lambda: done() or station.connected or station.heard)
    if not (answer.process.told or station.connected or station.heard):
        raise TookTooLong(answer.stood())
    _wait(SUBSCRIBE, lambda: done() or station.heard)
    if not (answer.process.told or station.heard):
        happened = f"Your function connected, {SUBSCRIBE:g} s later no subscription had arrived, and it stood "
        raise NotYet("it never subscribed", f"{happened}{answer.stood()}.", scene.first("connect", ENTRY))
    _wait(RETURN + PAUSE * len(station.lines), lambda: done() or station.said == len(station.lines))
    _wait(VAIN if station.vain else RETURN, done)
    if not answer.process.told:
        if station.vain:
            raise NotYet("the subscription fitted no report", station.vain, scene.first("connect", ENTRY))
        if again := scene.first("connect", ENTRY, 2):  # the publisher need not have noticed that the first had gone
            happened = f"You connected anew, and at last stood {answer.stood()}: what was said in between had gone by."
            raise NotYet("it came and went for every report", happened, again)
        raise TookTooLong(f"{answer.stood()}, when more than {station.count} reports had been sent to it")
    outcome = answer.outcomes(LOOK)[0]
    _look(scene, station)
    return outcome


def _look(scene: Scene, station: Station) -> None:
    """Blame what the wire and the station have seen."""
    for crossed in station.wire.log:
        if crossed.direction == "back" and not bytes(crossed.frames[0]).startswith(station.line):
            happened = f"You wanted the reports of {station.line!r}, and {crossed.frames[0]!r} crossed the connection."
            raise NotYet("everything was asked for, and sorted out at home", happened, scene.first("receive", ENTRY))
    heard = station.heard[:]
    for place, said in enumerate(heard):
        if said.startswith(b"\0") and b"\1" + said[1:] in heard[place:]:
            happened = "The publisher heard your subscription, then that you had gone, then your subscription again."
            raise NotYet("it came and went for every report", happened, scene.first("receive", ENTRY))


def _failed(station: Station, outcome: Outcome) -> NoReturn:
    if outcome.errno == zmq.EADDRINUSE:
        happened = "You bound to the endpoint, and the publisher is bound there: the address is in use."
        raise NotYet("it bound where it had to connect", happened)
    if outcome.error == "Again":
        _gave_up("raised zmq.Again")
    unexpected(outcome)


def _gave_up(how: str) -> NoReturn:
    raise NotYet("it gave up before all reports had come", f"More reports were to come, and your function {how}.")


def _right(station: Station, outcome: Outcome) -> None:
    """What comes back must be the average; where it is not, say what was averaged instead, if that can be told."""
    if outcome.error:
        _failed(station, outcome)
    value, wanted = outcome.value, station.average(station.exact)
    if not _number(value):
        unexpected(outcome)
    if _near(value, wanted):
        return
    happened = f"The first {station.count} reports of {station.line!r} make {wanted:g}, and you returned {value:g}"
    for way in range(WAYS):
        counted = [(text, station.lax(text, way)) for text in station.lines]
        counted = [(text, minutes) for text, minutes in counted if minutes is not None][: station.count]
        if not _near(value, sum(minutes for _, minutes in counted) / station.count):
            continue
        other = next(text for text, _ in counted if station.exact(text) is None)
        raise NotYet("a prefix was taken for equality", f"{happened}: {other!r} begins with that name, too.")
    if _near(value, station.average(station.late)):
        raise NotYet("early trains were taken for noise", f"{happened}: those with a minus are not in it.")
    if any(_near(value, other) for other in station.hasty()):
        happened += f": of the first {station.count} messages that reached you, some were noise."
        raise NotYet("noise was counted among the reports", happened)
    raise NotYet("", f"{happened}.")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, abs_tol=1e-9)


def alone(scene: Scene) -> None:
    """one line and its neighbour"""
    station = Station(scene, b"S1", 2, [b"S1 4", b"S2 9", b"S10 30", b"S1 2"])
    station.curious = False
    answer = station.call()
    _wait(START, lambda: station.said == len(station.lines) or answer.process.told)
    answer.outcomes()


def neighbours(scene: Scene) -> None:
    """lines whose names begin with the one that is wanted"""
    lines = [b"S10 30", b"S1 7", b"S2 9", b"S11 50", b"S1 -2", b"S1X 70", b"XS1 80", b"S1 3", b"S100 5", b"S1 7"]
    lines += [b"S10 60", b"S1 91", b"S1 92", b"S12 1", b"S1 93"]
    station = Station(scene, b"S1", 4, lines)
    outcome = _outcome(scene, station, station.call())
    _right(station, outcome)
    if outcome.left_open:
        happened = "Your function had returned, and a socket of its Context was still open."
        raise NotYet("a socket was left open", happened, scene.first("connect", ENTRY))


def noise(scene: Scene) -> None:
    """noise that is no report"""
    lines = [b"10001 7", b"10001 late", b"10001 12", b"10001", b"1000147", b"100010 99", b"10001-5 60", b"10001 "]
    lines += [b"10001\xff\xfe", b"10001 -3", b"10001 45", b"10001 46", b"10001 47"]
    station = Station(scene, b"10001", 3, lines)
    outcome = _outcome(scene, station, station.call())
    if {"ValueError", "IndexError"} & set(outcome.raised):
        happened = f"Among the reports there was what is none, and your function ended with {outcome.error}"
        where = f" ({outcome.trace})" if outcome.trace else ""
        raise NotYet("noise that is no report ended the function", f"{happened}: {outcome.message}{where}.")
    _right(station, outcome)


def patience(scene: Scene) -> None:
    """a publisher that takes its time"""
    station = Station(scene, b"U5", 3, [b"U5 1", b"U5 6", b"U5 9", b"U5 90"], PAUSE)
    outcome = _outcome(scene, station, station.call())
    minutes = [value for text in station.lines if (value := station.exact(text)) is not None]
    sums = [sum(minutes[:n]) for n in range(station.count)]
    early = {total / by for n, total in enumerate(sums) for by in (n, station.count) if by}
    if outcome.error in ("ZeroDivisionError", "StatisticsError"):
        _gave_up(f"divided by the number of those that it had: {outcome.error}")
    if not outcome.error and (outcome.value is None or (_number(outcome.value) and outcome.value in early)):
        _gave_up(f"returned {outcome.value!r}")
    _right(station, outcome)


TRY = alone
SCENES = (neighbours, noise, patience)
