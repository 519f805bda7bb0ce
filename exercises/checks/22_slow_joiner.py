# SPDX-License-Identifier: BSD-3-Clause
"""Publish to subscribers that cannot answer, when all of them are there."""

import os
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import zmq

from exercises.answer import Call, Outcome
from exercises.scene import LOOK, Answer, NotYet, Scene, TookTooLong, counted, unexpected

ENTRY = "publish"

HINTS = (
    "When your function sends its first message, what does it know about the subscribers, and from where? A PUB is "
    "told nothing. Which socket is?",
    "An XPUB receives a byte 01 with the topic of each new subscription, and a byte 00 with the topic of one that has "
    "ended. Which of these messages stand for a subscriber, and which for a topic?",
    'Keep a set of names. A message that begins with `b"\\x01ready."` adds one, a message that begins with '
    '`b"\\x00ready."` takes one away, and all others are passed over.',
)
VARIANT = "raise TimeoutError that says who is there, when after ten seconds somebody is still missing."
LIMIT = "a subscriber whose connection breaks after the start misses what is published until it is back."
WHY = "why does the name have to be subscribed to last, and what could go wrong if it were first?"

BEFORE = "it published before anybody had subscribed"
PAUSE = "a pause took the place of the subscriptions"
PARTLY = "it did not wait for all of them"
COUNTED = "subscriptions were counted, not subscribers"
TOPIC = "a topic was taken for somebody's name"
GONE = "a subscriber that had left was still counted"
CANCELLED = "each cancelled topic was taken for somebody who left"
IDLE = "it did not begin although everybody was there"
FORGOTTEN = "after somebody had left it never began"
DEAF = "a PUB was asked for subscriptions"
STRANGE = "subscribers were sent something other than the messages"
TWICE = "messages went out more than once"
JOINED = "topic and text went out as one frame"
ORDER = "the messages came in another order"
LOST = "what waited for a slow subscriber was lost"
EXCHANGED = "it connected where it had to bind"
OPEN = "a socket was left open"

LABELS = {
    BEFORE: "what becomes of a message that nobody has subscribed to yet?",
    PAUSE: "what if the subscription takes longer than your pause?",
    PARTLY: "how many subscribers are there when your first message goes out?",
    COUNTED: "how many messages does a subscriber of two topics cause?",
    TOPIC: "with which bytes does a name begin, and which topics have bytes like these?",
    GONE: "what does your socket receive when a subscriber goes away?",
    CANCELLED: "which cancellations say that a subscriber has left?",
    IDLE: "which bytes has your socket received, one message after another, and which of them do you count?",
    FORGOTTEN: "who has left when `ready.` and a name are cancelled, who has not, and who may come again?",
    DEAF: "which type sends like a PUB and can receive as well?",
    STRANGE: "who is to understand it, and what does the contract say?",
    TWICE: "who got the first message the first time, and who now?",
    JOINED: "how does a message of two frames leave a socket?",
    ORDER: "in which order does the contract want them?",
    LOST: "what does a socket do with messages that wait, when its queue is full, and when it is closed?",
    EXCHANGED: "who listens at the endpoint when both sides connect?",
    OPEN: "who closes the sockets when your function is done?",
}

EQUIVALENT = {"line 11, always: if said.startswith(b'\\x00ready.'):": "what is no name is not in the set"}

START = 5.0  # seconds for the answer's process to begin, and to bind
HOLD = 0.2  # seconds in which an answer that knows whom it waits for, and begins too early, may do so
LONG = 1.1  # seconds, the same for one that takes silence for a sign
PATIENCE = 2.7  # seconds, all in all, for one that is not seen to know
LEAST = 0.25  # seconds of it for each who comes or goes
BRIEF = 0.3  # the same, in a scene where a pause of PATIENCE is too long
BEGIN = 2.0  # seconds for the first message, once everybody is there
WHOLE = 3.0  # seconds for all of them
LATE = 1.5  # seconds after its return in which its Context may still deliver
LINGER = 4000  # milliseconds, of the answer's Context
PAUSED = 0.2  # seconds from bind to the first message that nobody takes for at once
READY = b"ready."

Message = tuple[bytes, ...]
Heard = list[bytes]


