# SPDX-License-Identifier: BSD-3-Clause
"""Deliver letters by name, and report the ones that could not be delivered."""

import threading
from collections.abc import Sequence
from typing import Any

import zmq

from exercises.answer import Call, Outcome
from exercises.judge import NotYet, Scene, TookTooLong, heard, unexpected
from exercises.task import Question
from patterns.stage import Actor

ENTRY = "deliver"

GIVEN = '''\
import zmq

def deliver(ctx, endpoint, letters, patience):
    """Deliver the letters in their order, and return the list of those that could not be delivered.

    endpoint   bind a ROUTER here; guests connect to it with DEALERs, each under its name (its routing id)
    letters    a list of pairs (name, text), both bytes; a guest receives its letter as one frame, the text
    patience   seconds that one letter may take, from the moment when it is its turn

    Guests say nothing, before or after. A guest may connect before you or later, or never. It may also
    come back on a new connection while the old one still stands; then its letters are for the new one.
    A letter for whose name there is no connection waits until there is one, or until its patience is over;
    then it is not delivered, and the next one has its turn. Leave no socket open.
    """
    with ctx.socket(zmq.ROUTER) as router:
        router.bind(endpoint)
        for name, text in letters:
            router.send_multipart([name, text])
    return []
'''

HINTS = (
    "Your function sends a letter to somebody who is not there. What does the ROUTER do with it, and what does it tell "
    "you?",
    "Let the ROUTER raise an error where it would drop, and try again until it works or the patience is over. A second "
    "option decides who has a name that is there twice.",
    "`router_mandatory` and `router_handover`, both set before `bind`; the error is `zmq.ZMQError` with `errno` "
    "`zmq.EHOSTUNREACH`; a poll with a few milliseconds is a short pause.",
)
VARIANT = "let letters to different guests not wait for each other: one guest who is late holds up only his own."
LIMIT = "a letter that is counted as delivered may have been on its way when its guest left."
WHY = "what would you have to change if the guests had to confirm their letters?"

LABELS = {
    "a letter to nobody was counted as delivered": "what does a ROUTER do with a name that it does not know?",
    "it gave up at once on a guest who was late": "how long is the error true, and how long may a letter take?",
    "it waited longer than it was told to": "which of your loops has no end when a guest never comes?",
    "an error came back where a letter was to be reported": "which error says that nobody is there? Who catches it?",
    "one letter that could not be delivered ended everything": "what about the letters that come after it?",
    "the old connection kept the name": "which of two connections of one name does a ROUTER use by itself?",
    "something stood in front of the text": "which frames does the ROUTER take off, and what does a DEALER see?",
    "a letter was delivered twice": "what do you know when a send has not raised?",
    "it reported the letters that were delivered": "which list does the contract ask for?",
    "a socket was left open": "who closes the socket on the way out?",
}

PATIENCE, SHORT = 1.5, 0.35  # seconds a letter may take where its guest comes, and where nobody comes


def guest(ctx: zmq.Context[Any], endpoint: str, name: bytes, over: threading.Event) -> list[list[bytes]]:
    """Connect under this name, say nothing, and return what comes."""
    with ctx.socket(zmq.DEALER) as dealer:
        dealer.routing_id = name
        dealer.linger = 0
        dealer.connect(endpoint)
        got = []
        while heard(dealer, over):
            got.append(dealer.recv_multipart())
        return got


def _outcome(
    scene: Scene, letters: Sequence[tuple[bytes, bytes]], patience: float, most: float, over: threading.Event
) -> Outcome:
    """What came of the call; it may take `most` seconds."""
    answer = scene.answer(Call((scene.stage.endpoint("desk"), list(letters), patience)), name=ENTRY)
    try:
        [outcome] = answer.outcomes(most + 1.5)
    except TookTooLong as where:
        happened = f"Each letter had {patience:g} s, and after {most + 1.5:g} s your function still stood {where}."
        raise NotYet("it waited longer than it was told to", happened) from None
    finally:
        over.set()
    if outcome.error and outcome.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
        happened = f"There was no guest of a name, and your function raised {outcome.error}: {outcome.message}."
        raise NotYet("an error came back where a letter was to be reported", happened)
    if outcome.error or not isinstance(outcome.value, list):
        unexpected(outcome)
    if outcome.left_open:
        raise NotYet(
            "a socket was left open", "Your function had returned, and a socket of its Context was still open."
        )
    return outcome


