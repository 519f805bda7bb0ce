# SPDX-License-Identifier: BSD-3-Clause
"""Hand out current values to whoever subscribes, and never one that was taken back."""

import contextlib
import os
from collections import deque
from typing import NoReturn

import zmq

from diagrams.recording import Event
from exercises.answer import Call
from exercises.scene import LOOK, Answer, NotYet, Scene, TookTooLong, counted, unexpected

ENTRY = "cache"

HINTS = (
    "Make three lists: what changes the dictionary, what goes out at once, and what goes out when a subscription "
    "arrives. Where does an empty value stand in each of them?",
    "A subscription is a prefix: which topics does it fit, and with which method of bytes do you ask? And which option "
    "does an XPUB need so that it tells you of a subscription that it has already?",
    "`xpub_verbose` before `bind`; `topic.startswith(event[1:])` for every topic that you have; `last.pop(topic, "
    "None)` when the value is empty. The message itself is passed on either way, if it has two frames.",
)
VARIANT = "let a value expire a minute after it came, although nobody takes it back, and tell those who listen."
LIMIT = "what the publisher said before your cache had subscribed is not in it."
WHY = "somebody was told of a value, lost the connection, and came back when it had been taken back. How does it know?"

UNANSWERED = "who came late got no answer"
WHOLE = "only whole topics were answered"
ALL = "a subscription to everything was not answered"
SECOND = "the second subscriber of a topic got nothing"
EMPTY = "an empty value was kept as a value"
BLANK = "a value that is not empty was taken for empty"
NEWS = "those who listen did not get what was said"
UNTOLD = "those who listen were not told that a value was taken back"
BACK = "a value that had been taken back was handed out"
OTHERS = "with one topic others were taken back"
OLD = "an old value was handed out"
EVERY = "every value was handed out at every subscription"
NO_ASK = "what is no subscription was answered"
NO_VALUE = "what is no value was passed on"
STRANGE = "a strange message ended the cache"
ABSENT = "taking back what was not there ended the cache"
STOPPED = "it did not go on for ever"
STAYED = "it did not end with its Context"
SLEPT = "it slept on one socket while the other had something"
MUTE = "it never subscribed at the publisher"
JOINED = "topic and value went out as one frame"
UNDER = "values went out under the subscription instead of their topic"
PART = "a part of a name was taken for its beginning"
OFTEN = "values went out more often than was due"
DROPPED = "a small mark made the socket drop"
EXCHANGED = "bind and connect were exchanged"

LABELS = {
    UNANSWERED: "what does your cache do between a subscription and the next news?",
    WHOLE: "which of the topics that you have does this subscription fit?",
    ALL: "which topics begin with no bytes at all?",
    SECOND: "how many events does an XPUB make of the same subscription from two subscribers, and which option changes "
    "that?",
    EMPTY: "what is in your dictionary when a topic has been taken back?",
    BLANK: "which one value has no byte?",
    NEWS: "what becomes of a message, beside what you remember of it?",
    UNTOLD: "who has the old value still, and from whom does it learn that it is gone?",
    BACK: "what has to become of the old value when an empty one comes?",
    OTHERS: "which names are to go when `tea` is taken back, and which begin with it?",
    OLD: "which of its values does a topic have in your dictionary?",
    EVERY: "who else gets what you send, and which topics were asked for?",
    NO_ASK: "with which byte does a subscription begin, and what else can an XPUB get?",
    NO_VALUE: "how many frames has a value?",
    STRANGE: "which of your lines may fail, and for which messages?",
    ABSENT: "what does a dictionary do about a name that it does not have?",
    STOPPED: "what does your function do when nothing comes for a while, or something odd?",
    STAYED: "which exception says that the Context has ended, and which of your lines catches it?",
    SLEPT: "which of the two sockets has something next, and who tells you?",
    MUTE: "what does a SUB receive that has said nothing?",
    JOINED: "how does a message of two frames leave a socket?",
    UNDER: "to which topic does the value belong that you send?",
    PART: "which topics does a subscription fit: those that have its bytes somewhere, or those that begin with them?",
    OFTEN: "for which events does a value go out, and how many times for each?",
    DROPPED: "how many values may wait for a slow subscriber?",
    EXCHANGED: "who stays where it is, and who goes there?",
}

