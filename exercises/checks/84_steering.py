# SPDX-License-Identifier: BSD-3-Clause
"""Give every pause an owner, who loses it when nothing is heard of him."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, UNBOUND, Bound, played
from exercises.scene import NotYet, Scene
from patterns.shell import NEVER

ENTRY = "simulation"

HINTS = (
    "What is given knows whether it is paused, and not by whom. What has to be kept of each steerer that holds a "
    "pause, so that it can be taken away from this one alone?",
    "Keep a dict: steerer -> when its pause is lost. `pause` puts it in, `go` takes it out, every other message puts "
    "its time off, and a tick takes out those whose time has come. It is paused while the dict is not empty.",
    "Two times go wrong in the end. The next step is `pace` seconds after the moment at which the dict becomes empty, "
    "whether by `go` or in a tick. And while it is not empty, `deadline` is the earliest of its times.",
)
VARIANT = "tell a steerer that has lost its pause, with [steerer][LOST][n], when it speaks again."
LIMIT = "a steerer that is only slow loses its pause as if it were dead, and learns it from the number in a reply."
WHY = "at which moments can the next step become possible, and which line of yours is reached at each of them?"

FOR_EVER = "the pause of a steerer that was gone lasted for ever"
OTHERS_GO = "one steerer's go ended another's pause"
REPLACED = "a second pause took the place of the first"
COUNTED = "two pauses of one steerer wanted two go"
DEAF = "a sign of life did not keep the pause"
NONSENSE = "what is no command did not count as a sign of life"
ODD = "a message that is dropped did not count as a sign of life"
ANYBODY = "anybody's word kept everybody's pause"
ALL_LOST = "one steerer's silence ended everybody's pause"
TAKEN_BACK = "a pause that was lost came back without a pause"
HELD_BY_WORD = "whoever spoke was taken to hold a pause"
AT_ONCE = "the step after a pause was done at once"
RHYTHM = "the step after a pause came in the rhythm from before"
CAUGHT_UP = "the steps that were missed were made up for"
GO_MOVES = "a go of somebody who held no pause put the next step off"
HERE_ANSWERED = "a sign of life was answered"
ERROR_OK = "what is no command got the reply OK"
AHEAD = "a reply told of a step that was not done yet"
LATE = "a pause was lost later than after the silence"
EARLY = "a pause was lost before the silence was over"
IN_A_PAUSE = "a step was done while somebody held a pause"
NO_STEP = "a step that was due was not done"
STOOD = "the run did not go on when the last pause had ended"
TOO_MANY = "a step was done that was not due"
NUMBER = "a step had another number"
NO_REPLY = "a command was not answered"
REPLY = "a reply was another than it should be"
UNASKED = "something was sent that nobody had asked for"
ASLEEP = "it was not awake when something was to be done"

LABELS = {
    FOR_EVER: "who is to say go for somebody who is gone?",
    OTHERS_GO: "whose pause does a go end?",
    REPLACED: "how many can hold a pause at a time?",
    COUNTED: "how many pauses does one steerer hold?",
    DEAF: "from which message on does the silence of a steerer count?",
    NONSENSE: "what does somebody show who sends nonsense?",
    ODD: "what does the contract say about messages that are dropped?",
    ANYBODY: "of whom must something be heard so that Ann keeps her pause?",
    ALL_LOST: "who loses a pause when Ann is silent?",
    TAKEN_BACK: "what does the contract ask of somebody who has lost a pause and wants one?",
    HELD_BY_WORD: "which word takes a pause, and which ones only keep it?",
    AT_ONCE: "how long after the end of a pause is the next step due?",
    RHYTHM: "from which moment do the `pace` seconds after a pause count?",
    CAUGHT_UP: "what does the contract say about steps that were missed?",
    GO_MOVES: "what does a go change if its sender held nothing?",
    HERE_ANSWERED: "which words have a reply?",
    ERROR_OK: "which reply is there for a word that is none of the three?",
    AHEAD: "how many Results have you given when the reply leaves?",
    LATE: "what wakes your core at the moment at which a pause is lost?",
    EARLY: "from when do the `silence` seconds count?",
    IN_A_PAUSE: "what does a tick look at before it does a step?",
    NO_STEP: "what does a tick do when nobody holds a pause?",
    STOOD: "which deadline is set when the last pause ends?",
    TOO_MANY: "how much time has to lie between two steps?",
    NUMBER: "which number has a step, if the last one was n?",
    NO_REPLY: "which words have a reply, whatever they change?",
    REPLY: "which frames has the reply, and in which order?",
    UNASKED: "who is to understand it, and what does the contract say?",
    ASLEEP: "which of all the times that you keep is the next?",
    NOT_LATER: "what is left to do after a tick, and when?",
    TOO_OFTEN: "what is the next thing to be done, and is there anything before it?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    UNBOUND: "which effect opens a socket, and where do steerers look for it?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

ENDPOINT = "inproc://diode"
EXACT = 1e-6
NAMES = ("ann", "bob", "cleo", "dan", "eve", "fay", "gus", "zoe")
PACE, SILENCE = 1.0, 6.0  # in units of a scene
STEP, REPLY_TO = "step", "reply"
AT_ONCE_TICK = "in the tick that follows at once"  # another way to AT_ONCE


class Said(NamedTuple):
    """What a steerer says, and when, in units."""

    when: float
    who: str
    frames: tuple[bytes, ...]


class Fact(NamedTuple):
    """What was done, or was to be done: a step with its number, or a reply to somebody with its frames."""

    when: float
    kind: str
    who: str
    what: Any

    def __str__(self) -> str:
        what = f"step {self.what}" if self.kind == STEP else f"{list(self.what)} to {self.who}"
        return f"{what} at {self.when:g} s"


@dataclass
class Model:
    """What a core is to do that is told this, or what it does under a misconception."""

    belief: str = ""
    facts: list[Fact] = field(default_factory=list)
    held: dict[str, float] = field(default_factory=dict)  # who holds a pause -> the last word that counts for it
    count: dict[str, int] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    resumed: list[float] = field(default_factory=list)  # when the last pause ended
    steps: int = 0
    next: float = PACE

    def play(self, script: Sequence[Said], end: float) -> list[Fact]:
        for said in (*script, Said(end, "", ())):
            self.until(said.when)
            if said.who:
                self.hear(said)
        return self.facts

    def until(self, when: float) -> None:
        silence = NEVER if self.belief == FOR_EVER else SILENCE
        while (now := min([self.next, *[word + silence for word in self.held.values()]])) <= when:
            if gone := [who for who, word in self.held.items() if word + silence <= now]:
                for who in list(self.held) if self.belief == ALL_LOST else gone:
                    del self.held[who]
                    self.lost.add(who)
                self.resume(now)
            elif self.held:
                self.next = NEVER
            else:
                self.step(now)

    def step(self, now: float) -> None:
        self.steps += 1
        self.facts.append(Fact(now, STEP, "", self.steps))
        self.next = now + PACE

    def resume(self, now: float) -> None:
        """The next step, if nobody holds a pause any more."""
        if self.held:
            return
        self.resumed.append(now)
        due = self.last() + PACE
        if self.belief == AT_ONCE:
            self.step(now)
        elif self.belief == AT_ONCE_TICK:
            self.next = now
        elif self.belief == CAUGHT_UP:
            while due <= now:
                self.step(now)
                due += PACE
            self.next = due
        elif self.belief == RHYTHM:
            while due <= now:
                due += PACE
            self.next = due
        else:
            self.next = now + PACE

    def last(self) -> float:
        """When the last step was done."""
        return max((fact.when for fact in self.facts if fact.kind == STEP), default=0.0)

    def hear(self, said: Said) -> None:
        now, who, frames = said
        word = frames[1] if len(frames) == 2 else b""
        counts = len(frames) == 2 or self.belief != ODD
        counts &= word in (b"pause", b"go", b"here") or self.belief != NONSENSE
        counts &= word == b"pause" or self.belief != DEAF
        for each in list(self.held) if self.belief == ANYBODY else [who]:
            if each in self.held and counts:
                self.held[each] = now
        if (self.belief == TAKEN_BACK and who in self.lost) or self.belief == HELD_BY_WORD:
            self.held[who] = now
        if word == b"pause":
            if self.belief == REPLACED:
                self.held.clear()
            self.held[who], self.count[who] = now, self.count.get(who, 0) + 1
        elif word == b"go":
            self.go(now, who)
        if self.held:
            self.next = NEVER
        if len(frames) == 2:
            self.reply(now, who, *frames)

    def go(self, now: float, who: str) -> None:
        held = dict(self.held)
        self.count[who] = max(0, self.count.get(who, 0) - 1)
        if self.belief == OTHERS_GO:
            self.held.clear()
        elif self.belief != COUNTED or not self.count[who]:
            self.held.pop(who, None)
        if (held and not self.held) or (self.belief == GO_MOVES and not self.held):
            self.resume(now)

    def reply(self, now: float, who: str, request: bytes, word: bytes) -> None:
        ok = (b"OK", b"%d" % (self.steps + (self.belief == AHEAD)))
        status: tuple[bytes, ...] = ok if word in (b"pause", b"go") else (b"ERROR",)
        if word == b"here":
            if self.belief != HERE_ANSWERED:
                return
            status = ok
        self.facts.append(Fact(now, REPLY_TO, who, (request, *(ok if self.belief == ERROR_OK else status))))


BELIEFS = (
    FOR_EVER, OTHERS_GO, REPLACED, COUNTED, DEAF, NONSENSE, ODD, ANYBODY, ALL_LOST, TAKEN_BACK, HELD_BY_WORD, AT_ONCE,
    AT_ONCE_TICK, CAUGHT_UP, RHYTHM, GO_MOVES, HERE_ANSWERED, ERROR_OK, AHEAD,
)  # fmt: skip


class Wheel(Bound):
    """Plays the answer's core and its steerers; knows what it did and when."""

    FRAMES = REPLY

    def __init__(self, scene: Scene, unit: float, *how: Any) -> None:
        self.unit, self.did, self.events = unit, list[Fact](), list[Event | None]()
        super().__init__(scene, *how, ENTRY, ENDPOINT)

    def play(self, script: Sequence[Said], end: float) -> None:
        """Let them say it, and the core do what it wants to, up to the end; then judge it."""
        for said in script:
            self.until(said.when * self.unit)
            self.now = said.when * self.unit
            self.say(said.who, *said.frames)
        self.until(end * self.unit)
        self.judge(script, end)

    def sent(self, peer: str, frames: list[bytes | str], event: Event) -> None:
        self.write(peer, "receive", "DEALER", [f for f in frames if isinstance(f, bytes)], self.role, "ROUTER")
        self._note(REPLY_TO, peer, tuple(frames), event)

    def gave(self, value: Any) -> None:
        self.scene.recording.note(self.role, f"step {value}", at=self.now)
        self._note(STEP, "", value, self.scene.recording.events[-1])

    def _note(self, *what: Any) -> None:
        *fact, event = what
        self.did.append(Fact(self.now / self.unit, *fact))
        self.events.append(event)

    def judge(self, script: Sequence[Said], end: float) -> None:
        """Blame the answer for the first time at which it did something else than it was to do."""
        wanted = Model().play(script, end)
        if (when := _differ(wanted, self.did)) is None:
            return
        then = [[f._replace(when=f.when * self.unit) for f in some if f.when == when] for some in (wanted, self.did)]
        happened = f"This was to happen: {_listed(then[0])}. What happened: {_listed(then[1])}."
        event = next((e for fact, e in zip(self.did, self.events, strict=True) if fact.when >= when), None)
        self._blame(script, end, wanted, when, happened, event)

    def _blame(
        self, script: Sequence[Said], end: float, wanted: list[Fact], when: float, happened: str, event: Event | None
    ) -> NoReturn:
        best, label = when, ""
        for belief in BELIEFS:
            facts = Model(belief).play(script, end)
            if _differ(wanted, facts) == when and (until := _differ(facts, self.did) or NEVER) > best:
                best, label = until, belief
        if label == FOR_EVER and best < NEVER and self.did[-1].when >= best:  # it did go on, some time
            label = LATE
        label = AT_ONCE if label == AT_ONCE_TICK else label
        raise NotYet(label or self._general(script, end, wanted, when), happened, event)

    def _general(self, script: Sequence[Said], end: float, wanted: list[Fact], when: float) -> str:
        missing = [f for f in wanted if f.when == when and f not in self.did]
        extra = [f for f in self.did if f.when == when and f not in wanted]
        for fact in extra:
            if fact.kind == REPLY_TO:
                return REPLY if any(f.kind == REPLY_TO for f in missing) else UNASKED
            if any(f.kind == STEP for f in missing):
                return NUMBER
            model = Model()
            model.play([said for said in script if said.when <= when], when)
            return EARLY if _silent(model, when) else IN_A_PAUSE if model.held else TOO_MANY
        if missing[0].kind == REPLY_TO:
            return NO_REPLY
        model = Model()
        model.play(script, end)
        if when - PACE in model.resumed:
            return STOOD
        return NO_STEP if when * self.unit in self.ticks else ASLEEP


