# SPDX-License-Identifier: BSD-3-Clause
"""Believe what comes by several roads, twice, and late."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import zmq

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, Clock, played
from exercises.scene import NotYet, Raised, Scene
from patterns.shell import NEVER

ENTRY = "listener"

HINTS = (
    "What is given believes whatever comes. Of each broker three things have to be remembered: what it has free, when "
    "that was news, and one more, which tells news from old stories. Which words change the second of them?",
    "Before anything else, ask whether a word is news: is its broker unknown, or its number higher than the one you "
    "have? If not, do nothing at all. If so, keep number, capacity and time, and report what differs.",
    "In a tick, go through the brokers that you know. Look first whether one is gone, and forget it with its number; "
    "then whether one that is fresh is stale. The deadline is the earliest of all those times, worked out anew after "
    "each word, too.",
)
VARIANT = "let the broker pass on what is news to it, and nothing else, so that words end their way when all know them."
LIMIT = "an old copy that comes after its broker is gone is taken for news, and brings the dead to life for a while."
WHY = "which line of yours decides how long a dead broker is counted on, however many neighbours speak of it?"

OLDER = "an older word replaced a newer one"
COPY = "a copy made its broker young again"
TEXT = "numbers were compared as text"
ANEW = "a broker that was gone and began anew was not believed"
SMALL = "a broker that began anew was believed before it was gone"
NO_STALE = "a broker that fell silent was not reported stale"
NO_GONE = "a broker that was silent for long was not reported gone"
SINCE = "an age was counted from another moment than the last news"
SAME = "an unchanged capacity did not make its broker younger"
EVERY = "a word was reported that changed nothing"
BACK = "a stale broker that spoke again was not reported"
FIRST = "a broker that was heard for the first time was not reported"
CHANGE = "news of a broker was not reported"
OTHER = "one broker's words counted for another"
AGAIN = "the same silence was reported more than once"
EARLY = "a broker was taken for silent too early"
ODD = "a message that is none was believed"
BROKE = "a message that is none ended the core"
ASLEEP = "it was not awake when a broker's time came"
BOTH = "a tick that came late reported stale as well as gone"
ROADS = "it did not listen on every road"
DEAF = "it did not subscribe to everything"
REPORT = "a report was something else than the name and what to make of it"

LABELS = {
    OLDER: "which of two words was said later, and how can you tell?",
    COPY: "what does a word prove that you have heard before?",
    TEXT: "which is higher, 9 or 10, and which of them comes first in a dictionary?",
    ANEW: "what do you still know of a broker that is gone?",
    SMALL: "what is a low number, as long as its broker is known?",
    NO_STALE: "who notices that nothing comes?",
    NO_GONE: "how many ages does a word have?",
    SINCE: "from when do both ages count?",
    SAME: "what does a broker prove that says the same once more?",
    EVERY: "what does whoever asks for your reports want to know?",
    BACK: "what changes when a stale broker speaks, although its capacity is the same?",
    FIRST: "what is the first that can be told of a broker?",
    CHANGE: "what has changed for whoever counts on this broker?",
    OTHER: "how many numbers and times are there to keep?",
    AGAIN: "what does your core remember of what it has reported?",
    EARLY: "from when does the age of a word count, and which of the two ages is it?",
    ODD: "what exactly is a word, and what is to become of anything else?",
    BROKE: "what does your core do with a message that has another number of frames, or no digits?",
    ASLEEP: "which of all the times that you keep is the next, and when do you work it out?",
    BOTH: "which of the two ages do you look at first?",
    ROADS: "how many places are there, and to how many of them is a socket connected?",
    DEAF: "what does a SUB receive that has subscribed to nothing?",
    REPORT: "what are the two things in a report, and of which types?",
    NOT_LATER: "what is still to be done at that time, after the tick?",
    TOO_OFTEN: "which of all the times that you keep is the next, and what is there to do before it?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

ROADS_NAMED = ("bridge", "ferry", "tunnel")
STALE, GONE = "stale", "gone"


class Word(NamedTuple):
    """What comes in, and when, in units; and by which road."""

    when: float
    frames: tuple[bytes, ...]
    road: int = 0


class Fact(NamedTuple):
    """What is reported, and when: a capacity, STALE or GONE of a broker."""

    when: float
    name: bytes
    kind: Any

    def __str__(self) -> str:
        return f"({self.name!r}, {self.kind!r}) at {self.when:g} s"


@dataclass
class Known:
    number: int
    heard: float
    capacity: int
    stale: bool = False


@dataclass
class Model:
    """What the contract asks for, and why: of each word, what it was."""

    stale: float
    gone: float
    facts: list[Fact] = field(default_factory=list)
    known: dict[bytes, Known] = field(default_factory=dict)
    last: dict[bytes, Known] = field(default_factory=dict)  # of those that are gone, too

    def hear(self, now: float, frames: Sequence[bytes]) -> str:
        if (word := _word(frames)) is None:
            return "odd"
        name, number, capacity = word
        old = self.known.get(name)
        if old and number <= old.number:
            return "copy" if number == old.number else "older"
        kind = "first" if name not in self.last else "anew" if not old else "back" if old.stale else "news"
        if not old or old.stale or old.capacity != capacity:
            self.facts.append(Fact(now, name, capacity))
        elif kind == "news":
            kind = "same"
        self.known[name] = self.last[name] = Known(number, now, capacity)
        return kind

    def tick(self, now: float) -> None:
        for name, each in list(self.known.items()):
            if now >= each.heard + self.gone:
                self.facts.append(Fact(now, name, GONE))
                del self.known[name]
            elif now >= each.heard + self.stale and not each.stale:
                each.stale = True
                self.facts.append(Fact(now, name, STALE))

    @property
    def due(self) -> float:
        return min((e.heard + (self.gone if e.stale else self.stale) for e in self.known.values()), default=NEVER)


def _word(frames: Sequence[bytes]) -> tuple[bytes, int, int] | None:
    if len(frames) != 3 or not frames[0]:
        return None
    for digits, most in zip(frames[1:], (12, 6), strict=True):
        if not 0 < len(digits) <= most or any(byte not in b"0123456789" for byte in digits):
            return None
    return frames[0], int(frames[1]), int(frames[2])


class Ear(Clock):
    """Plays the answer's core and the roads on which it hears; compares what it reports with the model, at once."""

    def __init__(self, scene: Scene, places: Sequence[str], stale: float, gone: float, *how: Any) -> None:
        self.places, self.model = places, Model(stale, gone)
        self.joined: dict[str, str] = {}  # road: the socket that is connected to it
        self.open: set[str] = set()
        self.heard: set[str] = set()  # sockets that have subscribed to everything
        self.did: list[Fact] = []
        self.words: list[tuple[float, str, tuple[bytes, ...]]] = []  # that came, when, and what each was
        self.judged = True
        super().__init__(scene, *how)
        self.until(0.0)
        if {*self.joined} != {*places}:
            missing = sorted(ROADS_NAMED[places.index(p)] for p in {*places} - {*self.joined})
            raise NotYet(ROADS, f"After the first tick nothing is connected to the road by {' and '.join(missing)}.")
        if not {*self.joined.values()} <= self.heard:
            raise NotYet(DEAF, "After the first tick a SUB has not subscribed to b''.")

    def effect(self, kind: str, *what: Any) -> None:
        if kind == "open":
            name, how, endpoint, bind = what
            if how != zmq.SUB or endpoint not in self.places or bind or endpoint in self.joined:
                raise NotYet(ROADS, f"It opened another socket than a SUB that connects once to each road: {what!r}.")
            self.joined[endpoint] = name
            self.write(ENTRY, "connect", "SUB", (), "", "", endpoint)
            self.write(ROADS_NAMED[self.places.index(endpoint)], "bind", "XPUB", (), "", "", endpoint)
        elif kind == "subscribe":
            if what[1] == b"":
                self.heard.add(what[0])
        elif kind == "result":
            self._gave(*what)
        else:
            raise NotYet("", f"At {self.now:g} s it did this: {kind} {what!r}. Nobody has asked for that.")

    def _gave(self, value: Any) -> None:
        name, what = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
        name = name.encode() if isinstance(name, str) else name
        good = isinstance(name, bytes) and (what in (STALE, GONE) or (type(what) is int))
        if not good:
            raise NotYet(REPORT, f"At {self.now:g} s it gave {value!r}.", self._event())
        self.did.append(Fact(self.now, name, what))

    def _event(self) -> Event | None:
        return self.scene.recording.events[-1] if self.scene.recording.events else None

    def play(self, words: Sequence[Word], end: float, still: tuple[float, float] = (NEVER, NEVER)) -> None:
        """Let the time pass: words come, and ticks when they are wanted; from still[0] to still[1] all of it waits."""

        def awake(when: float) -> float:
            return still[1] if still[0] <= when < still[1] else when

        todo = sorted(words, key=lambda word: word.when)
        while True:
            word, due = awake(todo[0].when) if todo else NEVER, awake(self.model.due)
            wanted = awake(max(self.now, self.deadline))
            if min(word, due, wanted) > end:
                break
            if word <= min(due, wanted):
                self._hears(max(self.now, word), todo.pop(0))
            elif wanted <= due:
                self.now = wanted
                if due <= wanted:
                    self.model.tick(wanted)
                self.tick()
                self._compare("tick")
            else:
                self.now = due
                self.model.tick(due)
                self._compare("asleep")
        self.now = end

    def _hears(self, now: float, word: Word) -> None:
        self.now, place = now, self.places[word.road]
        road = ROADS_NAMED[word.road]
        text = self.model.last.get(word.frames[0] if word.frames else b"")
        number = text.number if text else 0
        kind = self.model.hear(now, word.frames)
        self.words.append((now, kind, word.frames))
        self.says(road, "XPUB", word.frames)
        self.write(ENTRY, "receive", "SUB", word.frames, road, "XPUB")
        try:
            self.receive(self.joined[place], word.frames)
        except NotYet:
            raise
        except Raised as error:
            if kind == "odd":
                raise NotYet(BROKE, f"{_shown(word.frames)} came. {error}", self._event()) from None
            raise
        self._compare(kind, word.frames, number)

    def _compare(self, why: str, frames: Sequence[bytes] = (), number: int = 0) -> None:
        """What was done up to now must be what the model did."""
        if not self.judged or Counter(self.did) == Counter(self.model.facts):
            return
        wanted, did = Counter(self.model.facts), Counter(self.did)
        missing, extra = list((wanted - did).elements()), list((did - wanted).elements())
        happened = f"{_shown(frames)} came at {self.now:g} s. " if frames else ""
        happened += f"This was to be reported: {' and '.join(map(str, missing)) or 'nothing'}. "
        happened += f"What was reported: {' and '.join(map(str, extra)) or 'nothing of the kind'}."
        raise NotYet(self._label(why, missing, extra, frames, number), happened, self._event())

    def _label(self, why: str, missing: list[Fact], extra: list[Fact], frames: Sequence[bytes], number: int) -> str:
        if why == "odd":
            return ODD
        if why in ("tick", "asleep"):
            return self._silent(missing, extra)
        name = frames[0]
        if any(fact.name != name for fact in missing + extra):
            return OTHER
        new = frames[1]
        as_text = (new > b"%d" % number) != (int(new) > number)
        match why:
            case "older":
                return TEXT if as_text else SMALL if int(new) < number // 2 else OLDER
            case "copy":
                known = self.model.known[name]
                return COPY if known.stale else EVERY
            case "first":
                highest = max((k.number for n, k in self.model.last.items() if n != name), default=0)
                return OTHER if missing and highest >= int(new) else FIRST
            case "anew":
                return ANEW
            case "back":
                return TEXT if as_text and missing else BACK if missing and not extra else CHANGE
            case "same":
                return EVERY
        highest = max((k.number for n, k in self.model.last.items() if n != name), default=0)
        return TEXT if as_text and missing else OTHER if missing and highest >= int(new) > number else CHANGE

    def _silent(self, missing: list[Fact], extra: list[Fact]) -> str:
        for fact in extra:
            early = self.model.known.get(fact.name)
            if fact.kind not in (STALE, GONE):
                return CHANGE
            if fact.kind == STALE and any(m.name == fact.name and m.kind == GONE for m in self.model.facts[-3:]):
                return BOTH if fact.when == self.model.facts[-1].when else AGAIN
            if early is None or (early.stale and fact.kind == STALE):
                return AGAIN
            return SAME if self._between(fact.name, early.heard, "same", before=True) else EARLY
        for fact in missing:
            since = self.model.last[fact.name].heard
            if self._later(fact, 0.0):
                return ASLEEP
            if self._between(fact.name, since, "copy", "older"):
                return COPY
            if self._others(fact.name, since):
                return OTHER
            age = self.model.stale if fact.kind == STALE else self.model.gone
            return SINCE if self._later(fact, age) else NO_STALE if fact.kind == STALE else NO_GONE
        return ""

    def _later(self, fact: Fact, seconds: float) -> bool:
        """Whether this is reported when the core is ticked so many seconds later, though it has not asked for it."""
        self.judged = False
        self.now += seconds
        self._do("tick")
        return any((did.name, did.kind) == (fact.name, fact.kind) for did in self.did[-2:])

    def _between(self, name: bytes, since: float, *kinds: str, before: bool = False) -> bool:
        """Whether words of these kinds came of this broker, after its last news (or as that)."""
        return any(
            kind in kinds and frames[0] == name and (when >= since if before else when > since)
            for when, kind, frames in self.words
        )

    def _others(self, name: bytes, since: float) -> bool:
        return any(kind != "odd" and frames[0] != name and when > since for when, kind, frames in self.words)


