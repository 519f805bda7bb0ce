# SPDX-License-Identifier: BSD-3-Clause
"""Average the reports of exactly one line, of a publisher that also says much else."""

import math
import re
from typing import NoReturn

import zmq

from exercises.answer import Call, Outcome
from exercises.scene import SCENE, Answer, NotYet, Scene, TookTooLong, unexpected

ENTRY = "average"

HINTS = (
    "Which of the messages begin with the bytes that you have subscribed to? Write down a few that do, but are not "
    "meant.",
    "Two questions for every message: is it from my line, and is it a report? The first can be asked at the publisher "
    "or at home, where you can compare whole names. Only what passes both counts.",
    "In every report the byte after the name is the same. `int` takes more than digits, such as ` +4` and `1_0`; a "
    "regular expression that has to fit the whole frame takes nothing else. And `recv_multipart` has all frames.",
)
VARIANT = "take several lines in one call and return the average of each, from one socket."
LIMIT = "what was reported before your subscription had arrived at the publisher is not in the average."
WHY = "which bytes does your subscription ask for, and what can still arrive that is not a report?"

PREFIX = "a prefix was taken for equality"
OTHERS = "other lines crossed the connection"
MUTE = "it never subscribed"
FITS = "the subscription fitted no report"
ALIKE = "what only looks like a report was counted"
FRAME = "a frame of a longer message was taken for a report"
COUNTED = "noise was counted among the reports"
ENDED = "noise that is no report ended the function"
EARLY = "a train that was early was not counted as early"
ANEW = "it came and went for every report"
GAVE_UP = "it gave up before all reports had come"
MANY = "it averaged more reports than it was told to"
ROUNDED = "the average was rounded"
BOUND = "it bound where it had to connect"
OPEN = "a socket was left open"

LABELS = {
    PREFIX: "which other names begin with the name of your line?",
    OTHERS: "what may cross the connection, and who sees to that?",
    MUTE: "what does a SUB receive that has said nothing?",
    FITS: "which bytes did you ask for, and which bytes does a report begin with?",
    ALIKE: "how does the contract write a report, byte for byte, and what else does your reader take?",
    FRAME: "how many frames has a report, and how many had this message?",
    COUNTED: "what does your loop count, messages or reports?",
    ENDED: "which of your lines may fail, and for which messages?",
    EARLY: "how does the contract write the minutes of a train that was early?",
    ANEW: "who hears what is said while your socket is closed?",
    GAVE_UP: "what does the contract say about waiting?",
    MANY: "how many reports have you taken when your loop ends?",
    ROUNDED: "what is the average of two trains, one on time and one a minute late?",
    BOUND: "who has the address, and who goes there?",
    OPEN: "who closes the socket when your function is done?",
}

EQUIVALENT = {"line 13, less: 0": "of one frame, the last is the first"}

START = 3.5  # seconds for it to connect at all; only then does the clock run
SUBSCRIBE = 1.5  # seconds for its subscription to arrive
RETURN = 1.5  # seconds for it to return once everything has been said
VAIN = 0.5  # seconds for the same, if nothing that was said can have reached it
PAUSE = 0.3  # seconds between two reports of a publisher that takes its time
COUNT = 3  # reports to average

Frames = tuple[bytes, ...]