def _there(heard: Heard, name: Callable[[bytes], bool]) -> set[bytes]:
    """What was subscribed to last, and not cancelled, of all that is a name."""
    there: set[bytes] = set()
    for said in heard:
        if name(said[1:]):
            (there.add if said[:1] == b"\1" else there.discard)(said[1:])
    return there


def _named(topic: bytes) -> bool:
    return topic.startswith(READY)


# how many subscribers somebody believes to be there who has heard this, and under which misconception
BELIEFS: tuple[tuple[str, Callable[[Heard], int]], ...] = (
    (COUNTED, len),
    (COUNTED, lambda heard: sum(said[:1] == b"\1" for said in heard)),
    (COUNTED, lambda heard: len(_there(heard, lambda topic: True))),
    (COUNTED, lambda heard: len(_there(heard, lambda topic: not _named(topic)))),
    (GONE, lambda heard: sum(said.startswith(b"\1" + READY) for said in heard)),
    (GONE, lambda heard: sum(_named(said[1:]) for said in heard)),
    (TOPIC, lambda heard: len(_there(heard, lambda topic: topic.startswith(READY[:-1])))),
    (TOPIC, lambda heard: len(_there(heard, lambda topic: READY[:-1] in topic))),
    (TOPIC, lambda heard: len(_there(heard, lambda topic: READY in topic))),
    (TOPIC, lambda heard: sum(READY in said for said in heard)),
)


class Listener:
    """A subscriber: it asks for topics, cancels some of them, and last says its name. `got` is what came."""

    def __init__(self, hall: "Hall", title: str, topics: tuple[bytes, ...], cancel: tuple[bytes, ...]) -> None:
        self.title, self.ready = title, READY + title.split()[0].encode()
        self.wanted = [m for m in hall.messages if m[0].startswith(tuple(t for t in topics if t not in cancel))]
        self.got: list[Message] = []
        self.seen = set[Message]()  # of it, by the checker
        self._gone = threading.Event()

        def role(ctx: zmq.Context, endpoint: str) -> None:
            with ctx.socket(zmq.SUB) as sub:
                sub.linger = 0  # or its subscriptions would wait for a publisher that has gone
                sub.connect(endpoint)
                for topic in topics:
                    sub.subscribe(topic)
                for topic in cancel:
                    sub.unsubscribe(topic)
                sub.subscribe(self.ready)
                while not self._gone.is_set():
                    if zmq.select([sub], [], [], LOOK)[0]:
                        self.got.append(tuple(sub.recv_multipart()))

        self.play = lambda endpoint: hall.scene.stage.play(role, endpoint, name=title)

    def leave(self) -> None:
        self._gone.set()


