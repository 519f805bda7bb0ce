# SPDX-License-Identifier: BSD-3-Clause
"""Keep a slow panel on the newest value of each key, and say who sent it."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterable
from typing import NoReturn, Self

import zmq

from diagrams import trace
from diagrams.recording import Event
from exercises.answer import Call
from exercises.scene import LOOK, Answer, NotYet, Scene, counted, unexpected

ENTRY = "show"

HINTS = (
    "The panel is busy, and fifty values come for one key. Which of them is shown next, and where do the others go? "
    "And for how many keys must your function remember something at the same time?",
    "One turn has three parts: if nothing waits, wait for a message; take in all that is there without waiting; show "
    "one key, and forget it. A key that is remembered already gets a newer value, and keeps its place.",
    "A dict keeps its keys in the order in which they were first put in, and a new value for a key that is there does "
    "not move it. `poll(0)` tells whether more is there. Compare the key, and count the frames, of all that comes.",
)
VARIANT = "let an urgent key go before all others, without any other waiting for more than ten turns."
LIMIT = "what still waits in the publisher's socket or in the network is newer than what is shown, and not seen."
WHY = "when the panel is free, what does your function know, and since when?"

LAG = "it fell behind what was published"
STALE = "a value was shown although a newer one was there"
NOTHING = "nothing was shown"
LOST = "the newest value of a key was never shown"
PLACE = "a key did not keep its place"
PREFIX = "a prefix was taken for equality"
NOISE = "a message of another form was shown"
ADDRESS = "the address was not that of the value"
TWICE = "a value was shown twice"
AGAIN = "a value that came again was not shown"
FORM = "the panel was sent other frames than key, address and value"
MUTE = "not every subscription arrived"
ENDED = "a message that came ended the function"
EARLY = "it returned before it was told to"
ONWARD = "it did not stop when it was told to"
OPEN = "a socket was left open"

LABELS = {
    LAG: "how many messages do you read for each one that you show?",
    STALE: "how many values of one key do you hold at a time, and what ends your looking for a newer one?",
    NOTHING: "how many frames has what you read, and how many has what you show?",
    LOST: "what becomes of a value that waits when another message comes, and when a key has been shown?",
    PLACE: "in which order do keys wait, and what may change it?",
    PREFIX: "which keys begin with one of yours, and who compares the rest?",
    NOISE: "how many frames has a message that counts?",
    ADDRESS: "from which message is the address that you show, and from which the value?",
    TWICE: "what becomes of a key once it has been shown?",
    AGAIN: "what makes a key wait: a message, or a change?",
    FORM: "which frames does the panel expect, and in which order?",
    MUTE: "what must your socket have sent for each key, and which option would keep only the last of it?",
    ENDED: "which of your lines may fail, and for which messages?",
    EARLY: "what ends your function, according to the contract?",
    ONWARD: "what do you do with the panel's reply?",
    OPEN: "who closes the sockets when your function is done?",
}

EQUIVALENT = {"line 11, more: 0": "a wait of a millisecond shows nothing that an answer without it may not show"}

START = 4.0  # seconds for its subscriptions to arrive
SOON = 1.2  # seconds for what nothing keeps it from
HOLD = 0.05  # seconds that the panel is still busy when all has been carried to the answer
SILENCE = 0.1  # seconds in which nothing is to come
QUIET = 0.6  # seconds of it, longer than a wait that gives up after half a second
BURST = 400  # messages while the panel is busy once
MOST = 25  # of them that may be shown: it may look while they are still coming in
SEEN = 2  # times that a newer value was there; one may have been on its way inside the answer

Message = tuple[bytes, ...]


class Kitchen:
    """The checker's publisher and panel, by hand. All that is published goes over a wire, which tells what has come.

    valid   what was published and counts, in order
    noise   what was published and does not
    shown   what the panel was sent, with how many of `valid` had come to the answer before
    late    how often that was not the newest of its key
    """

    def __init__(self, scene: Scene, keys: list[bytes]) -> None:
        self.scene, self.keys = scene, keys
        self.valid: list[Message] = []
        self.noise: list[Message] = []
        self.shown: list[tuple[Message, int]] = []
        self.late = 0
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with self._closing:
            self.xpub = self._bound(zmq.XPUB, "kitchen")
            self.rep = self._bound(zmq.REP, "panel")
            self.wire = self.scene.wire(self.scene.stage.endpoint("kitchen"))
            ends = self.wire.endpoint, list(self.keys), self.scene.stage.endpoint("panel")
            self.answer: Answer = self.scene.answer(Call(ends))
            self.answer.begun()
            self._subscribed()
            self._closing = self._closing.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    def _bound(self, kind: int, name: str) -> zmq.Socket:
        context = trace.Context(self.scene.recording, name)
        self._closing.callback(context.term)
        context.linger = context.sndhwm = context.rcvhwm = 0
        socket = context.socket(kind)
        self._closing.callback(socket.close, 0)
        if kind == zmq.XPUB:
            socket.xpub_verbose = 1
        socket.bind(self.scene.stage.endpoint(name))
        return socket

    def _heard(self, socket: zmq.Socket, seconds: float) -> Message:
        """What comes to a socket; nothing if nothing does. A poll in vain would stand in the picture."""
        heard: list[bytes] = []

        def there() -> bool:
            if not heard and zmq.select([socket], [], [], 0)[0]:
                with contextlib.suppress(zmq.Again):  # a REP that throws away what has no delimiter
                    heard.extend(socket.recv_multipart(zmq.NOBLOCK))
            return bool(heard)

        self.answer.until(there, seconds, after=2 * LOOK)
        return tuple(heard)

    def _subscribed(self) -> None:
        asked: list[bytes] = []
        until = time.monotonic() + START
        while not all(key.startswith(tuple(asked)) for key in self.keys):
            heard = self._heard(self.xpub, until - time.monotonic())
            if not heard:
                if self.answer.process.told:
                    self._over()
                happened = f"The keys are {self.keys}, and the publisher heard these subscriptions: {asked}."
                raise NotYet(MUTE, happened, self.scene.first("connect", ENTRY))
            if heard[0][:1] == b"\1":
                asked.append(heard[0][1:])

    def say(self, *messages: Message) -> None:
        """Publish, and return when all has been carried to the answer, or would have been."""
        for message in messages:
            counts = len(message) == 3 and message[0] in self.keys
            (self.valid if counts else self.noise).append(message)
            self.xpub.send_multipart(message)
        self.answer.until(lambda: self._carried() >= len(self.valid), SOON, after=LOOK)

    def _carried(self) -> int:
        return sum(
            each.direction == "back" and len(each.frames) == 3 and bytes(each.frames[0]) in self.keys
            for each in self.wire.log
        )

    def busy(self, *messages: Message) -> None:
        """Publish while the panel is busy, and let it be busy for a moment more."""
        self.say(*messages)
        self.answer.until(lambda: False, HOLD)

    def reply(self, word: bytes = b"NEXT") -> None:
        self.rep.send(word)

    def next(self, seconds: float = SOON, due: bool = True) -> Message:
        """What the panel is sent next. It must be a message that was published, and counts, and was not shown yet.
        Nothing may come if nothing is due."""
        if not (message := self._heard(self.rep, seconds)):
            if not due:
                return message
            self._silent()
        event = self.scene.first("receive", "panel", len(self.shown) + 1)
        happened = f"The panel was sent {_shown(message)}"
        if message not in self.valid:
            self._strange(message, happened, event)
        self.late += message != _last(self.valid)[message[0]]
        self.shown.append((message, len(self.valid)))
        if Counter(shown for shown, _ in self.shown)[message] > self.valid.count(message):
            raise NotYet(TWICE, f"{happened} once more than it was published.", event)
        return message

    def _strange(self, message: Message, happened: str, event: Event | None) -> NoReturn:
        if message in self.noise and len(message) == 3:
            raise NotYet(PREFIX, f"{happened}, and the keys are {self.keys}.", event)
        values = {frame for each in self.noise for frame in each[1:] if frame not in _frames(self.valid)}
        if message in self.noise or (len(message) == 3 and message[2] in values):
            raise NotYet(NOISE, f"{happened}, and no message of three frames was published with that.", event)
        if len(message) == 3 and any((message[0], message[2]) == (key, value) for key, _, value in self.valid):
            raise NotYet(ADDRESS, f"{happened}, and the value came with another address.", event)
        raise NotYet(FORM, f"{happened}, which nobody has published in this form.", event)

    def _over(self) -> NoReturn:
        """It has ended, and should not have."""
        outcome = self.answer.outcomes()[0]
        if outcome.error and self.noise:
            happened = f"{_shown(self.valid[-1])} and others were published, and your function ended with "
            happened += f"{outcome.error}: {outcome.message} ({outcome.trace or 'outside its own lines'})."
            raise NotYet(ENDED, happened)
        if outcome.error:
            unexpected(outcome)
        raise NotYet(EARLY, f"Your function had returned {outcome.value!r}, and the panel had not said STOP.")

    def _silent(self) -> NoReturn:
        """The panel is free, something waits for it, and nothing comes."""
        if self.answer.process.told:
            self._over()
        stood, event = self.answer.stood(), self.scene.first("receive", ENTRY)
        if not self.shown:
            happened = f"{_shown(self.valid[-1])} was published, {SOON:g} s later the panel had been sent nothing, "
            raise NotYet(NOTHING, f"{happened}and your function stood {stood}.", event)
        shown = [message for message, _ in self.shown]
        missing = [each for each in _last(self.valid).values() if each not in shown]
        if not missing:
            happened = f"{_shown(self.valid[-1])} was shown, then published again, and not shown again."
            raise NotYet(AGAIN, happened, event)
        happened = f"{_shown(missing[0])} was the newest of its key, and never shown. Your function stood {stood}."
        raise NotYet(LOST, happened, event)

    def in_order(self) -> None:
        """What was shown must be what a subscriber shows that has looked in time, whenever that was."""
        shown = [message for message, _ in self.shown]
        for count in range(1, len(shown) + 1):
            if not _explained(self.valid, self.shown[:count]):
                happened = f"The panel was shown {_row(shown[:count])}, and published was {_row(self.valid)}."
                raise NotYet(PLACE, happened, self.scene.first("receive", "panel", count))

    def in_time(self) -> None:
        """What was shown must have been the newest of its key."""
        if self.late >= SEEN:
            happened = f"{counted(self.late).capitalize()} the panel was shown a value that was not the newest: "
            happened += f"{_row(_last(self.valid).values())} had come by the end, and shown last was "
            happened += f"{_row([message for message, _ in self.shown[-8:]])}."
            raise NotYet(STALE, happened, self.scene.first("receive", "panel", len(self.shown)))

    def stop(self) -> None:
        """Tell it to stop: it has to return, whatever still waits."""
        self.reply(b"STOP")
        if message := self._heard(self.rep, SOON):
            happened = f"The panel said STOP, and then it was sent {_shown(message)}."
            raise NotYet(ONWARD, happened)
        if not self.answer.process.told:
            happened = f"The panel said STOP, and {SOON:g} s later your function stood {self.answer.stood()}."
            raise NotYet(ONWARD, happened)
        outcome = self.answer.outcomes()[0]
        if outcome.error:
            unexpected(outcome)
        if outcome.left_open:
            raise NotYet(OPEN, "Your function had returned, and a socket of its Context was still open.")


def _frames(messages: list[Message]) -> set[bytes]:
    return {frame for message in messages for frame in message}


def _last(messages: list[Message]) -> dict[bytes, Message]:
    return {message[0]: message for message in messages}


def _shown(message: Message) -> str:
    return repr([frame[:20] for frame in message])


def _row(messages: Iterable[Message]) -> str:
    return ", ".join(f"{key.decode()} {value.decode(errors='replace')}" for key, _, value in messages)


def _explained(valid: list[Message], shown: list[tuple[Message, int]]) -> bool:
    """Whether a subscriber that keeps the rules shows this. How much it has read before each is up to it: `read` of
    them, after which these messages wait, in the order of their keys' places."""
    states: set[tuple[int, tuple[Message, ...]]] = {(0, ())}
    for message, came in shown:
        after: set[tuple[int, tuple[Message, ...]]] = set()
        for read, waiting in states:
            kept = {each[0]: each for each in waiting}
            for count in range(read, came + 1):
                if count > read:
                    kept[valid[count - 1][0]] = valid[count - 1]
                first, *rest = kept.values() or ((),)
                if first == message:
                    after.add((count, tuple(rest)))
        states = after
    return bool(states)


