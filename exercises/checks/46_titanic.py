# SPDX-License-Identifier: BSD-3-Clause
"""Put a request aside that was handed out three times without a reply, over all lives."""

import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import zmq

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, Clock, played
from exercises.scene import NotYet, Scene

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

FOREVER = "a request was handed out a fourth time"
FORGOTTEN = "a kill made it forget how often a request was handed out"
CUT_SHORT = "a handing-out that a kill cut short was not counted"
AFTER = "it was counted after the request had gone out"
FEWER = "a request was put aside that was not handed out three times"
ASKED = "a question to the broker was counted as a handing-out"
OTHERS = "the handings-out of one request were counted for another"
TOO_EARLY = "a request was put aside while its third worker had time"
NOT_AGAIN = "a request without a reply was not handed out again"
HELD_UP = "the request behind the one that was put aside had no turn"
PENDING = "a request that was put aside was still called pending"
UNKNOWN = "a request that was put aside was called unknown"
REVIVED = "a request that was put aside was called pending in the next life"
KEPT = "a request that was put aside could not be closed"
REPLY_LOST = "a reply that came in time was not kept"
HANDED_OUT = "a request was not handed out although its service was there"
TWO_AT_ONCE = "two requests of one service were under way"
FRAMES = "a message had other frames than it should"
ENDS = "another socket was opened than a DEALER at the broker's endpoint"

