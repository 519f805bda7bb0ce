# SPDX-License-Identifier: BSD-3-Clause
"""Take one message as text, wait no longer than you are told to, and leave nothing open."""

import threading
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import zmq
from zmq.utils.monitor import recv_monitor_message

from diagrams.recording import Event
from exercises.answer import Call, Outcome
from exercises.scene import Answer, NotYet, Scene, TookTooLong, unexpected

ENTRY = "take"


HINTS = (
    "What does your function do when nobody ever sends? Which of its lines never returns?",
    "Ask first whether a message has come, with a limit; receive only if one has. And let the socket close itself.",
    "`socket.poll` takes milliseconds and says 0 when nothing came; `with ctx.socket(...) as socket:` closes it.",
)
VARIANT = "take two messages, with one limit for both together."
LIMIT = "a message that arrives after the limit is lost with the socket, and its sender does not learn of it."
WHY = "what would happen if the message came between the end of the wait and the closing of the socket?"

UNBOUND = "nobody was bound to the endpoint"
CONNECTED = "it connected where it had to bind"
TYPE = "the socket takes nothing from a PUSH"
EARLY = "it gave up before the time was over"
LONG = "it waited longer than it was told to"
ERROR = "an error came back where None was due"
SOMETHING = "something came back where None was due"
POLL = "poll's answer was taken for the message"
NO_STR = "what came back is not a str"
CHANGED = "the text came back changed"
SECOND = "a later message came back, not the first"
EMPTY = "an empty message was taken for none"
UNRETURNED = "a message that had come was not returned"
LEFT = "a socket was left open"

LABELS = {
    UNBOUND: "which call makes a socket listen at an endpoint, and for how long does it?",
    CONNECTED: "who listens at the endpoint when both sides connect?",
    TYPE: "which type of socket is the other end of a PUSH?",
    EARLY: "in which unit does your wait count, and what if the message comes a little later than you?",
    LONG: "which call returns although no message has come?",
    ERROR: "what does a socket raise when its time is over?",
    SOMETHING: "what does your function return on the way on which nothing was received?",
    POLL: "what does poll return, and what does recv?",
    NO_STR: "what turns bytes into a str?",
    CHANGED: "which encoding was the text in, and what else becomes of it in your function?",
    SECOND: "when do you stop receiving?",
    EMPTY: "how does your function tell a message without a text from no message?",
    UNRETURNED: "on which way through your function is the text returned?",
    LEFT: "who closes the socket on every way out?",
}

TIME = 1.5  # seconds that are given where a message comes at once
LATER, TO_WAIT = 0.6, 1.0  # seconds after which a message comes, of those that are given: more than half of them
SPARE = 0.5  # seconds that a busy machine may take beside the limit
LEAVES = 1.5  # seconds until a connection has to be gone that was closed
EVENTS = zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED


class Sender:
    """A PUSH that watches its connection, and sends these messages `pause` seconds after it stands.

    events  what became of its connection: connected, of types that fit (handshake), gone again (disconnected)
    """

    def __init__(self, scene: Scene, name: str, messages: Sequence[bytes] = (), pause: float = 0.0) -> None:
        self.scene, self.messages, self.pause = scene, messages, pause
        self.events: list[int] = []
        self.endpoint = scene.stage.endpoint(name)
        scene.stage.play(self.role, name=name)

    def role(self, ctx: zmq.Context[Any]) -> None:
        with ctx.socket(zmq.PUSH) as push, push.get_monitor_socket(EVENTS) as monitor:
            push.linger, push.reconnect_ivl = 0, 5
            push.connect(self.endpoint)
            try:
                while True:
                    self.events.append(int(recv_monitor_message(monitor)["event"]))
                    if self.events[-1] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                        threading.Event().wait(self.pause)
                        for message in self.messages:
                            push.send(message, zmq.DONTWAIT)
                        self.messages = ()
            finally:
                push.disable_monitor()

    @property
    def met(self) -> bool:
        """Whether a socket that fits was bound."""
        return zmq.EVENT_HANDSHAKE_SUCCEEDED in self.events

    def joined(self) -> Event | None:
        return self.scene.joined("connect", self.endpoint)

    def alone(self) -> NoReturn:
        """No such socket was."""
        if zmq.EVENT_CONNECTED in self.events:
            happened = "The sender connected, but a PUSH and your socket did not come to terms."
            raise NotYet(TYPE, happened)
        if self.joined():
            raise NotYet(CONNECTED, "Both sides connected, and nobody listened.", self.joined())
        raise NotYet(UNBOUND, f"The sender found nobody at {self.endpoint}.")

    def left(self) -> bool:
        """Whether its connection ends soon."""
        until = time.monotonic() + LEAVES
        while self.events[-1] != zmq.EVENT_DISCONNECTED and time.monotonic() < until:
            threading.Event().wait(0.01)
        return self.events[-1] == zmq.EVENT_DISCONNECTED