def alone(scene: Scene) -> None:
    """one key"""
    with Kitchen(scene, [b"tea"]) as kitchen:
        kitchen.say((b"tea", b"left", b"95"))
        kitchen.next()
        kitchen.stop()


def a_panel_that_is_slow(scene: Scene) -> None:
    """a panel that is far slower than the kitchen"""
    keys, senders = scene.words(4), scene.words(2)
    with Kitchen(scene, keys) as kitchen:
        numbers = iter(range(100, 100 + 2 * BURST))

        def news(key: bytes) -> Message:
            return key, scene.random.choice(senders), b"%d" % next(numbers)

        kitchen.say(news(keys[0]))
        kitchen.next()
        mixed = [*keys, *scene.random.choices(keys[1:], k=BURST - len(keys))]
        burst = list(map(news, mixed))
        for place in range(BURST, 0, -BURST // 8):  # what does not count stands between what does
            burst.insert(place, (keys[0], b"?"))
        kitchen.busy(*burst)
        due = set(_last(kitchen.valid).values())
        began = len(kitchen.shown)
        while True:
            kitchen.reply()
            if not (message := kitchen.next(SOON if due else SILENCE, due=bool(due))):
                break
            due.discard(message)
            if (count := len(kitchen.shown) - began) > MOST:
                happened = f"While the panel was busy, {BURST} messages of {len(keys)} keys had come. Since then "
                happened += f"{count} have been shown, and the newest of {len(due)} keys was not among them."
                raise NotYet(LAG, happened, scene.first("receive", "panel", began + count))
        kitchen.in_time()
        kitchen.say(news(keys[1]))
        kitchen.next()
        kitchen.stop()


def places(scene: Scene) -> None:
    """keys that wait while another changes all the time"""
    keys = sorted(scene.words(4))
    a, b, c, d = keys
    who, number = scene.words(1)[0], scene.random.randrange(100, 900)
    with Kitchen(scene, keys) as kitchen:

        def news(*keys: bytes) -> list[Message]:
            nonlocal number
            number += len(keys)
            return [(key, who, b"%d" % (number + place - len(keys))) for place, key in enumerate(keys)]

        kitchen.say(*news(a))
        kitchen.next()
        for more in ((c, b, c, a), (b, c), (a, c, d), (c,), (c, d), (a,)):
            kitchen.busy(*news(*more))
            kitchen.reply()
            kitchen.next()
        kitchen.in_order()
        kitchen.in_time()
        kitchen.busy(*news(b, c))
        kitchen.stop()


def strangers(scene: Scene) -> None:
    """messages that are not meant, bytes of every kind, and a long quiet"""
    key, other, left, right = scene.words(4)
    one, two, three = (b"\xff\x00%d" % n for n in scene.random.sample(range(100, 1000), 3))
    odd = [b"?%d" % n for n in range(6)]

    with Kitchen(scene, [key, other]) as kitchen:
        noise = [(key + b"s", left, odd[0]), (key, odd[1]), (key,), (key, left, odd[2], b"")]
        noise += [(other + b".", right, odd[3]), (key + b"\0", left, odd[4]), (other, left, odd[5], b"more", b"")]
        kitchen.say(*noise, (key, left, one))
        kitchen.next()
        kitchen.busy((key, right, two), (other, right, b""), (key, left, three), *noise)
        for _ in range(2):
            kitchen.reply()
            kitchen.next()
        kitchen.reply()
        kitchen.next(QUIET, due=False)
        kitchen.say((key, left, three))
        kitchen.next()
        kitchen.in_order()
        kitchen.stop()


TRY = alone
SCENES = (a_panel_that_is_slow, places, strangers)