START = 5.0  # seconds for the answer's process to begin, and to connect
SUBSCRIBE = 2.0  # seconds for its subscription to arrive, and for it to bind
SOON = 1.6  # seconds for what has to come
AGAIN = 0.05  # seconds from one word to the next, while nobody is known to listen
IDLE = 1.1  # seconds in which nothing is said
MANY = 100  # topics
OPEN = b"open"  # a topic that tells the checker what has been read; how often its values come is not counted

Message = tuple[bytes, ...]


class Guest:
    """A subscriber of the checker's. `got` is what came; what it is to say next is put into its list."""

    def __init__(self, scene: Scene, name: str, endpoint: str) -> None:
        self.name, self.got = name, list[Message]()
        self.asked: list[tuple[bytes, int]] = []  # prefix, and how much had been said
        self._todo: deque[Message] = deque()
        self._endpoint = endpoint
        scene.stage.play(self._role, name=name)

    def say(self, *frames: bytes) -> None:
        """A subscription is a byte 01 and a prefix; it is cancelled with a byte 00."""
        self._todo.append(frames)

    def _role(self, ctx: zmq.Context) -> None:
        with ctx.socket(zmq.XSUB) as xsub:
            xsub.linger = 0
            xsub.connect(self._endpoint)
            while True:
                while self._todo:
                    xsub.send_multipart(self._todo.popleft())
                if zmq.select([xsub], [], [], LOOK)[0]:
                    self.got.append(tuple(xsub.recv_multipart()))


