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

from diagrams.recording import Event
from exercises.answer import Call
from exercises.judge import Answer, NotYet, Scene, TookTooLong, unexpected
from exercises.task import Question
from patterns.shell import NEVER, Effect, Open, Result, Send

ENTRY = "watcher"

GIVEN = '''\
import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send


class Watcher:
    """The core of a watcher that asks. Its peers do not beat: they answer PING by PONG. It is to hold to this:

    A message that comes in is [name][PONG] or [name][NEWS][body], where name is the peer's routing id. Each is a word
    of that peer, whether it was asked for or not. A peer that is heard for the first time, or was gone and is heard
    again, is reported at once: Result((name, "alive")).

    A peer that has said nothing for `interval` seconds is sent [name][PING]; who speaks in every interval is not
    asked. It is sent the next PING an interval after the one before, `liveness` of them in all. When it is silent for
    one more interval after the last, it is reported: Result((name, "gone")), once, and is sent nothing more. Any word
    ends its silence and gives it its whole liveness back. Peers do not wait for one another.

    The watcher itself may stand still for a while, and then a tick comes late. It does what is due to each peer once,
    and that peer's next interval begins at this tick.

    Whoever plays this core calls tick(now) first, and again when `now` has reached `deadline`, and
    receive(socket, frames, now) for every message. `now` is in seconds and the only clock there is. Both return a
    list: Open(name, type, endpoint, bind=True), Send(name, frames), Result(value). After a tick the deadline lies
    later than `now`.
    """

    def __init__(self, endpoint, interval, liveness):
        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness
        self.peers = set()
        self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects.append(Open("peers", zmq.ROUTER, self.endpoint, bind=True))
        for name in sorted(self.peers):
            effects.append(Send("peers", [name, b"PING"]))
        self.deadline = now + self.interval
        return effects

    def receive(self, socket, frames, now):
        name = frames[0]
        if name in self.peers:
            return []
        self.peers.add(name)
        return [Result((name, "alive"))]


def watcher(ctx, endpoint, interval, liveness, shell):
    """Give the core to a shell: the checker's, whose clock is a number, or one that reports what `run` gives."""
    shell(ctx, Watcher(endpoint, interval, liveness))
'''

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


QUESTIONS = {
    "42.1": Question(
        "A detector has connected to the panel's ROUTER and said one word. Then its process is frozen by SIGSTOP. What "
        "does the panel notice?",
        {
            "a": ("Nothing: the connection stands.", ""),
            "b": ("An error at its next `send` to the detector.", "a connection is taken for a program that runs"),
            "c": ("The ROUTER forgets the detector after some seconds.", "a socket is taken for one that keeps watch"),
        },
        "SIGSTOP ends nothing. The system keeps the frozen process's connections, takes what is sent to it, and even "
        "accepts new ones for it. Silence is all that is left of it, and silence is also what a quiet detector gives.",
    ),
    "42.2": Question(
        "The interval is 1 s and the liveness 3. A detector sends heartbeats at 0 and 0.5 s, news at 0.75 s, and "
        "nothing more. When is it reported gone?",
        {
            "a": ("At 3 s.", "the liveness is counted from the first word"),
            "b": ("At 3.5 s.", "only heartbeats are taken for signs of life"),
            "c": ("At 3.75 s.", ""),
        },
        "Whatever a peer says shows that it lives, so the count begins at its last word, whichever that was: three "
        "silent intervals after 0.75 s.",
    ),
    "42.3": Question(
        "A detector sends its heartbeats in the loop in which it also does its work, and a self-test keeps that loop "
        "for ten seconds. The panel's interval is 1 s, its liveness 3. What does the panel report?",
        {
            "a": ("Nothing: the detector is well.", "to be busy is taken for a sign of life"),
            "b": ("It is gone, and later alive again.", ""),
            "c": ("It is gone, once and for all.", "a peer that was taken for gone is taken for dead"),
        },
        "A loop that works says nothing meanwhile, and to everybody else it looks frozen. The panel takes it for gone "
        "after three seconds, and hears after ten that it was wrong: a false alarm.",
    ),
    "42.4": Question(
        "A DEALER is connected to an address where nobody is, and sends 50 heartbeats. Then a panel binds there. How "
        "many does it receive?",
        {
            "a": ("None: what is sent to nobody is lost.", "a DEALER is taken for a PUB"),
            "b": ("One: the newest.", "a queue is taken for a register"),
            "c": ("All 50, at once.", ""),
        },
        "What a DEALER cannot send yet waits in its queue, heartbeats like everything else. They arrive in a burst, "
        "and each of them tells of a moment that is long past.",
    ),
    "42.5": Question(
        "A ROUTER has HEARTBEAT_IVL and HEARTBEAT_TIMEOUT set. One of its peers is frozen by SIGSTOP. In another the "
        "program hangs: its only Python thread waits for ever. Which connection does libzmq give up?",
        {
            "a": ("Both.", "an answer of libzmq is taken for one of the program"),
            "b": ("That of the frozen one.", ""),
            "c": ("Neither.", "SIGSTOP is taken to spare the I/O thread"),
        },
        "The heartbeats of ZMTP are answered by libzmq's I/O thread. SIGSTOP stops it with all the others; a program "
        "that hangs leaves it alive, and it answers for a program that will never say anything again.",
    ),
}

