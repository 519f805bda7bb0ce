# SPDX-License-Identifier: BSD-3-Clause
"""Publish to subscribers that cannot answer, when all of them are there."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import zmq
from exercises.scene import Answer, NotYet, Scene, unexpected

from diagrams.recording import Event
from exercises.answer import Call, Outcome

ENTRY = "publish"


HINTS = (
    "When your function sends its first message, what does it know about the subscribers, and from where? A PUB is "
    "told nothing. Which socket is?",
    "An XPUB receives a byte 01 with the topic of each new subscription, and a byte 00 with the topic of one that has "
    "ended. Which of these messages stand for a subscriber, and which are one topic more?",
    'Keep a set of names. A message that begins with `b"\\x01ready."` adds one, a message that begins with '
    '`b"\\x00ready."` takes one away, and all others are passed over.',
)
VARIANT = "raise TimeoutError that says who is there, when after ten seconds somebody is still missing."
LIMIT = "a subscriber whose connection breaks after the start misses what is published until it is back."
WHY = "why does the name have to be subscribed to last, and what could go wrong if it were first?"

LABELS = {
    "it published before anybody had subscribed": "what becomes of a message for whom no subscription has come?",
    "a pause took the place of the subscriptions": "what if the subscription takes longer than your pause?",
    "it did not wait for all of them": "how many subscribers are there when your first message goes out?",
    "subscriptions were counted, not subscribers": "how many messages does a subscriber of two topics cause?",
    "somebody who had gone was still counted": "what does your socket receive when a subscriber goes away?",
    "each cancelled topic was taken for somebody who left": "which cancellations say that a subscriber has gone?",
    "it did not begin although everybody was there": "which bytes has your socket received, from the first one on, and "
    "which of the messages do you count?",
    "a PUB was asked for subscriptions": "which type sends like a PUB and can receive as well?",
    "subscribers were sent what is no message": "who is to understand it, and what does the contract say?",
    "messages went out more than once": "who got the first message the first time, and who now?",
    "topic and text went out as one frame": "how does a message of two frames leave a socket?",
    "what was still in the queue was thrown away": "what does the socket do with unsent messages when it is closed?",
    "it connected where it had to bind": "who listens at the endpoint when both sides connect?",
    "a socket was left open": "who closes the sockets when your function is done?",
}

START = 3.5  # seconds for the answer's process to open its first socket; only then does the clock run
BIND = 1.5  # seconds for it to bind
HEAR = 0.6  # seconds for it to read what subscribers have said
HOLD = 0.25  # seconds in which an answer that wants to begin too early may do so
PATIENCE = 0.6  # seconds, the same for one that takes silence for a sign
BEGIN = 2.0  # seconds for the first message, once everybody is there
WHOLE = 3.0  # seconds for all of them
LATE = 1.2  # seconds after its return in which its Context may still deliver
UNDER_WAY = 0.6  # seconds after the end of its process in which something may still come
LOOK = 0.02  # seconds between two looks
PAUSED = 0.2  # seconds from bind to the first message that nobody takes for at once
READY = b"ready."
TOPICS = b"tea", b"milk", b"water"
Message = tuple[bytes, ...]


class Listener:
    """A subscriber of the checker's: its topics, those that it cancels, and last its name. `got` is what came."""

    def __init__(self, scene: Scene, name: str, *topics: bytes, cancel: tuple[bytes, ...] = ()) -> None:
        self.name, self._ready = name, READY + name.split()[0].encode()
        self.topics = [topic for topic in topics if topic not in cancel]
        self.got: list[Message] = []
        self._scene, self._all, self._cancel = scene, topics, cancel
        self._gone = threading.Event()

    def play(self, endpoint: str) -> "Listener":
        def role(ctx: zmq.Context) -> None:
            with ctx.socket(zmq.SUB) as sub:
                sub.linger = 0  # or its subscriptions would wait for a publisher that has gone
                sub.connect(endpoint)
                for topic in self._all:
                    sub.subscribe(topic)
                for topic in self._cancel:
                    sub.unsubscribe(topic)
                sub.subscribe(self._ready)
                while not self._gone.is_set():
                    if zmq.select([sub], [], [], LOOK)[0]:
                        self.got.append(tuple(sub.recv_multipart()))

        self._actor = self._scene.stage.play(role, name=self.name)
        return self

    def leave(self) -> None:
        self._gone.set()
        self._actor.join(HEAR)

    def wanted(self, messages: list[Message]) -> list[Message]:
        return [message for message in messages if message[0].startswith(tuple(self.topics))]


