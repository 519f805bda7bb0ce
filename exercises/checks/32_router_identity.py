# SPDX-License-Identifier: BSD-3-Clause
"""Deliver letters by name, and report the ones that could not be delivered."""

import threading
from collections.abc import Sequence
from typing import Any

import zmq
from exercises.scene import NotYet, Scene, TookTooLong, heard, unexpected

from exercises.answer import Call, Outcome
from patterns.stage import Actor

ENTRY = "deliver"


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