_SOLUTION = '''\
import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send


class Watcher:
    """For each peer: when its interval is over, and how many PINGs it has left."""

    def __init__(self, endpoint, interval, liveness):
        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness
        self.peers = {}  # name -> (when its interval is over, PINGs left); who is gone is not in it
        self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects.append(Open("peers", zmq.ROUTER, self.endpoint, bind=True))
        for name, (over, left) in list(self.peers.items()):
            if over <= now and left:
                self.peers[name] = (now + self.interval, left - 1)
                effects.append(Send("peers", [name, b"PING"]))
            elif over <= now:
                del self.peers[name]
                effects.append(Result((name, "gone")))
        self.wind()
        return effects

    def receive(self, socket, frames, now):
        name = frames[0]
        effects = [] if name in self.peers else [Result((name, "alive"))]
        self.peers[name] = (now + self.interval, self.liveness)
        self.wind()
        return effects

    def wind(self):
        self.deadline = min((over for over, _ in self.peers.values()), default=NEVER)


def watcher(ctx, endpoint, interval, liveness, shell):
    shell(ctx, Watcher(endpoint, interval, liveness))
'''


def _changed(*pairs: tuple[str, str], source: str = _SOLUTION) -> str:
    for old, new in pairs:
        if old not in source:
            raise ValueError(f"the bank of {__name__} changes a line that is not there: {old!r}")
        source = source.replace(old, new)
    return source


RECIPE = """\
from patterns.heartbeats import Watcher

def watcher(ctx, endpoint, interval, liveness, shell):
    shell(ctx, Watcher(endpoint, interval, liveness))
"""

BY_TIMES = """\
import zmq
from patterns.shell import AT_ONCE, NEVER, Open, Result, Send

class Peer:
    def __init__(self):
        self.heard, self.asked, self.pings = 0.0, 0.0, 0

class Watcher:
    def __init__(self, endpoint, interval, liveness):
        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness
        self.peers, self.deadline = {}, AT_ONCE

    def due(self, peer):
        return max(peer.heard, peer.asked) + self.interval

    def tick(self, now):
        if self.deadline == AT_ONCE:
            yield Open("peers", zmq.ROUTER, self.endpoint, bind=True)
        for name in sorted(self.peers):
            peer = self.peers[name]
            if self.due(peer) > now:
                continue
            if peer.pings == self.liveness:
                self.peers.pop(name)
                yield Result((name, "gone"))
            else:
                peer.pings, peer.asked = peer.pings + 1, now
                yield Send("peers", [name, b"PING"])
        self.deadline = min(map(self.due, self.peers.values()), default=NEVER)

    def receive(self, socket, frames, now):
        if frames[0] not in self.peers:
            self.peers[frames[0]] = Peer()
            yield Result((frames[0], "alive"))
        peer = self.peers[frames[0]]
        peer.heard, peer.pings = now, 0
        self.deadline = min(map(self.due, self.peers.values()))

def watcher(ctx, endpoint, interval, liveness, shell):
    shell(ctx, Watcher(endpoint, interval, liveness))
"""