def _shown(frames: Sequence[bytes]) -> str:
    return "".join(f"[{frame[:20].decode(errors='replace')}]" for frame in frames) or "A message without a frame"


@contextlib.contextmanager
def _ear(scene: Scene, roads: int = 1, stale: float = 2.0, gone: float = 5.0) -> Iterator[tuple[Ear, float]]:
    """The answer's core, and how many seconds a unit has. Ages and times are given in units."""
    unit = scene.random.choice((0.5, 1.0, 2.0, 4.0))
    places = [f"inproc://{name}" for name in ROADS_NAMED[:roads]]
    with played(scene, lambda shell: Call((places, stale * unit, gone * unit, shell))) as (answer, [line]):
        yield Ear(scene, places, stale * unit, gone * unit, answer, line), unit


def _words(unit: float, *words: tuple[float, bytes, int, int] | tuple[float, bytes, int, int, int]) -> list[Word]:
    """(when, name, number, capacity) and perhaps the road."""
    return [
        Word(when * unit, (name, b"%d" % number, b"%d" % capacity), *road)
        for when, name, number, capacity, *road in words
    ]


def silence(scene: Scene) -> None:
    """a broker that says the same, falls silent and comes back"""
    [name] = scene.words(1)
    few, many = scene.random.randrange(1, 5), scene.random.randrange(5, 900)
    n = scene.random.randrange(1000, 4000)
    with _ear(scene) as (ear, unit):
        steady = [(0.25 + step, name, n + step, few) for step in range(5)]
        changed = [(5.0, name, n + 5, many), (5.25, name, n + 6, 0), (6.0, name, n + 7, many)]
        back = [(9.5, name, n + 8, many), (10.0, name, n + 9, few)]
        ear.play(_words(unit, *steady, *changed, *back), 30 * unit)