class Kitchen:
    """A publisher, the answer, and Ann, who hears everything and is known to be heard of. `topics` are drawn.

    said   by the publisher, so far
    asked  (prefix, how much had been said) for every subscription
    last   what was done last: "value", "ask", "cancel" or "noise"
    """

    def __init__(self, scene: Scene) -> None:
        self.scene, self.last = scene, "value"
        self.topics = scene.words(3)
        self.upstream, self.downstream = scene.stage.endpoint("upstream"), scene.stage.endpoint("downstream")
        self.said, self.current = list[Message](), dict[bytes, bytes]()
        self.asked: list[tuple[bytes, int]] = []
        self._heard: list[bytes] = []
        self._todo: deque[Message] = deque()
        self.guests: list[Guest] = []
        scene.stage.play(self._role, name="publisher")
        self.answer: Answer = scene.answer(Call((self.upstream, self.downstream)))
        self._begin()
        self.ann = self.guest("Ann")
        for letter in sorted({topic[:1] for topic in (*self.topics, OPEN)}):
            self._ask(self.ann, letter)
        for number in range(int(SOON / AGAIN)):  # until Ann has heard it
            self.say(OPEN, b"%d" % number)
            if self.answer.until(lambda: self.ann.got, AGAIN) or self.answer.process.told:
                break
        for number in range(len(self.asked)):  # whoever reads one message of each socket in turn has then read them
            self.tell(OPEN, b"and %d" % number)

    def _role(self, ctx: zmq.Context) -> None:
        with ctx.socket(zmq.XPUB) as xpub:
            xpub.linger = 0
            xpub.bind(self.upstream)
            while True:
                while self._todo:
                    xpub.send_multipart(self._todo.popleft())
                if zmq.select([xpub], [], [], LOOK)[0]:
                    self._heard.append(xpub.recv())

    def _begin(self) -> None:
        """Wait until the answer is bound and its subscription has come."""
        path = self.downstream.removeprefix("ipc://")

        def there() -> bool:
            return b"\1" in self._heard and os.path.exists(path)

        def exchanged() -> Event | None:
            return self.scene.joined("bind", self.upstream) or self.scene.joined("connect", self.downstream)

        self.answer.until(lambda: there() or exchanged() or self.scene.joined("connect", self.upstream), START)
        if not exchanged() and self.answer.until(there, SUBSCRIBE):
            return
        self._ended()
        if event := exchanged():
            raise NotYet(EXCHANGED, f"Your function {event.kind}s to {event.detail!r}.", event)
        event = self.scene.joined("connect", self.upstream)
        if event and b"\1" not in self._heard:
            happened = "Your function connected, and the publisher heard of no subscription to everything; it stood"
            raise NotYet(MUTE, f"{happened} {self.answer.stood()}.", event)
        raise TookTooLong(self.answer.stood())

    def guest(self, name: str, endpoint: str = "") -> Guest:
        self.guests.append(Guest(self.scene, name, endpoint or self.downstream))
        return self.guests[-1]

    def say(self, *frames: bytes) -> None:
        self.said.append(frames)
        if len(frames) == 2:
            self.current[frames[0]] = frames[1]
        self._todo.append(frames)

    def tell(self, *frames: bytes) -> None:
        """Say it, wait until Ann has it, and look at what everybody has got."""
        before = self.ann.got.count(frames)
        self.say(*frames)
        if not self.answer.until(lambda: self.ann.got.count(frames) > before, SOON, after=LOOK):
            self.check()
            self._untold(frames)
        self.check()

    def ask(self, guest: Guest, prefix: bytes) -> None:
        """Subscribe, wait for the answer, and look at what everybody has got when more news have come."""
        second = any(prefix == asked for asked, _ in self.asked)
        before, start = self._subscriptions(prefix), len(guest.got)
        self._ask(guest, prefix)
        wanted = {topic: value for topic, value in self.current.items() if value and topic.startswith(prefix)}

        def lacks() -> list[bytes]:
            got = set(guest.got[start:])
            return sorted(topic for topic, value in wanted.items() if (topic, value) not in got)

        if not self.answer.until(lambda: not lacks(), SOON, after=LOOK):
            self.check()
            self._unanswered(guest, prefix, lacks(), second, self._subscriptions(prefix) > before)
        self.last = "ask"
        self.tell(OPEN, b"%d asked" % len(self.asked))

    def passed(self, guest: Guest, what: str) -> None:
        """What this guest has said before has been read when a subscription behind it is answered."""
        known = (OPEN, self.current[OPEN])
        before = guest.got.count(known)
        self._ask(guest, OPEN)
        self.answer.until(lambda: guest.got.count(known) > before, SOON)
        self.last = what
        self.tell(OPEN, b"%s of %s" % (what.encode(), guest.name.encode()))
        self.last = "value"

    def _ask(self, guest: Guest, prefix: bytes) -> None:
        guest.asked.append((prefix, len(self.said)))
        self.asked.append((prefix, len(self.said)))
        guest.say(b"\1" + prefix)

    def over(self) -> None:
        """Its Context ends, and so must it. An `await` does not see that: nothing is asked of an event loop."""
        try:
            outcome = self.answer.ends()[-1]
        except TookTooLong as where:
            if not any(loop in str(where) for loop in ("asyncio", "run(", "run_until_complete(", "run_forever(")):
                happened = f"Its Context was terminated, and your cache still ran, {where}."
                raise NotYet(STAYED, happened) from None
        else:
            if outcome.error and "ContextTerminated" not in outcome.raised:
                unexpected(outcome)

    # what the answer's trace tells; it only chooses among names

    def _subscriptions(self, prefix: bytes) -> int:
        return sum(event.frames == (b"\1" + prefix,) for event in self.scene.received("XPUB"))

    def _slept(self, happened: str, kind: str) -> None:
        """An answer that is seen to read, and has not read this from its other socket, sleeps."""
        opened = {e.socket.split()[0] for e in self.scene.recording.events if (e.actor, e.kind) == (ENTRY, "open")}
        if kind in opened and any(e.kind == "receive" and e.actor == ENTRY for e in self.scene.recording.events):
            happened += f". Your function had not read it, and stood {self.answer.stood()}."
            raise NotYet(SLEPT, happened, self._event())

    def _event(self) -> Event | None:
        return next((e for e in reversed(self.scene.recording.events) if e.actor == ENTRY and e.frames), None)

    # what it means

    def _ended(self) -> None:
        """The answer has ended, which it never should: say how."""
        outcome = self.answer.ended()
        if outcome is None:
            return
        if not outcome.error or outcome.error in ("TimeoutError", "Again"):
            how = f"raised {outcome.error}" if outcome.error else f"returned {outcome.value!r}"
            raise NotYet(STOPPED, f"Your function {how}.", self._event())
        happened = f"Your function ended with {outcome.error}: {outcome.message} ({outcome.trace})."
        if self.last == "noise" or any(len(frames) != 2 for frames in self.said):
            raise NotYet(STRANGE, happened, self._event())
        if self.said[-1:] and self.said[-1][1:] == (b"",):
            raise NotYet(ABSENT, happened, self._event())
        unexpected(outcome)

    def _untold(self, frames: Message) -> NoReturn:
        """Ann lacks a message that was published."""
        self._ended()
        said = f"The publisher said {_shown(frames)}, and Ann, who listens, did not get it"
        received = [e.frames for kind in ("SUB", "XSUB") for e in self.scene.received(kind)]
        if received.count(frames) < self.said.count(frames):
            for kind in ("SUB", "XSUB"):
                self._slept(said, kind)
        if len(self.said) > MANY:
            raise NotYet(DROPPED, f"{said}, after {MANY} others, one right after the other.", self._event())
        raise NotYet(UNTOLD if frames[1:] == (b"",) else NEWS, f"{said}.", self._event())

    def _unanswered(self, guest: Guest, prefix: bytes, lacks: list[bytes], second: bool, read: bool) -> NoReturn:
        """A subscription was made, and not all came that is due."""
        self._ended()
        happened = f"{guest.name} subscribed to {prefix!r} and did not get {_names(lacks)}"
        due = sorted(topic for topic, value in self.current.items() if value and topic.startswith(prefix))
        if second and not read and prefix:
            raise NotYet(SECOND, f"{happened}; somebody else had subscribed to the same before.", self._event())
        if not read:
            self._slept(happened, "XPUB")
        if len(due) > len(lacks) and len(lacks) > MANY // 10:
            raise NotYet(DROPPED, f"{happened}: {len(due) - len(lacks)} came of {len(due)}.", self._event())
        if len(due) > len(lacks) and not any(self.current[topic].strip() for topic in lacks):
            raise NotYet(BLANK, f"{happened}: the value is {self.current[lacks[0]]!r}.", self._event())
        if self.current.get(prefix) and prefix in lacks:
            raise NotYet(UNANSWERED, f"{happened}.", self._event())
        if self.current.get(prefix) == b"":
            happened += f"; it was {prefix!r} that had been taken back"
            raise NotYet(OTHERS, f"{happened}.", self._event())
        label = WHOLE if lacks == [topic for topic in due if topic != prefix] else ""
        raise NotYet(label if prefix else ALL if len(lacks) == len(due) else "", f"{happened}.", self._event())

    def check(self) -> None:
        """Whatever anybody has got must have been due."""
        for guest in self.guests:
            got = list(guest.got)
            for message in dict.fromkeys(got):
                self._due(guest, message, got.count(message))
            self._newest(guest, got)

    def _due(self, guest: Guest, message: Message, copies: int) -> None:
        event = self.scene.first("receive", guest.name)
        happened = f"{guest.name} got {_shown(message)}"
        if message not in self.said:
            pairs = [said for said in self.said if len(said) == 2 and said[1]]
            if len(message) == 1 and any(message[0].startswith(t) and message[0].endswith(v) for t, v in pairs):
                raise NotYet(JOINED, f"{happened}, one frame where two are due.", event)
            if len(message) == 2 and message[1] in [v for _, v in pairs] and message[0] in [a for a, _ in self.asked]:
                raise NotYet(UNDER, f"{happened}, and this topic never had that value.", event)
            raise NotYet("", f"{happened}, which nobody had said.", event)
        if len(message) != 2:
            raise NotYet(NO_VALUE, f"{happened}, which is no value.", event)
        topic, value = message
        since = min((said for prefix, said in guest.asked if topic.startswith(prefix)), default=None)
        if since is None:
            raise NotYet("", f"{happened}, and had not asked for it.", event)
        news = self.said[since:].count(message)
        first = self.said.index(message)
        asks = [said for prefix, said in self.asked if said >= max(since, first + 1) and topic.startswith(prefix)]
        if not value and copies > news:
            raise NotYet(EMPTY, f"{happened} in answer to a subscription. It stands for no value at all.", event)
        if not value or topic == OPEN or copies <= news + len(asks):
            return
        times = f"{happened} {counted(copies)}; it was news {counted(news)}, and asked for {counted(len(asks))}."
        if self.last in ("cancel", "noise"):
            raise NotYet(NO_ASK, times, event)
        asked = self.asked[-1][0]
        if self.last == "value" or topic.startswith(asked):
            raise NotYet(OFTEN, times, event)
        if asked in topic:
            happened = f"{times} Last {asked!r} was asked for, which stands in that topic and not at its beginning."
            raise NotYet(PART, happened, event)
        raise NotYet(EVERY, times, event)

    def _newest(self, guest: Guest, got: list[Message]) -> None:
        """Nobody may get an older value after a newer, or one that was not current any more when it asked."""
        for topic in {message[0] for message in got}:
            since = min(said for prefix, said in guest.asked if topic.startswith(prefix))
            line = [message for message in self.said if len(message) == 2 and message[0] == topic]
            known = [message for message in self.said[:since] if len(message) == 2 and message[0] == topic]
            newest = line.index(known[-1]) if known else 0
            for message in (message for message in got if message[0] == topic):
                place = line.index(message)
                if place < newest:
                    happened = f"{guest.name} got {_shown(message)}, and the publisher had said {_shown(line[newest])} "
                    label = OLD if line[newest][1] else BACK
                    raise NotYet(label, f"{happened}since.", self.scene.first("receive", guest.name))
                newest = place


