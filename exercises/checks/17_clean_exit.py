# SPDX-License-Identifier: BSD-3-Clause
"""Post one letter, end in time, and know whether it was delivered."""

import threading
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import zmq
from zmq.utils.monitor import recv_monitor_message

from exercises.answer import SET, Call, Outcome
from exercises.scene import Answer, Mute, NotYet, Scene, TookTooLong, unexpected

ENTRY = "post"


HINTS = (
    "`send` has returned, and your function says True. What do you know at that moment, and who could tell you more?",
    "Wait for the receipt with what is left of the time, and decide what the socket does with an undelivered letter "
    "when you close it.",
    "`pull.poll` with a deadline that does not start anew with each receipt; and a `linger` that gives the letter up "
    "with its socket.",
)
VARIANT = "post three letters at once and return the ones that were delivered."
LIMIT = "False says that no receipt came; the reader may have read the letter and the receipt may have been lost."
WHY = "which of the two sockets decides whether a letter can arrive after you have given it up?"

SENT = "sent was taken for delivered"
KEPT = "the letter was not given up"
ABSENT = "the letter did not arrive"
ALTERED = "another letter arrived than the one that was given"
TWICE = "the letter was sent more than once"
LONG = "it waited longer than it was told to"
ON = "it waited on although the receipt had come"
EARLY = "it gave up before the time was over"
MISSED = "its receipt had come, and it did not return True"
ANOTHERS = "another letter's receipt was taken for its own"
ENDED = "a receipt for another letter ended the wait"
ERROR = "an error came back where False was due"
NEITHER = "what came back is neither True nor False"
LEFT = "a socket was left open"
CALLERS = "something was set on the caller's Context"

LABELS = {
    CALLERS: "which sockets inherit what is set on a Context, and for how long?",
    SENT: "what does a `send` that has returned say about the reader?",
    KEPT: "what does a closed socket go on doing, and for how long?",
    ABSENT: "which of your sockets sends the letter, to whom, and when is it closed?",
    ALTERED: "what becomes of the bytes between your caller and the socket?",
    TWICE: "how often is the letter to be sent?",
    LONG: "which of your waits has no limit, or a limit of its own, or one that begins anew?",
    ON: "what does your function do from the moment at which it knows?",
    EARLY: "must the reader be there before you, and in which unit do you wait?",
    MISSED: "what do you compare a receipt with?",
    ANOTHERS: "what is written on a receipt?",
    ENDED: "does a receipt for somebody else say anything about your letter?",
    ERROR: "what does a socket raise when its time is over?",
    NEITHER: "what does each way out of your function return?",
    LEFT: "who closes the socket on the way out?",
}

EQUIVALENT = {
    "line 9, more: 0": "a millisecond is as good as none",
    "line 14, less: 1000": "it waits in smaller steps, up to the same end",
}

TIMES = 0.8, 0.9, 1.0  # seconds that an answer may have, whatever is to come of it
SPARE = 0.4  # seconds that a busy machine may take beside them


