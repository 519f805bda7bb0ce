# SPDX-License-Identifier: BSD-3-Clause
"""Post one letter, end in time, and know whether it was delivered."""

import threading
from typing import Any

import zmq

from exercises.answer import Call, Outcome
from exercises.judge import Answer, NotYet, Scene, TookTooLong, heard, unexpected
from exercises.task import Question
from patterns.stage import Actor

ENTRY = "post"

GIVEN = '''\
import zmq

def post(ctx, letters, receipts, letter, seconds):
    """Send one letter and say whether it was delivered: True or False.

    letters    connect a PUSH here; the reader binds, perhaps a little later, perhaps never
    receipts   bind a PULL here; for each letter it has read, the reader sends the same bytes as a receipt
    letter     bytes, to be sent as one message, once
    seconds    how long you may take in all

    Return True as soon as the receipt for this letter has come. A receipt may also be for another letter,
    of somebody else; pass it over. When the time is over return False, and then the letter must not be
    delivered any more: who hears False will do something else about it. Leave no socket open. The Context
    is not yours: whoever called you will end it.
    """
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.linger = -1
        push.connect(letters)
        pull.bind(receipts)
        push.send(letter)
        return True
'''

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

QUESTIONS = {
    "17.1": Question(
        "A program sends to an endpoint where nobody listens, closes the socket, and calls `term()`. No option is set. "
        "What happens?",
        {
            "a": ("It ends; the message is lost.", "close is taken for giving up"),
            "b": ("It does not end.", ""),
            "c": ("`close` raises: there is an unsent message.", "an unsent message is taken for an error"),
        },
        "The closed socket goes on trying for as long as its linger says, which is for ever, and `term` waits for it.",
    ),
    "17.2": Question(
        "Linger is 0, so nothing has to be delivered. The program does not close its socket, and calls `term()`. What "
        "happens?",
        {
            "a": ("It ends at once: linger 0 gives everything up.", "linger is taken for a limit of term"),
            "b": ("`term` closes the socket, and it ends.", "term is taken for close"),
            "c": ("It does not end.", ""),
        },
        "Linger speaks of closed sockets. An open one may still be in use, perhaps by another thread, so `term` waits "
        "for whoever opened it to close it.",
    ),
    "17.3": Question(
        "A role catches every exception of `recv` and goes on. Its stage ends after half a second. What comes of it?",
        {
            "a": ("The role is ended by force, and named.", ""),
            "b": ("The role waits on, in its next `recv`.", "the end of a Context is taken for a message"),
            "c": ("Nothing: the stage ends its roles anyway.", "a thread is taken for a process"),
        },
        "After `term` each call raises at once, so the role goes round and round and never closes its socket. A stage "
        "breaks it off at its deadline; in your own program nobody does.",
    ),
}

_SOLUTION = """\
import math
import time

import zmq

def post(ctx, letters, receipts, letter, seconds):
    end = time.monotonic() + seconds
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.linger = 0
        pull.bind(receipts)
        push.connect(letters)
        push.send(letter)
        while (left := end - time.monotonic()) > 0:
            if pull.poll(math.ceil(left * 1000)) and pull.recv_multipart() == [letter]:
                return True
        return False
"""


def _changed(*pairs: tuple[str, str]) -> str:
    source = _SOLUTION
    for old, new in pairs:
        if old not in source:
            raise ValueError(f"the bank of {__name__} changes a line that is not there: {old!r}")
        source = source.replace(old, new)
    return source


_WAIT = """\
        while (left := end - time.monotonic()) > 0:
            if pull.poll(math.ceil(left * 1000)) and pull.recv_multipart() == [letter]:
                return True
        return False
"""

WRONG = {
    "sent was taken for delivered": GIVEN + "    # as it was\n",
    "sent was taken for delivered (2)": _changed((_WAIT, "        push.linger = 1000\n        return True\n")),
    "sent was taken for delivered (3)": """\
import zmq

def post(ctx, letters, receipts, letter, seconds):
    with ctx.socket(zmq.PUSH) as push:
        push.linger = 0
        push.immediate = 1
        push.sndtimeo = int(seconds * 1000)
        push.connect(letters)
        try:
            push.send(letter)
            push.linger = 1000
            return True
        except zmq.Again:
            return False
""",
    "the letter was delivered after it had been given up": _changed(("        push.linger = 0\n", "")),
    "the letter was delivered after it had been given up (2)": _changed(("push.linger = 0", "push.linger = -1")),
    "the letter was thrown away": _changed(
        ("        pull.bind(receipts)\n", ""),
        (
            "        push.send(letter)\n",
            "        push.send(letter)\n        push.close()\n        pull.bind(receipts)\n",
        ),
    ),
    "it waited longer than it was told to": _changed((_WAIT, "        return pull.recv() == letter\n")),
    "it waited longer than it was told to (2)": _changed(
        (
            _WAIT,
            "        while pull.poll(seconds * 10_000):\n            if pull.recv() == letter:\n"
            "                return True\n        return False\n",
        )
    ),
    "it gave up before the time was over": _changed(("seconds\n    with", "seconds / 1000\n    with")),
    "it gave up before the time was over (2)": _changed(
        (
            _WAIT,
            "        try:\n            return pull.recv(zmq.DONTWAIT) == letter\n"
            "        except zmq.Again:\n            return False\n",
        )
    ),
    "another letter's receipt was taken for its own": _changed(
        ("pull.recv_multipart() == [letter]", "pull.recv_multipart()")
    ),
    "a receipt for another letter ended the wait": _changed(
        (_WAIT, "        return bool(pull.poll(seconds * 1000)) and pull.recv() == letter\n")
    ),
    "an error came back where False was due": _changed(
        (
            _WAIT,
            "        pull.rcvtimeo = round(seconds * 1000)\n        while pull.recv() != letter:\n"
            "            pass\n        return True\n",
        )
    ),
    "the letter was sent more than once": _changed(
        ("            if pull.poll", "            push.send(letter)\n            if pull.poll"),
        ("math.ceil(left * 1000)", "50"),
    ),
    "a socket was left open": _changed(
        ("import zmq\n", "import zmq\n\nsockets = []\n"),
        (
            "    with ctx.socket(zmq.PUSH) as push, ctx",
            "    push = ctx.socket(zmq.PUSH)\n    sockets.append(push)\n    with ctx",
        ),
    ),
}

RIGHT = {
    "RCVTIMEO, set anew for what is left": """\
import time, zmq

def post(ctx, letters, receipts, letter, seconds):
    push, pull = ctx.socket(zmq.PUSH), ctx.socket(zmq.PULL)
    until = time.monotonic() + seconds
    try:
        pull.bind(receipts)
        push.connect(letters)
        push.send(letter)
        while True:
            pull.rcvtimeo = max(0, round((until - time.monotonic()) * 1000))
            if pull.recv() == letter:
                return True
    except zmq.Again:
        return False
    finally:
        push.close(linger=0)
        pull.close(linger=0)
""",
    "a poller in small steps": """\
import time
import zmq

def post(ctx, letters, receipts, letter, seconds):
    start = time.monotonic()
    with ctx.socket(zmq.PULL) as inbox:
        inbox.bind(receipts)
        with ctx.socket(zmq.PUSH) as outbox:
            outbox.setsockopt(zmq.LINGER, 0)
            outbox.connect(letters)
            outbox.send(letter)
            poller = zmq.Poller()
            poller.register(inbox, zmq.POLLIN)
            delivered = False
            while not delivered and time.monotonic() - start < seconds:
                for socket, event in poller.poll(20):
                    delivered = socket.recv() == letter
    return delivered
""",
}
