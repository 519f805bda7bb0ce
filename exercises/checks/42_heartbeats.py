# SPDX-License-Identifier: BSD-3-Clause
"""Let the watcher ask, and only those who are silent."""

import ast
import contextlib
import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import zmq
from exercises.scene import Answer, NotYet, Scene, TookTooLong, unexpected

from diagrams.recording import Event
from exercises.answer import Call
from patterns.shell import NEVER, Effect, Open, Result, Send

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

LABELS = {
    "nobody was asked before it was taken for gone": "what does a peer that has nothing to say wait for?",
    "a peer was asked that had not been silent for an interval": "from which moment does a peer's interval count?",
    "only a PONG counted as a sign of life": "what does a peer prove that sends news?",
    "a peer that was gone was never reported": "what becomes less with every PING that goes unanswered?",
    "a peer was reported gone again and again": "what does the watcher still know of a peer that is gone?",
    "a peer was reported alive at every word": "for whom is it news that this peer is alive?",
    "a peer was taken for gone before its last PING had its time": "how long does a peer have to answer the last PING?",
    "a peer was asked more often than its liveness": "how many PINGs has a peer had when none is left?",
    "a peer that was gone was still asked": "who is it that your tick goes through?",
    "a peer that came back was not reported": "what is a peer that was gone and speaks, to a watcher that starts anew?",
    "a word did not give back the whole liveness": "how much liveness has a peer that has just spoken?",
    "one peer's word or silence counted for another": "how many liveness counts are there to keep?",
    "a watcher that had stood still took its peers for gone": "whose silence was it, while the watcher heard nothing?",
    "what was due while the watcher stood still was done all at once": "how often is a peer asked in one tick?",
    "seconds were taken for milliseconds": "in which unit is `interval`, and in which is `now`?",
    "it was not awake when a peer's time came": "which of all the times that you keep is the next?",
    "after a tick its deadline was not later than now": "from when does the interval after a PING count?",
    "it asked a clock of its own": "which clock does a core have when it is played at another speed?",
    "a PING left in other frames than it should": "what does a ROUTER need in front, and what does the peer?",
    "no core was given to the shell": "who is to call the core, and when does your function come back?",
}

ENDPOINT = "inproc://panel"
START = 5.0  # seconds of real time until the answer's process has begun
PATIENCE = 3.0  # seconds of real time that the core has for one call
ANSWER = 0.125  # seconds of the checker's clock until a peer that lives answers
EXACT = 1e-6
MOST = 300  # ticks in one scene


@dataclass(frozen=True)
class Shell:
    """What the answer gets as its shell: it does with the core what the checker says, in the answer's own process."""

    line: str

    def __call__(self, ctx: zmq.Context, core: Any) -> None:
        with zmq.Context(ctx).socket(zmq.PAIR) as line:  # a plain Context: this is no part of the scene
            line.connect(self.line)
            line.send(b"ready")
            while True:
                act, *arguments = ast.literal_eval(line.recv().decode())
                effects = getattr(core, act)(*arguments)
                if not isinstance(effects, (list, tuple, Iterator)):
                    raise TypeError(f"{act} returned {effects!r} where a list of effects was expected")
                plain = [_plain(effect) for effect in effects]  # a generator may set the deadline at its end
                line.send(repr((repr(float(core.deadline)), plain)).encode())


def _plain(effect: Effect) -> tuple[Any, ...]:
    match effect:
        case Open(name, kind, endpoint, bind):
            return "open", str(name), int(kind), str(endpoint), bool(bind)
        case Send(name, frames):
            return "send", str(name), [f if isinstance(f, bytes) else repr(f) for f in frames]
        case Result((bytes() | str() as name, what)):
            return "result", name.decode(errors="replace") if isinstance(name, bytes) else str(name), str(what)[:100]
    return "odd", repr(effect)


Fact = tuple[float, str, str]  # when; PING, alive or gone; of whom


def _say(fact: Fact) -> str:
    when, kind, name = fact
    return f"{f'a PING to {name}' if kind == 'PING' else f'the report that {name} is {kind}'} at {when:g} s"