# What is only ever looked at: when a peer was heard, and how long ago that is.
BY_AGE = _changed(
    (
        "            if over <= now and left:\n",
        "            if self.heard[name] + (self.liveness + 1) * self.interval <= now:\n"
        "                left = 0\n            if over <= now and left:\n",
    ),
    ("        name = frames[0]\n", "        name = frames[0]\n        self.heard[name] = now\n"),
    ("        self.peers = {}", "        self.heard = {}\n        self.peers = {}"),
)

METRONOME = _changed(
    (
        "        for name, (over, left) in list(self.peers.items()):\n            if over <= now and left:\n",
        "        for name, (over, left) in list(self.peers.items()):\n            if left:\n",
    ),
    ("            elif over <= now:\n", "            else:\n"),
    (
        "        self.wind()\n        return effects\n\n    def receive",
        "        self.deadline = now + self.interval\n        return effects\n\n    def receive",
    ),
    (
        "        self.peers[name] = (now + self.interval, self.liveness)\n        self.wind()\n",
        "        self.peers[name] = (0, self.liveness)\n",
    ),
    (
        "    def wind(self):\n        self.deadline = min((over for over, _ in self.peers.values()), default=NEVER)\n",
        "",
    ),
)

WRONG = {
    "nobody was asked before it was taken for gone": RECIPE,
    "nobody was asked before it was taken for gone (2)": _changed(
        ('                effects.append(Send("peers", [name, b"PING"]))\n', "")
    ),
    "a peer was asked that had not been silent for an interval": METRONOME,
    "a peer was asked that had not been silent for an interval (2)": GIVEN + "\n# nothing else\n",
    "a peer was asked that had not been silent for an interval (3)": _changed(
        (
            "(now + self.interval, self.liveness)",
            "(self.peers[name][0] if name in self.peers else now + self.interval, self.liveness)",
        )
    ),
    "only a PONG counted as a sign of life (2)": _changed(
        ("(now + self.interval, self.liveness)", "(now + self.interval, left)"),
        (
            "        effects = [] if",
            '        whole = frames[1] == b"PONG" or name not in self.peers\n'
            "        left = self.liveness if whole else self.peers[name][1]\n"
            "        effects = [] if",
        ),
    ),
    "only a PONG counted as a sign of life": _changed(
        (
            "        self.peers[name] = (now + self.interval, self.liveness)\n",
            '        if frames[1] == b"PONG" or name not in self.peers:\n'
            "            self.peers[name] = (now + self.interval, self.liveness)\n",
        )
    ),
    "a peer that was gone was never reported": _changed(("left - 1)", "left)")),
    "a peer was reported gone again and again": _changed(
        ("                del self.peers[name]\n", "                self.peers[name] = (now + self.interval, 0)\n"),
        ("name in self.peers else", "name in self.peers and self.peers[name][1] else"),
    ),
    "a peer was reported alive at every word": _changed(("[] if name in self.peers else ", "")),
    "a peer was taken for gone before its last PING had its time": _changed(
        ("over <= now and left:", "over <= now and left > 1:")
    ),
    "a peer was taken for gone before its last PING had its time (2)": _changed(
        ("            elif over <= now:\n", "            if over <= now and left <= 1:\n")
    ),
    "a peer was asked more often than its liveness": _changed(("over <= now and left:", "over <= now and left >= 0:")),
    "a peer that was gone was still asked": _changed(
        ("                del self.peers[name]\n", "                self.peers[name] = (now + self.interval, -1)\n"),
        (
            '                effects.append(Result((name, "gone")))\n',
            '                left or effects.append(Result((name, "gone")))\n'
            '                left and effects.append(Send("peers", [name, b"PING"]))\n',
        ),
        ("over <= now and left:", "over <= now and left > 0:"),
        ("name in self.peers else", "self.peers.get(name, (0, -1))[1] >= 0 else"),
    ),
    "a peer that came back was not reported": _changed(
        ("        self.peers = {}", "        self.known = set()\n        self.peers = {}"),
        ("name in self.peers else", "name in self.known else"),
        (
            "        self.wind()\n        return effects\n\n    def wind",
            "        self.known.add(name)\n        self.wind()\n        return effects\n\n    def wind",
        ),
    ),
    "a peer that came back was not reported (2)": _changed(
        ("        self.peers = {}", "        self.dead = set()\n        self.peers = {}"),
        (
            "                del self.peers[name]\n",
            "                del self.peers[name]\n                self.dead.add(name)\n",
        ),
        (
            "        name = frames[0]\n",
            "        name = frames[0]\n        if name in self.dead:\n            return []\n",
        ),
    ),
    "a word did not give back the whole liveness": _changed(
        (
            "(now + self.interval, self.liveness)",
            "(now + self.interval, self.peers[name][1] if name in self.peers else self.liveness)",
        )
    ),
    "a word did not give back the whole liveness (2)": _changed(
        ("        self.peers = {}", "        self.left = {}\n        self.peers = {}"),
        ("(over, left) in list", "(over, _) in list"),
        (
            "            if over <= now and left:\n",
            "            left = self.left[name]\n            if over <= now and left:\n",
        ),
        ("(now + self.interval, left - 1)\n", "(now + self.interval, 0)\n                self.left[name] -= 1\n"),
        (
            "(now + self.interval, self.liveness)\n",
            "(now + self.interval, 0)\n        self.left.setdefault(name, self.liveness)\n",
        ),
    ),
    "one peer's word or silence counted for another": _changed(
        (
            "        self.peers[name] = (now + self.interval, self.liveness)\n",
            "        self.peers[name] = (now + self.interval, 0)\n"
            "        self.peers = {each: (over, self.liveness) for each, (over, _) in self.peers.items()}\n",
        )
    ),
    "one peer's word or silence counted for another (2)": _changed(
        ("        self.peers = {}", "        self.left = 0\n        self.peers = {}"),
        ("over <= now and left:", "over <= now and self.left:"),
        ("(now + self.interval, left - 1)\n", "(now + self.interval, 0)\n                self.left -= 1\n"),
        (
            "        self.peers[name] = (now + self.interval, self.liveness)\n",
            "        self.peers[name] = (now + self.interval, 0)\n        self.left = self.liveness\n",
        ),
    ),
    "a watcher that had stood still took its peers for gone": BY_AGE,
    "what was due while the watcher stood still was done all at once": _changed(
        ("            if over <= now and left:\n", "            while over <= now and left:\n"),
        (
            "                self.peers[name] = (now + self.interval, left - 1)\n",
            "                over, left = over + self.interval, left - 1\n"
            "                self.peers[name] = (over, left)\n",
        ),
        ("            elif over <= now:\n", "            if over <= now:\n"),
    ),
    "seconds were taken for milliseconds": _changed(
        (
            "        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness\n",
            "        self.endpoint, self.interval, self.liveness = endpoint, interval * 1000, liveness\n",
        ),
    ),
    "seconds were taken for milliseconds (2)": _changed(
        (
            "        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness\n",
            "        self.endpoint, self.interval, self.liveness = endpoint, interval / 1000, liveness\n",
        ),
    ),
    "it was not awake when a peer's time came": _changed(("self.deadline = min(", "self.deadline = max(")),
    "it was not awake when a peer's time came (2)": _changed(
        ("        self.wind()\n        return effects\n\n    def wind", "        return effects\n\n    def wind")
    ),
    "it was not awake when a peer's time came (3)": _changed(
        (
            "        self.wind()\n        return effects\n\n    def wind",
            "        self.deadline = now + self.interval\n        return effects\n\n    def wind",
        )
    ),
    "after a tick its deadline was not later than now": _changed(
        ("(now + self.interval, left - 1)", "(over + self.interval, left - 1)")
    ),
    "it asked a clock of its own": _changed(
        ("import zmq\n", "import time\n\nimport zmq\n"),
        ("        effects = []\n        if", "        effects, now = [], time.monotonic()\n        if"),
        ("        name = frames[0]\n", "        name, now = frames[0], time.monotonic()\n"),
    ),
    "a PING left in other frames than it should": _changed(('[name, b"PING"]', '[b"PING"]')),
    "a PING left in other frames than it should (2)": _changed(('[name, b"PING"]', '[name, b"", b"PING"]')),
    "no core was given to the shell": _changed(
        ("    shell(ctx, Watcher(endpoint, interval, liveness))", "    Watcher(endpoint, interval, liveness)")
    ),
}

