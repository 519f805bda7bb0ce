# SPDX-License-Identifier: BSD-3-Clause
"""Hand out current values to whoever subscribes, and never one that was taken back."""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import zmq
from exercises.scene import Answer, NotYet, Scene, TookTooLong, unexpected

from diagrams.recording import Event
from exercises.answer import Call, Outcome

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

LABELS = {
    "who came late got no answer": "what does your cache do between a subscription and the next news?",
    "only whole topics were answered": "which of the topics that you have does this subscription fit?",
    "the second subscriber of a topic got nothing": "how many events does an XPUB make of the same subscription from "
    "two subscribers, and which option changes that?",
    "an empty value was kept as a value": "what is in your dictionary when a topic has been taken back?",
    "those who listen were not told that a value was taken back": "who has the old value still, and from whom does it "
    "learn that it is gone?",
    "a value that had been taken back was handed out": "what has to become of the old value when an empty one comes?",
    "with one topic others were taken back": "which names are to go when `tea` is taken back, and which begin with it?",
    "an old value was handed out": "which of its values does a topic have in your dictionary?",
    "every value was handed out at every subscription": "who else gets what you send, and which topics were asked for?",
    "what is no subscription was answered": "with which byte does a subscription begin, and what else can an XPUB get?",
    "what is no value was passed on": "how many frames has a value?",
    "a strange message ended the cache": "which of your lines may fail, and for which messages?",
    "taking back what was not there ended the cache": "what does a dictionary do about a name that it does not have?",
    "it did not go on for ever": "what does your function do when nothing comes for a while, or something odd?",
    "it slept on one socket while the other had something": "which of the two sockets has something next, and who "
    "tells you?",
    "it never subscribed at the publisher": "what does a SUB receive that has said nothing?",
    "topic and value went out as one frame": "how does a message of two frames leave a socket?",
    "values went out under the subscription instead of their topic": "to which topic does the value belong that you "
    "send?",
    "a part of a name was taken for its beginning": "which topics does a subscription fit: those that have its bytes "
    "somewhere, or those that begin with them?",
    "values went out more than once": "how many times does your function send each value for one event?",
    "bind and connect were exchanged": "who stays where it is, and who goes there?",
}

START = 4.0  # seconds for the answer's process to open its sockets; only then does the clock run
SUBSCRIBE = 1.5  # seconds for its subscription to arrive at the publisher
SOON = 1.6  # seconds for what has to come
READ = 0.6  # seconds for the same, once the answer is seen to have read what it has to act on
AGAIN = 0.05  # seconds from one word to the next, while nobody is known to listen
IDLE = 0.4  # seconds in which nothing is said, and an answer that takes this for the end may end
LOOK = 0.01  # seconds between two looks
HEARD = b"t", b"m", b"o"  # Ann's subscriptions: with these she hears every topic
Message = tuple[bytes, ...]


class Guest:
    """A subscriber of the checker's. `got` is what came; what it is to do next is put into its list."""

    def __init__(self, scene: Scene, name: str, endpoint: str) -> None:
        self.name, self.got = name, list[Message]()
        self.asked: list[tuple[bytes, int, int]] = []  # prefix, how much had been said, how much it had got
        self._todo: deque[tuple[str, Any]] = deque()
        self._endpoint = endpoint
        scene.stage.play(self._role, name=name)

    def do(self, what: str, argument: Any) -> None:
        self._todo.append((what, argument))

    def _role(self, ctx: zmq.Context) -> None:
        with ctx.socket(zmq.XSUB) as xsub:
            xsub.linger = 0
            xsub.connect(self._endpoint)
            while True:
                while self._todo:
                    what, argument = self._todo.popleft()
                    xsub.send({"subscribe": b"\1", "unsubscribe": b"\0", "send": b""}[what] + argument)
                if zmq.select([xsub], [], [], LOOK)[0]:
                    self.got.append(tuple(xsub.recv_multipart()))