class Clock:
    """Plays the answer's core with a clock that is a number, and its peers; writes down what it did and when."""

    def __init__(self, scene: Scene, interval: float, line: zmq.Socket, answer: Answer) -> None:
        self.interval, self.now, self.deadline = interval, 0.0, -NEVER
        self.did: list[Fact] = []
        self.events: dict[Fact, Event] = {}
        self.ticks: list[float] = []
        self.lives: dict[str, float] = {}  # until when a peer answers
        self.sleep = (NEVER, NEVER)  # from when until when the watcher stands still
        self.heard: dict[str, float] = {}
        self._words: list[tuple[float, int, str, tuple[bytes, ...]]] = []
        self._scene, self._line, self._answer, self._count = scene, line, answer, itertools.count()
        self._name, self._wanted = "", list[tuple[float, float]]()
        self._hear(START)
        self._tick()
        if not self._name:
            raise NotYet("", "The first tick opened no socket.")

    def word(self, when: float, name: str, *frames: bytes) -> None:
        """A peer will say this then."""
        heapq.heappush(self._words, (when, next(self._count), name, frames))

    def until(self, end: float) -> None:
        """Let the time pass: what comes is told to the core first, then it is ticked if it wants to be."""
        while min(word := self._words[0][0] if self._words else NEVER, self.deadline) <= end:
            if self._awake(word) <= self._awake(max(self.now, self.deadline)):
                _, _, name, frames = heapq.heappop(self._words)
                self.now = max(self.now, self._awake(word))
                self._receive(name, frames)
            else:
                self._tick()

    def _awake(self, when: float) -> float:
        return self.sleep[1] if self.sleep[0] <= when < self.sleep[1] else when

    def _tick(self) -> None:
        now = self.now = self._awake(max(self.now, self.deadline)) if self.ticks else 0.0
        self.ticks.append(now)
        self._do("tick", now)
        if len(self.ticks) > MOST:
            raise NotYet("", f"By {now:g} s your core had wanted {MOST} ticks.")
        if self.deadline <= now:
            happened = f"You were ticked at {now:g} s, and then wanted the next tick at {self.deadline:g} s."
            raise NotYet("after a tick its deadline was not later than now", f"{happened} A shell would spin.")

    def _receive(self, name: str, frames: tuple[bytes, ...]) -> None:
        write, now = self._scene.recording.write, self.now
        if name not in self.heard:
            write(name, "connect", "DEALER", (), "", "", ENDPOINT, now)
        self.heard[name] = now
        write(name, "send", "DEALER", frames, "", "", "", now)
        write(name, "sent", "DEALER", (), "", "", "", now)
        write(ENTRY, "receive", "ROUTER", (name.encode(), *frames), name, "DEALER", "", now)
        self._do("receive", "peers", [name.encode(), *frames], now)

    def _do(self, *order: Any) -> None:
        with contextlib.suppress(zmq.Again):  # it has gone; we shall hear of that
            self._line.send(repr(order).encode(), zmq.DONTWAIT)
        deadline, effects = ast.literal_eval(self._hear().decode())
        self.deadline = float(deadline)
        self._wanted.append((self.now, self.deadline))
        for effect in effects:
            self._effect(*effect)

    def _hear(self, patience: float = PATIENCE) -> bytes:
        """What the shell in the answer's process says; or what became of the answer instead."""
        until = time.monotonic() + patience
        while not self._line.poll(20):
            if self._answer.process.told:
                outcome = self._answer.outcomes(0.1)[0]
                if outcome.error:
                    unexpected(outcome)
                happened = "Your function returned, and nobody plays the core."
                raise NotYet("no core was given to the shell", happened)
            if time.monotonic() > until:
                raise TookTooLong(self._answer.stood())
        return bytes(self._line.recv())

    def _effect(self, kind: str, *what: Any) -> None:
        write, now = self._scene.recording.write, self.now
        if kind == "open":
            if what[1:] != (zmq.ROUTER, ENDPOINT, True):
                raise NotYet("", "The core opened something else than a ROUTER bound to its endpoint.")
            self._name = what[0]
            write(ENTRY, "bind", "ROUTER", (), "", "", ENDPOINT, now)
        elif kind == "send" and what[0] == self._name:
            frames = [f if isinstance(f, bytes) else f.encode() for f in what[1]]
            write(ENTRY, "send", "ROUTER", frames, "", "", "", now)
            event = self._scene.recording.events[-1]
            write(ENTRY, "sent", "ROUTER", (), "", "", "", now)
            name = frames[0].decode(errors="replace") if frames else ""
            if frames != what[1] or name not in self.heard or frames[1:] != [b"PING"]:
                happened = f"At {now:g} s this was sent: {what[1]!r}."
                raise NotYet("a PING left in other frames than it should", happened, event)
            self._note((now, "PING", name), event)
            if now < self.lives.get(name, 0.0):
                write(name, "receive", "DEALER", frames[1:], ENTRY, "ROUTER", "", now)
                self.word(now + ANSWER, name, b"PONG")
        elif kind == "result":
            self._note((now, what[1], what[0]), self._scene.recording.events[-1])
        else:
            wanted = f"a message sent on {what[0]!r}, which is not open" if kind == "send" else what[0]
            raise NotYet("", f"The core wanted {wanted}.")

    def _note(self, fact: Fact, event: Event) -> None:
        self.did.append(fact)
        self.events[fact] = event

    def wanted(self, when: float) -> float:
        """The tick that the core wanted last, before this time."""
        return [deadline for now, deadline in self._wanted if now < when - EXACT][-1]