def copies(scene: Scene) -> None:
    """words that come twice, and after later ones"""
    [name] = scene.words(1)
    one, two, three = scene.random.sample(range(1, 1000), 3)
    with _ear(scene, roads=3) as (ear, unit):
        words = [(0.25, name, 8, one), (0.5, name, 9, two, 1), (0.75, name, 9, two, 2), (1.0, name, 8, one, 2)]
        words += [(1.25, name, 10, three), (1.5, name, 9, two, 1), (2.0, name, 10, three, 1), (2.75, name, 9, two, 2)]
        words += [(3.75, name, 10, three, 2), (5.0, name, 9, two, 1)]
        ear.play(_words(unit, *words), 20 * unit)


def anew(scene: Scene) -> None:
    """a broker that begins anew"""
    [name] = scene.words(1)
    one, two, three = scene.random.sample(range(1, 1000), 3)
    n = scene.random.randrange(500, 900)
    with _ear(scene) as (ear, unit):
        words = [(0.25, name, n, one), (1.25, name, n + 1, one)]
        words += [(2.0, name, 1, two), (3.0, name, 2, two), (4.0, name, 3, two), (5.0, name, 4, two)]
        words += [(6.5, name, 5, three), (7.5, name, 6, three), (16.0, name, 1, three), (17.0, name, 2, two)]
        ear.play(_words(unit, *words), 30 * unit)