class Hall:
    """The answer at work, and the subscribers that have come. `patience` is for one that is not seen to know them."""

    def __init__(self, scene: Scene, messages: list[Message], subscribers: int, patience: float = BRIEF) -> None:
        self.scene, self.messages, self.subscribers, self._patience = scene, messages, subscribers, patience
        self.listeners: list[Listener] = []
        scene.stage.context.sndhwm = scene.stage.context.rcvhwm = 0
        scene.stage.context.linger = LINGER
        self.endpoint = scene.stage.endpoint("news")
        self.answer: Answer = scene.answer(Call((list(messages), self.endpoint, subscribers)))
        bound = self.endpoint.removeprefix("ipc://")
        self.answer.until(lambda: os.path.exists(bound) or scene.joined("connect", self.endpoint), START)
        if not os.path.exists(bound) and not self.answer.process.told:
            if event := scene.joined("connect", self.endpoint):
                happened = "Your function and the subscribers connected to the same endpoint: nobody listened."
                raise NotYet(EXCHANGED, happened, event)
            raise TookTooLong(f"{self.answer.stood()}, and had bound no socket")

    def come(
        self, title: str, *topics: bytes, cancel: tuple[bytes, ...] = (), endpoint: str = "", known: bool = True
    ) -> Listener:
        """Somebody comes. If it is to be known, the next may come when the answer is seen to know it, or could."""
        listener = Listener(self, title, topics, cancel)
        self.listeners.append(listener)
        listener.play(endpoint or self.endpoint)
        if known:
            self._know(b"\1" + listener.ready)
        return listener

    def leave(self, listener: Listener) -> None:
        """Somebody goes."""
        listener.leave()
        self._know(b"\0" + listener.ready)

    def _know(self, said: bytes) -> None:
        """Let the answer read this, and give one that begins too early then the time to do so."""
        began = time.monotonic()
        self.answer.until(
            lambda: said in self.scene.heard("XPUB", ENTRY) or self._begun(), max(LEAST, self._patience), self._look
        )
        self._patience -= time.monotonic() - began

    def held(self, who: str, seconds: float = HOLD) -> None:
        """Somebody is missing: an answer must neither begin nor end."""
        if not self.answer.until(self._begun, seconds, self._look) and not self.answer.process.told:
            return
        outcome = self.answer.ended()
        if outcome and outcome.error:
            self._failed(outcome)
        self._early(f"{who} Your function had {'returned' if outcome else 'begun to publish'}.")

    def _begun(self) -> bool:
        return any(listener.got for listener in self.listeners)

    def _early(self, happened: str) -> NoReturn:
        """It published before everybody was there. Its trace tells what it knew then, and so why."""
        self.answer.until(lambda: self.scene.first("send", ENTRY), LEAST, after=LEAST)  # its trace comes later
        heard, first = self.scene.heard("XPUB", ENTRY), self.scene.first("send", ENTRY)
        known = len(_there(heard, _named))
        if heard:
            happened += f" It had heard {counted(len(heard), 'message')}, "
            happened += f"and knew of {known} of {self.subscribers} subscribers."
        if first is None:
            raise NotYet(PARTLY, happened)
        if known >= self.subscribers:
            raise NotYet("", happened, first)
        bound = self.scene.joined("bind", self.endpoint)
        if not heard:
            paused = bound and first.at - bound.at > PAUSED and not self.scene.received("XPUB")
            raise NotYet(PAUSE if paused else BEFORE, happened, first)
        for label, believed in BELIEFS:
            if believed(heard[:-1]) < self.subscribers <= believed(heard):
                raise NotYet(label, happened, first)
        raise NotYet(PARTLY, happened, first)

    def _failed(self, outcome: Outcome) -> NoReturn:
        if outcome.errno == zmq.ENOTSUP:
            happened = "`recv` raised ENOTSUP: this type of socket receives nothing."
            raise NotYet(DEAF, happened, self.scene.first("barred", ENTRY))
        unexpected(outcome)

    def finish(self, who: str) -> None:
        """Everybody is there: wait until each has got what it wants, and look at it."""
        ended = self.answer.process

        def done() -> bool:
            return all(len(listener.got) >= len(listener.wanted) for listener in self.listeners)

        if not self.answer.until(self._begun, BEGIN, self._look, after=LATE) and not ended.told:
            self._idle()
        self.answer.until(done, WHOLE, self._look, after=LATE)
        if (outcome := self.answer.ended()) and outcome.error:
            self._failed(outcome)
        for listener in self.listeners:
            self._compare(listener, who)
        outcome = self.answer.outcomes()[0]
        if outcome.error:
            self._failed(outcome)
        threading.Event().wait(5 * LOOK)  # something may come that is not due
        self._look()
        if outcome.left_open:
            raise NotYet(OPEN, "Your function had returned, and a socket of its Context was still open.")

    def _idle(self) -> None:
        """All are there, and nothing has been published."""
        heard = self.scene.heard("XPUB", ENTRY)
        happened = f"{BEGIN:g} s after the last of {self.subscribers} subscribers had come, your function stood "
        event = next((e for e in reversed(self.scene.recording.events) if e.actor == ENTRY and e.frames), None)
        gone = [_named(said[1:]) for said in heard if said[:1] == b"\0"]
        label = IDLE if not gone else FORGOTTEN if any(gone) else CANCELLED
        raise NotYet(label, f"{happened}{self.answer.stood()}.", event)

    def _look(self) -> None:
        """What has come must be messages, each once."""
        for listener in self.listeners:
            for message in listener.got[len(listener.seen) :]:
                event = self.scene.first("receive", listener.title, len(listener.seen) + 1)
                happened = f"{listener.title} got {_shown(message)}"
                if message in listener.seen:
                    raise NotYet(TWICE, f"{happened} a second time.", event)
                listener.seen.add(message)
                if message in self.messages:
                    continue
                if len(message) == 1 and any(message[0] in (t + x, t + b" " + x) for t, x in self.messages):
                    raise NotYet(JOINED, f"{happened}, one frame where two are due.", event)
                raise NotYet(STRANGE, f"{happened}.", event)

    def _compare(self, listener: Listener, who: str) -> None:
        """What came must be all of them, in order."""
        wanted, got = listener.wanted, listener.got[:]
        if got == wanted:
            return
        happened = f"{listener.title} got {len(got)} of {len(wanted)} messages"
        event = self.scene.first("receive", listener.title)
        if got and got == [message for message in wanted if message in got] and got[0] == wanted[0]:
            raise NotYet(LOST, f"{happened}: the first ones came, and others did not.", event)
        if sorted(got) == sorted(wanted):
            raise NotYet(ORDER, f"{happened}, in another order than that of the list.", event)
        if not got or got == wanted[-len(got) :]:
            self._early(f"{happened}, and none of the first. {who}")
        raise NotYet("", f"{happened}.", event)