def _outcomes(answer: Answer, *senders: Sender) -> list[Outcome]:
    """What came of the calls, to each of which one of these senders belongs."""
    try:
        return answer.outcomes(3.5)
    except TookTooLong:
        for sender in senders:
            if not sender.met and (sender.events or sender.joined()):
                sender.alone()
        raise


def _came(scene: Scene, outcome: Outcome, sender: Sender, sent: Sequence[str], seconds: float) -> None:
    """The first of the texts came back."""
    if outcome.error and outcome.error != "Again":
        unexpected(outcome)
    if outcome.error or outcome.value is None:
        _missed(scene, outcome, sender, seconds)
    if not sender.met:
        sender.alone()
    happened = f"{sent[0]!r} was sent, and your function returned {outcome.value!r}."
    if outcome.value == sent[0]:
        return
    if isinstance(outcome.value, (bool, int)):
        raise NotYet(POLL, happened)
    if not isinstance(outcome.value, str):
        raise NotYet(NO_STR, happened)
    if outcome.value in sent:
        raise NotYet(SECOND, f"{sent[0]!r} was sent first, and your function returned {outcome.value!r}.")
    raise NotYet(CHANGED, happened)


def _missed(scene: Scene, outcome: Outcome, sender: Sender, seconds: float) -> NoReturn:
    """A message was sent, or would have been, and did not come back."""
    said = f"raised {outcome.error}" if outcome.error else "returned None"
    if outcome.seconds < 0.9 * seconds and _unseen(scene):
        raise NotYet(EARLY, f"Your function {said} after {outcome.seconds:.2f} s of {seconds:g} s.")
    if not sender.met:
        sender.alone()
    raise NotYet(UNRETURNED, f"A message was sent, and your function {said}.", scene.first("receive", ENTRY))


def _unseen(scene: Scene) -> bool:
    """Whether the answer, as far as it can be seen, received no more than it returned."""
    returned = sum(outcome.value is not None for outcome in scene.outcomes)
    received = sum(event.kind == "receive" for event in scene.recording.events)
    return received <= returned and (received > 0 or not returned)


def _closed(outcome: Outcome, sender: Sender) -> None:
    if outcome.left_open or not sender.left():
        raise NotYet(LEFT, "Your function had returned, and its socket was still bound to the endpoint.")


def a_message(scene: Scene) -> None:
    """a message"""
    first, second, third = (word.decode() for word in scene.words(3))
    texts = f" é{first}\n", second
    sender = Sender(scene, "sender", [text.encode() for text in texts])
    other = Sender(scene, "another", [b"", third.encode()])
    answer = scene.answer(Call((sender.endpoint, TIME)), Call((other.endpoint, TIME)))
    outcome, *rest = _outcomes(answer, sender, other)
    _came(scene, outcome, sender, texts, TIME)
    for empty in rest:
        if empty.value is None and not empty.error and other.met and not _unseen(scene):
            raise NotYet(EMPTY, "A message of one empty frame had come, and your function returned None.")
        _came(scene, empty, other, ("", third), TIME)
        _closed(outcome, sender)


def a_late_message(scene: Scene) -> None:
    """one that comes later"""
    [word] = scene.words(1)
    sender = Sender(scene, "sender", [word], LATER)
    [outcome] = _outcomes(scene.answer(Call((sender.endpoint, TO_WAIT))), sender)
    _came(scene, outcome, sender, [word.decode()], TO_WAIT)


def silence(scene: Scene) -> None:
    """silence"""
    seconds = scene.random.choice((0.2, 0.25, 0.3))
    sender = Sender(scene, "sender")
    answer = scene.answer(Call((sender.endpoint, seconds)), Call((scene.stage.endpoint("door"), 0)))
    answer.begun()
    if not answer.until(lambda: answer.process.told, seconds + 2 * SPARE):
        happened = f"Nothing came, and after {seconds + 2 * SPARE:g} s your function still stood {answer.stood()}."
        raise NotYet(LONG, f"Two calls had {seconds:g} s and 0 s to wait. {happened}")
    for outcome, given in zip(answer.outcomes(), (seconds, 0), strict=False):
        if outcome.error == "Again":
            raise NotYet(ERROR, "Nothing came, and your function raised zmq.Again.")
        if outcome.error:
            unexpected(outcome)
        if isinstance(outcome.value, (bool, int)):
            raise NotYet(POLL, f"Nothing came, and your function returned {outcome.value!r}.")
        if outcome.value is not None:
            raise NotYet(SOMETHING, f"Nothing came, and your function returned {outcome.value!r}.")
        if outcome.seconds < 0.9 * given:
            raise NotYet(EARLY, f"You returned None after {outcome.seconds:.2f} s of {given:g} s.")
        if outcome.seconds > given + SPARE:
            raise NotYet(LONG, f"Nothing came; you had {given:g} s, and returned after {outcome.seconds:.1f} s.")
    if not sender.met:
        sender.alone()
    _closed(answer.outcomes()[0], sender)


TRY = a_message
SCENES = (a_message, a_late_message, silence)