def _silent(model: Model, when: float) -> bool:
    """Whether somebody who holds a pause has not spoken for a while."""
    return any(when - word > PACE for word in model.held.values())


def _differ(one: list[Fact], other: list[Fact]) -> float | None:
    """The first time at which these did not do the same."""
    times = sorted({fact.when for fact in one + other})
    return next((t for t in times if [f for f in one if f.when == t] != [f for f in other if f.when == t]), None)


def _listed(facts: list[Fact]) -> str:
    return " and ".join(map(str, facts)) or "nothing"


def _played(scene: Scene, script: Sequence[Said], end: float, unit: float = 0.0) -> None:
    with _wheel(scene, unit or scene.random.choice((0.25, 0.5, 1.0, 2.0))) as wheel:
        wheel.play(sorted(script), end)


@contextlib.contextmanager
def _wheel(scene: Scene, unit: float) -> Iterator[Wheel]:
    with played(scene, lambda shell: Call((ENDPOINT, PACE * unit, SILENCE * unit, shell))) as (answer, [line]):
        yield Wheel(scene, unit, answer, line)


class Script:
    """What is said, with an id for each message that no other has. Times are in units, each of its own sixteenth."""

    def __init__(self, scene: Scene) -> None:
        self.ids, self.said = iter(scene.words(30)), list[Said]()

    def __call__(self, when: float, who: str, word: str) -> None:
        self.said.append(Said(when, who, (next(self.ids), word.encode())))

    def raw(self, when: float, who: str, *frames: bytes) -> None:
        self.said.append(Said(when, who, frames))


