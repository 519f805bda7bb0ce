# SPDX-License-Identifier: BSD-3-Clause
"""Let the watcher ask, and only those who are silent."""

import contextlib
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, UNBOUND, Bound, played
from exercises.scene import NotYet, Scene
from patterns.shell import NEVER

ENTRY = "watcher"

HINTS = (
    "What is given has one rhythm for everybody. Which two things does the watcher have to remember of each single "
    "peer, and which of them does a word of that peer change?",
    "Keep for each peer when its interval is over, and how many PINGs it still has. A word sets both anew. In a tick, "
    "whoever's interval is over is sent a PING and has one less; who has none left is gone, and is forgotten.",
    "Two times go wrong in the end. After a PING the next interval begins at `now`, not at the time that had been "
    "planned; and `deadline` is the earliest of all peers, worked out anew after each tick and after each word.",
)
VARIANT = "let each peer have an interval of its own, which it says with its first word: [name][HELLO][seconds]."
LIMIT = "a peer whose answer is on its way longer than all its intervals is taken for gone, and it is alive."
WHY = "which line of yours decides how long a dead peer can go unnoticed, and how long is that at most?"

UNASKED = "nobody was asked before it was taken for gone"
EARLY = "a peer was asked that had not been silent for an interval"
PONG_ONLY = "only a PONG counted as a sign of life"
UNTOLD = "a peer that was gone was never reported"
AGAIN = "a peer was reported gone again and again"
EVERY_WORD = "a peer was reported alive at every word"
LAST = "a peer was taken for gone before its last PING had its time"
MORE = "a peer was asked more often than its liveness"
STILL = "a peer that was gone was still asked"
NEW = "a peer that spoke for the first time was not reported"
BACK = "a peer that came back was not reported"
LESS = "a word did not give back the whole liveness"
OTHER = "one peer's word or silence counted for another"
STOOD = "a watcher that had stood still took its peers for gone"
AT_ONCE = "what was due while the watcher stood still was done all at once"
UNITS = "seconds were taken for milliseconds"
ASLEEP = "it was not awake when a peer's time came"
FRAMES = "a PING left in other frames than it should"
PASSED_OVER = "a peer that was silent was not asked"
REPORT = "a report was something else than (name, word)"

