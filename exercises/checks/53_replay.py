# SPDX-License-Identifier: BSD-3-Clause
"""Give each message at once, whatever is missing before it, and each number once."""

import contextlib
from collections.abc import Iterator
from typing import Any

import zmq

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, Clock, played
from exercises.scene import NotYet, Observed, Scene

ENTRY = "subscriber"

HINTS = (
    "Two things are to be remembered, and they are not the same: up to which number the stream has spoken, and which "
    "of the numbers up to there have not come. What does each kind of word do to the two?",
    "Keep the missing numbers in a set. A word of the stream puts in what it has skipped; a message from the history "
    "takes its number out and is given; GONE takes out all that are below the oldest, and reports them.",
    "The history may be ahead of the stream: a number above what the stream has said is given, too, and remembered "
    "until the stream gets there, so that it is neither given again nor missed. After every word: if something is "
    "missing and no request is under way, ask for min(missing) up to the last number that follows without a break.",
)
VARIANT = "remember a list of ranges instead of a set of numbers: what does a restart cost now?"
LIMIT = "a request whose answer is lost is never repeated: the core has no patience, and no deadline."
WHY = "Why does a message that came before its time have to be remembered, when it has been given already?"

HELD = "a message was not given at once, because others before it were missing"
DROPPED = "a message that had come was not given"
UNGIVEN = "a message from the history was not given"
EMPTY = "an empty payload was taken for a beat"
BEAT = "a beat was given as a message"
TWICE = "a message was given twice"
INVENTED = "a message that nobody had published was given"
OTHER = "a word of another topic was taken for one of ours"
NO_RESULT = "a result was neither a message nor a range that is gone"
GAP = "a gap was not asked for"
LAST = "a gap that only a beat showed was not asked for"
REST = "what an answer had left out was not asked for"
LATER = "a gap that opened while a request was under way was not asked for"
MANY = "a second request was made before the first was answered"
HAD = "numbers that had come were asked for"
FUTURE = "numbers that the stream had not reached were asked for"
BEFORE = "numbers from before its beginning were asked for"
FORGOTTEN = "numbers that were gone were asked for"
FRAMES = "a request had other frames than it should"
SILENT = "what is gone was not reported"
NOT_GONE = "a number that had come was reported as gone"
STILL = "a number that could still come was reported as gone"
AGAIN = "a number was reported as gone twice"
UNHEARD = "the stream was not subscribed to"
ENDS = "another socket was opened than a SUB and a DEALER at their endpoints"