def _got(scene: Scene, who: Actor, texts: Sequence[bytes], when: str) -> None:
    """This guest had to get these texts."""
    got = who.result(7.0)
    if got == [[text] for text in texts]:
        return
    happened = f"{when}, and got {got!r:.200}."
    event = scene.first("receive", who.name)
    if any(len(frames) > 1 and [frames[-1]] in [[text] for text in texts] for frames in got):
        raise NotYet("something stood in front of the text", happened, event)
    if len(got) > len(texts) and {frames[0] for frames in got} == set(texts):
        raise NotYet("a letter was delivered twice", happened, event)
    raise NotYet("", happened, event)


def _reported(outcome: Outcome, lost: list[tuple[bytes, bytes]], sent: list[tuple[bytes, bytes]], when: str) -> None:
    """It had to report these letters, and delivered those."""
    reported = [tuple(pair) for pair in outcome.value if isinstance(pair, (tuple, list))]
    if reported == lost:
        return
    happened = f"{when}; you were to report {lost!r} and reported {outcome.value!r:.200}."
    if lost and reported == sent:
        raise NotYet("it reported the letters that were delivered", happened)
    raise NotYet("" if outcome.value else "a letter to nobody was counted as delivered", happened)


def guests_who_are_there(scene: Scene) -> None:
    """guests who are there"""
    over = threading.Event()
    endpoint = scene.stage.endpoint("desk")
    ann = scene.stage.play(guest, endpoint, b"Ann", over, name="Ann")
    bob = scene.stage.play(guest, endpoint, b"Bob", over, name="Bob")
    letters = [(b"Ann", b"one"), (b"Bob", b""), (b"Ann", b"two")]
    outcome = _outcome(scene, letters, PATIENCE, 3 * PATIENCE, over)
    if not ann.result(6.0):
        happened = (
            f"Ann and Bob were just connecting; after {outcome.seconds:.2f} s you reported {outcome.value!r:.200}."
        )
        nothing = "a letter to nobody was counted as delivered"
        raise NotYet("it gave up at once on a guest who was late" if outcome.value else nothing, happened)
    _got(scene, ann, [b"one", b"two"], "Ann was there")
    _got(scene, bob, [b""], "Bob was there, and his letter had no text")
    if sorted(map(tuple, outcome.value)) == sorted(letters):
        happened = f"Everybody got their letters; you reported {outcome.value!r}."
        raise NotYet("it reported the letters that were delivered", happened)
    _reported(outcome, [], letters, "All guests were there")


def a_guest_who_comes_later(scene: Scene) -> None:
    """a guest who comes later"""
    over = threading.Event()
    endpoint = scene.stage.endpoint("desk")

    def late(ctx: zmq.Context[Any]) -> list[list[bytes]]:
        scene.recording.wait("bind", ENTRY, timeout=4.0)
        with ctx.socket(zmq.PAIR) as pause:
            pause.poll(250)
        return guest(ctx, endpoint, b"Zoe", over)

    zoe = scene.stage.play(late, name="Zoe")
    outcome = _outcome(scene, [(b"Zoe", b"welcome")], PATIENCE, PATIENCE, over)
    if outcome.value and outcome.seconds < 0.8 * PATIENCE:
        happened = (
            f"Zoe came 0.25 s after you had bound, and you gave up after {outcome.seconds:.2f} s of {PATIENCE:g} s."
        )
        raise NotYet("it gave up at once on a guest who was late", happened)
    if not outcome.value and not zoe.result(6.0):
        happened = "You reported nothing. Then Zoe came, and there was no letter for her."
        raise NotYet("a letter to nobody was counted as delivered", happened)
    _reported(outcome, [], [(b"Zoe", b"welcome")], "Zoe came later")
    _got(scene, zoe, [b"welcome"], "Zoe came later")