LABELS = {
    UNASKED: "what does a peer that has nothing to say wait for?",
    EARLY: "from which moment does a peer's interval count?",
    PONG_ONLY: "what does a peer prove that sends news?",
    UNTOLD: "what becomes less with every PING that goes unanswered?",
    AGAIN: "what does the watcher still know of a peer that is gone?",
    EVERY_WORD: "for whom is it news that this peer is alive?",
    LAST: "how long does a peer have to answer the last PING?",
    MORE: "how many PINGs has a peer had when none is left?",
    STILL: "who is it that your tick goes through?",
    NEW: "what is the first that a watcher can tell of a peer?",
    BACK: "what is a peer that was gone and speaks, to a watcher that starts anew?",
    LESS: "how much liveness has a peer that has just spoken?",
    OTHER: "how many liveness counts are there to keep?",
    STOOD: "whose silence was it, while the watcher heard nothing?",
    AT_ONCE: "how often is a peer asked in one tick?",
    UNITS: "in which unit is `interval`, and in which is `now`?",
    ASLEEP: "which of all the times that you keep is the next?",
    NOT_LATER: "from when does the interval after a PING count?",
    TOO_OFTEN: "which of all the times that you keep is the next, and what is there to do before it?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    PASSED_OVER: "what is due to a peer when its interval is over?",
    FRAMES: "what does a ROUTER need in front, and what does the peer?",
    REPORT: "which two things does a report say, and what is a name on the wire?",
    UNBOUND: "which effect opens a socket, and where do peers look for it?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

ENDPOINT = "inproc://panel"
EXACT = 1e-6
NAMES = ("attic", "cellar", "garage", "kitchen", "landing", "pantry", "porch", "study")
ANSWER = 0.125  # of an interval until a peer that lives answers
PING, ALIVE, GONE = "PING", "alive", "gone"


class Fact(NamedTuple):
    """What was done, or was to be done: a PING, a report, or, of no peer, another result."""

    when: float
    kind: str
    peer: str

    def __str__(self) -> str:
        what = f"the report that {self.peer} is {self.kind}" if self.peer else f"the result {self.kind}"
        return f"{f'a PING to {self.peer}' if self.kind == PING else what} at {self.when:g} s"


class Panel(Bound):
    """Plays the answer's core and its peers; knows what it did and when. A scene's times are in units.

    unit   seconds of a unit
    lives  until when a peer answers
    sleep  from when until when the watcher stands still
    """

    FRAMES = FRAMES

    def __init__(self, scene: Scene, unit: float, interval: float, *how: Any) -> None:
        self.unit, self.interval = unit, interval * unit
        self.did, self.events, self.wants = list[Fact](), dict[Fact, Event](), list[tuple[float, float]]()
        self.lives: dict[str, float] = {}
        self.sleep = (NEVER, NEVER)
        self._words: list[tuple[float, int, str, tuple[bytes, ...]]] = []
        self._count = itertools.count()
        super().__init__(scene, *how, ENTRY, ENDPOINT)

    def word(self, when: float, peer: str, *frames: bytes) -> None:
        """A peer will say this then."""
        heapq.heappush(self._words, (when, next(self._count), peer, frames))

    def play(self, end: float) -> None:
        """Let the time pass: what comes is told to the core first, then it is ticked if it wants to be."""
        while min(word := self._words[0][0] if self._words else NEVER, self.deadline / self.unit) <= end:
            tick = self._awake(max(self.now, self.deadline))
            if self._awake(word * self.unit) <= tick:
                _, _, peer, frames = heapq.heappop(self._words)
                self.now = max(self.now, self._awake(word * self.unit))
                self.say(peer, *frames)
            else:
                self.now = tick
                self.tick()
            self.wants.append((self.now, self.deadline))

    def _awake(self, when: float) -> float:
        begin, end = (self.unit * each for each in self.sleep)
        return end if begin <= when < end else when

    def sent(self, peer: str, frames: list[bytes | str], event: Event) -> None:
        if frames != [b"PING"]:
            raise NotYet(FRAMES, f"At {self.now:g} s {peer} was sent {frames!r}.", event)
        self._note(PING, peer, event)
        if self.now < self.lives.get(peer, 0.0) * self.unit:
            self.write(peer, "receive", "DEALER", [b"PING"], self.role, "ROUTER")
            self.word(self.now / self.unit + ANSWER, peer, b"PONG")

    def gave(self, value: Any) -> None:
        name, kind = value if isinstance(value, tuple) and len(value) == 2 else ("", value)
        peer = name.decode("latin-1") if isinstance(name, bytes) else name
        good = peer in self.peers and kind in (ALIVE, GONE)
        self._note(kind if good else repr(value), peer if good else "", self.scene.recording.events[-1])

    def _note(self, kind: str, peer: str, event: Event) -> None:
        self.did.append(fact := Fact(self.now, kind, peer))
        self.events[fact] = event

    def wanted(self, when: float) -> float:
        """The tick that the core wanted last, before this time."""
        return [-NEVER, *[deadline for now, deadline in self.wants if now < when - EXACT]][-1]


@contextlib.contextmanager
def _played(scene: Scene, interval: float, liveness: int, unit: float = 0.0) -> Iterator[Panel]:
    unit = unit or scene.random.choice((0.5, 1.0, 2.0, 4.0))
    with played(scene, lambda shell: Call((ENDPOINT, interval * unit, liveness, shell))) as (answer, [line]):
        yield Panel(scene, unit, interval, answer, line)


@dataclass(frozen=True)
class Odds:
    """Where an answer first differs: what should have been done then and was not, and what was done instead."""

    clock: Panel
    when: float
    missing: list[Fact]
    extra: list[Fact]

    @property
    def at(self) -> float:
        """When, in the scene's units."""
        return self.when / self.clock.unit

    def lacks(self, kind: str) -> list[str]:
        """The peers of whom this is missing."""
        return [name for _, k, name in self.missing if k == kind]

    def has(self, kind: str) -> list[str]:
        """The peers of whom this is too much."""
        return [name for _, k, name in self.extra if k == kind]

    def later(self, kind: str, name: str) -> bool:
        """Whether it is done at another time, now or later."""
        return any(k == kind and n == name and when >= self.when for when, k, n in self.clock.did)

    def before(self, name: str) -> str:
        """What the answer had last reported of this peer."""
        said = [k for when, k, n in self.clock.did if n == name and k != PING and when < self.when]
        return said[-1] if said else ""


Blame = Callable[[Odds], str]


def _compare(clock: Panel, expected: list[Fact], blame: Blame) -> None:
    """Blame the answer for the first time at which it did something else than expected."""

    wanted, did = Counter(fact._replace(when=fact.when * clock.unit) for fact in expected), Counter(clock.did)
    missing, extra = list((wanted - did).elements()), list((did - wanted).elements())
    if missing or extra:
        when = min(fact.when for fact in missing + extra)
        odds = Odds(clock, when, [f for f in missing if f.when == when], [f for f in extra if f.when == when])
        _blame(odds, _common(odds) or blame(odds) or _general(odds))


def _blame(odds: Odds, label: str) -> NoReturn:
    extra = " and ".join(map(str, odds.extra)) or "nothing of the kind"
    happened = f"This was to happen: {' and '.join(map(str, odds.missing)) or 'nothing'}. What happened: {extra}."
    if not odds.extra and odds.missing:
        wanted = odds.clock.wanted(odds.when)
        happened += f" The tick that you wanted next was {'never' if wanted == NEVER else f'at {wanted:g} s'}."
    near = [e for fact, e in odds.clock.events.items() if fact in odds.extra]
    raise NotYet(label, happened, near[0] if near else None)


def _common(odds: Odds) -> str:
    """What shows in every scene."""
    clock, kinds = odds.clock, {kind for _, kind, _ in odds.clock.did}
    long = [deadline - now for now, deadline in clock.wants if deadline < NEVER]
    if odds.missing and any(abs(seconds - 1000 * clock.interval) < EXACT for seconds in long):
        return UNITS
    if GONE in kinds and PING not in kinds:
        return UNASKED
    if odds.extra and 0 < min(long, default=1.0) < clock.interval / 400:
        return UNITS
    return ""


def _general(odds: Odds) -> str:
    if not all(fact.peer for fact in odds.extra):
        return REPORT
    for name in odds.lacks(ALIVE):
        return BACK if odds.before(name) == GONE else NEW
    for name in odds.has(GONE):
        return AGAIN if odds.before(name) == GONE else LAST
    for name in odds.has(PING):
        if odds.before(name) == GONE:
            return STILL
        if name in odds.lacks(GONE):
            return MORE if odds.later(GONE, name) else UNTOLD
        return EARLY
    if odds.has(ALIVE):
        return EVERY_WORD
    if odds.when not in odds.clock.ticks:
        return ASLEEP
    return UNTOLD if odds.lacks(GONE) else PASSED_OVER


def death_and_return(scene: Scene) -> None:
    """a peer that dies, comes back and dies again"""
    kitchen = scene.random.choice(NAMES)
    with _played(scene, 2.0, 3) as clock:
        clock.word(0.5, kitchen, b"PONG")
        clock.word(20.0, kitchen, b"NEWS", b"smoke")
        clock.play(19.0)
        clock.lives[kitchen] = 23.0
        clock.play(50.0)
        did = [(0.5, ALIVE), (2.5, PING), (4.5, PING), (6.5, PING), (8.5, GONE), (20.0, ALIVE)]
        did += [(22.0, PING), (24.125, PING), (26.125, PING), (28.125, PING), (30.125, GONE)]

        def blame(odds: Odds) -> str:
            if odds.at == 20.0 and odds.lacks(ALIVE):
                return BACK
            if odds.at > 20.0 and odds.has(GONE) and odds.before(kitchen) == ALIVE:
                return LESS
            return ""

        _compare(clock, [Fact(when, kind, kitchen) for when, kind in did], blame)


def traffic(scene: Scene) -> None:
    """a peer that has news and answers no PING"""
    kitchen = scene.random.choice(NAMES)
    with _played(scene, 2.0, 3) as clock:
        clock.word(0.5, kitchen, b"PONG")
        for n in range(12):
            clock.word(2.0 + 1.5 * n, kitchen, b"NEWS", b"%d degrees" % n)
        clock.word(23.0, kitchen, b"NEWS", b"smoke")
        clock.play(50.0)
        did = [(0.5, ALIVE), (20.5, PING), (22.5, PING)]
        did += [(25.0, PING), (27.0, PING), (29.0, PING), (31.0, GONE)]

        def blame(odds: Odds) -> str:
            asked, given_up = odds.at < 20.5 and odds.has(PING), odds.at > 22.5 and odds.extra
            return PONG_ONLY if asked or given_up else ""

        _compare(clock, [Fact(when, kind, kitchen) for when, kind in did], blame)


def two_peers(scene: Scene) -> None:
    """two peers out of step, one of which dies"""
    kitchen, cellar = scene.random.sample(NAMES, 2)
    with _played(scene, 1.0, 2) as clock:
        clock.lives[kitchen] = 20.0
        clock.word(0.5, kitchen, b"PONG")
        clock.word(1.25, cellar, b"PONG")
        clock.play(40.0)
        expected = [(1.25, ALIVE, cellar), (2.25, PING, cellar), (3.25, PING, cellar)]
        expected += [(4.25, GONE, cellar), (0.5, ALIVE, kitchen)]
        asked = 1.5
        while asked < 20.0:
            expected.append((asked, PING, kitchen))
            asked += ANSWER + 1.0
        expected += [(asked, PING, kitchen), (asked + 1.0, PING, kitchen), (asked + 2.0, GONE, kitchen)]

        def blame(odds: Odds) -> str:
            gone = {fact.peer: fact.when / clock.unit for fact in reversed(clock.did) if fact.kind == GONE}
            counted = [fact for fact in odds.extra if fact.peer in odds.lacks(GONE) or fact.kind == GONE]
            if counted or gone.get(cellar, NEVER) > 20.0 or gone.get(kitchen, NEVER) < 20.0:
                return OTHER
            return ""

        _compare(clock, [Fact(*each) for each in expected], blame)


def standing_still(scene: Scene) -> None:
    """a watcher that stands still itself"""
    kitchen, cellar, attic = scene.random.sample(NAMES, 3)
    with _played(scene, 2.0, 2) as clock:
        clock.lives[kitchen] = 35.0
        clock.word(0.5, kitchen, b"PONG")
        clock.word(1.0, cellar, b"PONG")
        clock.word(0.75, attic, b"PONG")
        clock.word(20.0, attic, b"NEWS", b"rain")
        clock.sleep = (4.25, 30.0)
        clock.play(60.0)
        expected = [(1.0, ALIVE, cellar), (3.0, PING, cellar), (30.0, PING, cellar), (32.0, GONE, cellar)]
        expected += [(when, PING, kitchen) for when in (2.5, 30.0, 32.125, 34.25, 36.375, 38.375)]
        expected += [(0.5, ALIVE, kitchen), (40.375, GONE, kitchen)]
        # whoever has spoken meanwhile is heard before the tick
        expected += [
            (0.75, ALIVE, attic),
            (2.75, PING, attic),
            (32.0, PING, attic),
            (34.0, PING, attic),
            (36.0, GONE, attic),
        ]

        def blame(odds: Odds) -> str:
            if odds.at == 30.0 and odds.has(GONE):
                pinged = any(fact.when == odds.when and fact.kind == PING for fact in clock.did)
                return AT_ONCE if pinged else STOOD
            if odds.at == 30.0 and odds.has(PING):
                return AT_ONCE
            return ""

        _compare(clock, [Fact(*each) for each in expected], blame)


def fair_weather(scene: Scene) -> None:
    """one peer that answers for a while"""
    kitchen = "kitchen"
    with _played(scene, 1.0, 2, unit=1.0) as clock:
        clock.lives[kitchen] = 3.0
        clock.word(0.5, kitchen, b"PONG")
        clock.word(1.25, kitchen, b"NEWS", b"smoke")
        clock.play(8.0)


TRY = fair_weather
SCENES = (death_and_return, traffic, two_peers, standing_still)