LABELS = {
    HELD: "who is waiting for this message, and what does it matter to them what else is missing?",
    DROPPED: "which messages that have come are not to be given?",
    UNGIVEN: "for whom did you ask the history?",
    EMPTY: "by what do a message and a beat differ, if not by what is in the payload?",
    BEAT: "how many frames does a beat have?",
    TWICE: "on how many ways can one number come, and how do you know that you have had it?",
    INVENTED: "which number does the second payload of an answer have?",
    OTHER: "what else does a SUB receive that has subscribed to `tea`?",
    NO_RESULT: "which two kinds of result are there, and of which types are their parts?",
    GAP: "which number must the next message have?",
    LAST: "what does a beat say of the messages before it?",
    REST: "does an answer hold all that you have asked for?",
    LATER: "what do you look at when an answer has come?",
    MANY: "how do you know that a request is under way?",
    HAD: "when is a number that has just come taken off what is missing?",
    FUTURE: "up to which number has the stream spoken?",
    BEFORE: "of which numbers does your first word say that you need not have them?",
    FORGOTTEN: "what has GONE told you of the numbers below the oldest?",
    FRAMES: "of which four frames is a request made, and how long is a number?",
    SILENT: "which numbers will never come, once nothing below the oldest is kept?",
    NOT_GONE: "which of the numbers below the oldest have you had already?",
    STILL: "by which number is the oldest, and by which the stream's last word, that you know of?",
    AGAIN: "what becomes of a missing number once you have reported it as gone?",
    UNHEARD: "what does a SUB hear that has subscribed to nothing?",
    ENDS: "which type does a socket need that hears a stream, and which one that asks?",
    NOT_LATER: "when does this core have anything to do that no message calls for?",
    TOO_OFTEN: "when does this core have anything to do that no message calls for?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

EQUIVALENT: dict[str, str] = {}

STREAM, HISTORY = "inproc://stream", "inproc://history"
STEP, GRACE = 1 / 64, 1.0  # seconds of the checker's clock from one event to the next; and until it must have asked


class Life(Clock):
    """Plays one of the answer's cores, and is its publisher: it says, loses and forgets messages on one topic."""

    def __init__(self, words: list[bytes], scene: Scene, *how: Any) -> None:
        scene.recording = Observed()  # a picture shows one life
        self.topic, *self._words = words
        self.sent: dict[int, bytes] = {}  # number: payload, of all that was published
        self.heard = -1  # up to where the stream has spoken
        self.brought, self.given = set[int](), set[int]()
        self.dead, self.gone = set[int](), set[int]()  # what GONE has spoken of, and what has been reported as gone
        self.begin, self.oldest = 0, 0  # the first number that matters, and the oldest that is kept
        self._asked: list[tuple[int, int]] = []  # what is under way
        self._why = GAP  # what it means if it does not ask
        self._open: dict[str, str] = {}
        self._subscribed = False
        self._event: Event | None = None  # the last message that the core received
        super().__init__(scene, *how)
        self.number = scene.random.randrange(300, 900)
        self.write("publisher", "bind", "PUB", (), "", "", STREAM)
        self.write("publisher", "bind", "ROUTER", (), "", "", HISTORY)
        self.wait(0.0)

    # the publisher

    def publish(self, payload: bytes | None = None) -> int:
        """One more message; it is on its way, or lost."""
        self.number += 1
        self.sent[self.number] = self.scene.random.choice(self._words) if payload is None else payload
        return self.number

    def say(self, payload: bytes | None = None) -> None:
        number = self.publish(payload)
        self.hear(self.topic, number, [self.sent[number]])

    def lose(self, count: int = 1) -> None:
        for _ in range(count):
            self.publish()

    def beat(self) -> None:
        self.hear(self.topic, self.number, [])

    def hear(self, topic: bytes, number: int, payload: list[bytes]) -> None:
        """A word of the stream reaches the core."""
        self.wait(STEP)
        if "stream" not in self._open.values() or not self._subscribed:
            raise NotYet(UNHEARD, f"At {self.now:.2f} s no SUB was open and subscribed to {self.topic!r}.")
        if topic == self.topic:
            if self.heard < 0:
                self.begin, self.heard = number + 1 - len(payload), number - len(payload)
            if any(k not in self.brought for k in range(self.heard + 1, number + 1 - len(payload))):
                self._why = LATER if self._asked else LAST if not payload else GAP
            self.heard = number
        new = [number] if topic == self.topic and payload else []
        self._bring("PUB", "SUB", "stream", [topic, number.to_bytes(8), *payload], new)

    def reply(self, *, most: int = 1000, beyond: int = 0, oldest: int = 0) -> None:
        """The oldest request is answered: with at most so many messages, or more than it asked for, or GONE."""
        self.wait(GRACE)
        if not self._asked:
            return
        first, last = self._asked.pop(0)
        begin, word = max(first, oldest), b"GONE" if first < oldest else b"HISTORY"
        numbers = [k for k in range(begin, min(last + beyond, begin + most - 1) + 1) if k in self.sent]
        self.oldest = max(self.oldest, oldest)
        if word == b"GONE":
            self.dead |= {k for k in self.missing() if k < oldest}
        self._why = REST if any(first <= k <= last and k not in numbers for k in self.missing()) else LATER
        frames = [word, self.topic, begin.to_bytes(8), *(self.sent[k] for k in numbers)]
        self.wait(STEP)
        self._bring("ROUTER", "DEALER", "history", frames, numbers)

    # what it must have done

    def asks(self) -> None:
        """Something is missing, and it has asked for it."""
        self.wait(GRACE)
        if self.missing() and not self._asked:
            raise NotYet(
                self._why, f"At {self.now:.2f} s {_range(self.missing())} had not come, and was not asked for."
            )

    def settles(self) -> None:
        """All that it asks for is answered; then everything is accounted for."""
        for _ in range(50):
            self.asks()
            if not self._asked:
                break
            self.reply(oldest=self.oldest)
        self.asks()

    def known(self) -> range:
        return range(self.begin, self.heard + 1)

    def missing(self) -> list[int]:
        """What has not come and could still be had."""
        return [k for k in self.known() if k not in self.brought and k not in self.dead]

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        self.until(until)
        self.now = until

    # its shell

    def _bring(self, sender: str, receiver: str, socket: str, frames: list[bytes], numbers: list[int]) -> None:
        """A message reaches the core, with these numbers of the topic; those that are new have to be given at once."""
        if socket not in self._open.values():
            return
        self.brought |= set(numbers)
        shown = [_number(frame) for frame in frames]
        self.says("publisher", sender, [ENTRY.encode(), *shown] if sender == "ROUTER" else shown)
        self._event = self.write(ENTRY, "receive", receiver, shown, "publisher", sender)
        self.receive(next(name for name, which in self._open.items() if which == socket), frames)
        for number in sorted(set(numbers) - self.given):
            gap = any(k < number for k in self.missing())
            label = HELD if gap else UNGIVEN if socket == "history" else DROPPED
            label = EMPTY if not self.sent[number] else label
            raise NotYet(label, f"Message {number} had come at {self.now:.2f} s, and was not given.", self._event)
        if untold := sorted(self.dead - self.gone):
            raise NotYet(SILENT, f"At {self.now:.2f} s you had not reported {_range(untold)} as gone.", self._event)

    def effect(self, kind: str, *what: Any) -> None:
        which = self._open.get(what[0], "") if kind != "result" else ""
        if kind == "open":
            known = {(zmq.SUB, STREAM, False): "stream", (zmq.DEALER, HISTORY, False): "history"}
            if what[1:] not in known:
                raise NotYet(ENDS, f"At {self.now:.2f} s a socket of another type was opened, or to another endpoint.")
            self._open[what[0]] = known[what[1:]]
            self.write(ENTRY, "connect", "SUB" if what[1] == zmq.SUB else "DEALER", (), "", "", what[2])
        elif kind == "close":
            self._open.pop(what[0], None)
            self._subscribed = self._subscribed and which != "stream"
            if which == "history":  # what it asked for finds nobody
                self._asked.clear()
        elif kind == "subscribe":
            self._subscribed |= which == "stream" and self.topic.startswith(what[1])
        elif kind == "send":
            self._request(what[1], which == "history")
        else:
            self._result(what[0])

    def _request(self, frames: list[Any], on_dealer: bool) -> None:
        sizes = [len(f) * isinstance(f, bytes) for f in frames[2:]]
        if not on_dealer or frames[:2] != [b"REPLAY", self.topic] or sizes != [8, 8]:
            raise NotYet(FRAMES, f"At {self.now:.2f} s you sent {_shown(frames)}{'' if on_dealer else ' on a SUB'}.")
        event = self.says(ENTRY, "DEALER", [_number(frame) for frame in frames])
        self.write("publisher", "receive", "ROUTER", [ENTRY.encode(), *map(_number, frames)], ENTRY, "DEALER")
        first, last = map(int.from_bytes, frames[2:])
        said = f"At {self.now:.2f} s you asked for {first} to {last}"
        if self._asked:
            raise NotYet(MANY, f"{said}, and {self._asked[0][0]} to {self._asked[0][1]} was not answered yet.", event)
        if first > last:
            raise NotYet(FRAMES, f"{said}.", event)
        if self.heard < 0 or first < self.begin:
            begin = f"your first word was that {self.begin} is next" if self.heard >= 0 else "you had heard nothing yet"
            raise NotYet(BEFORE, f"{said}; {begin}.", event)
        if last > self.heard:
            raise NotYet(FUTURE, f"{said}; the stream had come to {self.heard}.", event)
        if had := sorted({*range(first, last + 1)} & self.brought):
            label = HAD if all(self.sent[k] or k in self.given for k in had) else EMPTY
            raise NotYet(label, f"{said}; {_range(had)} had come.", event)
        if dead := sorted({*range(first, last + 1)} & self.dead):
            raise NotYet(FORGOTTEN, f"{said}; by GONE you knew that {_range(dead)} is not kept.", event)
        self._asked.append((first, last))

    def _result(self, value: Any) -> None:
        match value:
            case (int() as number, bytes() as payload):
                self._message(number, payload)
            case (int() as first, int() as last) if first <= last:
                self._gone(first, last)
            case _:
                raise NotYet(NO_RESULT, f"At {self.now:.2f} s you gave {value!r}.", self._event)

    def _message(self, number: int, payload: bytes) -> None:
        happened = f"At {self.now:.2f} s you gave message {number}, {payload!r}"
        if number in self.given:
            raise NotYet(TWICE, f"{happened}, once more.", self._event)
        if number not in self.brought or payload != self.sent[number]:
            frames = self._event.frames if self._event else ()
            foreign = frames[:1] not in ((self.topic,), (b"HISTORY",), (b"GONE",))
            label = OTHER if foreign else BEAT if frames[0] == self.topic and len(frames) == 2 else INVENTED
            raise NotYet(label, f"{happened}; no such message had come.", self._event)
        self.given.add(number)

    def _gone(self, first: int, last: int) -> None:
        happened = f"At {self.now:.2f} s you reported {first} to {last} as gone"
        if first < self.begin or last > self.heard:
            known = f"from your first word to the stream's last, it is about {self.begin} … {self.heard}"
            raise NotYet(STILL, f"{happened}; {known}.", self._event)
        numbers = {*range(first, last + 1)}
        if had := sorted(numbers & self.brought):
            raise NotYet(NOT_GONE, f"{happened}; {_range(had)} had come.", self._event)
        if still := sorted(numbers - self.dead):
            raise NotYet(STILL, f"{happened}; no GONE had spoken of {_range(still)}.", self._event)
        if numbers & self.gone:
            raise NotYet(AGAIN, f"{happened}, once more.", self._event)
        self.gone |= numbers


def _range(numbers: list[int]) -> str:
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} … {numbers[-1]}"