RIGHT = {
    "by the times at which a peer was heard and asked": BY_TIMES,
    "a heap of alarms, and a table of states": """\
import heapq
import zmq
from patterns.shell import AT_ONCE, NEVER, Open, Result, Send

class Watcher:
    def __init__(self, endpoint, interval, liveness):
        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness
        self.alarms, self.valid, self.left, self.state = [], {}, {}, {}
        self.deadline = AT_ONCE

    def alarm(self, name, now):
        self.valid[name] = now + self.interval
        heapq.heappush(self.alarms, (now + self.interval, name))
        self.wind()

    def wind(self):
        while self.alarms and self.valid.get(self.alarms[0][1]) != self.alarms[0][0]:
            heapq.heappop(self.alarms)  # a word has come since
        self.deadline = self.alarms[0][0] if self.alarms else NEVER

    def tick(self, now):
        effects = [Open("peers", zmq.ROUTER, self.endpoint, bind=True)] if self.deadline == AT_ONCE else []
        self.wind()
        while self.deadline <= now:
            _, name = heapq.heappop(self.alarms)
            if self.left[name] > 0:
                self.left[name] -= 1
                self.state[name] = "asked"
                effects += [Send("peers", [name, b"PING"])]
                self.alarm(name, now)
            else:
                self.state[name] = "gone"
                del self.valid[name]
                effects += [Result((name, "gone"))]
                self.wind()
        return effects

    def receive(self, socket, frames, now):
        name, before = frames[0], self.state.get(frames[0], "gone")
        self.state[name], self.left[name] = "alive", self.liveness
        self.alarm(name, now)
        return [Result((name, "alive"))] if before == "gone" else []

def watcher(ctx, endpoint, interval, liveness, shell):
    shell(ctx, Watcher(endpoint, interval, liveness))
""",
    "a generator for each peer": """\
import zmq
from patterns.shell import AT_ONCE, NEVER, Open, Result, Send

def silence(name, interval, liveness, now):
    '''What is done for one peer: yields (when, effect); is sent the time at which it was done.'''
    for _ in range(liveness):
        now = yield now + interval, Send("peers", [name, b"PING"])
    yield now + interval, Result((name, "gone"))

class Watcher:
    def __init__(self, endpoint, interval, liveness):
        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness
        self.plans, self.deadline = {}, AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects.append(Open("peers", zmq.ROUTER, self.endpoint, bind=True))
        for name, (plan, (when, effect)) in list(self.plans.items()):
            if when <= now:
                effects.append(effect)
                try:
                    self.plans[name] = plan, plan.send(now)
                except StopIteration:
                    del self.plans[name]
        self.deadline = min([when for _, (when, _) in self.plans.values()], default=NEVER)
        return effects

    def receive(self, socket, frames, now):
        name = frames[0].decode()
        effects = [Result((name, "alive"))] if name not in self.plans else []
        plan = silence(frames[0], self.interval, self.liveness, now)
        self.plans[name] = plan, next(plan)
        self.deadline = min([when for _, (when, _) in self.plans.values()], default=NEVER)
        return effects

def watcher(ctx, endpoint, interval, liveness, shell):
    shell(ctx, Watcher(endpoint, interval, liveness))
""",
}