def guests_who_never_come(scene: Scene) -> None:
    """guests who never come"""
    over = threading.Event()
    endpoint = scene.stage.endpoint("desk")
    ann = scene.stage.play(guest, endpoint, b"Ann", over, name="Ann")
    lost, sent = [(b"Carl", b"one"), (b"ann", b"three")], [(b"Ann", b"two")]
    outcome = _outcome(scene, [lost[0], sent[0], lost[1]], SHORT, 3 * SHORT, over)
    if not outcome.value:
        raise NotYet("a letter to nobody was counted as delivered", "Carl never came, and you reported nothing.")
    if len(outcome.value) > 2 or (len(outcome.value) == 2 and not scene.first("receive", "Ann")):
        happened = f"Carl never came, and Ann was there; you reported {outcome.value!r:.200}, and Ann got no letter."
        if outcome.seconds < 0.8 * SHORT:
            raise NotYet("it gave up at once on a guest who was late", happened)
        raise NotYet("one letter that could not be delivered ended everything", happened)
    if len(outcome.value) == 1 and outcome.seconds < 1.5 * SHORT:
        happened = f"Carl never came; after that you reported {outcome.value!r:.200}, and nothing of the last letter."
        raise NotYet("one letter that could not be delivered ended everything", happened)
    _reported(outcome, lost, sent, "Carl and a guest called `ann` never came")
    _got(scene, ann, [b"two"], "Ann was there")
    if outcome.seconds < 1.5 * SHORT:
        happened = f"Two letters had {SHORT:g} s each, and both were given up within {outcome.seconds:.2f} s."
        raise NotYet("it gave up at once on a guest who was late", happened)


def a_guest_who_comes_back(scene: Scene) -> None:
    """a guest who comes back on a new connection"""
    over = threading.Event()
    endpoint = scene.stage.endpoint("desk")

    def moves(ctx: zmq.Context[Any]) -> tuple[bool, list[list[bytes]]]:
        """Ann gets a letter and connects anew beside the old connection; Bob comes only then. What the new one gets."""
        with ctx.socket(zmq.DEALER) as old, ctx.socket(zmq.DEALER) as new, ctx.socket(zmq.DEALER) as bob:
            for dealer, name in (old, b"Ann"), (new, b"Ann"), (bob, b"Bob"):
                dealer.routing_id, dealer.linger = name, 0
            old.connect(endpoint)
            if not heard(old, over):
                return False, []
            old.recv_multipart()
            with new.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) as shaken:
                new.connect(endpoint)
                shaken.poll(2000)
                new.disable_monitor()
            bob.connect(endpoint)
            if not heard(bob, over):
                return False, []
            bob.recv_multipart()
            got = [new.recv_multipart()] if heard(new, over) else []
            return bool(old.poll(0)), got

    ann = scene.stage.play(moves, name="Ann")
    letters = [(b"Ann", b"one"), (b"Bob", b"two"), (b"Ann", b"three")]
    outcome = _outcome(scene, letters, PATIENCE, 3 * PATIENCE, over)
    on_old, got = ann.result(8.0)
    happened = "Ann had her first letter and connected anew; then Bob came and got his."
    if on_old or (not got and (b"Ann", b"three") not in [tuple(pair) for pair in outcome.value]):
        raise NotYet(
            "the old connection kept the name", f"{happened} Ann's next letter did not go to the new connection."
        )
    _reported(outcome, [], letters, "Ann came back")
    if got != [[b"three"]]:
        raise NotYet("", f"{happened} On the new connection came {got!r:.200}.")


TRY = guests_who_are_there
SCENES = (guests_who_never_come, guests_who_are_there, a_guest_who_comes_later, a_guest_who_comes_back)

QUESTIONS = {
    "32.1": Question(
        "A ROUTER sends a message to `Bob`, and no connection has that id. What happens?",
        {
            "a": ("It waits until Bob connects.", "a ROUTER is taken for a store of letters"),
            "b": ("`send` raises an error.", "dropping is taken for an error"),
            "c": ("`send` returns, and the message is gone.", ""),
        },
        "Unless it is told otherwise, a ROUTER drops what it cannot route, and says nothing. It keeps no message for "
        "somebody who may come.",
    ),
    "32.2": Question(
        "A guest called Ann is connected. A second one connects under the same name and sends. What does the desk hear "
        "of it, and who gets its next letter to Ann?",
        {
            "a": ("It hears both; letters go to the newest.", "the newest connection is taken for the right one"),
            "b": ("It hears only the first, who also gets the letters.", ""),
            "c": ("The second one's handshake fails, and it raises.", "a name is taken for checked"),
        },
        "The connection of the second stands, but it has no id, because that one is taken. Nothing that comes from it "
        "is received, and nothing is sent to it. No error says so.",
    ),
    "32.3": Question(
        "A guest has set her identity and connected, and has sent nothing. Can a ROUTER send her a message?",
        {
            "a": ("No: a ROUTER knows only who has spoken.", "a routing id is taken for learnt from messages"),
            "b": ("Yes, as soon as the handshake is over.", ""),
            "c": ("Yes, even before she has connected: the message waits.", "a ROUTER is taken for a store of letters"),
        },
        "The identity is told in the handshake, so the ROUTER has it before the first message. Before that there is no "
        "way to her.",
    ),
}