def several(scene: Scene) -> None:
    """two brokers out of step"""
    one, two = scene.words(2)
    a, b, c = scene.random.sample(range(1, 1000), 3)
    n = scene.random.randrange(100, 400)
    with _ear(scene, roads=2) as (ear, unit):
        words = [(0.25 + step, one, n + step, a) for step in range(10)]
        words += [(0.5, two, 3, b, 1), (1.5, two, 4, c, 1), (13.0, two, 5, b, 1), (13.5, two, 6, a, 1)]
        ear.play(_words(unit, *words), 30 * unit)


def odd(scene: Scene) -> None:
    """messages that are none, and a core that stood still"""
    name, other = scene.words(2)
    one, two = scene.random.sample(range(10, 1000), 2)
    big, many = scene.random.randrange(10**11, 10**12 - 1), scene.random.randrange(10**5, 10**6 - 1)
    with _ear(scene) as (ear, unit):
        none = [(name,), (name, b"7"), (name, b"7", b"1", b""), (b"", b"7", b"1"), (name, b"", b"1"), (name, b"7", b"")]
        none += [
            (name, b"-7", b"1"),
            (name, b"7", b"+1"),
            (name, b"7", b" 1"),
            (name, b"7", b"1_0"),
            (name, b"7.0", b"1"),
        ]
        none += [
            (name, "٧".encode(), b"1"),
            (name, b"7", b"1234567"),
            (name, b"1234567890123", b"1"),
            (name, b"\xff", b"1"),
        ]
        words = [Word((1 + i / 32) * unit, frames) for i, frames in enumerate(none)]
        words += _words(unit, (0.25, name, 5, one), (1.75, name, 6, two), (9.0, name, 7, one))
        words += _words(unit, (0.75, other, big, many), (1.5, other, big + 1, many + 1))
        ear.play(words, 40 * unit, still=(2.0 * unit, 16.0 * unit))


def fair_weather(scene: Scene) -> None:
    """one broker, heard on two roads"""
    with _ear(scene, roads=2) as (ear, unit):
        ear.judged = False
        words = [(0.25, b"B", 1, 4), (0.5, b"B", 1, 4, 1), (1.25, b"B", 2, 3), (1.5, b"B", 1, 4, 1)]
        ear.play(_words(unit, *words), 10 * unit)


TRY = fair_weather
SCENES = (silence, several, copies, anew, odd)
