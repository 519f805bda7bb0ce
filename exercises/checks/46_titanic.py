# SPDX-License-Identifier: BSD-3-Clause
"""Put a request aside that was handed out three times without a reply, over all lives."""

import contextlib
import itertools
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import GRID, NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, Clock, Shell
from exercises.scene import NotYet, Scene, counted

ENTRY = "titanic"

HINTS = (
    "Where is it written how often a request was handed out, and when: before the worker can get it, or after? Think "
    "of a kill between the two. And which questions to the broker are no handing-out?",
    "The core's `_ask` begins each client, the one that asks `mmi.service` and the one that hands out. The store's "
    "`first` chooses what is next, at a moment when no request of that service is under way.",
    "Count in a table of the store, by UUID, and commit before `super()._ask`. In `first`, a request that was counted "
    "three times gets a `done` of its own, such as 2, which `not done` in SQL does not find any more; then look again. "
    'For such a one `status` says `[b"500"]`.',
)
VARIANT = "let titanic.reply say with 500 which service could not do it: a client may read the text behind the number."
LIMIT = "a worker whose host is slow for an hour looks like a poison message: nobody can tell the two apart."
WHY = "why must the count be on the disk before the request goes out, and what does it cost if Titanic dies between?"

LABELS = {
    "a request was handed out a fourth time": "what do you do when the third limit is over?",
    "a kill made it forget how often a request was handed out": "where is the count when the process is gone?",
    "kills while a worker had it brought a fourth handing-out": "counted when it begins, and looked at in each life?",
    "it was counted after the request had gone out": "which comes first, the message or the commit?",
    "a request was put aside that was not handed out three times": "how often has a worker had it by now?",
    "a question to the broker was counted as a handing-out": "which of the two questions is one to a worker?",
    "the handings-out of one request were counted for another": "by what is the count kept?",
    "a request was put aside while its third worker had time": "how long does it have, and from which message on?",
    "a handing-out ended before its limit was over": "from which message on does its limit run, and what ends it?",
    "a fourth handing-out came after its service had been gone": "which handings-out do not count?",
    "a request without a reply was not handed out again": "what follows when its limit is over?",
    "the request behind the one that was put aside had no turn": "which request is the first of its service now?",
    "a request that was put aside was still called pending": "what does `status` know of a request that was put aside?",
    "a request that was put aside was called unknown": "what does titanic.reply say of what is not in the store?",
    "a request that was put aside was called pending in the next life": "what is on the disk of it?",
    "a request that was put aside was called done": "which number does a client take for a reply?",
    "a request that was put aside could not be closed": "who takes a request away that nobody wants any more?",
    "a reply that came in time was not kept": "is all of it kept, up to the end of each limit, for all lives?",
    "a request was not handed out although its service was there": "what has the broker said to `mmi.service`?",
    "two requests of one service were under way": "when is the next request of a service handed out?",
    "a message had other frames than it should": "which frames do MDP and TSP give this message?",
    "a request was put aside only when its service was there": "who is needed to put one aside?",
    "a request that was closed was not gone": "what is left of it to hand out, to put aside, or to be replied to?",
    "a request was handed out although the broker did not know its service": "whom do you ask before, each time?",
    "a request lost its turn to a later one of its service": "which is the oldest that is not done?",
    "another socket was opened than a DEALER at the broker's endpoint": "how do they reach it?",
}
(
    FOREVER, FORGOTTEN, CUT_SHORT, AFTER, FEWER, ASKED, OTHERS, TOO_EARLY, TOO_SOON, GONE, NOT_AGAIN, HELD_UP,
    PENDING, UNKNOWN, REVIVED, AS_DONE, KEPT, REPLY_LOST, HANDED_OUT, TWO_AT_ONCE, FRAMES, ABSENT, CLOSED, UNASKED,
    OVERTAKEN, ENDS,
) = LABELS  # each by its name, in this order  # fmt: skip
LABELS |= {
    **dict.fromkeys((NOT_LATER, TOO_OFTEN), "when does this core have anything to do that no message calls for?"),
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

EQUIVALENT = {"line 6, more: 2": "any number but 0 and 1 will do", "line 20, less: 0": "the row has one column"}

ENDPOINT = "inproc://broker"
CLIENT, WORKER, REQUEST, HEARTBEAT = b"MDPC01", b"MDPW01", b"\x02", b"\x04"
SLACK = 3.0  # seconds of the checker's clock in which it has to do what is due
LATE = 0.75  # seconds for an answer of a slow broker
TIMES = 3
UUID = re.compile(rb"[0-9a-zA-Z]{32}")
Body = tuple[bytes, ...]


@dataclass
class Story:
    """What holds over all lives: how often each body was handed out, and which was accepted under which UUID."""

    limit: float
    times: Counter[Body] = field(default_factory=Counter)
    bodies: dict[bytes, Body] = field(default_factory=dict)
    left: dict[Body, bytes] = field(default_factory=dict)  # the service of each, in the order in which they came
    closed: set[Body] = field(default_factory=set)
    fourth = FOREVER  # what it means if one is handed out once more


class Life(Clock):
    """Plays one life of the core, and is its broker. `offered`: services that have a worker, unless all are `away`.
    A `quiet` broker does not answer `mmi.service`."""

    def __init__(self, story: Story, *how: Any) -> None:
        self.story, self.quiet, self.offered, self.away = story, False, set[bytes](), False
        self.known = set[bytes]()  # the services that exist, as the broker said since they last had work
        self.at: dict[bytes, str] = {}  # the socket of each of Titanic's three services
        self.under_way: dict[str, tuple[bytes, Body, float]] = {}  # by socket: service, body, the end of its limit
        self._said: list[list[bytes]] = []
        self._due: list[tuple[str, list[bytes]]] = []  # what we answer by ourselves
        self._open = set[str]()
        self._beats = 0
        self._event: Event | None = None
        super().__init__(*how)
        self.until(0.0)
        if missing := {b"titanic.request", b"titanic.reply", b"titanic.close"} - {*self.at}:
            raise NotYet(FRAMES, f"The first tick did not offer {sorted(missing)}.")

    def ask(self, service: bytes, *body: bytes) -> list[bytes]:
        """A client's question to one of the three services, and the answer to it."""
        self._said, client = [], self.scene.random.randbytes(5)
        self.hear(self.at[service], [b"", WORKER, REQUEST, client, b"", *body])
        if [frames[3:5] for frames in self._said] != [[client, b""]]:
            raise NotYet(FRAMES, f"{_shown([service, *body])} was asked, and the answers were {self._said!r}.")
        return [self._said[0][5][:3], *self._said[0][6:]]

    def store(self, service: bytes, *body: bytes) -> bytes:
        self.story.left[body] = service
        answer = self.ask(b"titanic.request", service, *body)
        if answer[0] != b"200" or not UUID.fullmatch(b"".join(answer[1:])):
            raise NotYet(FRAMES, f"A request for {service!r} was answered with {answer!r}.", self._event)
        self.story.bodies[answer[1]] = body
        return answer[1]

    def status(self, uuid: bytes, *known: bytes, **labels: str) -> None:
        """What titanic.reply has to say; `labels`: what it means if it says something else, by the code behind `_`."""
        answer = self.ask(b"titanic.reply", uuid)
        if answer != [*known]:
            times = self.story.times[self.story.bodies[uuid]]
            happened = f"At {self.now:.1f} s of this life it had been handed out {counted(times)}; titanic.reply said"
            label = labels.get(f"_{answer[0].decode(errors='replace')}", labels.get("other", ""))
            raise NotYet(label, f"{happened} {_shown(answer)}.", self._event)

    def reply(self, uuid: bytes, *body: bytes) -> None:
        """The worker that has this request is done with it, and the reply is kept."""
        name = self.given(uuid)
        service, _, end = self.under_way.pop(name)
        if name not in self._open:
            raise NotYet(TOO_SOON, f"At {self.now:.1f} s nobody listened for its reply; it had time until {end:.1f} s.")
        self.hear(name, [b"", CLIENT, service, *body])
        self.status(uuid, b"200", *body, other=REPLY_LOST)

    def early(self, body: Body) -> str:
        """What it means if this one is put aside: another may have had its three times."""
        return OTHERS if any(self.story.times[each] == TIMES for each in self.story.left if each != body) else FEWER

    def given(self, uuid: bytes, label: str = HANDED_OUT) -> str:
        """The request has to be in a worker's hands within SLACK; the socket by which it is."""
        body, until = self.story.bodies[uuid], self.now + SLACK
        while True:
            for name, (_, each, end) in self.under_way.items():
                if each == body and self.now < end:
                    return name
            if self.deadline > until:
                if label == NOT_AGAIN and any(of == self.story.left[body] for of, _, _ in self.under_way.values()):
                    before = self.story.times[body]
                    self.wait(self.story.limit + SLACK)
                    label = OVERTAKEN if self.story.times[body] > before else label
                self.status(uuid, _300=label, _500=self.early(body))
            self.tick()

    def expires(self, uuid: bytes) -> None:
        """The request is in a worker's hands until its limit is over; and then in another's, but for the third."""
        self.given(uuid)
        times = self.has_time(uuid)
        self.wait(0.1 * self.story.limit + 1 / 64)
        if times < TIMES:
            self.given(uuid, NOT_AGAIN)

    def has_time(self, uuid: bytes) -> int:
        """A worker has it for most of its limit; for how many times, this one included."""
        self.wait(0.9 * self.story.limit)
        times = self.story.times[body := self.story.bodies[uuid]]
        self.status(uuid, b"300", _500=TOO_EARLY if times == TIMES else self.early(body))
        return times

    def is_aside(self, uuid: bytes, label: str = PENDING) -> None:
        self.wait(SLACK)
        if self.away and self.ask(b"titanic.reply", uuid) == [b"300"]:
            self.away = False
            self.wait(2 * SLACK)
            if self.ask(b"titanic.reply", uuid) == [b"500"]:
                raise NotYet(ABSENT, "While no worker was there titanic.reply said [300], and [500] then.", self._event)
        self.status(uuid, b"500", _200=AS_DONE, _300=label, _400=UNKNOWN, _500=FRAMES)

    def closes(self, uuid: bytes, *late: bytes) -> None:
        """It is closed, and once more. `late`: the reply of a worker that has it comes afterwards."""
        for label in (KEPT, FRAMES):
            if (answer := self.ask(b"titanic.close", uuid)) != [b"200"]:
                raise NotYet(label, f"titanic.close said {_shown(answer)}.", self._event)
            self.status(uuid, b"400", other=KEPT)
        self.story.closed.add(body := self.story.bodies[uuid])
        for name, (service, each, _) in [*self.under_way.items()]:
            if late and each == body and name in self._open:
                del self.under_way[name]
                self.hear(name, [b"", CLIENT, service, *late])
        self.status(uuid, b"400", other=CLOSED)

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        self.until(until)
        self.now = until

    def tick(self) -> None:
        super().tick()
        self.settle()

    def hear(self, name: str, frames: list[bytes]) -> None:
        if frames[2] != HEARTBEAT:
            self.says("broker", "ROUTER", [ENTRY.encode(), *_plain(frames)])
            self._event = self.write(ENTRY, "receive", "DEALER", _plain(frames), "broker", "ROUTER")
        self.receive(name, frames)
        self.settle()

    def settle(self) -> None:
        """The broker answers: heartbeats with heartbeats, and `mmi.service` with what it knows, unless it is quiet."""
        while due := [each for each in self._due if not (self.quiet and each in self.asked)]:
            name, frames = due[0]
            self._due.remove(due[0])
            if frames[2] == b"mmi.service":
                self.known = self.known - {frames[3]} | ({frames[3]} & self.offered if not self.away else set())
                frames = [*frames[:3], b"200" if frames[3] in self.known else b"404"]
            self.hear(name, frames)

    @property
    def asked(self) -> list[tuple[str, list[bytes]]]:
        """The questions that wait for the broker's answer."""
        return [each for each in self._due if each[1][2] == b"mmi.service"]

    def asks(self) -> None:
        """The broker is asked, and quiet until it `answers`."""
        self.quiet, until = True, self.now + SLACK
        while not self.asked and not self.under_way and self.deadline <= until:
            self.tick()

    def answers(self) -> None:
        self.quiet = False
        self.settle()

    def dies(self) -> None:
        """The broker says that the service is there, and this life ends with the first message after that."""
        self.asks()
        for name, frames in self.asked[-1:]:
            self.known.add(frames[3])
            self.kill(name, [*frames[:3], b"200"])

    def effect(self, kind: str, *what: Any) -> None:
        if kind == "open":
            self._open.add(what[0])
            if what[1:] != (zmq.DEALER, ENDPOINT, False):
                raise NotYet(ENDS, f"At {self.now:.1f} s a socket of another type was opened, or to another endpoint.")
        if kind == "close":
            self._open.discard(what[0])
            if self.now >= self.under_way.get(what[0], (b"", (), 0.0))[2]:  # else a worker still has it
                self.under_way.pop(what[0], None)
            self._due = [each for each in self._due if each[0] != what[0]]
        if kind == "send":
            self._sent(what[0], what[1])

    def _sent(self, name: str, frames: list[Any]) -> None:
        if frames == [b"", WORKER, HEARTBEAT]:
            self._beats += 1
            if self._beats % 7 in (0, 1, 2):  # now and then, so that nobody takes it for dead
                self._due.append((name, frames))
            return
        event = self.says(ENTRY, "DEALER", _plain(frames))
        self.write("broker", "receive", "ROUTER", [ENTRY.encode(), *_plain(frames)], ENTRY, "DEALER")
        match frames:
            case [b"", b"MDPW01", b"\x01", bytes(service)]:
                self.at[service] = name
            case [b"", b"MDPW01", b"\x03", _, b"", _, *_]:
                self._said.append(frames)
            case [b"", b"MDPC01", b"mmi.service", _]:
                self._due.append((name, frames))
            case [b"", b"MDPC01", service, *body] if tuple(body) in self.story.left:
                self._handed_out(name, service, tuple(body), event)
            case _:
                raise NotYet(FRAMES, f"At {self.now:.1f} s this was sent: {frames!r}.", event)

    def _handed_out(self, name: str, service: bytes, body: Body, event: Event) -> None:
        if body in self.story.closed:
            raise NotYet(CLOSED, f"{_shown(body)} was handed out after it had been closed.", event)
        for by, (of, other, end) in self.under_way.items():
            if of == service and self.now < end and other not in self.story.closed:
                label = TWO_AT_ONCE if other != body and by in self._open else TOO_SOON
                ends = f"until {end:.1f} s {_shown(other)} had time"
                raise NotYet(label, f"At {self.now:.1f} s {_shown(body)} was handed out; {ends}.", event)
        if service not in self.known and (self.away or service not in self.offered):
            raise NotYet(UNASKED, f"At {self.now:.1f} s of this life {_shown(body)} was handed out.", event)
        self.known.discard(service)
        self.story.times[body] += 1
        if self.story.times[body] > TIMES:
            raise NotYet(self.story.fourth, f"{_shown(body)} was handed out for the fourth time.", event)
        self.under_way[name] = (service, body, self.now + self.story.limit - 1 / GRID)  # but for what floats lose


def _plain(frames: Sequence[Any]) -> list[bytes]:
    """As they stand in a picture: one UUID looks like another."""
    return [
        b"a UUID" if isinstance(f, bytes) and UUID.fullmatch(f) else f if isinstance(f, bytes) else b"?" for f in frames
    ]


def _shown(frames: Sequence[bytes]) -> str:
    return "".join(f"[{frame.decode(errors='replace')}]" for frame in frames)


@contextlib.contextmanager
def _story(scene: Scene) -> Iterator[tuple[Story, Callable[..., contextlib.AbstractContextManager[Life]]]]:
    """A story, and what begins each of its lives: a process, killed in the end. They share one file."""
    limit = scene.random.randrange(4 * 8, 6 * 8) / 8
    with tempfile.TemporaryDirectory(dir=scene._folder) as folder:  # swept with the scene, whatever ends it
        path, story, count = str(Path(folder) / "titanic.db"), Story(limit), itertools.count(1)

        @contextlib.contextmanager
        def begin(*offered: bytes) -> Iterator[Life]:
            name = f"line-{next(count)}"
            with zmq.Context(scene.stage.context).socket(zmq.PAIR) as line:
                line.linger = 0
                line.bind(scene.stage.endpoint(name))
                shell = Shell(scene.stage.endpoint(name))
                answer = scene.answer(Call((ENDPOINT, path, limit, shell)), name=name)
                life = Life(story, scene, answer, line)
                life.offered = {*offered}
                yield life
                answer.process.force()
                life.write(ENTRY, "killed", "")

        yield story, begin


def three_times(scene: Scene) -> None:
    """a request that no worker can finish, and others behind it"""
    tea, milk, one, two, three, four, hot = scene.words(7)
    with _story(scene) as (story, begin), begin(tea, milk) as it:
        bad, behind = it.store(tea, one, b"", two), it.store(tea, three)
        it.reply(it.store(milk, one), hot, one)
        for time in range(TIMES):
            it.away = time == TIMES - 1
            it.expires(bad)
        it.is_aside(bad)
        it.away = False
        it.given(behind, HELD_UP)
        it.away = True
        it.wait(story.limit + SLACK)
        it.away, story.fourth = False, GONE
        for _ in range(TIMES - 1):
            it.expires(behind)
        it.is_aside(behind)
        it.reply(good := it.store(tea, four), two)
        it.is_aside(bad)
        it.closes(bad)
        it.status(good, b"200", two, other=REPLY_LOST)


def the_third_time(scene: Scene) -> None:
    """a service that is seldom there, and a worker that is done at the third time"""
    tea, one, two, three, four, hot, more = scene.words(7)
    with _story(scene) as (story, begin), begin(tea) as it:
        it.away = True
        slow, behind = it.store(tea, one, b"\xff"), it.store(tea, two)
        for time in range(TIMES):
            it.away = True
            it.wait(story.limit + 4.0)
            it.status(slow, b"300", _500=FEWER if time else ASKED)
            it.away = False
            if time == TIMES - 1:
                it.asks()
                it.wait(LATE)
                it.answers()
            it.given(slow, NOT_AGAIN if time else HANDED_OUT)
        it.has_time(slow)
        it.reply(slow, hot, more)
        it.given(behind, HELD_UP)
        for _ in range(TIMES - 1):
            it.expires(behind)
        it.wait(0.75 * story.limit)
        it.closes(behind)
        new = it.store(tea, three)  # has its turn now, or when the limit of the one before is over
        it.wait(story.limit)
        it.status(behind, b"400", other=CLOSED)
        it.expires(new)
        it.reply(new, b"")
        it.given(late := it.store(tea, four))
        it.closes(late, hot)
        it.quiet = True
        last = it.store(tea, more)
        it.asks()
        it.closes(last)
        it.answers()


def killed_between(scene: Scene) -> None:
    """a kill between two handings-out"""
    tea, one, two, hot = scene.words(4)
    with _story(scene) as (story, begin):
        with begin(tea) as it:
            bad, behind = it.store(tea, one), it.store(tea, two)
            it.expires(bad)
            it.away = True
            it.wait(story.limit + SLACK)
        story.fourth = FORGOTTEN
        with begin(tea) as it:
            it.expires(bad)
            it.is_aside(bad)
            it.given(behind, HELD_UP)
            for _ in range(TIMES - 1):
                it.expires(behind)
            it.reply(behind, hot)
        with begin(tea) as it:
            it.is_aside(bad, REVIVED)
            it.status(behind, b"200", hot, other=REPLY_LOST)
            it.closes(bad)


def killed_at_work(scene: Scene) -> None:
    """kills while a worker has it"""
    tea, one, two, hot = scene.words(4)
    with _story(scene) as (story, begin):
        for time in range(TIMES):
            with begin(tea) as it:
                if not time:
                    bad, behind = it.store(tea, one), it.store(tea, two)
                it.given(bad)
            story.fourth = CUT_SHORT
        with begin(tea) as it:
            it.away = True
            it.is_aside(bad)
            it.away = False
            it.given(behind, HELD_UP)
            it.reply(behind, hot)


def killed_with_the_message(scene: Scene) -> None:
    """kills in the moment at which it goes out"""
    tea, one = scene.words(2)
    with _story(scene) as (story, begin):
        for time in range(TIMES):
            with begin() as it:
                if not time:
                    bad = it.store(tea, one)
                it.dies()
        story.fourth = AFTER
        with begin(tea) as it:
            it.is_aside(bad)


def fair_weather(scene: Scene) -> None:
    """one request that gets no reply"""
    with _story(scene) as (story, begin), begin(b"tea") as it:
        uuid = it.store(b"tea", b"hot")
        for _ in range(TIMES):
            it.expires(uuid)
        it.wait(SLACK)
        answer = it.ask(b"titanic.reply", uuid)
        raise NotYet(f"It was handed out {counted(story.times[b'hot',])}; titanic.reply said {_shown(answer)}.", "")


TRY = fair_weather
SCENES = (the_third_time, three_times, killed_between, killed_at_work, killed_with_the_message)