def a_pause_and_a_go(scene: Scene) -> None:
    """a pause that is given up, and words that are no commands"""
    ann, bob = scene.random.sample(NAMES, 2)
    script, hold = Script(scene), scene.random.choice((1.25, 2.25, 3.25))
    script(0.3125, bob, "go")
    script(0.4375, bob, scene.random.choice(["fly", "PAUSE", "", "stop"]))
    script(2.6875, ann, "pause")
    script(3.1875, ann, "here")
    script(2.6875 + hold, ann, "go")
    script(8.0625, ann, "pause")
    script(8.5625, ann, "pause")
    script(9.8125, bob, "unpause")
    script(11.125, ann, "go")
    script(13.9375, bob, "go")
    _played(scene, script.said, 18.0)


def an_owner_who_is_gone(scene: Scene) -> None:
    """a steerer that shows life, and then no more"""
    ann, bob = scene.random.sample(NAMES, 2)
    script = Script(scene)
    script(1.5625, ann, "pause")
    script(4.1875, ann, "here")
    script(9.0625, ann, scene.random.choice(["here?", "wait"]))
    script.raw(11.3125, ann, *scene.random.choice([[], [b"go"], [b"pause"]]))
    script.raw(13.8125, ann, *scene.random.choice([[b"7", b"go", b""], [b"7", b"", b"go"], [b""] * 4]))
    script(16.3125, bob, "here")
    script(18.4375, bob, "look")
    script(24.6875, ann, "here")
    script(26.125, ann, "go")
    script(27.25, ann, "pause")
    _played(scene, script.said, 38.0)


def two_who_hold_a_pause(scene: Scene) -> None:
    """two that hold a pause at the same time, one of which goes and one of which is gone"""
    ann, bob = scene.random.sample(NAMES, 2)
    script = Script(scene)
    script(1.5625, ann, "pause")
    script(2.6875, bob, "pause")
    script(4.8125, ann, "go")
    script(6.125, ann, "here")
    script(7.9375, bob, "here")
    script(9.25, ann, "pause")
    script(12.0625, ann, "here")
    script(15.1875, bob, "here")
    script(17.4375, ann, "here")
    script(20.1875, ann, "go")
    script(23.3125, bob, "pause")
    script(24.375, ann, "pause")
    script(25.4375, ann, "go")
    script(28.5, bob, "here")
    script(31.8125, bob, "go")
    _played(scene, script.said, 36.0)


def fair_weather(scene: Scene) -> None:
    """one steerer that pauses and is gone"""
    script = Script(scene)
    script.raw(2.5, "ann", b"1", b"pause")
    script.raw(4.25, "ann", b"2", b"here")
    _played(scene, script.said, 14.0, unit=1.0)


TRY = fair_weather
SCENES = (a_pause_and_a_go, an_owner_who_is_gone, two_who_hold_a_pause)
