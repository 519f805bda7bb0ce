# SPDX-License-Identifier: BSD-3-Clause
"""Believe what comes by several roads, twice, and late."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn

import zmq

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


LABELS = {
    (OLDER := "an older word replaced a newer one"): "which of two words was said later, and how can you tell?",
    (COPY := "a copy made its broker young again"): "what does a word prove that you have heard before?",
    (TEXT := "numbers were compared as text"): "which is higher, 9 or 10, 7 or 06, and to whom is it another one?",
    (ANEW := "a broker that was gone and began anew was not believed"): "what do you still know of one that is gone?",
    (
        SMALL := "a broker that began anew was believed before it was gone"
    ): "what is a low number, for one that is known?",
    (WOKE := "an old word made a stale broker fresh"): "which words make a broker fresh, also a stale one?",
    (NO_STALE := "a broker that fell silent was not reported stale"): "who notices that nothing comes?",
    (NO_GONE := "a broker that was silent for long was not reported gone"): "how many ages does a word have?",
    (SINCE := "an age was counted from another moment than the last news"): "from when do both ages count?",
    (SAME := "an unchanged capacity did not make its broker younger"): "what does one prove that says the same?",
    (EVERY := "a word was reported that changed nothing"): "what does whoever asks for your reports want to know?",
    (BACK := "a stale broker that spoke again was not reported"): "what changes when a stale broker speaks?",
    (FIRST := "a broker that was heard for the first time was not reported"): "what is the first that can be told?",
    (CHANGE := "news of a broker was not reported"): "what has changed for whoever counts on this broker?",
    (OTHER := "one broker's words counted for another"): "how many numbers and times are there to keep?",
    (AGAIN := "the same silence was reported more than once"): "what does your core remember of what it has reported?",
    (EARLY := "a broker was taken for silent too early"): "from when does an age count, and which of the two is it?",
    (LOST := "of two reports that were due at once one was missing"): "how many can fall silent at the same time?",
    (LATE := "what came in while the core stood still did not count"): "what of news that is there before a late tick?",
    (BOTH := "a tick that came late reported stale as well as gone"): "which of the two ages do you look at first?",
    (ODD := "a message that is none was believed"): "what exactly is a word, and what is to become of anything else?",
    (BROKE := "a message that is none ended the core"): "what does your core do with other frames, or no digits?",
    (NONE := "a word was taken for a message that is none"): "what may a number begin with, and how high may it be?",
    (NAME := "a name was taken for text"): "who has promised that a name can be decoded?",
    (ASLEEP := "it was not awake when a broker's time came"): "which time is next, and when do you work it out?",
    (ROADS := "it did not listen on every road"): "how many places are there, and to which are you connected?",
    (DEAF := "it did not subscribe to everything"): "what does a SUB receive that has subscribed to nothing?",
    (REPORT := "a report was something else than the name and what to make of it"): "which two things, of which types?",
    NOT_LATER: "what is still to be done at that time, after the tick?",
    TOO_OFTEN: "which of all the times that you keep is the next, and what is there to do before it?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

ROADS_NAMED = ("bridge", "ferry", "tunnel")
STALE, GONE = "stale", "gone"
AWAKE, END = (NEVER, NEVER), 40  # units
Frames = tuple[bytes, ...]


class Fact(NamedTuple):
    """What is reported, and when: a capacity, STALE or GONE of a broker."""

    when: float
    name: bytes
    kind: Any

    def __str__(self) -> str:
        return f"({self.name!r}, {self.kind!r}) at {self.when:g} s"


@dataclass
class News:
    """The last news of a broker: when it came, and how; and whether its broker is stale by now."""

    when: float
    frames: Frames
    stale: bool = False

    def __post_init__(self) -> None:
        self.name, self.number, self.capacity = self.frames[0], int(self.frames[1]), int(self.frames[2])


def _is_word(frames: Frames) -> bool:
    sizes = len(frames) == 3 and frames[0] and 0 < len(frames[1]) <= 12 and 0 < len(frames[2]) <= 6
    return bool(sizes) and all(byte in b"0123456789" for byte in frames[1] + frames[2])


class Model:
    """What the contract asks for; or, with a label and a rule that is not its own, what comes of that misconception."""

    def __init__(self, stale: float, gone: float, label: str = "", **rule: Callable[..., Any]) -> None:
        self.stale, self.gone, self.label = stale, gone, label
        self.rule = SimpleNamespace(**{"news": _news, "told": _told, "kept": _kept, **rule})
        self.facts = list[Fact]()
        self.known = dict[bytes, News]()
        self.last = dict[bytes, int]()  # the number of each one's last news, also of those that are gone

    def hear(self, now: float, frames: Frames) -> None:
        new = News(now, frames)
        old = self.known.get(new.name)
        if self.rule.news(self, old, new):
            if self.rule.told(self, old, new):
                self.facts.append(Fact(now, new.name, new.capacity))
            self.known[new.name], self.last[new.name] = self.rule.kept(self, old, new), new.number

    def tick(self, now: float) -> None:
        for name, each in list(self.known.items()):
            if now >= each.when + self.gone:
                self.facts.append(Fact(now, name, GONE))
                del self.known[name]
            elif now >= each.when + self.stale and not each.stale:
                self.facts.append(Fact(now, name, STALE))
                each.stale = True

    @property
    def due(self) -> float:
        return min((e.when + (self.gone if e.stale else self.stale) for e in self.known.values()), default=NEVER)


def _news(model: Model, old: News | None, new: News) -> bool:
    return not old or new.number > old.number


def _told(model: Model, old: News | None, new: News) -> bool:
    return not old or old.stale or old.capacity != new.capacity


def _kept(model: Model, old: News | None, new: News) -> News:
    return new


def _younger(new: News, *brokers: News | None) -> None:
    for broker in filter(None, brokers):
        broker.when = new.when


# What a misconception does to one of a model's rules. Where two of them have done the same, the first is named.
WRONG: list[tuple[str, str, Callable[..., Any]]] = [
    (NONE, "news", lambda m, old, new: new.frames[1] == b"%d" % new.number and _news(m, old, new)),
    (NONE, "news", lambda m, old, new: _news(m, old, new) and new.number - m.last.get(new.name, new.number) < 10**9),
    (TEXT, "news", lambda m, old, new: not old or new.frames[1] > old.frames[1]),
    (TEXT, "news", lambda m, old, new: not old or new.frames[1].rjust(12) > old.frames[1].rjust(12)),
    (NAME, "news", lambda m, old, new: new.name.isascii() and _news(m, old, new)),
    (LATE, "news", lambda m, old, new: _news(m, old, new) and not (old and new.when >= old.when + m.gone)),
    (LATE, "news", lambda m, old, new: m.tick(new.when) or _news(m, m.known.get(new.name), new)),
    (SMALL, "news", lambda m, old, new: _news(m, old, new) or new.number < old.number // 2),
    (WOKE, "news", lambda m, old, new: _news(m, old, new) or old.stale),
    (OLDER, "news", lambda m, old, new: not old or new.number != old.number),
    (OLDER, "news", lambda m, old, new: True),
    (COPY, "news", lambda m, old, new: not old or new.number >= old.number),
    (COPY, "news", lambda m, old, new: _news(m, old, new) or _younger(new, old)),
    (COPY, "kept", lambda m, old, new: new if _told(m, old, new) else replace(old, when=new.when)),
    (ANEW, "news", lambda m, old, new: new.number > m.last.get(new.name, -1)),
    (OTHER, "news", lambda m, old, new: new.number > max(m.last.values(), default=-1)),
    (OTHER, "kept", lambda m, old, new: _younger(new, *m.known.values()) or new),
    (EVERY, "told", lambda m, old, new: True),
    (EVERY, "told", lambda m, old, new: _told(m, old, new) or old.frames[2] != new.frames[2]),
    (EVERY, "told", lambda m, old, new: _told(m, old, new) or not old.capacity),
    (BACK, "told", lambda m, old, new: not old or old.capacity != new.capacity),
    (FIRST, "told", lambda m, old, new: old and _told(m, old, new)),
    (FIRST, "told", lambda m, old, new: _told(m, old, new) and (old or new.capacity)),
    (SAME, "kept", lambda m, old, new: new if _told(m, old, new) else replace(new, when=old.when)),
]


class Ear(Clock):
    """Plays the answer's core and the roads on which it hears; compares what it reports with the model, at once."""

    def __init__(self, scene: Scene, places: Sequence[str], stale: float, gone: float, *how: Any) -> None:
        self.places, self.model = places, Model(stale, gone)
        self.models = [self.model, *(Model(stale, gone, label, **{what: rule}) for label, what, rule in WRONG)]
        self.joined: dict[str, str] = {}  # road: the socket that is connected to it
        self.heard: set[str] = set()  # sockets that have subscribed to everything
        self.did: list[Fact] = []
        self.judged = True
        super().__init__(scene, *how)
        self.until(0.0)
        if {*self.joined} != {*places}:
            missing = sorted(ROADS_NAMED[places.index(p)] for p in {*places} - {*self.joined})
            self._blame(ROADS, f"After the first tick nothing is connected to the road by {' and '.join(missing)}.")
        if not {*self.joined.values()} <= self.heard:
            self._blame(DEAF, "After the first tick a SUB has not subscribed to b''.")

    def effect(self, kind: str, *what: Any) -> None:
        if kind == "open":
            name, how, endpoint, bind = what
            if how != zmq.SUB or endpoint not in self.places or bind or endpoint in self.joined:
                self._blame(ROADS, f"It opened another socket than a SUB that connects once to each road: {what!r}.")
            self.joined[endpoint] = name
            self.write(ENTRY, "connect", "SUB", (), "", "", endpoint)
            self.write(ROADS_NAMED[self.places.index(endpoint)], "bind", "XPUB", (), "", "", endpoint)
        elif kind == "subscribe":
            if what[1] == b"":
                self.heard.add(what[0])
        elif kind == "result":
            self._gave(*what)
        else:
            self._blame("", f"At {self.now:g} s it did this: {kind} {what!r}. Nobody has asked for that.")

    def _gave(self, value: Any) -> None:
        name, what = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
        if not isinstance(name, bytes) or not (what in (STALE, GONE) or type(what) is int):
            self._blame(REPORT, f"At {self.now:g} s it gave {value!r}.")
        self.did.append(Fact(self.now, name, what))

    def _blame(self, label: str, happened: str) -> NoReturn:
        """The verdict, pointing at what happened last."""
        raise NotYet(label, happened, next(reversed(self.scene.recording.events), None)) from None

    def play(self, words: Sequence[Any], end: float, still: Sequence[float]) -> None:
        """Let the time pass: words come, and ticks when they are wanted; from still[0] to still[1] all of it waits.
        A word is (when, road, *frames), of which numbers are meant in digits."""

        def awake(when: float) -> float:
            return still[1] if still[0] <= when < still[1] else when

        todo = sorted(words, key=lambda word: word[0])
        while True:
            word, due = awake(todo[0][0]) if todo else NEVER, awake(self.model.due)
            wanted = awake(max(self.now, self.deadline))
            if min(word, due, wanted) > end:
                break
            self.now = max(self.now, min(word, due, wanted))
            if word <= min(due, wanted):
                self._hears(*todo.pop(0)[1:])
            else:
                self._ticks(wanted > due)

    def _ticks(self, asleep: bool) -> None:
        for model in self.models:
            model.tick(self.now)
        if not asleep:
            self.tick()
        elif self.judged:
            self._do("tick")  # it has not asked for it
        self._compare()
        if self.judged and asleep:
            self._blame(ASLEEP, f"At {self.now:g} s it had something to report, and had not asked to be ticked.")
        if self.judged and not self.model.known and self.deadline < NEVER:
            self._blame(TOO_OFTEN, f"At {self.now:g} s it knew no broker, and wanted a tick at {self.deadline:g} s.")

    def _hears(self, road: int, *what: bytes | int) -> None:
        frames = tuple(b"%d" % frame if isinstance(frame, int) else frame for frame in what)
        is_word = _is_word(frames)
        for model in self.models if is_word else ():
            model.hear(self.now, frames)
        self.says(ROADS_NAMED[road], "XPUB", frames)
        self.write(ENTRY, "receive", "SUB", frames, ROADS_NAMED[road], "XPUB")
        try:
            self.receive(self.joined[self.places[road]], frames)
        except Raised as error:
            if is_word and frames[0].isascii():
                raise
            self._blame(NAME if is_word else BROKE, f"{_shown(frames)} came. {error}")
        self._compare(frames)

    def _compare(self, frames: Frames | None = None) -> None:
        """What was done up to now must be what the model did. `frames`: what has come in, if it was not a tick."""
        wanted, did = Counter(self.model.facts), Counter(self.did)
        if wanted == did or not self.judged:
            return
        missing, extra = list((wanted - did).elements()), list((did - wanted).elements())
        happened = "" if frames is None else f"{_shown(frames)} came at {self.now:g} s. "
        happened += f"This was to be reported: {' and '.join(map(str, missing)) or 'nothing'}. "
        happened += f"What was reported: {' and '.join(map(str, extra)) or 'nothing of the kind'}."
        fit = [model.label for model in self.models if Counter(model.facts) == did]
        silent = next((fact for fact in extra if fact.kind in (STALE, GONE)), None)
        if frames is not None and not _is_word(frames):
            label = ODD
        elif fit:
            label = fit[0]
        elif frames is not None:
            others = any(fact.name != frames[0] for fact in missing + extra)
            label = LATE if silent else OTHER if others else CHANGE if missing else EVERY
        else:
            label = self._extra(silent) if silent else self._missing(missing[0].kind) if missing else CHANGE
        self._blame(label, happened)

    def _extra(self, fact: Fact) -> str:
        if broker := self.model.known.get(fact.name):
            return AGAIN if broker.stale and fact.kind == STALE else EARLY
        return BOTH if fact.kind == STALE and fact._replace(kind=GONE) in self.model.facts else AGAIN

    def _missing(self, kind: str) -> str:
        if any(fact.when == self.now for fact in self.did):
            return LOST
        return NO_STALE if kind == STALE else SINCE if self.deadline < NEVER else NO_GONE