class Reader:
    """Reads letters, and sends these receipts, each so many seconds after the first letter.

    read  the letters that came, `said` the receipts that went out
    gone  set when the answer has hung up and all is read
    """

    def __init__(self, scene: Scene, name: str, *receipts: tuple[float, bytes]) -> None:
        self.scene, self.name, self.receipts = scene, name, list(receipts)
        self.read: list[list[bytes]] = []
        self.said: list[bytes] = []
        self.gone = threading.Event()
        self.ends = scene.stage.endpoint(f"letters-{name}"), scene.stage.endpoint(f"receipts-{name}")

    def comes(self) -> None:
        self.scene.stage.play(self.role, name=self.name)
        self.scene.recording.wait("bind", self.name)

    def role(self, ctx: zmq.Context[Any]) -> None:
        with (
            ctx.socket(zmq.PUSH) as push,
            ctx.socket(zmq.PULL) as pull,
            pull.get_monitor_socket(zmq.EVENT_DISCONNECTED) as monitor,
        ):
            push.connect(self.ends[1])
            pull.bind(self.ends[0])
            try:
                self.reads(pull, monitor, push)
            finally:
                pull.disable_monitor()

    def reads(self, pull: zmq.Socket[bytes], monitor: zmq.Socket[bytes], push: zmq.Socket[bytes]) -> NoReturn:
        first = 0.0
        while True:
            zmq.select([pull, monitor], [], [], 0.02)
            if pull.poll(0):
                self.read.append(pull.recv_multipart())
                first = first or time.monotonic()
            elif monitor.poll(0):
                recv_monitor_message(monitor)
                self.gone.set()
            while first and self.receipts and time.monotonic() - first >= self.receipts[0][0]:
                self.said.append(self.receipts.pop(0)[1])
                push.send(self.said[-1], zmq.DONTWAIT)

    def has(self, letter: bytes, outcome: Outcome, when: str) -> None:
        """It has the letter, once."""
        self.gone.wait(SPARE)
        if not self.read:
            raise NotYet(ABSENT, f"{when} and got no letter; you returned {outcome.value}.")
        if self.read[0] != [letter]:
            raise NotYet(ALTERED, f"{when}, and {letter!r} came as {self.read[0]!r}.", self.event())
        if len(self.read) > 1:
            raise NotYet(TWICE, f"{when} and got {len(self.read)} letters.", self.event(2))

    def event(self, number: int = 1) -> Any:
        return self.scene.first("receive", self.name, number)


def _letters(scene: Scene, count: int = 1) -> list[bytes]:
    return [b"dear " + word for word in scene.words(count)]


def _outcomes(answer: Answer, times: Sequence[float]) -> list[Outcome]:
    """What came of the calls: True or False, each in its time."""
    try:
        outcomes = answer.outcomes(sum(times) + 3 * SPARE)
    except TookTooLong as where:
        happened = f"You had {sum(times):g} s, and {3 * SPARE:g} s after them your function still stood {where}."
        raise NotYet(LONG, happened) from None
    for outcome, seconds in zip(outcomes, times, strict=False):
        if outcome.error == "Again":
            raise NotYet(ERROR, f"Your function raised zmq.Again after {outcome.seconds:.1f} s of {seconds:g} s.")
        if outcome.error:
            unexpected(outcome)
        if type(outcome.value) is not bool:
            raise NotYet(NEITHER, f"Your function returned {outcome.value!r}.")
        if outcome.seconds > seconds + SPARE:
            raise NotYet(LONG, f"You had {seconds:g} s and took {outcome.seconds:.1f} s.")
    return outcomes


def _closed(outcomes: Sequence[Outcome]) -> None:
    if any(outcome.left_open for outcome in outcomes):
        raise NotYet(LEFT, "Your function had returned, and a socket of its Context was still open.")
    if any(SET in outcome.left for outcome in outcomes):
        raise NotYet(CALLERS, "Your function had returned, and the Context had another option than when it was called.")


def _early(outcome: Outcome, seconds: float, when: str) -> None:
    if not outcome.value and outcome.seconds < 0.9 * seconds:
        happened = f"{when}; you returned False after {outcome.seconds:.2f} s of {seconds:g} s."
        raise NotYet(EARLY, happened)


def a_reader(scene: Scene) -> None:
    """a reader who is there, receipts for other letters before its own"""
    seconds = scene.random.choice(TIMES)
    letter, other, strange = _letters(scene, 3)
    ada = Reader(scene, "Ada", (0.0, letter))
    bea = Reader(scene, "Bea", (0.0, strange), (0.0, other[:-1]), (0.15, other))
    ada.comes(), bea.comes()
    answer = scene.answer(Call((*ada.ends, letter, seconds)), Call((*bea.ends, other, seconds)))
    first, second = outcomes = _outcomes(answer, [seconds, seconds])
    _early(first, seconds, "A reader was there")
    ada.has(letter, first, "A reader was there")
    if not first.value:
        raise NotYet(MISSED, f"The reader sent the receipt {letter!r}, and you returned False.", ada.event())
    if first.seconds > seconds / 2 + 0.1:
        happened = f"The receipt came at once, and you returned True after {first.seconds:.1f} s of {seconds:g} s."
        raise NotYet(ON, happened)
    bea.has(other, second, "A reader was there")
    if not second.value:
        label = ENDED if second.seconds < 0.9 * seconds else MISSED
        raise NotYet(label, "Receipts for other letters came first, then yours; you returned False.", bea.event())
    _closed(outcomes)