_SOLUTION = """\
import time

import zmq

def deliver(ctx, endpoint, letters, patience):
    undelivered = []
    with ctx.socket(zmq.ROUTER) as router:
        router.router_mandatory = 1
        router.router_handover = 1
        router.bind(endpoint)
        for name, text in letters:
            end = time.monotonic() + patience
            while True:
                try:
                    router.send_multipart([name, text])
                    break
                except zmq.ZMQError as error:
                    if error.errno != zmq.EHOSTUNREACH:
                        raise
                if time.monotonic() >= end:
                    undelivered.append((name, text))
                    break
                router.poll(10)
    return undelivered
"""


def _changed(*pairs: tuple[str, str]) -> str:
    source = _SOLUTION
    for old, new in pairs:
        if old not in source:
            raise ValueError(f"the bank of {__name__} changes a line that is not there: {old!r}")
        source = source.replace(old, new)
    return source


_DONE = "                    break\n                except"
_LISTED = "                    undelivered.append((name, text))\n"
_GONE = "                    break\n                router.poll"

WRONG = {
    "a letter to nobody was counted as delivered": GIVEN + "    # as it was\n",
    "a letter to nobody was counted as delivered (2)": _changed(("        router.router_mandatory = 1\n", "")),
    "it gave up at once on a guest who was late": _changed(
        ("                if time.monotonic() >= end:\n", "                if True:\n")
    ),
    "it waited longer than it was told to": _changed(("if time.monotonic() >= end:", "if False:")),
    "it waited longer than it was told to (2)": _changed(
        ("        for name", "        router.recv_multipart()\n        for name")
    ),
    "an error came back where a letter was to be reported": _changed(
        (
            "                    if error.errno != zmq.EHOSTUNREACH:\n                        raise\n",
            "                    if time.monotonic() >= end:\n                        raise\n",
        )
    ),
    "one letter that could not be delivered ended everything": _changed(
        (
            "                    undelivered.append((name, text))\n                    break\n",
            "                    undelivered.append((name, text))\n                    return undelivered\n",
        )
    ),
    "the old connection kept the name": _changed(("        router.router_handover = 1\n", "")),
    "something stood in front of the text": _changed(("[name, text]", '[name, b"", text]')),
    "something stood in front of the text (2)": _changed(("[name, text]", "[name, name, text]")),
    "a letter was delivered twice": _changed(
        (_DONE, "                    router.send_multipart([name, text])\n" + _DONE)
    ),
    "it waited longer than it was told to (3)": _changed(
        (
            "            end = time.monotonic() + patience\n            while True:\n",
            "            while True:\n                end = time.monotonic() + patience\n",
        )
    ),
    "it reported the letters that were delivered": _changed((_DONE, _LISTED + _DONE), (_LISTED + _GONE, _GONE)),
    "a socket was left open": _changed(
        ("import zmq\n", "import zmq\n\nsockets = []\n"),
        (
            "        router.router_mandatory",
            "        sockets.append(ctx.socket(zmq.ROUTER))\n        router.router_mandatory",
        ),
    ),
}

RIGHT = {
    "a list of what is left, and a function for one try": """\
import time, zmq

def sent(router, name, text):
    try:
        router.send(name, zmq.SNDMORE | zmq.DONTWAIT)
        router.send(text, zmq.DONTWAIT)
        return True
    except zmq.ZMQError:
        return False

def deliver(ctx, endpoint, letters, patience):
    router = ctx.socket(zmq.ROUTER)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.setsockopt(zmq.ROUTER_HANDOVER, 1)
    router.bind(endpoint)
    try:
        left = []
        for letter in letters:
            since, done = time.monotonic(), False
            while not done and time.monotonic() - since < patience:
                done = sent(router, *letter) or bool(router.poll(5))
            if not done:
                left.append(letter)
        return left
    finally:
        router.close()
""",
    "as many tries as the patience has steps": """\
import math
import zmq

def deliver(ctx, endpoint, letters, patience):
    with ctx.socket(zmq.ROUTER) as router:
        router.router_mandatory = router.router_handover = True
        router.bind(endpoint)

        def fails(letter):
            for _ in range(math.ceil(patience / 0.02) + 1):
                try:
                    router.send_multipart(list(letter))
                except zmq.ZMQError:
                    router.poll(20)
                else:
                    return False
            return True

        return [letter for letter in letters if fails(letter)]
""",
}