class Station:
    """The checker's publisher: it waits for a subscription and then says `lines`.

    noise   messages that are no reports -> the minutes that a lax reader finds in them, and what it is called then
    heard   the subscriptions and cancellations that have come
    spoken  whether everything is said
    """

    def __init__(self, scene: Scene, line: bytes, lines: list[Frames], pause: float = 0.0, count: int = COUNT) -> None:
        self.scene, self.line, self.lines, self.pause, self.count = scene, line, lines, pause, count
        self.noise: dict[Frames, tuple[int, str]] = {}
        self.heard: list[bytes] = []
        self.spoken, self.curious = False, True
        self._report = re.compile(re.escape(line) + rb" (-?[0-9]+)")
        self._endpoint = scene.stage.endpoint("station")
        self.wire = scene.wire(self._endpoint)

    def call(self) -> Answer:
        self.answer = self.scene.answer(Call((self.wire.endpoint, self.line, self.count)))
        self.scene.stage.play(self._role, name="station")
        return self.answer

    def _role(self, ctx: zmq.Context) -> None:
        with ctx.socket(zmq.XPUB) as xpub:
            xpub.xpub_verbose = 1
            xpub.bind(self._endpoint)
            self.heard.append(xpub.recv())
            for place, frames in enumerate(self.lines):
                while zmq.select([xpub], [], [], self.pause if 0 < place < self.count else 0.0)[0]:
                    self.heard.append(xpub.recv())
                if self.answer.process.told:
                    break
                xpub.send_multipart(frames)
            self.spoken = True
            while self.curious:
                self.heard.append(xpub.recv())
            self.scene.recording.wait("close", ENTRY, timeout=SCENE)

    def crossed(self) -> list[Frames]:
        """What has come to the answer, as the wire tells."""
        return [tuple(map(bytes, each.frames)) for each in self.wire.log if each.direction == "back"]

    def minutes(self, messages: list[Frames]) -> list[int]:
        """Those of the reports among these messages."""
        found = [self._report.fullmatch(frames[0]) for frames in messages if len(frames) == 1]
        return [int(match[1]) for match in found if match]

    def look(self) -> None:
        """Blame what the wire and the station have seen."""
        for frames in self.crossed():
            if not frames[0].startswith(self.line):
                happened = f"You wanted the reports of {self.line!r}, and {_shown(frames)} crossed the connection."
                raise NotYet(OTHERS, happened, self.scene.first("receive", ENTRY))
        subscriptions = [said for said in self.heard if said.startswith(b"\1")]
        if len(set(subscriptions)) < len(subscriptions):
            happened = "The publisher heard your subscription, and some reports later it heard the same anew: "
            raise NotYet(ANEW, f"{happened}what is said in between goes by.", self.scene.first("connect", ENTRY, 2))

    def vain(self) -> str:
        """In words, if no report begins with anything that was subscribed to."""
        asked = [said[1:] for said in self.heard if said.startswith(b"\1")]
        reports = [frames[0] for frames in self.lines if self.minutes([frames])]
        if any(report.startswith(prefix) for report in reports for prefix in asked):
            return ""
        return f"You subscribed to {asked[0]!r}, and the reports were {reports[0]!r} and the like." if asked else ""

    def outcome(self) -> Outcome:
        """What comes of the call."""
        answer, scene = self.call(), self.scene
        answer.until(lambda: self.heard or scene.first("connect", ENTRY), START)
        if not answer.until(lambda: self.heard, SUBSCRIBE) and not answer.process.told:
            if not (event := scene.first("connect", ENTRY)):
                raise TookTooLong(answer.stood())
            happened = f"Your function connected, {SUBSCRIBE:g} s later no subscription had arrived, and it stood "
            raise NotYet(MUTE, f"{happened}{answer.stood()}.", event)
        answer.until(lambda: self.spoken or answer.process.told, SCENE, self.look)
        answer.until(lambda: answer.process.told, VAIN if self.vain() else RETURN, self.look)
        if not answer.process.told:
            if said := self.vain():
                raise NotYet(FITS, said, scene.first("connect", ENTRY))
            came = len(self.minutes(self.crossed()))
            raise TookTooLong(f"{answer.stood()}, when {came} reports had come to it and {self.count} were wanted")
        return answer.outcomes()[0]

    def judge(self) -> Outcome:
        """What comes back must be the average; where it is not, say what was averaged instead, if that can be told."""
        outcome = self.outcome()
        crossed = self.crossed()
        reports, value = self.minutes(crossed), outcome.value
        if outcome.errno == zmq.EADDRINUSE:
            raise NotYet(BOUND, "You bound to the endpoint, and somebody is bound there: the address is in use.")
        if {"Again", "TimeoutError", "ZeroDivisionError", "StatisticsError"} & set(outcome.raised):
            self._gave_up(f"raised {outcome.error}")
        if outcome.error and self.noise:
            happened = f"Among the reports there was what is none, and your function ended with {outcome.error}"
            raise NotYet(ENDED, f"{happened}: {outcome.message} ({outcome.trace or 'outside its own lines'}).")
        number = type(value) in (int, float) and abs(value) < 1e300
        if number and len(reports) >= self.count and _near(value, sum(reports[: self.count]) / self.count):
            return outcome
        for frames in crossed if number else ():  # what was counted as the last may have come before it was due
            minutes, label = self.noise.get(frames, (0, ""))
            if label and _near(value, (sum(reports[: self.count - 1]) + minutes) / self.count):
                happened = f"You returned {value:.9g}: in it are the {minutes} of {_shown(frames)}, which is no report."
                raise NotYet(label, happened)
        if not outcome.error and len(reports) < self.count:
            self._gave_up(f"returned {value!r}")
        if not number:
            unexpected(outcome)
        taken = reports[: self.count]
        wanted = sum(taken) / self.count
        happened = f"The first {self.count} reports of {self.line!r} that came make {wanted:.9g}, and you returned "
        happened += f"{value:.9g}"
        if value in (math.floor(wanted), math.ceil(wanted)) or _near(value, round(wanted, 1)):
            raise NotYet(ROUNDED, f"{happened}.")
        fewer = [sum(reports[:n]) / by for n in range(self.count) for by in (n, self.count) if by]
        if any(_near(value, other) for other in fewer):
            if not self.noise:
                self._gave_up(f"returned {value!r}")
            raise NotYet(COUNTED, f"{happened}: of the messages that you counted, some were noise.")
        late = [minutes for minutes in reports if minutes >= 0][: self.count]
        if any(_near(value, sum(other) / self.count) for other in (late, map(abs, taken))):
            raise NotYet(EARLY, f"{happened}: those with a minus are not in it, or without their minus.")
        if any(_near(value, sum(reports[:n]) / n) for n in range(self.count + 1, len(reports) + 1)):
            raise NotYet(MANY, f"{happened}: later ones are in it, too.")
        raise NotYet("", f"{happened}.")

    def _gave_up(self, how: str) -> NoReturn:
        raise NotYet(GAVE_UP, f"More reports were to come, and your function {how}.")


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, abs_tol=1e-9)