@contextlib.contextmanager
def _played(scene: Scene, interval: float, liveness: int) -> Iterator[Clock]:
    with zmq.Context(scene.stage.context).socket(zmq.PAIR) as line:
        line.linger = 0
        line.bind(scene.stage.endpoint("line"))
        answer = scene.answer(Call((ENDPOINT, interval, liveness, Shell(scene.stage.endpoint("line")))))
        answer.begun()
        yield Clock(scene, interval, line, answer)


@dataclass(frozen=True)
class Odds:
    """Where an answer first differs: what should have been done then and was not, and what was done instead."""

    clock: Clock
    when: float
    missing: list[Fact]
    extra: list[Fact]

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
        return [*["nothing"], *[k for when, k, n in self.clock.did if n == name and k != "PING" and when < self.when]][
            -1
        ]


Blame = Callable[[Odds], str]


def _compare(clock: Clock, expected: list[Fact], blame: Blame) -> None:
    """Blame the answer for the first time at which it did something else than expected."""

    def near(fact: Fact) -> Fact:
        return round(fact[0], 6), fact[1], fact[2]

    wanted, did = Counter(map(near, expected)), Counter(map(near, clock.did))
    missing, extra = list((wanted - did).elements()), list((did - wanted).elements())
    if missing or extra:
        when = min(fact[0] for fact in missing + extra)
        odds = Odds(clock, when, [f for f in missing if f[0] == when], [f for f in extra if f[0] == when])
        _blame(odds, _common(odds) or blame(odds) or _general(odds))


def _blame(odds: Odds, label: str) -> NoReturn:
    extra = " and ".join(map(_say, odds.extra)) or "nothing of the kind"
    happened = f"This was to happen: {' and '.join(map(_say, odds.missing)) or 'nothing'}. What happened: {extra}."
    if label == "it asked a clock of its own":
        happened = "The checker's clock began at 0; your deadline is that of this machine's clock."
    elif not odds.extra and odds.missing:
        wanted = odds.clock.wanted(odds.when)
        happened += f" The tick that you wanted next was {'never' if wanted == NEVER else f'at {wanted:g} s'}."
    near = [e for fact, e in odds.clock.events.items() if fact in odds.extra]
    raise NotYet(label, happened, near[0] if near else None)


def _common(odds: Odds) -> str:
    """What shows in every scene."""
    clock, kinds = odds.clock, {kind for _, kind, _ in odds.clock.did}
    long = [deadline - now for now, deadline in clock._wanted if deadline < NEVER]
    if odds.missing and any(abs(seconds - 1000 * clock.interval) < EXACT for seconds in long):
        return "seconds were taken for milliseconds"
    if any(abs(deadline - time.monotonic()) < 100 * PATIENCE for _, deadline in clock._wanted):
        return "it asked a clock of its own"
    if "gone" in kinds and "PING" not in kinds:
        return "nobody was asked before it was taken for gone"
    if odds.extra and 0 < min(long, default=1.0) < clock.interval / 400:
        return "seconds were taken for milliseconds"
    return ""


def _general(odds: Odds) -> str:
    awake = any(abs(tick - odds.when) < EXACT for tick in odds.clock.ticks)
    for name in odds.has("gone"):
        if odds.lacks("alive"):
            return ""
        if odds.before(name) == "gone":
            return "a peer was reported gone again and again"
        return "a peer was taken for gone before its last PING had its time"
    for name in odds.has("PING"):
        if odds.before(name) == "gone":
            return "a peer that was gone was still asked"
        if name in odds.lacks("gone"):
            late = odds.later("gone", name)
            return (
                "a peer was asked more often than its liveness" if late else "a peer that was gone was never reported"
            )
        if name not in odds.lacks("PING"):
            return "a peer was asked that had not been silent for an interval"
    if odds.has("alive") and not odds.missing:
        return "a peer was reported alive at every word" if odds.before(odds.has("alive")[0]) == "alive" else ""
    if odds.extra:
        return ""
    if not awake and not odds.lacks("alive"):
        return "it was not awake when a peer's time came"
    if any(not odds.later("gone", name) for name in odds.lacks("gone")):
        return "a peer that was gone was never reported"
    return ""