class Kitchen:
    """A publisher, the answer, and Ann, who hears everything and is known to be heard of."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.upstream, self.downstream = scene.stage.endpoint("upstream"), scene.stage.endpoint("downstream")
        self.said: list[Message] = []
        self.current: dict[bytes, bytes] = {}
        self.last = ""  # what was done last: "ask", "cancel", "noise", or "say"
        self._asks: list[tuple[bytes, int]] = []  # prefix, and how much had been said
        self._heard: list[bytes] = []
        self._todo: deque[Message] = deque()
        self.guests: list[Guest] = []
        scene.stage.play(self._role, name="publisher")
        scene.recording.wait("bind", "publisher")
        self.answer: Answer = scene.answer(Call((self.upstream, self.downstream)))
        self._begin()
        self.ann = self.guest("Ann")
        for prefix in HEARD:
            self._asked(self.ann, prefix)
        self._listen()

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
            return b"\1" in self._heard and (not self.downstream.startswith("ipc") or os.path.exists(path))

        self._wait(START, lambda: there() or self.scene.first("open", ENTRY))
        self.answer.begun()
        self._wait(SUBSCRIBE, there)
        if there():
            return
        self._ended()
        joined = {(e.kind, e.detail): e for e in self.scene.recording if e.actor == ENTRY}
        for how, where in (("bind", self.upstream), ("connect", self.downstream)):
            if event := joined.get((how, where)):
                raise NotYet("bind and connect were exchanged", f"Your function {how}s to {where!r}.", event)
        if ("connect", self.upstream) in joined and b"\1" not in self._heard:
            happened = f"Your function connected, and {SUBSCRIBE:g} s later the publisher knew of no subscription to "
            happened += f"everything; your function stood {self.answer.stood()}."
            raise NotYet("it never subscribed at the publisher", happened, joined["connect", self.upstream])
        raise TookTooLong(self.answer.stood())

    def _listen(self) -> None:
        """Say something again and again until Ann has heard it, and then the last word of it."""
        until = time.monotonic() + SOON
        number = 0
        while not self.ann.got and time.monotonic() < until and not self.answer.process.told:
            self.say(b"open", b"%d" % number)
            number += 1
            self._wait(AGAIN, lambda: self.ann.got)
        if not self.ann.got:
            self._unheard((b"open", b"0"))
        for _ in HEARD:  # whoever reads one message of each socket in turn has then read all her subscriptions
            number += 1
            self.tell(b"open", b"%d" % number)
        self.tell(b"open", b"yes")

    def guest(self, name: str) -> Guest:
        self.guests.append(Guest(self.scene, name, self.downstream))
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

        def passed() -> bool:
            return self.ann.got.count(frames) > before

        if not self._patient(passed, lambda: self._read(frames)):
            self.check()
            self._unheard(frames)
        self.check()

    def ask(self, guest: Guest, prefix: bytes) -> None:
        """Subscribe, wait for the answer, and look at what everybody has got when more news have come."""
        second = any(prefix == asked for each in self.guests if each is not guest for asked, *_ in each.asked)
        before = self._subscriptions(prefix)
        self._asked(guest, prefix)
        start = guest.asked[-1][2]
        wanted = {t: v for t, v in self.current.items() if v and t.startswith(prefix)}

        def lacks() -> list[bytes]:
            got = guest.got[start:]
            return sorted(t for t, v in wanted.items() if (t, v) not in got)

        if not self._patient(lambda: not lacks(), lambda: self._subscriptions(prefix) > before or self._deaf()):
            self.check()
            self._unanswered(guest, prefix, lacks(), second, self._subscriptions(prefix) > before)
        self.last = "ask"
        self.tell(b"open", b"%d asked" % len(self._asks))

    def cancel(self, guest: Guest, prefix: bytes) -> None:
        guest.do("unsubscribe", prefix)
        self.last = "cancel"

    def _asked(self, guest: Guest, prefix: bytes) -> None:
        guest.asked.append((prefix, len(self.said), len(guest.got)))
        self._asks.append((prefix, len(self.said)))
        guest.do("subscribe", prefix)

    # what is seen

    def _wait(self, seconds: float, over: Callable[[], Any]) -> bool:
        until = time.monotonic() + seconds
        while not over() and not self.answer.process.told and time.monotonic() < until:
            threading.Event().wait(LOOK)
        return bool(over())

    def _patient(self, over: Callable[[], bool], read: Callable[[], bool]) -> bool:
        """Wait for what has to come; less long, once the answer has read what it has to act on."""
        self._wait(SOON, lambda: over() or read())
        return over() or self._wait(READ, over)

    def _received(self, xpub: bool) -> list[Message]:
        return [
            tuple(f for f in e.frames if isinstance(f, bytes))
            for e in self.scene.recording.events
            if (e.actor, e.kind) == (ENTRY, "receive") and e.socket.startswith("XPUB") == xpub
        ]

    def _subscriptions(self, prefix: bytes) -> int:
        return self._received(True).count((b"\1" + prefix,))

    def _deaf(self) -> bool:
        """Whether the answer has sockets, and none that could receive a subscription."""
        types = {e.socket.split()[0] for e in self.scene.recording.events if (e.actor, e.kind) == (ENTRY, "open")}
        return bool(types) and not types & {"XPUB", "ROUTER", "STREAM"}

    def _read(self, frames: Message) -> bool:
        return self._received(False).count(frames) >= self.said.count(frames)

    def _event(self) -> Event | None:
        return next((e for e in reversed(self.scene.recording.events) if e.actor == ENTRY and e.frames), None)

    # what it means

    def _ended(self) -> None:
        """The answer has ended, which it never should: say how."""
        if not self.answer.process.told:
            return
        outcome: Outcome = self.answer.outcomes(LOOK)[0]
        if not outcome.error or outcome.error in ("TimeoutError", "Again"):
            how = f"raised {outcome.error}" if outcome.error else f"returned {outcome.value!r}"
            raise NotYet("it did not go on for ever", f"Your function {how}.", self._event())
        if {"ValueError", "IndexError", "KeyError"} & set(outcome.raised):
            strange = self.last == "noise" or any(len(frames) != 2 for frames in self.said)
            back = self.said[-1:] and len(self.said[-1]) == 2 and not self.said[-1][1]
            where = f" ({outcome.trace})" if outcome.trace else ""
            happened = f"Your function ended with {outcome.error}: {outcome.message}{where}."
            if strange:
                raise NotYet("a strange message ended the cache", happened, self._event())
            if back:
                raise NotYet("taking back what was not there ended the cache", happened, self._event())
        unexpected(outcome)

    def _unheard(self, frames: Message) -> None:
        """Ann lacks a message that was published."""
        self._ended()
        said = f"The publisher said {_shown(frames)}, and Ann, who listens, did not get it"
        if self.scene.first("open", ENTRY) and not self._read(frames):
            self._slept(f"{said}. Your function had not read it, and stood {self.answer.stood()}.")
        if frames[1:] == (b"",):
            label = "those who listen were not told that a value was taken back"
            raise NotYet(label, f"{said}.", self._event())
        raise NotYet("", f"{said}.", self._event())

    def _slept(self, happened: str) -> None:
        raise NotYet("it slept on one socket while the other had something", happened, self._event())

    def _unanswered(self, guest: Guest, prefix: bytes, lacks: list[bytes], second: bool, read: bool) -> None:
        """A subscription was made, and not all came that is due."""
        self._ended()
        happened = f"{guest.name} subscribed to {prefix!r} and did not get {_names(lacks)}"
        opened = {e.socket for e in self.scene.recording.events if (e.actor, e.kind) == (ENTRY, "open")}
        if second and not read:
            label = "the second subscriber of a topic got nothing"
            raise NotYet(label, f"{happened}; somebody else had subscribed to the same before.", self._event())
        if any(s.startswith("XPUB") for s in opened) and self._received(False) and not read:
            self._slept(f"{happened}. Your function had not read the subscription, and stood {self.answer.stood()}.")
        if self.current.get(prefix) and prefix in lacks:
            raise NotYet("who came late got no answer", f"{happened}.", self._event())
        if self.current.get(prefix) == b"":
            happened += f"; it was {prefix!r} that had been taken back"
            raise NotYet("with one topic others were taken back", f"{happened}.", self._event())
        due = {topic for topic, value in self.current.items() if value and topic.startswith(prefix)}
        label = "only whole topics were answered" if due == set(lacks) else ""
        raise NotYet(label, f"{happened}.", self._event())

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
            if len(message) == 1 and any(
                len(said) == 2 and said[1] and message[0].startswith(said[0]) and message[0].endswith(said[1])
                for said in self.said
            ):
                happened += ", one frame where two are due."
                raise NotYet("topic and value went out as one frame", happened, event)
            prefixes = {prefix for prefix, _ in self._asks}
            if (
                len(message) == 2
                and message[0] in prefixes
                and message[1] in {said[1] for said in self.said if len(said) == 2}
            ):
                label = "values went out under the subscription instead of their topic"
                raise NotYet(label, f"{happened}, and this topic never had that value.", event)
            raise NotYet("", f"{happened}, which nobody had said.", event)
        if len(message) != 2:
            raise NotYet("what is no value was passed on", f"{happened}, which is no value.", event)
        topic, value = message
        since = min((said for prefix, said, _ in guest.asked if topic.startswith(prefix)), default=None)
        if since is None:
            raise NotYet("", f"{happened}, and had not asked for it.", event)
        news = self.said[since:].count(message)
        first = self.said.index(message)
        asks = [said for prefix, said in self._asks if said >= max(since, first + 1) and topic.startswith(prefix)]
        if not value:
            if copies > news:
                happened += " in answer to a subscription. It stands for no value at all."
                raise NotYet("an empty value was kept as a value", happened, event)
            return
        if copies > news + len(asks) + self._early(guest, message):
            times = f"{happened} {copies} times; it was news {news} times, and asked for {len(asks)} times."
            if self.last in ("cancel", "noise"):
                raise NotYet("what is no subscription was answered", times, event)
            if (asked := self._asks[-1][0]) in topic and not topic.startswith(asked):
                happened = f"{times} Last {asked!r} was asked for, which stands in that topic and not at its beginning."
                raise NotYet("a part of a name was taken for its beginning", happened, event)
            if not topic.startswith(asked):
                raise NotYet("every value was handed out at every subscription", times, event)
            raise NotYet("values went out more than once", times, event)

    def _early(self, guest: Guest, message: Message) -> int:
        """How often it may come because subscriptions and news crossed each other, before Ann was known to listen."""
        return len(HEARD) if guest is self.ann and message[0] == b"open" and message[1].isdigit() else 0

    def _newest(self, guest: Guest, got: list[Message]) -> None:
        """Nobody may get an older value after a newer, or one that was not current any more when it asked."""
        for topic in {message[0] for message in got}:
            since = min(said for prefix, said, _ in guest.asked if topic.startswith(prefix))
            line = [message for message in self.said if len(message) == 2 and message[0] == topic]
            known = [message for message in self.said[:since] if len(message) == 2 and message[0] == topic]
            newest = line.index(known[-1]) if known else 0
            for message in (message for message in got if message[0] == topic):
                place = line.index(message)
                if place < newest:
                    happened = f"{guest.name} got {_shown(message)}, and the publisher had said {_shown(line[newest])} "
                    happened += "since."
                    back = not line[newest][1]
                    label = "a value that had been taken back" if back else "an old value"
                    raise NotYet(f"{label} was handed out", happened, self.scene.first("receive", guest.name))
                newest = place


def _shown(message: Message) -> str:
    return "".join(f"[{frame[:20].decode(errors='replace')}]" for frame in message)


def _names(topics: list[bytes]) -> str:
    return " and ".join(f"`{topic.decode()}`" for topic in topics)


def late(scene: Scene) -> None:
    """somebody who comes late, by name, by prefix and for everything"""
    kitchen = Kitchen(scene)
    kitchen.tell(b"tea", b"hot")
    kitchen.tell(b"milk", b"cold")
    kitchen.tell(b"milk", b"cold")
    kitchen.tell(b"tea.green", b"warm")
    kitchen.tell(b"mint.tea", b"new")
    kitchen.tell(b"m\xff", b" \xff\n")
    kitchen.tell(b"tea", b"cool")
    kitchen.ask(kitchen.guest("Dee"), b"milk")
    kitchen.ask(kitchen.guest("Eve"), b"te")
    kitchen.ask(kitchen.guest("Ben"), b"tea")
    kitchen.ask(kitchen.guest("Cy"), b"")
    kitchen.tell(b"tea.green", b"cold")


def second(scene: Scene) -> None:
    """a second subscriber to the same, and one that goes and comes again"""
    kitchen = Kitchen(scene)
    kitchen.tell(b"tea", b"hot")
    kitchen.tell(b"milk", b"cold")
    ben, cy = kitchen.guest("Ben"), kitchen.guest("Cy")
    kitchen.ask(ben, b"tea")
    kitchen.ask(cy, b"tea")
    kitchen.tell(b"tea", b"cool")
    kitchen.ask(cy, b"milk")
    kitchen.cancel(cy, b"milk")
    kitchen.cancel(cy, b"tea")
    kitchen.cancel(ben, b"tea")
    _processed(kitchen, cy, "cancel")
    _processed(kitchen, ben, "cancel")
    kitchen.ask(cy, b"milk")
    kitchen.ask(ben, b"tea")


def _processed(kitchen: Kitchen, guest: Guest, what: str) -> None:
    """What this guest has sent before has been read when a subscription behind it is answered."""
    answered = guest.got.count((b"open", kitchen.current[b"open"]))
    kitchen._asked(guest, b"open")
    kitchen._wait(SOON, lambda: guest.got.count((b"open", kitchen.current[b"open"])) > answered)
    kitchen.last = what
    kitchen.tell(b"open", b"%s of %s" % (what.encode(), guest.name.encode()))
    kitchen.last = "say"


def back(scene: Scene) -> None:
    """a value that is taken back and comes again"""
    kitchen = Kitchen(scene)
    for frames in ((b"tea", b"hot"), (b"tea.green", b"warm"), (b"milk", b"cold")):
        kitchen.tell(*frames)
    kitchen.tell(b"tea", b"")
    kitchen.ask(kitchen.guest("Ben"), b"tea")
    kitchen.ask(kitchen.guest("Cy"), b"")
    kitchen.tell(b"toast", b"")  # there was none
    kitchen.tell(b"milk", b"")
    kitchen.ask(kitchen.guest("Dee"), b"m")
    kitchen.tell(b"tea", b"fresh")
    kitchen.ask(kitchen.guest("Eve"), b"te")


def noise(scene: Scene) -> None:
    """messages that are none, from both sides"""
    kitchen = Kitchen(scene)
    kitchen.tell(b"tea", b"hot")
    for frames in ((b"tea",), (b"milk", b"cold", b"!"), (b"open",)):
        kitchen.say(*frames)
    kitchen.tell(b"milk", b"warm")
    kitchen._wait(IDLE, lambda: False)
    rude = kitchen.guest("Mallory")
    for said in (b"tea", b"", b"\2tea", b"?tea"):
        rude.do("send", said)
    kitchen.last = "noise"
    _processed(kitchen, rude, "noise")
    kitchen.ask(kitchen.guest("Ben"), b"tea")


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
        ben.do("subscribe", b"tea")
        scene.recording.wait("receive", "Ben", timeout=SOON)
    if answer.process.told:
        answer.outcomes(LOOK)


TRY = alone
SCENES = (late, second, back, noise)