def _wait(answer: Answer, seconds: float, over: Callable[[], Any] = lambda: False) -> bool:
    """Wait until something is the case, the answer has ended, or time is up. Whether it is the case."""
    until = time.monotonic() + seconds
    while not over() and not answer.process.told and time.monotonic() < until:
        threading.Event().wait(LOOK)
    return bool(over())


def _start(scene: Scene, messages: list[Message], subscribers: int) -> tuple[Answer, str]:
    """Start the answer and wait until it has bound a socket."""
    scene.stage.context.sndhwm = scene.stage.context.rcvhwm = 0
    endpoint = scene.stage.endpoint("news")
    answer = scene.answer(Call((list(messages), endpoint, subscribers)))
    path = endpoint.removeprefix("ipc://")
    _wait(answer, START, lambda: os.path.exists(path) or scene.first("open", ENTRY))
    answer.begun()
    there = _wait(answer, BIND, lambda: os.path.exists(path) or _joined(scene, "bind") or _joined(scene, "connect"))
    if not there and not answer.process.told:
        raise NotYet("", f"Your function opened a socket, and bound none to its endpoint; it stood {answer.stood()}.")
    if not _joined(scene, "bind") and (event := _joined(scene, "connect")):
        happened = "Your function and the subscribers connected to the same endpoint, and nobody listened there."
        raise NotYet("it connected where it had to bind", happened, event)
    return answer, endpoint


def _joined(scene: Scene, how: str) -> Event | None:
    """Where the answer's trace binds or connects a socket to the endpoint that it was given."""
    here = scene.stage.endpoint("news")
    return next((e for e in scene.recording if (e.actor, e.kind, e.detail) == (ENTRY, how, here)), None)


def _first(scene: Scene) -> Event | None:
    """The answer's first message, as its trace tells; what else it may have sent is none."""
    for event in scene.recording.events:
        if event.actor == ENTRY and event.kind == "send" and event.frames:
            topic = event.frames[0]
            if not isinstance(topic, bytes) or topic.startswith(TOPICS):
                return event
    return None


def _heard(scene: Scene) -> list[bytes]:
    """What an XPUB of the answer's has received so far, before its first message."""
    frames, first = [], _first(scene)
    for event in scene.recording.events:
        if event is first:
            break
        if (event.actor, event.kind, event.socket[:4]) == (ENTRY, "receive", "XPUB"):
            frames += [frame for frame in event.frames[:1] if isinstance(frame, bytes)]
    return frames


def _knows(scene: Scene, answer: Answer, *heard: bytes) -> None:
    """Wait until the answer has read this, or could have."""
    seconds = HEAR if scene.first("open", ENTRY) else HOLD  # one that is not traced cannot be seen reading
    _wait(answer, seconds, lambda: _first(scene) or set(heard) <= set(_heard(scene)))


def _held(scene: Scene, answer: Answer, who: str, subscribers: int, seconds: float = HOLD) -> None:
    """Somebody is still missing: give an answer that begins too early the time to do so, and blame it."""
    if _wait(answer, seconds, lambda: _first(scene)) or answer.process.told:
        outcome = _ended(answer)
        if _first(scene):
            _early(scene, who, subscribers)
        if outcome:
            _failed(scene, outcome)
            raise NotYet("", f"{who} Your function returned {outcome.value!r}, and had sent nothing.")


def _ended(answer: Answer) -> Outcome | None:
    return answer.outcomes(LOOK)[0] if answer.process.told else None


