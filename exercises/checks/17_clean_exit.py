# SPDX-License-Identifier: BSD-3-Clause
"""Post one letter, end in time, and know whether it was delivered."""

import threading
from typing import Any

import zmq
from exercises.scene import Answer, NotYet, Scene, TookTooLong, heard, unexpected

from exercises.answer import Call, Outcome
from patterns.stage import Actor

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

LABELS = {
    "sent was taken for delivered": "what does a `send` that has returned say about the reader?",
    "the letter was delivered after it had been given up": "what does a closed socket go on doing, and for how long?",
    "the letter was thrown away": "when is the socket closed, and what happens to a letter that has not left by then?",
    "it waited longer than it was told to": "which of your waits has no limit, or a limit of its own?",
    "it gave up before the time was over": "who says that the reader has to be there before you?",
    "another letter's receipt was taken for its own": "what is written on a receipt?",
    "a receipt for another letter ended the wait": "does a receipt for somebody else say anything about your letter?",
    "an error came back where False was due": "what does a socket raise when its time is over?",
    "the letter was sent more than once": "how often does the contract want it to be sent?",
    "a socket was left open": "who closes the socket on the way out?",
}

LETTER = b"dear reader"
TIME = 2.0  # seconds that an answer has where the letter is to be delivered
SHORT = 0.4  # ... and where it is not
LATE = 0.3  # seconds after which a reader comes who is late
AFTER = 0.4  # seconds in which nothing may come any more


def reader(
    ctx: zmq.Context[Any], letters: str, receipts: str, says: tuple[bytes, ...], over: threading.Event
) -> list[list[bytes]]:
    """Read the first letter, send these receipts, and return all letters that come until it is quiet."""
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.PUSH) as push:
        pull.bind(letters)
        push.connect(receipts)
        read = [pull.recv_multipart()] if heard(pull, over) else []
        for receipt in says if read else ():
            push.send(receipt)
        while read and heard(pull, over):
            read.append(pull.recv_multipart())
        return read


def _ends(scene: Scene) -> tuple[str, str]:
    return scene.stage.endpoint("letters"), scene.stage.endpoint("receipts")


def _start(scene: Scene, seconds: float) -> Answer:
    return scene.answer(Call((*_ends(scene), LETTER, seconds)))


def _outcome(answer: Answer, seconds: float, over: threading.Event) -> Outcome:
    """What came of the call. Longer than twice its time and a second is too long."""
    try:
        [outcome] = answer.outcomes(2 * seconds + 1.0)
    except TookTooLong as where:
        happened = f"You had {seconds:g} s, and after {2 * seconds + 1:g} s your function still stood {where}."
        raise NotYet("it waited longer than it was told to", happened) from None
    finally:
        over.set()
    if outcome.error == "Again" and outcome.seconds > 0.5 * seconds:
        raise NotYet("an error came back where False was due", "The time was over, and your function raised zmq.Again.")
    if outcome.error or type(outcome.value) is not bool:
        unexpected(outcome)
    if outcome.seconds > 1.5 * seconds + 0.3:
        happened = f"You had {seconds:g} s and took {outcome.seconds:.1f} s."
        raise NotYet("it waited longer than it was told to", happened)
    if outcome.left_open:
        raise NotYet(
            "a socket was left open", "Your function had returned, and a socket of its Context was still open."
        )
    return outcome


def _delivered(scene: Scene, reading: Actor, outcome: Outcome, when: str) -> None:
    """It had to say True, and the reader to have one letter."""
    read = reading.result(6.0)
    if not read:
        label = "the letter was thrown away" if outcome.value else "it gave up before the time was over"
        early = outcome.seconds < 0.9 * TIME
        happened = (
            f"{when}, and got no letter; you returned {outcome.value} after {outcome.seconds:.2f} s of {TIME:g} s."
        )
        raise NotYet(label if outcome.value or early else "the letter was thrown away", happened)
    if read[0] != [LETTER]:
        raise NotYet("", f"{when}, and the letter came as {read[0]!r}.")
    if len(read) > 1:
        raise NotYet("the letter was sent more than once", f"{when}, and got {len(read)} letters.")
    if not outcome.value:
        early = outcome.seconds < 0.9 * TIME
        happened = f"{when}, and sent the receipt; you returned False after {outcome.seconds:.2f} s of {TIME:g} s."
        raise NotYet("it gave up before the time was over" if early else "", happened)