LABELS = {
    FOREVER: "what do you do when the third limit is over, and where do you see that it was the third?",
    FORGOTTEN: "where is the count when the process is gone?",
    CUT_SHORT: "when is a handing-out counted: when it begins, or when it has failed?",
    AFTER: "which comes first, the message or the commit, and what if nothing comes after the first?",
    FEWER: "how often has a worker had it by now?",
    ASKED: "which of a client's two questions gives a worker something to do?",
    OTHERS: "by what is the count kept?",
    TOO_EARLY: "how long does the third worker have?",
    NOT_AGAIN: "what becomes of a request when its limit is over for the first time?",
    HELD_UP: "which request is the first of its service now?",
    PENDING: "what does `status` know of a request that was put aside?",
    UNKNOWN: "what does titanic.reply say of what is not in the store?",
    REVIVED: "what is on the disk of a request that was put aside?",
    KEPT: "who takes a request away that nobody wants any more?",
    REPLY_LOST: "does a reply to the third handing-out count for less?",
    HANDED_OUT: "what has the broker said to `mmi.service`?",
    TWO_AT_ONCE: "when is the next request of a service handed out?",
    FRAMES: "which frames do MDP and TSP give this message?",
    ENDS: "how do a worker and a client reach their broker?",
    NOT_LATER: "when does this core have anything to do that no message calls for?",
    TOO_OFTEN: "when does this core have anything to do that no message calls for?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

EQUIVALENT = {
    "line 6, more: 2": "any number but 0 and 1 will do",
    "line 20, less: 0": "the row has one column",
}

ENDPOINT = "inproc://broker"
CLIENT, WORKER = b"MDPC01", b"MDPW01"
READY, REQUEST, REPLY, HEARTBEAT = (bytes([n]) for n in range(1, 5))
SLACK = 3.0  # seconds of the checker's clock in which it has to do what is due
TIMES = 3

Out = tuple[str, bytes, list[bytes]]  # a request under way: the socket, the service and the body


class Story:
    """What holds over all lives: how often each body was handed out, and what is stored under which UUID."""

    def __init__(self, limit: float) -> None:
        self.limit, self.times = limit, Counter[bytes]()
        self.left, self.bodies = list[list[bytes]](), dict[bytes, list[bytes]]()
        self.fourth = FOREVER  # what it means if one is handed out once more


class Life(Clock):
    """Plays one life of the answer's core, and is its broker. `offered`: the services for which there is a worker."""

    def __init__(self, story: Story, quiet: bool, *how: Any) -> None:
        self.story, self.offered = story, set[bytes]()
        self.at: dict[str, bytes] = {}  # the service of each of Titanic's three sockets
        self.under_way: dict[str, Out] = {}  # by socket: what is handed out and has no reply
        self._said: list[list[bytes]] = []
        self._due: list[tuple[str, list[bytes]]] = []  # what we answer by ourselves
        self.asked: list[tuple[str, list[bytes]]] = []  # by `mmi.service`, while the broker is `quiet`
        self.quiet, self._beats = quiet, 0
        self._event: Event | None = None
        super().__init__(*how)
        self.until(0.0)
        if missing := {b"titanic.request", b"titanic.reply", b"titanic.close"} - {*self.at.values()}:
            raise NotYet(FRAMES, f"The first tick did not offer {sorted(missing)}.")

    # what clients and workers do

    def ask(self, service: bytes, *body: bytes) -> list[bytes]:
        """A client's question to one of the three services, and the answer to it."""
        name = next((n for n, s in self.at.items() if s == service), "")
        self._said.clear()
        client = self.scene.random.randbytes(5)
        self.hear(name, [b"", WORKER, REQUEST, client, b"", *body])
        said = [frames[5:] for frames in self._said if frames[3:5] == [client, b""]]
        if len(said) != 1 or len(self._said) != 1:
            raise NotYet(FRAMES, f"{_shown([service, *body])} was asked, and the answers were {self._said!r}.")
        return said[0]

    def store(self, service: bytes, *body: bytes) -> bytes:
        self.story.left.append(list(body))
        answer = self.ask(b"titanic.request", service, *body)
        if len(answer) != 2 or answer[0][:3] != b"200" or len(answer[1]) != 32:
            raise NotYet(FRAMES, f"A request for {service!r} was answered with {answer!r}.", self._event)
        self.story.bodies[answer[1]] = list(body)
        return answer[1]

    def status(self, uuid: bytes) -> list[bytes]:
        answer = self.ask(b"titanic.reply", uuid)
        return [answer[0][:3], *answer[1:]]

    def reply(self, uuid: bytes, *body: bytes) -> None:
        """The worker that has this request is done with it."""
        name, service, _ = self.given(uuid)
        del self.under_way[name]
        self.hear(name, [b"", CLIENT, service, *body])

    def given(self, uuid: bytes) -> Out:
        """The request with this UUID has to be in a worker's hands soon."""
        body, until = self.story.bodies[uuid], self.now + SLACK
        while not (found := [out for out in self.under_way.values() if out[2] == body]) and self.deadline <= until:
            self.tick()
        if not found:
            times = self.story.times[_key(body)]
            answer = self.status(uuid)
            happened = f"At {self.now:.1f} s it had been handed out {times} times, its service was there, "
            happened += f"no worker had it, and titanic.reply said {_shown(answer)}."
            label = NOT_AGAIN if times else HANDED_OUT
            raise NotYet(FEWER if answer == [b"500"] else label, happened, self._event)
        return found[0]

    def has_time(self, uuid: bytes, times: int) -> None:
        """For so many times a worker has it; for most of its limit."""
        self.wait(0.9 * self.story.limit)
        answer = self.status(uuid)
        if answer != [b"300"]:
            happened = f"For the {times}. time a worker had it, for 0.9 of its limit; titanic.reply said"
            label = TOO_EARLY if times == TIMES else FEWER
            raise NotYet(label if answer == [b"500"] else "", f"{happened} {_shown(answer)}.", self._event)

    def expires(self, uuid: bytes) -> None:
        """The request is in a worker's hands until its limit is over; and then in another's, but for the third."""
        key = _key(self.given(uuid)[2])
        times = self.story.times[key]
        self.has_time(uuid, times)
        self.wait(0.1 * self.story.limit)
        until = self.now + SLACK
        while times < TIMES and self.story.times[key] == times:
            if self.deadline > until:
                answer = self.status(uuid)
                happened = f"It was handed out {times} times, the last limit was over, and at {until:.1f} s"
                label = FEWER if answer == [b"500"] else NOT_AGAIN
                raise NotYet(label, f"{happened} no other worker had it; titanic.reply said {_shown(answer)}.")
            self.tick()

    def is_aside(self, uuid: bytes, label: str = PENDING) -> None:
        self.wait(SLACK)
        answer = self.status(uuid)
        if answer != [b"500"]:
            known = {b"300": label, b"400": UNKNOWN}
            happened = f"Its third limit was over at {self.now:.1f} s, and titanic.reply said {_shown(answer)}."
            raise NotYet(known.get(answer[0], ""), happened, self._event)

    def is_done(self, uuid: bytes, *body: bytes) -> None:
        answer = self.status(uuid)
        if answer != [b"200", *body]:
            raise NotYet(REPLY_LOST, f"A worker had replied {_shown(body)}; titanic.reply said {_shown(answer)}.")

    def has_its_turn(self, uuid: bytes) -> None:
        """The request behind one that was put aside is handed out."""
        until = self.now + SLACK
        while not self.story.times[_key(self.story.bodies[uuid])] and self.deadline <= until:
            self.tick()
        if not any(out[2] == self.story.bodies[uuid] for out in self.under_way.values()):
            answer = self.status(uuid)
            label = OTHERS if answer == [b"500"] else HELD_UP
            raise NotYet(label, f"The one before it was done with; of this one titanic.reply said {_shown(answer)}.")

    def closes(self, uuid: bytes) -> None:
        answers = self.ask(b"titanic.close", uuid), self.status(uuid)
        if [answer[0][:3] for answer in answers] != [b"200", b"400"]:
            said = " and ".join(map(_shown, answers))
            raise NotYet(KEPT, f"titanic.close, and then titanic.reply, said {said}.", self._event)

    # time, and the broker

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        self.until(until)
        self.now = until

    def tick(self) -> None:
        super().tick()
        self.settle()

    def hear(self, name: str, frames: list[bytes]) -> None:
        self.says("broker", "ROUTER", [ENTRY.encode(), *frames])
        self._event = self.write(ENTRY, "receive", "DEALER", frames, "broker", "ROUTER")
        self.receive(name, frames)
        self.settle()

    def settle(self) -> None:
        """The broker answers: heartbeats with heartbeats, and `mmi.service` with what it knows."""
        while self._due:
            name, frames = self._due.pop(0)
            if frames[2] == b"mmi.service":
                if self.quiet:
                    self.asked.append((name, frames))
                    continue
                frames = [*frames[:3], b"200" if frames[3] in self.offered else b"404"]
            if frames[2] != HEARTBEAT:
                self.says("broker", "ROUTER", [ENTRY.encode(), *frames])
                self._event = self.write(ENTRY, "receive", "DEALER", frames, "broker", "ROUTER")
            self.receive(name, frames)

    def dies(self) -> None:
        """The broker says that the service is there, and this life ends with the first message after that."""
        until = self.now + SLACK
        while not self.asked and not self.under_way and self.deadline <= until:
            self.tick()
        if self.asked:
            name, frames = self.asked[-1]
            self.kill(name, [*frames[:3], b"200"])

    def effect(self, kind: str, *what: Any) -> None:
        if kind == "open":
            if what[1:] != (zmq.DEALER, ENDPOINT, False):
                raise NotYet(ENDS, f"At {self.now:.1f} s a socket of another type was opened, or to another endpoint.")
        elif kind == "close":
            self.under_way.pop(what[0], None)
            self._due = [each for each in self._due if each[0] != what[0]]
        elif kind == "send":
            self._sent(what[0], what[1])

    def _sent(self, name: str, frames: list[Any]) -> None:
        if not all(isinstance(frame, bytes) for frame in frames):
            raise NotYet(FRAMES, f"At {self.now:.1f} s this was sent: {frames!r}.")
        if frames == [b"", WORKER, HEARTBEAT]:
            self._beats += 1
            if self._beats % 7 in (0, 1, 2):  # now and then, so that nobody takes it for dead
                self._due.append((name, frames))
            return
        event = self.says(ENTRY, "DEALER", frames)
        self.write("broker", "receive", "ROUTER", [ENTRY.encode(), *frames], ENTRY, "DEALER")
        match frames:
            case [b"", b"MDPW01", b"\x01", service]:
                self.at[name] = service
            case [b"", b"MDPW01", b"\x03", _, b"", _, *_]:
                self._said.append(frames)
            case [b"", b"MDPC01", b"mmi.service", _]:
                self._due.append((name, frames))
            case [b"", b"MDPC01", service, _, *_]:
                self._handed_out(name, service, frames[3:], event)
            case _:
                raise NotYet(FRAMES, f"At {self.now:.1f} s this was sent: {_shown(frames)}.", event)

    def _handed_out(self, name: str, service: bytes, body: list[bytes], event: Event) -> None:
        if body not in self.story.left:
            raise NotYet(FRAMES, f"A worker of {service!r} got {_shown(body)}.", event)
        if other := [out for out in self.under_way.values() if out[1] == service]:
            raise NotYet(TWO_AT_ONCE, f"{_shown(body)} was handed out while {_shown(other[0][2])} was.", event)
        self.story.times[_key(body)] += 1
        if self.story.times[_key(body)] > TIMES:
            raise NotYet(self.story.fourth, f"{_shown(body)} was handed out for the fourth time.", event)
        self.under_way[name] = (name, service, body)


def _key(body: list[bytes]) -> bytes:
    return repr(body).encode()


def _shown(frames: Sequence[bytes]) -> str:
    return "".join(f"[{frame.decode(errors='replace')}]" for frame in frames)


Begin = Callable[..., contextlib.AbstractContextManager[Life]]


@contextlib.contextmanager
def _lives(scene: Scene, count: int) -> Iterator[tuple[Story, Begin]]:
    """A story, and what begins each of its lives; they share one file."""
    limit = scene.random.randrange(4 * 8, 6 * 8) / 8
    with tempfile.TemporaryDirectory() as folder:
        path, story = str(Path(folder) / "titanic.db"), Story(limit)
        calls = [lambda shell: Call((ENDPOINT, path, limit, shell))] * count
        with played(scene, *calls) as (answer, lines):
            left = iter(lines)

            @contextlib.contextmanager
            def begin(*offered: bytes, quiet: bool = False) -> Iterator[Life]:
                life = Life(story, quiet, scene, answer, next(left))
                life.offered = {*offered}
                yield life
                life.end()

            yield story, begin


def three_times(scene: Scene) -> None:
    """a request that no worker can finish, and others behind it"""
    tea, milk, one, two, three, four, hot = scene.words(7)
    with _lives(scene, 1) as (_, begin), begin(tea, milk) as it:
        bad, behind = it.store(tea, one, b"", two), it.store(tea, three)
        quick = it.store(milk, one)
        it.reply(quick, hot, one)
        it.is_done(quick, hot, one)
        for _ in range(TIMES):
            it.expires(bad)
        it.is_aside(bad)
        it.has_its_turn(behind)
        it.reply(behind, hot)
        last = it.store(tea, four)
        it.reply(last, two)
        it.is_done(last, two)
        it.is_aside(bad)
        it.closes(bad)
        it.is_done(behind, hot)


def the_third_time(scene: Scene) -> None:
    """a service that is seldom there, and a worker that is done at the third time"""
    tea, one, two, hot, more = scene.words(5)
    with _lives(scene, 1) as (story, begin), begin() as it:
        slow, behind = it.store(tea, one), it.store(tea, two)
        for time in range(TIMES):
            it.offered = set()
            it.wait(story.limit + 4.0)
            answer = it.status(slow)
            if answer != [b"300"]:
                happened = f"For 4 s its service was not there, and titanic.reply said {_shown(answer)}."
                raise NotYet((FEWER if time else ASKED) if answer == [b"500"] else "", happened)
            it.offered = {tea}
            it.given(slow)
        it.has_time(slow, TIMES)
        it.reply(slow, hot, more)
        it.is_done(slow, hot, more)
        it.has_its_turn(behind)


def killed_between(scene: Scene) -> None:
    """a kill between two handings-out"""
    tea, one, two, hot = scene.words(4)
    with _lives(scene, 3) as (story, begin):
        with begin(tea) as it:
            bad, behind = it.store(tea, one), it.store(tea, two)
            it.expires(bad)
            it.given(bad)
            it.offered = set()
            it.wait(story.limit + SLACK)
        story.fourth = FORGOTTEN
        with begin(tea) as it:
            it.expires(bad)
            it.is_aside(bad)
            it.has_its_turn(behind)
        with begin(tea) as it:
            it.is_aside(bad, REVIVED)
            it.reply(behind, hot)
            it.is_done(behind, hot)
            it.closes(bad)


def killed_at_work(scene: Scene) -> None:
    """kills while a worker has it"""
    tea, one, two, hot = scene.words(4)
    with _lives(scene, TIMES + 1) as (story, begin):
        with begin(tea) as it:
            bad, behind = it.store(tea, one), it.store(tea, two)
            it.given(bad)
        story.fourth = CUT_SHORT
        for _ in range(TIMES - 1):
            with begin(tea) as it:
                it.given(bad)
        with begin(tea) as it:
            it.is_aside(bad)
            it.has_its_turn(behind)
            it.reply(behind, hot)
            it.is_done(behind, hot)


def killed_with_the_message(scene: Scene) -> None:
    """kills in the moment at which it goes out"""
    tea, one = scene.words(2)
    with _lives(scene, TIMES + 1) as (story, begin):
        with begin(quiet=True) as it:
            bad = it.store(tea, one)
            it.dies()
        story.fourth = AFTER
        for _ in range(TIMES - 1):
            with begin(quiet=True) as it:
                it.dies()
        with begin(tea) as it:
            it.is_aside(bad)


def fair_weather(scene: Scene) -> None:
    """one request that gets no reply"""
    tea, one = b"tea", b"hot"
    with _lives(scene, 1) as (story, begin), begin(tea) as it:
        uuid = it.store(tea, one)
        for _ in range(TIMES):
            it.expires(uuid)
        it.wait(SLACK)
        answer = it.status(uuid)
        raise NotYet(f"It was handed out {story.times[_key([one])]} times; titanic.reply said {_shown(answer)}.", "")


TRY = fair_weather
SCENES = (the_third_time, three_times, killed_between, killed_at_work, killed_with_the_message)