def _early(scene: Scene, who: str, subscribers: int) -> None:
    """Name the reason for a first message that went out too early. No word if it did not, as far as can be seen."""
    first, heard = _first(scene), _heard(scene)
    if first is None:
        return
    there: set[bytes] = set()
    for frame in heard:
        if frame[1:].startswith(READY):
            (there.add if frame[:1] == b"\1" else there.discard)(frame[1:])
    if len(there) >= subscribers:
        return
    names = {frame[1:] for frame in heard if frame[1:].startswith(READY)}
    topics = sum(1 if frame[:1] == b"\1" else -1 for frame in heard if frame[1:] not in names)
    said = f"When your function sent its first message, {len(there)} of {subscribers} subscribers were known to it"
    if not heard and scene.first("receive", ENTRY):
        label = ""
    elif not heard:
        bound = _joined(scene, "bind")
        if bound and first.at - bound.at > PAUSED:
            label, said = (
                "a pause took the place of the subscriptions",
                "Your function let time go by, read nothing, and published",
            )
        else:
            label, said = "it published before anybody had subscribed", "Your function published as soon as it could"
    elif names - there:
        label, said = "somebody who had gone was still counted", f"{said}; {len(names)} had come, and not all stayed"
    elif subscribers == len(heard) or (subscribers == topics and heard[-1][1:] not in names):
        label, said = "subscriptions were counted, not subscribers", f"{said}, from {len(heard)} messages"
    else:
        label = "it did not wait for all of them"
    raise NotYet(label, f"{said}. {who}".strip(), first)


def _failed(scene: Scene, outcome: Outcome) -> None:
    """An answer that raised: name what is known of it."""
    if outcome.errno == zmq.ENOTSUP:
        happened = "`recv` raised ENOTSUP: this type of socket receives nothing."
        raise NotYet("a PUB was asked for subscriptions", happened, scene.first("barred", ENTRY))
    if outcome.error:
        unexpected(outcome)


def _finish(
    scene: Scene, answer: Answer, messages: list[Message], subscribers: int, *listeners: Listener, who: str = ""
) -> None:
    """Everybody is there: wait until each has got what it wants, and look at it."""

    def done() -> bool:
        for each in listeners:
            _strange(scene, each, messages)
        return all(len(each.got) >= len(each.wanted(messages)) for each in listeners)

    began = _wait(answer, BEGIN, lambda: done() or _first(scene) or any(each.got for each in listeners))
    if not began and not answer.process.told:
        _idle(scene, answer, subscribers)
    _wait(answer, WHOLE, done)
    if answer.process.told:
        late, last = time.monotonic() + LATE, 0.0  # its Context may still be at work, and then what is under way
        while not done() and time.monotonic() < min(late, last or late):
            threading.Event().wait(LOOK)
            last = last or (answer.process.done and time.monotonic() + UNDER_WAY)
        if not done():
            _failed(scene, answer.outcomes(LOOK)[0])
    _early(scene, who, subscribers)
    for each in listeners:
        _short(scene, each, messages)
    outcome = answer.outcomes()[0]
    _failed(scene, outcome)
    threading.Event().wait(LOOK)
    for each in listeners:
        _strange(scene, each, messages)
    if outcome.left_open:
        happened = "Your function had returned, and a socket of its Context was still open."
        raise NotYet("a socket was left open", happened)


def _idle(scene: Scene, answer: Answer, subscribers: int) -> None:
    """All are there, and nothing has been published."""
    heard = _heard(scene)
    stood = f"{BEGIN:g} s after the last of {subscribers} subscribers had come, your function stood {answer.stood()}."
    ended = [frame[1:].startswith(READY) for frame in heard if frame[:1] == b"\0"]
    if ended and not any(ended):
        raise NotYet("each cancelled topic was taken for somebody who left", stood, _last(scene))
    raise NotYet("it did not begin although everybody was there", stood, _last(scene))


def _last(scene: Scene) -> Event | None:
    return next((e for e in reversed(scene.recording.events) if e.actor == ENTRY and e.frames), None)


def _strange(scene: Scene, listener: Listener, messages: list[Message]) -> None:
    """What came must be messages, each once."""
    event = scene.first("receive", listener.name)
    known, seen = set(messages), set[Message]()
    for message in listener.got:
        if message in known and message not in seen:
            seen.add(message)
            continue
        if message in known:
            happened = f"{listener.name} got {_shown(message)} a second time."
            raise NotYet("messages went out more than once", happened, event)
        if len(message) == 1 and any(
            message[0].startswith(topic) and message[0].endswith(text) for topic, text in messages
        ):
            happened = f"{listener.name} got one frame, {_shown(message)}, where two are due."
            raise NotYet("topic and text went out as one frame", happened, event)
        happened = f"{listener.name} got {_shown(message)}."
        raise NotYet("subscribers were sent what is no message", happened, event)