def _shown(frames: Frames) -> str:
    return "".join(f"[{frame[:20]!r}]" for frame in frames)


def _play(scene: Scene, words: Sequence[Any], roads: int = 1, still: Any = AWAKE, judged: bool = True) -> None:
    """Play these words to the answer's core. Times are in units, of which news is stale after 2 and gone after 5."""
    unit = scene.random.choice((0.5, 1.0, 2.0, 4.0))
    places = [f"inproc://{name}" for name in ROADS_NAMED[:roads]]
    with played(scene, lambda shell: Call((places, 2 * unit, 5 * unit, shell))) as (answer, [line]):
        ear = Ear(scene, places, 2 * unit, 5 * unit, answer, line)
        ear.judged = judged
        ear.play([(when * unit, *what) for when, *what in words], END * unit, [when * unit for when in still])


def silence(scene: Scene) -> None:
    """a broker that says the same, falls silent and comes back"""
    [name] = scene.words(1)
    few, many = scene.random.randrange(1, 5), scene.random.randrange(5, 900)
    n, high = scene.random.randrange(1000, 4000), scene.random.randrange(210, 230) << 32
    words = [(0.25 + step, 0, name, n + step, few) for step in range(5)]
    words += [(5.0, 0, name, n + 5, many), (5.25, 0, name, n + 6, 0), (6.0, 0, name, high, many)]
    _play(scene, [*words, (9.5, 0, name, high + 1, many), (10.0, 0, name, high + 2, few)])