def _number(frame: bytes) -> bytes:
    """A number in digits, so that it can be read in a picture."""
    return b"%d" % int.from_bytes(frame) if len(frame) == 8 and frame[:4] == bytes(4) else frame


def _shown(frames: list[Any]) -> str:
    return "".join(f"[{_number(f).decode(errors='replace') if isinstance(f, bytes) else f}]" for f in frames)


@contextlib.contextmanager
def _life(scene: Scene) -> Iterator[Life]:
    words = scene.words(12)
    with played(scene, lambda shell: Call((words[0], STREAM, HISTORY, shell))) as (answer, [line]):
        life = Life(words, scene, answer, line)
        yield life
        life.end()


def gaps(scene: Scene) -> None:
    """gaps in the middle, at the end, and while others are being filled"""
    with _life(scene) as it:
        it.say()
        it.say()
        it.say(b"")
        it.beat()
        it.asks()
        it.lose(2)
        it.say()
        it.asks()
        it.say()
        it.lose()
        it.say()
        it.reply(most=1)
        it.settles()
        it.beat()
        it.settles()
        it.lose(scene.random.randrange(1, 4))
        it.beat()
        it.settles()
        it.say()
        it.settles()


def a_beat_first(scene: Scene) -> None:
    """a beat as its first word, and topics that only begin like its own"""
    with _life(scene) as it:
        it.wait(GRACE)
        it.lose(3)
        it.beat()
        it.asks()
        other = it.topic + b" 2"
        it.hear(other, it.number + 7, [b"x"])
        it.hear(other, it.number + 8, [])
        it.asks()
        it.say()
        it.hear(other, it.number, [])
        it.lose()
        it.say()
        it.settles()