def _short(scene: Scene, listener: Listener, messages: list[Message]) -> None:
    """What came must be all of them, in order."""
    wanted, got = listener.wanted(messages), listener.got
    if got == wanted:
        return
    happened = f"{listener.name} got {len(got)} of {len(wanted)} messages"
    sent = sum(event.actor == ENTRY and event.kind == "send" for event in scene.recording)
    if got and got == wanted[: len(got)] and sent >= len(messages):
        happened = f"{happened}, the first ones; the others were lost when your function returned."
        raise NotYet("what was still in the queue was thrown away", happened)
    if sorted(got) == sorted(wanted):
        raise NotYet("", f"{listener.name} got all messages, in another order than that of the list.")
    raise NotYet("", f"{happened}.", scene.first("receive", listener.name))


def _shown(message: Message) -> str:
    return repr([frame[:20] for frame in message])


def _news(count: int, size: int = 0) -> list[Message]:
    """So many messages of three topics in turn, of so many bytes."""
    return [(TOPICS[number % 3], b"%d " % number + b"." * size) for number in range(count)]


def alone(scene: Scene) -> None:
    """one subscriber"""
    answer, endpoint = _start(scene, [(b"tea", b"hot"), (b"milk", b"cold")], 1)
    _wait(answer, HOLD)
    Listener(scene, "Ada", b"").play(endpoint)
    scene.recording.wait("connect", "Ada")
    answer.outcomes()


def three_that_come_late(scene: Scene) -> None:
    """three subscribers that come late"""
    messages = _news(300)
    answer, endpoint = _start(scene, messages, 3)
    _held(scene, answer, "No subscriber had been started yet.", 3)
    ada = Listener(scene, "Ada", b"tea").play(endpoint)
    _knows(scene, answer, b"\1ready.Ada")
    bo = Listener(scene, "Bo", b"tea", b"milk").play(endpoint)
    _knows(scene, answer, b"\1ready.Bo")
    cy = Listener(scene, "Cy", b"").play(endpoint)
    _finish(scene, answer, messages, 3, ada, bo, cy)


def a_subscription_that_is_delayed(scene: Scene) -> None:
    """a subscription that is delayed"""
    messages = _news(120, 8000)
    answer, endpoint = _start(scene, messages, 3)
    wire = scene.wire(endpoint)
    wire.freeze()
    wire.delay("back", 1, seconds=HOLD)  # and a slow way back: most of it waits in the answer's socket
    ada = Listener(scene, "Ada", b"tea", b"milk").play(endpoint)
    bo = Listener(scene, "Bo", b"milk", b"water").play(endpoint)
    cy = Listener(scene, "Cy", b"").play(wire.endpoint)
    _knows(scene, answer, b"\1ready.Ada", b"\1ready.Bo")
    who = "The third one's subscription was still on its way."
    _held(scene, answer, who, 3)
    wire.heal()
    _finish(scene, answer, messages, 3, ada, bo, cy, who=who)


def one_that_changes_its_mind(scene: Scene) -> None:
    """one that cancels a topic, and three with the same topic"""
    messages = _news(30)
    answer, endpoint = _start(scene, messages, 3)
    ada = Listener(scene, "Ada", b"milk", b"tea", cancel=(b"milk",)).play(endpoint)
    _knows(scene, answer, b"\1ready.Ada")
    bo = Listener(scene, "Bo", b"tea").play(endpoint)
    _knows(scene, answer, b"\1ready.Bo")
    who = "The third one had not come yet."
    _held(scene, answer, who, 3, PATIENCE)
    cy = Listener(scene, "Cy", b"tea").play(endpoint)
    _finish(scene, answer, messages, 3, ada, bo, cy, who=who)


def one_that_goes_away(scene: Scene) -> None:
    """one that goes away before the start"""
    messages = _news(30)
    answer, endpoint = _start(scene, messages, 2)
    ada = Listener(scene, "Ada", b"tea", b"milk").play(endpoint)
    _knows(scene, answer, b"\1ready.Ada")
    ada.leave()
    _knows(scene, answer, b"\0ready.Ada")
    bo = Listener(scene, "Bo", b"milk").play(endpoint)
    _knows(scene, answer, b"\1ready.Bo")
    who = "One of two had gone away again, and the next had not come yet."
    _held(scene, answer, who, 2)
    again = Listener(scene, "Ada again", b"tea").play(endpoint)
    _finish(scene, answer, messages, 2, bo, again, who=who)


TRY = alone
SCENES = (three_that_come_late, a_subscription_that_is_delayed, one_that_changes_its_mind, one_that_goes_away)