def _shown(message: Message) -> str:
    return "".join(f"[{frame[:20].decode(errors='replace')}]" for frame in message)


def _names(topics: list[bytes]) -> str:
    more = f" and {len(topics) - 3} more" if len(topics) > 3 else ""
    return " and ".join(f"`{topic!r}`" for topic in topics[:3]) + more


def silence(scene: Scene) -> None:
    """a long silence"""
    kitchen = Kitchen(scene)
    one, two, _ = kitchen.topics
    kitchen.tell(one, b"hot")
    kitchen.tell(two, b"cold")
    kitchen.answer.until(lambda: False, IDLE)
    kitchen.tell(one, b"cool")
    kitchen.over()


def late(scene: Scene) -> None:
    """subscribers that come late"""
    kitchen = Kitchen(scene)
    one, two, three = kitchen.topics
    kitchen.tell(one, b"hot")
    kitchen.tell(two, b"cold")
    kitchen.tell(two, b"cold")
    kitchen.tell(one + b".green", b"warm")
    kitchen.tell(three + b"." + one, b"new")
    kitchen.tell(two + b"\xff", b" \xff\n")
    kitchen.tell(two + b".blank", b" \n")
    kitchen.tell(one, b"cool")
    kitchen.ask(kitchen.guest("Dee"), two)
    kitchen.ask(kitchen.guest("Eve"), one[:-1])
    kitchen.ask(kitchen.guest("Ben"), one)
    kitchen.ask(kitchen.guest("Cy"), b"")
    kitchen.tell(one + b".green", b"cold")