def a_reader(scene: Scene) -> None:
    """a reader who is there"""
    over = threading.Event()
    reading = scene.stage.play(reader, *_ends(scene), (LETTER,), over)
    scene.recording.wait("bind", "reader")
    _delivered(scene, reading, _outcome(_start(scene, TIME), TIME, over), "A reader was there")


def a_late_reader(scene: Scene) -> None:
    """a reader who comes later"""
    over = threading.Event()
    answer = _start(scene, TIME)
    answer.begun()
    threading.Event().wait(LATE)
    reading = scene.stage.play(reader, *_ends(scene), (LETTER,), over)
    _delivered(scene, reading, _outcome(answer, TIME, over), f"A reader came {LATE:g} s after you")


def nobody(scene: Scene) -> None:
    """nobody, and somebody when it is too late"""
    over = threading.Event()
    answer = _start(scene, SHORT)
    outcome = _outcome(answer, SHORT, over)
    if outcome.value:
        raise NotYet(
            "sent was taken for delivered", "Nobody was there, and you returned True.", scene.first("sent", ENTRY)
        )
    with scene.stage.context.socket(zmq.PULL) as pull:
        pull.bind(_ends(scene)[0])
        if pull.poll(int(AFTER * 1000)):
            happened = f"You returned False. Then a reader came, and got {pull.recv()!r}."
            raise NotYet("the letter was delivered after it had been given up", happened, scene.first("sent", ENTRY))
    if outcome.seconds < 0.8 * SHORT:
        happened = f"Nobody was there yet, and you gave up after {outcome.seconds:.2f} s of {SHORT:g} s."
        raise NotYet("it gave up before the time was over", happened)


def no_receipt(scene: Scene) -> None:
    """a reader who confirms nothing"""
    over = threading.Event()
    scene.stage.play(reader, *_ends(scene), (), over)
    scene.recording.wait("bind", "reader")
    if _outcome(_start(scene, SHORT), SHORT, over).value:
        raise NotYet("sent was taken for delivered", "The reader confirmed nothing, and you returned True.")


def other_receipts(scene: Scene) -> None:
    """receipts for other letters"""
    over = threading.Event()
    says = (b"somebody else's letter", LETTER + b"!", b"")
    scene.stage.play(reader, *_ends(scene), says, over)
    scene.recording.wait("bind", "reader")
    outcome = _outcome(_start(scene, SHORT), SHORT, over)
    if outcome.value:
        happened = "Receipts came, and none of them for your letter; you returned True."
        raise NotYet("another letter's receipt was taken for its own", happened, scene.first("receive", ENTRY))


def others_first(scene: Scene) -> None:
    """receipts for other letters before its own"""
    over = threading.Event()
    says = (b"somebody else's letter", b"dear reade", LETTER)
    reading = scene.stage.play(reader, *_ends(scene), says, over)
    scene.recording.wait("bind", "reader")
    outcome = _outcome(_start(scene, TIME), TIME, over)
    if not outcome.value and reading.result(6.0):
        happened = "A receipt for another letter came first, then yours; you returned False."
        raise NotYet("a receipt for another letter ended the wait", happened, scene.first("receive", ENTRY))
    _delivered(scene, reading, outcome, "A reader was there")


TRY = a_late_reader
SCENES = (a_reader, a_late_reader, nobody, no_receipt, other_receipts, others_first)