def gone(scene: Scene) -> None:
    """messages that the history has forgotten, and a new publisher"""
    with _life(scene) as it:
        it.say()
        it.lose(2)
        it.say()
        it.lose(3)
        it.say()
        it.lose(2)
        it.beat()
        it.asks()
        it.reply(oldest=it.number - 4)
        it.settles()
        it.say()
        it.number += scene.random.randrange(1000, 9000)  # another publisher counts on from above
        new = it.publish()
        it.say()
        it.asks()
        it.reply(oldest=new)
        it.settles()
        it.lose()
        it.say()
        it.settles()


def ahead(scene: Scene) -> None:
    """a history that is ahead of the stream"""
    with _life(scene) as it:
        it.say()
        it.lose(2)
        it.say()
        it.asks()
        late = [it.publish() for _ in range(3)]
        it.reply(beyond=3)
        for number in late[:2]:
            it.hear(it.topic, number, [it.sent[number]])
        it.hear(it.topic, late[2], [it.sent[late[2]]])
        it.settles()
        it.lose()
        it.say()
        it.asks()
        late = [it.publish() for _ in range(4)]
        it.reply(oldest=late[2], beyond=99)
        it.hear(it.topic, late[0], [])
        it.asks()
        it.reply(oldest=late[2], beyond=99)
        it.say()
        it.settles()
        it.say()
        it.settles()


def fair_weather(scene: Scene) -> None:
    """six and seven are lost, and fetched"""
    with _life(scene) as it:
        it.number = 3
        it.say()
        it.say()
        it.lose(2)
        it.say()
        it.wait(GRACE)
        it.say()
        it.reply()
        it.wait(GRACE)
        raise NotYet(f"What it gave: {sorted(it.given)}." if it.given else "It gave no message.", "")


TRY = fair_weather
SCENES = (gaps, a_beat_first, gone, ahead)