def second(scene: Scene) -> None:
    """a second subscriber to the same"""
    kitchen = Kitchen(scene)
    one, two, _ = kitchen.topics
    kitchen.tell(one, b"hot")
    kitchen.tell(two, b"cold")
    ben, cy = kitchen.guest("Ben"), kitchen.guest("Cy")
    kitchen.ask(ben, one)
    kitchen.ask(cy, one)
    kitchen.tell(one, b"cool")
    kitchen.ask(cy, two)
    for guest, prefix in ((cy, two), (cy, one), (ben, one)):
        guest.say(b"\0" + prefix)
    kitchen.passed(cy, "cancel")
    kitchen.passed(ben, "cancel")
    kitchen.ask(cy, two)
    kitchen.ask(ben, one)


def back(scene: Scene) -> None:
    """a value that is taken back"""
    kitchen = Kitchen(scene)
    one, two, three = kitchen.topics
    for frames in ((one, b"hot"), (one + b".green", b"warm"), (two, b"cold")):
        kitchen.tell(*frames)
    kitchen.tell(one, b"")
    kitchen.ask(kitchen.guest("Ben"), one)
    kitchen.ask(kitchen.guest("Cy"), b"")
    kitchen.tell(three, b"")  # there was none
    kitchen.tell(two, b"")
    kitchen.ask(kitchen.guest("Dee"), two[:1])
    kitchen.tell(one, b"fresh")
    kitchen.ask(kitchen.guest("Eve"), one[:-1])