def _shown(frames: Frames) -> str:
    return repr(frames[0] if len(frames) == 1 else list(frames))


def _numbers(scene: Scene, count: int) -> list[int]:
    """So many different minutes. Of the first ones, two are no even number together, nor three a multiple of three."""
    while True:
        numbers = scene.random.sample(range(11, 99), count)
        if sum(numbers[:2]) % 2 and sum(numbers[:3]) % 3:
            return numbers


def _among(scene: Scene, line: bytes, noise: dict[str, tuple[str, ...]]) -> None:
    """Reports, with noise before the last of those that count. What such noise is called when it is counted -> how it
    is written: `@` is the line, `#` the minutes that a lax reader finds, `|` stands between two frames."""
    forms = [(form, label) for label, some in noise.items() for form in some]
    numbers = _numbers(scene, COUNT + 2 + len(forms))
    reports = [(b"%s %d" % (line, numbers.pop(0)),) for _ in range(COUNT + 2)]
    written: dict[Frames, tuple[int, str]] = {}
    for (form, label), minutes in zip(forms, numbers, strict=True):
        whole = form.encode().replace(b"@", line).replace(b"#", b"%d" % minutes)
        written[tuple(whole.split(b"|"))] = minutes, label
    station = Station(scene, line, [*reports[: COUNT - 1], *written, *reports[COUNT - 1 :]])
    station.noise = written
    station.judge()


def alone(scene: Scene) -> None:
    """one line and its neighbour"""
    station = Station(scene, b"S1", [(b"S1 4",), (b"S2 9",), (b"S10 30",), (b"S1 2",)], count=2)
    station.curious = False
    answer = station.call()
    answer.until(lambda: station.spoken, START)
    answer.outcomes()


def patience(scene: Scene) -> None:
    """a slow publisher and an early train"""
    first, second, *others = _numbers(scene, COUNT + 2)
    line = b"U%d" % scene.random.randrange(2, 10)
    reports: list[Frames] = [(b"%s %d" % (line, minutes),) for minutes in (first, -second, *others)]
    outcome = Station(scene, line, reports, PAUSE).judge()
    if outcome.left_open:
        happened = "Your function had returned, and a socket of its Context was still open."
        raise NotYet(OPEN, happened, scene.first("connect", ENTRY))


def neighbours(scene: Scene) -> None:
    """lines whose names begin with the one that is wanted"""
    _among(scene, b"S%d" % scene.random.randrange(2, 10), {PREFIX: ("@0 #", "X@ #", "@X #", "1 #", "@1 #", "@0@ #")})


def noise(scene: Scene) -> None:
    """noise that is no report"""
    line = b"%d" % scene.random.randrange(1000, 100000)
    forms = {
        ENDED: ("@", "@ ", "@ late", "@é", "@ --#", "@ ²"),
        PREFIX: ("@0#", "@0 #", "@-5 #"),
        ALIKE: ("@ +#", "@ 0_#", "@  #", "@ # ", "@ #\n", "@\t#", "@ #.0", "@ # late", "@ ٠#"),
        FRAME: ("@ #|!", "@ late|@ #"),
    }
    _among(scene, line, forms)


TRY = alone
SCENES = (patience, neighbours, noise)