def _shown(message: Message) -> str:
    return repr([frame[:20] for frame in message])


def _news(topics: list[bytes], count: int, size: int = 0) -> list[Message]:
    """So many messages of these topics in turn, of so many bytes."""
    return [(topics[number % len(topics)], b"%d " % number + b"." * size) for number in range(count)]


def alone(scene: Scene) -> None:
    """one subscriber"""
    hall = Hall(scene, [(b"tea", b"hot"), (b"milk", b"cold")], 1)
    hall.answer.until(lambda: False, HOLD)
    hall.come("Ada", b"")
    scene.recording.wait("connect", "Ada")
    hall.answer.outcomes()


def three_that_come_late(scene: Scene) -> None:
    """three subscribers that come late, one of them slow"""
    one, two, _ = topics = scene.words(3)
    hall = Hall(scene, _news(topics, 150, 8000), 3, PATIENCE)
    wire = scene.wire(hall.endpoint)
    hall.held("No subscriber had been started yet.")
    hall.come("Ada.1", b"", endpoint=wire.endpoint)
    hall.held("Two of three had not come yet.")
    hall.come("Ada.2", one, two)
    hall.held("One of three had not come yet.")
    wire.freeze()
    hall.come("Cy", one, known=False)
    hall.answer.until(lambda: hall.answer.process.told, BEGIN)
    hall.answer.until(lambda: hall.answer.process.done, HOLD, after=HOLD)  # its Context throws away, if it is to
    wire.heal()
    hall.finish("Others had been there before.")


def a_subscription_that_is_delayed(scene: Scene) -> None:
    """a subscription that is delayed"""
    one, two, three = topics = scene.words(3)
    hall = Hall(scene, _news(topics, 60), 3)
    wire = scene.wire(hall.endpoint)
    wire.freeze()
    hall.come("Ada", one, two)
    hall.come("Bo", two, three)
    hall.come("Cy", b"", endpoint=wire.endpoint, known=False)
    hall.held("The third one's subscription was still on its way.")
    wire.heal()
    hall.finish("Its subscription had been on its way for a while.")


def one_that_changes_its_mind(scene: Scene) -> None:
    """one that cancels a topic"""
    one, two = scene.words(2)
    alike = b"readymade", b"readiness", b"ready", b"already.made", b"already.sold"
    topics = [one, two, *alike]
    hall = Hall(scene, _news(topics, 40), 3)
    hall.come("Ada", two, one, *alike, cancel=(two,))
    hall.held("Two of three had not come yet.")
    hall.come("Cy", one)
    hall.held("The third one had not come yet.", LONG)
    hall.come("Bo", one)
    hall.finish("Others had been there before.")


def one_that_goes_away(scene: Scene) -> None:
    """one that goes away before the start"""
    one, two = topics = scene.words(2)
    hall = Hall(scene, _news(topics, 30), 3, PATIENCE)
    hall.come("Ada", one, two)
    bo = hall.come("Bo", two)
    hall.leave(bo)
    hall.come("Cy", two)
    hall.held("One of three had gone away again, and the next had not come yet.")
    hall.listeners.remove(bo)
    hall.come("Bo again", one)
    hall.finish("Others had been there before.")


TRY = alone
SCENES = (three_that_come_late, a_subscription_that_is_delayed, one_that_changes_its_mind, one_that_goes_away)