def slow(scene: Scene) -> None:
    """a slow subscriber to many topics"""
    kitchen = Kitchen(scene)
    one, *_ = kitchen.topics
    for number in range(MANY):
        kitchen.say(one + b".%d" % number, b"%d " % number + b"." * 8000)
    kitchen.tell(one, b"hot")
    wire = scene.wire(kitchen.downstream)
    wire.delay("back", 1, seconds=0.8)  # meanwhile most of it waits in the answer's socket
    kitchen.ask(kitchen.guest("Ben", wire.endpoint), one + b".")


def noise(scene: Scene) -> None:
    """messages that are none"""
    kitchen = Kitchen(scene)
    one, two, _ = kitchen.topics
    kitchen.tell(one, b"hot")
    for frames in ((one,), (two, b"cold", b"!"), (OPEN,)):
        kitchen.say(*frames)
    kitchen.tell(two, b"warm")
    rude = kitchen.guest("Mallory")
    for frames in ((one,), (b"",), (b"\2" + one,), (b"?" + one,)):
        rude.say(*frames)
    kitchen.last = "noise"
    kitchen.passed(rude, "noise")
    kitchen.ask(kitchen.guest("Ben"), one)


def alone(scene: Scene) -> None:
    """one that comes late"""
    upstream, downstream = scene.stage.endpoint("upstream"), scene.stage.endpoint("downstream")

    def publisher(ctx: zmq.Context) -> None:
        with ctx.socket(zmq.XPUB) as xpub:
            xpub.linger = 0
            xpub.bind(upstream)
            xpub.recv()
            for message in ([b"tea", b"hot"], [b"tea.green", b"warm"], [b"tea", b""]):
                xpub.send_multipart(message)
            scene.recording.wait("close", "publisher")  # in vain: it ends with the scene

    scene.stage.play(publisher)
    answer = scene.answer(Call((upstream, downstream)))
    answer.begun()
    with contextlib.suppress(TimeoutError):
        scene.recording.wait("sent", ENTRY, count=3, timeout=SOON)
        ben = Guest(scene, "Ben", downstream)
        ben.say(b"\1tea")
        scene.recording.wait("receive", "Ben", timeout=SOON)
    if answer.process.told:
        answer.outcomes(LOOK)


TRY = alone
SCENES = (silence, late, second, back, noise, slow)