def death_and_return(scene: Scene) -> None:
    """a peer that dies, comes back and dies again"""
    with _played(scene, 2.0, 3) as clock:
        clock.word(0.5, "kitchen", b"PONG")
        clock.word(20.0, "kitchen", b"NEWS", b"smoke")
        clock.until(19.0)
        clock.lives["kitchen"] = 23.0
        clock.until(50.0)
        did = [(0.5, "alive"), (2.5, "PING"), (4.5, "PING"), (6.5, "PING"), (8.5, "gone"), (20.0, "alive")]
        did += [(22.0, "PING"), (24.125, "PING"), (26.125, "PING"), (28.125, "PING"), (30.125, "gone")]

        def blame(odds: Odds) -> str:
            if odds.when == 20.0 and odds.lacks("alive"):
                return "a peer that came back was not reported"
            if odds.when > 20.0 and odds.has("gone") and odds.before("kitchen") == "alive":
                return "a word did not give back the whole liveness"
            return ""

        _compare(clock, [(when, kind, "kitchen") for when, kind in did], blame)


def traffic(scene: Scene) -> None:
    """a peer that has news and answers no PING"""
    with _played(scene, 2.0, 3) as clock:
        clock.word(0.5, "kitchen", b"PONG")
        for n in range(12):
            clock.word(2.0 + 1.5 * n, "kitchen", b"NEWS", b"%d degrees" % n)
        clock.word(23.0, "kitchen", b"NEWS", b"smoke")
        clock.until(50.0)
        did = [(0.5, "alive"), (20.5, "PING"), (22.5, "PING")]
        did += [(25.0, "PING"), (27.0, "PING"), (29.0, "PING"), (31.0, "gone")]

        def blame(odds: Odds) -> str:
            asked, given_up = odds.when < 20.5 and odds.has("PING"), odds.when > 22.5 and odds.extra
            return "only a PONG counted as a sign of life" if asked or given_up else ""

        _compare(clock, [(when, kind, "kitchen") for when, kind in did], blame)


def two_peers(scene: Scene) -> None:
    """two peers out of step, one of which dies"""
    with _played(scene, 1.0, 2) as clock:
        clock.lives["kitchen"] = 20.0
        clock.word(0.5, "kitchen", b"PONG")
        clock.word(1.25, "cellar", b"PONG")
        clock.until(40.0)
        expected = [(1.25, "alive", "cellar"), (2.25, "PING", "cellar"), (3.25, "PING", "cellar")]
        expected += [(4.25, "gone", "cellar"), (0.5, "alive", "kitchen")]
        asked = 1.5
        while asked < 20.0:
            expected.append((asked, "PING", "kitchen"))
            asked += ANSWER + 1.0
        expected += [(asked, "PING", "kitchen"), (asked + 1.0, "PING", "kitchen"), (asked + 2.0, "gone", "kitchen")]

        def blame(odds: Odds) -> str:
            gone = {name: when for when, kind, name in reversed(clock.did) if kind == "gone"}
            counted = [fact for fact in odds.extra if fact[2] in odds.lacks("gone") or fact[1] == "gone"]
            if counted or gone.get("cellar", NEVER) > 20.0 or gone.get("kitchen", NEVER) < 20.0:
                return "one peer's word or silence counted for another"
            return ""

        _compare(clock, expected, blame)


def standing_still(scene: Scene) -> None:
    """a watcher that stands still itself"""
    with _played(scene, 2.0, 2) as clock:
        clock.lives["kitchen"] = 35.0
        clock.word(0.5, "kitchen", b"PONG")
        clock.word(1.0, "cellar", b"PONG")
        clock.sleep = (4.25, 30.0)
        clock.until(60.0)
        cellar = [(1.0, "alive"), (3.0, "PING"), (30.0, "PING"), (32.0, "gone")]
        kitchen = [(0.5, "alive"), (2.5, "PING"), (30.0, "PING"), (32.125, "PING"), (34.25, "PING")]
        kitchen += [(36.375, "PING"), (38.375, "PING"), (40.375, "gone")]

        def blame(odds: Odds) -> str:
            if odds.when == 30.0 and odds.has("gone"):
                pinged = any(when == 30.0 and kind == "PING" for when, kind, _ in clock.did)
                once = "what was due while the watcher stood still was done all at once"
                return once if pinged else "a watcher that had stood still took its peers for gone"
            if odds.when == 30.0 and odds.has("PING"):
                return "what was due while the watcher stood still was done all at once"
            return ""

        expected = [(when, kind, "cellar") for when, kind in cellar]
        _compare(clock, [*expected, *[(when, kind, "kitchen") for when, kind in kitchen]], blame)


def fair_weather(scene: Scene) -> None:
    """one peer that answers for a while"""
    with _played(scene, 1.0, 2) as clock:
        clock.lives["kitchen"] = 3.0
        clock.word(0.5, "kitchen", b"PONG")
        clock.word(1.25, "kitchen", b"NEWS", b"smoke")
        clock.until(8.0)


TRY = fair_weather
SCENES = (death_and_return, traffic, two_peers, standing_still)