def several(scene: Scene) -> None:
    """two brokers out of step and in step, and a tick that came late"""
    one, two = scene.words(2)
    b, c = scene.random.sample(range(1, 1000), 2)
    n = scene.random.randrange(100, 400)
    words = [(0.25 + step, 0, one, n + step, 0) for step in range(10)]
    words += [(0.5, 1, two, 3, b), (1.5, 1, two, 4, c), (10.5, 1, two, 5, b)]  # stale at 11.25 and at 12.5
    words += [(18.0, 0, one, n + 10, 0), (18.0, 1, two, 6, c), (28.0, 0, one, n + 11, b), (28.0, 1, two, 7, 0)]
    _play(scene, words, roads=2, still=(29.0, 32.0))


def copies(scene: Scene) -> None:
    """words that come twice, and after later ones"""
    [name] = scene.words(1)
    one, two, three = scene.random.sample(range(1, 1000), 3)
    words = [(0.25, 0, name, 8, one), (0.5, 1, name, 9, two), (0.75, 2, name, 9, two), (1.0, 2, name, 8, one)]
    words += [(1.25, 0, name, 10, three), (1.5, 0, name, 11, three), (1.75, 1, name, 9, two), (2.0, 1, name, 11, three)]
    words += [(2.75, 2, name, 9, two), (3.75, 2, name, 11, three), (5.0, 1, name, 9, two)]
    _play(scene, words, roads=3)