def a_late_reader(scene: Scene) -> None:
    """a reader who comes later and takes his time"""
    seconds, [letter] = scene.random.choice(TIMES), _letters(scene)
    reader = Reader(scene, "reader", (0.3 * seconds, letter))
    answer = scene.answer(Call((*reader.ends, letter, seconds)))
    answer.begun()
    threading.Event().wait(0.3 * seconds)
    reader.comes()
    [outcome] = _outcomes(answer, [seconds])
    confirmed = bool(reader.said)
    when = f"A reader came {0.3 * seconds:.1f} s after you"
    _early(outcome, seconds, when)
    if outcome.value and not confirmed:
        raise NotYet(SENT, f"{when}, and had sent no receipt yet when you returned True.", scene.first("sent", ENTRY))
    reader.has(letter, outcome, when)
    if not outcome.value:
        raise NotYet(MISSED, f"{when} and sent the receipt {letter!r}; you returned False.", reader.event())
    _closed([outcome])


def nobody(scene: Scene) -> None:
    """nobody who reads"""
    seconds, [letter] = scene.random.choice(TIMES), _letters(scene)
    with Mute() as mute:
        answer = scene.answer(Call((mute.endpoint, scene.stage.endpoint("receipts"), letter, seconds)))
        [outcome] = _outcomes(answer, [seconds])
        if outcome.value:
            raise NotYet(SENT, "Nobody read the letter, and you returned True.", scene.first("sent", ENTRY))
        _early(outcome, seconds, "Nobody was there yet")
        _closed([outcome])
        if mute.holds(SPARE):
            happened = f"{SPARE:g} s after you had returned False, a closed socket still held on to deliver {letter!r}."
            raise NotYet(KEPT, happened, scene.first("sent", ENTRY))


def no_receipt(scene: Scene) -> None:
    """a reader who comes late and confirms nothing"""
    seconds, [letter] = scene.random.choice(TIMES), _letters(scene)
    reader = Reader(scene, "reader")
    answer = scene.answer(Call((*reader.ends, letter, seconds)))
    answer.begun()
    threading.Event().wait(0.7 * seconds)
    reader.comes()
    [outcome] = _outcomes(answer, [seconds])
    if outcome.value:
        raise NotYet(SENT, "The reader confirmed nothing, and you returned True.", scene.first("sent", ENTRY))


def other_receipts(scene: Scene) -> None:
    """receipts for other letters"""
    seconds = scene.random.choice(TIMES)
    letter, other = _letters(scene, 2)
    strange = [letter + b"!", other, b"", letter[:-1], letter.upper(), b" " + letter, letter[1:], letter * 2]
    scene.random.shuffle(strange)
    reader = Reader(scene, "reader", *((0.2 * number, receipt) for number, receipt in enumerate(strange)))
    reader.comes()
    [outcome] = _outcomes(scene.answer(Call((*reader.ends, letter, seconds))), [seconds])
    if outcome.value:
        happened = f"You sent {letter!r}; the receipts were {_said(reader.said)}, and you returned True."
        raise NotYet(ANOTHERS, happened, scene.first("receive", ENTRY))


def _said(receipts: Sequence[bytes]) -> str:
    return " and ".join(map(repr, receipts)) or "none"


TRY = a_late_reader
SCENES = (a_reader, a_late_reader, nobody, no_receipt, other_receipts)