def anew(scene: Scene) -> None:
    """a broker that begins anew, under a name that is no text"""
    name = b"\xff" + scene.words(1)[0]
    one, two, three = scene.random.sample(range(1, 1000), 3)
    n = scene.random.randrange(500, 900)
    words = [(0.25, 0, name, n, one), (1.25, 0, name, n + 1, one)]
    words += [(1.0 + number, 0, name, number, two) for number in (1, 2, 3, 4)]
    words += [(6.5, 0, name, 5, three), (7.5, 0, name, 6, three), (16.0, 0, name, 1, three), (17.0, 0, name, 2, two)]
    _play(scene, words)


def odd(scene: Scene) -> None:
    """messages that are none, and a core that stood still"""
    name, other = scene.words(2)
    one, two = scene.random.sample(range(10, 1000), 2)
    big, many = scene.random.randrange(10**11, 10**12 - 1), scene.random.randrange(10**5, 10**6 - 1)
    none = [(name,), (name, b"7"), (name, b"7", b"1", b""), (b"", b"7", b"1"), (name, b"", b"1"), (name, b"7", b"")]
    none += [(name, number, b"1") for number in (b"-7", b"7.0", b"7\n", "٧".encode(), b"\xff", b"1234567890123")]
    none += [(name, b"7", capacity) for capacity in (b"+1", b" 1", b"1_0", b"1\n", b"1234567")]
    words: list[Any] = [(1 + i / 32, 0, *frames) for i, frames in enumerate(none)]
    words += [(0.25, 0, name, 5, one), (0.75, 0, other, big, many), (1.5, 0, other, big + 1, many + 1)]
    words += [(1.75, 0, name, b"06", two), (1.8125, 0, name, 7, b"0%d" % two), (1.875, 0, name, 8, one)]
    _play(scene, [*words, (9.0, 0, name, 9, two)], still=(2.0, 16.0))


def fair_weather(scene: Scene) -> None:
    """one broker, heard on two roads"""
    words = [(0.25, 0, b"B", 1, 4), (0.5, 1, b"B", 1, 4), (1.25, 0, b"B", 2, 3), (1.5, 1, b"B", 1, 4)]
    _play(scene, words, roads=2, judged=False)


TRY = fair_weather
SCENES = (silence, several, copies, anew, odd)
