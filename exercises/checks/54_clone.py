# SPDX-License-Identifier: BSD-3-Clause
"""Let a key be deleted, also while a replica fetches its snapshot."""

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import zmq

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, Clock, played
from exercises.scene import NotYet, Observed, Scene
from patterns.clone import HUGZ, ICANHAZ, Server
from patterns.shell import Effect

ENTRY = "replica"

HINTS = (
    "Every word of the stream is worth a look at its number, before you look at its key. What do you have to know of "
    "the word before it?",
    "Keep apart what the stream has said last and what the state has. While a snapshot is fetched, keep the words "
    "of the stream as they come, deletions too, and collect the pairs in a dict of their own; only when the last "
    "batch is there does it become the state.",
    "With the last batch: the collected pairs are the state, and of the words that waited those with a number above "
    "the snapshot's change it, in their order; pop(key, None) is a deletion that may come for nothing. A gap throws "
    "away the pairs and the words, and asks with the number of the word that showed it.",
)
VARIANT = "only keys under a prefix, such as `kitchen/`, are of interest: which gaps can the replica still see?"
LIMIT = "what waits for the snapshot has no limit: a long fetch beside a busy stream fills the memory."
WHY = "why need a deletion be remembered while the snapshot is fetched, and not afterwards?"

EARLY = "it asked for a snapshot before the stream had spoken"
NEVER_ASKED = "no snapshot was asked for when the stream had spoken"
FRAMES = "a request had other frames than it should"
THROWN = "the updates that waited for the snapshot were thrown away"
ONE_OFF = "the first update after the snapshot was thrown away"
AGAIN = "an update that the snapshot had was applied again"
NO_GAP = "an update that the snapshot had was taken for a gap"
NOT_LOST = "a sign of life was taken for a gap although nothing was lost"
KEPT = "an empty value was kept as a value"
PASSED_OVER = "a deletion was passed over"
FOR_GOOD = "a deleted key could not come back"
CAME_BACK = "a key that was deleted while the snapshot was fetched came back"
GAP = "a gap was not answered by a new snapshot"
SIGN = "a gap that only a sign of life showed was not answered by a new snapshot"
SURVIVED = "a key of the old state survived the new snapshot"
DURING = "a gap while the snapshot was fetched was not answered by a new one"
BEFORE = "a snapshot from before the gap was taken"
STALE = "an update from before the gap was applied to what came after it"
RESTART = "a new server's numbers were not answered by a new snapshot"
OLD = "a snapshot was asked for that may be older than the word that called for it"
FIRST = "a state was given before the last batch was there"
NEXT = "the next batch was not asked for"
MIXED = "the pairs of two snapshots were mixed"
HUGGED = "a sign of life was taken for an update"
SHOWN = "a complete state was not given"
UNDER = "the snapshot's pairs were put over the updates that had waited"
OLDER = "a state was given that is older than one given before"
NOTHING_NEW = "a state was given although nothing had changed"
SKIPPED = "the next batch did not begin where the last one ended"
NO_DICT = "a state was given that is no dict of bytes"
INVENTED = "a state was given that the server never had"
UNHEARD = "the stream was not subscribed to"
ENDS = "another socket was opened than a SUB and a DEALER at their endpoints"

LABELS = {
    EARLY: "what could you know of your subscription if you waited for the first word of the stream?",
    NEVER_ASKED: "what does the first word tell, also if it is only a sign of life?",
    FRAMES: "of which three frames is a request made, and how long is a number?",
    THROWN: "where do the stream's words stay until the state that they change is there?",
    ONE_OFF: "the snapshot has its own number's update: which is the first that it does not have?",
    AGAIN: "how can you tell an update that the snapshot had from one that came after it?",
    NO_GAP: "the stream may be behind the snapshot: after which word must the next one follow?",
    NOT_LOST: "which number does a sign of life have when nothing has happened?",
    KEPT: "what does this server say by an empty value?",
    PASSED_OVER: "what is to be done with the key when the value is empty?",
    FOR_GOOD: "what does an update with a value say about a key that is not there?",
    CAME_BACK: "in which order do the snapshot's pair and the later deletion of that key have to count?",
    GAP: "which number must the next update have?",
    SIGN: "which number must a sign of life have, if nothing was lost?",
    SURVIVED: "what do you know about a key that the new snapshot does not have?",
    DURING: "are the words that wait for the snapshot complete?",
    BEFORE: "how old may a snapshot be, if it is to lead up to the word that showed the gap?",
    STALE: "to which snapshot do the words belong that have waited until now?",
    RESTART: "what is the only number that may follow the last one?",
    OLD: "which sequence had the word, and which one may the snapshot have for which you asked?",
    FIRST: "by which word do you know the last batch?",
    NEXT: "who has to speak before the server sends more pairs?",
    MIXED: "what does a batch say that begins at pair 0?",
    HUGGED: "what is the key of a sign of life?",
    SHOWN: "when does whoever plays the core get to know that the state is new?",
    UNDER: "which of the two is newer: a pair of the snapshot, or an update that waited for it?",
    OLDER: "how new is the state that you have given, and how new may the server's oldest answer be?",
    NOTHING_NEW: "which words leave the state as it is?",
    SKIPPED: "how many pairs of this snapshot have you got, and of what does `n` count?",
    NO_DICT: "which types do keys and values have on the wire, and in the state?",
    INVENTED: "which frames of a message are keys, and which are values?",
    UNHEARD: "what does a SUB hear that has subscribed to nothing?",
    ENDS: "which type does a socket need that hears a stream, and which one that asks?",
    NOT_LATER: "when does this core have anything to do that no message calls for?",
    TOO_OFTEN: "when does this core have anything to do that no message calls for?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

EQUIVALENT = {
    "line 9, more: 0": "the stream's numbers are higher",
    "line 9, less: 0": "the stream's numbers are higher",
    "line 11, drop: self.news = []": "it is set anew before it is used",
    "line 12, swap: (self.wanted, self.pairs)": "both are set anew before they are used",
    "line 12, more: 0": "it is set anew before it is used",
    "line 12, less: 0": "it is set anew before it is used",
    "line 12, swap: (0, {})": "both are set anew before they are used",
    "line 12, drop: self.wanted, self.pairs = (0, {})": "both are set anew before they are used",
    "line 25, drop: self.sequence = 0": "the lesson's server gives what it has where that is not so new",
    "line 25, less: 0": "the stream's numbers are higher",
    "line 25, more: 0": "the stream's numbers are higher",
    "line 55, drop: self.news = []": "what the state has is passed over",
    "line 13, drop: self.deadline = AT_ONCE": "whoever plays it ticks it first, and the tick sets it",
}

UPDATES, SNAPSHOTS = "inproc://updates", "inproc://snapshots"
STEP, GRACE = 1 / 64, 1.0  # seconds of the checker's clock from one event to the next; and until a gap must be answered
BATCHES = 20  # of one snapshot; it has four pairs at most
OTHER = b"\0\0\0\0o"  # the routing id of another replica
KEYS = ("tea", "egg", "milk", "jam", "salt")  # what a scene calls them; their names on the wire are drawn

State = dict[bytes, bytes]


class Keys:
    """Makes states of a scene's keys and values."""

    def __init__(self, *names: bytes) -> None:
        self.names = dict(zip(KEYS, names, strict=True))

    def __call__(self, **pairs: str) -> State:
        return {self.names[key]: value.encode() for key, value in pairs.items()}


class House(Server):
    """The lesson's server, which deletes."""

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        yield from super().receive(socket, frames, now)
        if socket == "changes" and not frames[1]:
            del self.state[frames[0]]


class Life(Clock):
    """Plays one of the answer's cores, and is its server: whose state, sequence, and number of pairs in a batch."""

    def __init__(self, keys: Keys, judging: bool, server: tuple[State, int, int], scene: Scene, *how: Any) -> None:
        self.keys, self.judging = keys, judging
        scene.recording = Observed()  # a picture shows one life
        self._open: dict[str, str] = {}  # the core's name of a socket: which it is
        self._opened, self._subscribed = 0, False
        self._heard = self._since = -1  # the last number in the stream; and the one that called for a snapshot
        self._anew = False  # whether a snapshot has been asked for since then
        self._given, self._pairs = -1, 0  # the sequence of the last batch since then, and how many pairs it led up to
        self._void = False  # whether pairs of a snapshot have come that the server has forgotten
        self._asked: deque[tuple[int, list[bytes]]] = deque()  # on the how-many-th DEALER, and what
        self._shown: list[tuple[Any, float, Event | None]] = []  # since we looked last: what, when, after which event
        self._last: Any = None
        self._event: Event | None = None  # the last message that it received
        self._highest = 0
        super().__init__(scene, *how)
        self.first(*server)
        self.write("server", "bind", "PUB", (), "", "", UPDATES)
        self.write("server", "bind", "ROUTER", (), "", "", SNAPSHOTS)
        self.wait(0.0)

    # the server

    def first(self, state: State, sequence: int, pairs: int = 1000) -> None:
        """A server with this state; another one, if there was one."""
        self.house = House("u", "s", "c", state, sequence, pairs=pairs)
        self.had = [dict(self.house.state)]

    def change(self, key: str, value: str) -> list[bytes]:
        """The server's state changes. What the stream has to say of it is on its way, or lost."""
        [said] = list(self.house.receive("changes", [self.keys.names[key], value.encode()], self.now))
        self.had.append(dict(self.house.state))
        return said.frames

    def copied(self) -> None:
        """Another replica asks for a snapshot as it is now, and so the server remembers it."""
        list(self.house.receive("snapshots", [OTHER, ICANHAZ, self.house.sequence.to_bytes(8), bytes(8)], self.now))

    def say(self, key: str, value: str) -> None:
        self.hear(self.change(key, value))

    def beat(self) -> None:
        self.hear([HUGZ, self.house.sequence.to_bytes(8), b""])

    def take(self, silent: str) -> tuple[int, list[bytes]]:
        """The server answers the oldest request. It comes in when it is given."""
        if not self._asked:
            raise NotYet(silent, f"At {self.now:.2f} s there was no request for the server to answer.")
        which, frames = self._asked.popleft()
        [answer] = list(self.house.receive("snapshots", [OTHER, *frames], self.now))
        return which, answer.frames[1:]

    # the replica

    def hear(self, frames: list[bytes]) -> None:
        """A word of the stream reaches the replica."""
        self.wait(STEP)
        if "updates" not in self._open.values() or not self._subscribed:
            raise NotYet(UNHEARD, f"At {self.now:.2f} s no SUB was open and subscribed to everything.")
        number, update = int.from_bytes(frames[1]), frames[0] != HUGZ
        self._highest = max(self._highest, number, self.house.sequence)
        if number != self._heard + update or self._heard < 0:
            self._since, self._given, self._anew, self._void = number - update, -1, False, False
        self._heard = number
        self._bring("PUB", "SUB", "updates", frames)

    def give(self, batch: tuple[int, list[bytes]]) -> None:
        """An answer of the server reaches the DEALER that asked, if it is still open."""
        self.wait(STEP)
        which, frames = batch
        if "snapshots" in self._open.values() and which == self._opened:
            sequence, begin = int.from_bytes(frames[1]), int.from_bytes(frames[2])
            self._void |= self._given not in (-1, sequence)
            self._given, self._pairs = sequence, begin + len(frames[3:]) // 2
            self._bring("ROUTER", "DEALER", "snapshots", frames)

    def fetch(self, silent: str) -> None:
        """All that the replica asks for is answered at once."""
        self.give(self.take(silent))
        for _ in range(BATCHES):
            if not self._asked:
                return
            self.give(self.take(silent))
        raise NotYet(NEXT, f"By {self.now:.2f} s your core had asked for {BATCHES} batches, and had not got on.")

    def wait(self, seconds: float) -> None:
        """Let so much time pass."""
        until = self.now + seconds
        self.until(until)
        self.now = until

    # what it did

    def asks(self, label: str, wrong: Iterable[State] = ()) -> None:
        """It must have asked anew, and shown nothing meanwhile."""
        self.wait(GRACE)
        for state, when, event in self._shown:
            raise NotYet(label if state in wrong else FIRST, f"At {when:.2f} s you gave {_told(state)}.", event)
        if not self._anew:
            raise NotYet(label, f"At {self.now:.2f} s your core had not asked for another snapshot.")

    def asks_nothing(self, label: str) -> None:
        """It is complete, and needs no more."""
        if self._asked:
            raise NotYet(label, f"At {self.now:.2f} s your core asked for another snapshot.")

    def gives_nothing(self, label: str) -> None:
        for state, when, event in self._shown:
            raise NotYet(HUGGED if HUGZ in state else label, f"At {when:.2f} s you gave {_told(state)}.", event)

    def gives(self, silent: str, wrong: dict[str, list[State]] | None = None) -> None:
        """The last that it gave is what the server has, and all before that is what the server had, in this order."""
        state, shown, self._shown = self.house.state, self._shown, []

        def label(given: State) -> str:
            return next((label for label, states in (wrong or {}).items() if given in states), "")

        for given, when, event in shown:
            if given not in self.had:
                happened = f"At {when:.2f} s you gave {_told(given)}; the server has {_told(state)}."
                raise NotYet(HUGGED if HUGZ in given else label(given) or INVENTED, happened, event)
        if self._last != state:
            last = f"the last that you gave was {_told(self._last)}" if self._last is not None else "you gave no state"
            happened = f"At {self.now:.2f} s the server has {_told(state)}; {last}."
            raise NotYet(label(self._last or {}) or (SHOWN if shown else silent), happened, self._event)
        self.had = [state.copy()]

    # its shell

    def _bring(self, sender: str, receiver: str, socket: str, frames: list[bytes]) -> None:
        shown = [_number(frame) for frame in frames]
        self.says("server", sender, [ENTRY.encode(), *shown] if sender == "ROUTER" else shown)
        self._event = self.write(ENTRY, "receive", receiver, shown, "server", sender)
        self.receive(next(name for name, which in self._open.items() if which == socket), frames)

    def effect(self, kind: str, *what: Any) -> None:
        which = self._open.get(what[0], "") if kind != "result" else ""
        if kind == "open":
            known = {(zmq.SUB, UPDATES, False): "updates", (zmq.DEALER, SNAPSHOTS, False): "snapshots"}
            if what[1:] not in known:
                raise NotYet(ENDS, f"At {self.now:.2f} s a socket of another type was opened, or to another endpoint.")
            self._opened += known[what[1:]] == "snapshots" and not which
            self._open[what[0]] = known[what[1:]]
            self.write(ENTRY, "connect", "SUB" if what[1] == zmq.SUB else "DEALER", (), "", "", what[2])
        elif kind == "close":
            self._open.pop(what[0], None)
            self._subscribed = self._subscribed and which != "updates"
            if which == "snapshots":  # what it asked for finds nobody
                self._asked.clear()
        elif kind == "subscribe":
            self._subscribed |= which == "updates" and what[1] == b""
        elif kind == "send":
            self._request(what[1], which == "snapshots")
        else:
            self._result(what[0])

    def _result(self, state: Any) -> None:
        pairs = state.items() if isinstance(state, dict) else [("", "")]
        if not all(isinstance(key, bytes) and isinstance(value, bytes) for key, value in pairs):
            raise NotYet(NO_DICT, f"At {self.now:.2f} s you gave {state!r}.", self._event)
        self._last = state
        self._shown.append((state, self.now, self._event))

    def _request(self, frames: list[Any], on_dealer: bool) -> None:
        if not on_dealer or frames[:1] != [ICANHAZ] or [len(f) * isinstance(f, bytes) for f in frames[1:]] != [8, 8]:
            raise NotYet(FRAMES, f"At {self.now:.2f} s you sent {_shown(frames)}{'' if on_dealer else ' on a SUB'}.")
        event = self.says(ENTRY, "DEALER", [_number(frame) for frame in frames])
        self.write("server", "receive", "ROUTER", [ENTRY.encode(), *map(_number, frames)], ENTRY, "DEALER")
        self._asked.append((self._opened, frames))
        wanted, n = map(int.from_bytes, frames[1:])
        self._anew |= n == 0
        if self.judging:
            self._judge(wanted, n, event)

    def _judge(self, wanted: int, n: int, event: Event) -> None:
        said = f"At {self.now:.2f} s you asked for the pairs of {wanted} from {n} on"
        if self._heard < 0:
            raise NotYet(EARLY, f"At {self.now:.2f} s you asked, and the stream had not said a word yet.", event)
        if wanted > self._highest:
            raise NotYet(FRAMES, f"{said}; no number was higher than {self._highest}.", event)
        if n and wanted != self._given:
            raise NotYet(MIXED, f"{said}; you had none of them.", event)
        if n and n > self._pairs:
            raise NotYet(MIXED if self._void else SKIPPED, f"{said}; you had {self._pairs} of them.", event)
        if n == 0 and wanted < self._since:
            raise NotYet(OLD, f"At {self.now:.2f} s you asked for {wanted} or higher.", event)


def _number(frame: bytes) -> bytes:
    """A number in digits, so that it can be read in a picture."""
    return b"%d" % int.from_bytes(frame) if len(frame) == 8 and frame[:4] == bytes(4) else frame


def _shown(frames: list[Any]) -> str:
    return "".join(f"[{_number(f).decode(errors='replace') if isinstance(f, bytes) else f}]" for f in frames)


def _told(state: State | None) -> str:
    pairs = (f"{key!r}: {value!r}" for key, value in sorted((state or {}).items()))
    return "{" + ", ".join(pairs).replace("b'", "'") + "}"


@contextlib.contextmanager
def _lives(
    scene: Scene, keys: Keys, *servers: tuple[State, int, int], judging: bool = True
) -> Iterator[Iterator[Life]]:
    """One life of the answer's core for each server: its state, its sequence, and how many pairs make a batch."""
    with played(scene, *[lambda shell: Call((UPDATES, SNAPSHOTS, shell))] * len(servers)) as (answer, lines):

        def live() -> Iterator[Life]:
            for line, server in zip(lines, servers, strict=True):
                life = Life(keys, judging, server, scene, answer, line)
                yield life
                life.end()

        yield live()


def _drawn(scene: Scene) -> tuple[Keys, int]:
    """Keys, and a number to begin with: of more than one byte."""
    return Keys(*scene.words(len(KEYS))), scene.random.randrange(300, 900)


def around(scene: Scene) -> None:
    """updates on both sides of the snapshot's number"""
    S, first = _drawn(scene)
    with _lives(scene, S, (S(tea="hot", egg="raw"), first, 1000), (S(tea="hot"), first, 1000)) as lives:
        it = next(lives)
        it.wait(GRACE)
        it.beat()
        it.say("tea", "11")
        it.say("egg", "12")
        snapshot = it.take(NEVER_ASKED)
        it.say("jam", "13")
        it.say("tea", "14")
        it.gives_nothing(FIRST)
        it.give(snapshot)
        under, one_off = S(tea="11", egg="12", jam="13"), S(tea="14", egg="12")
        it.gives(SHOWN, {THROWN: [S(tea="11", egg="12")], UNDER: [under], ONE_OFF: [one_off]})
        it.say("egg", "15")
        it.gives(SHOWN)
        it.beat()
        it.asks_nothing(NOT_LOST)
        it.gives_nothing(NOTHING_NEW)

        it = next(lives)
        it.beat()
        it.say("tea", "11")
        on_its_way = [it.change("tea", "12"), it.change("tea", "13")]
        it.give(it.take(NEVER_ASKED))
        it.gives(SHOWN, {AGAIN: [S(tea="11")]})
        for word in on_its_way:
            it.hear(word)
            it.asks_nothing(NO_GAP)
            it.gives(SHOWN, {AGAIN: [S(tea="12")]})
        it.say("tea", "14")
        it.asks_nothing(NO_GAP)
        it.gives(SHOWN)


def deletions(scene: Scene) -> None:
    """deletions beside a snapshot that is fetched"""
    S, first = _drawn(scene)
    start = S(tea="hot", egg="raw", milk="cold", jam="red")
    with _lives(scene, S, (S(tea="hot", egg="raw"), first, 1000), (start, first, 2)) as lives:
        it = next(lives)
        it.beat()
        it.fetch(NEVER_ASKED)
        it.gives(SHOWN)
        it.say("egg", "")
        it.gives(SHOWN, {KEPT: [S(tea="hot", egg="")], PASSED_OVER: [S(tea="hot", egg="raw")]})
        it.say("egg", "fried")
        it.gives(SHOWN, {FOR_GOOD: [S(tea="hot")]})
        it.say("salt", "")
        it.gives(SHOWN, {KEPT: [S(tea="hot", egg="fried", salt="")]})

        it = next(lives)
        it.beat()
        batch = it.take(NEVER_ASKED)
        it.say("egg", "")  # before the batch that has it
        it.give(batch)
        it.gives_nothing(FIRST)
        batch = it.take(NEXT)
        it.say("tea", "")  # after the batch that had it
        it.say("jam", "")
        it.say("jam", "blue")
        it.give(batch)
        back = [
            S(milk="cold", jam="blue", **more)
            for more in ({"egg": "raw"}, {"tea": "hot"}, {"egg": "raw", "tea": "hot"})
        ]
        kept = [S(milk="cold", jam="blue", **more) for more in ({"egg": ""}, {"tea": ""}, {"egg": "", "tea": ""})]
        it.gives(SHOWN, {CAME_BACK: back, KEPT: kept, FOR_GOOD: [S(milk="cold")], THROWN: [start]})


def gaps(scene: Scene) -> None:
    """lost updates and a new server"""
    S, first = _drawn(scene)
    start, three = S(tea="hot", egg="raw"), S(tea="hot", egg="raw", jam="red")
    with _lives(
        scene, S, (start, first, 1000), (three, first, 2), (start, first + 90, 1000), (start, first, 1000)
    ) as lives:
        it = next(lives)
        it.beat()
        it.fetch(NEVER_ASKED)
        it.gives(SHOWN)
        it.change("egg", "")
        it.say("jam", "12")
        it.asks(GAP, [S(tea="hot", egg="raw", jam="12")])
        it.say("tea", "13")
        it.fetch(GAP)
        it.gives(SHOWN, {SURVIVED: [S(tea="13", egg="raw", jam="12"), S(tea="hot", egg="raw", jam="12")]})
        it.change("tea", "cold")
        it.beat()
        it.asks(SIGN)
        it.fetch(SIGN)
        it.gives(SHOWN)

        it = next(lives)
        it.beat()
        it.give(it.take(NEVER_ASKED))
        old = it.take(NEXT)
        it.say("tea", "11")
        it.change("tea", "12")
        it.say("egg", "13")
        it.give(old)
        missed = [S(tea=tea, egg=egg, jam="red") for tea in ("hot", "11") for egg in ("raw", "13")]
        it.gives_nothing(BEFORE if it._anew else DURING)
        it.asks(DURING, missed)
        it.fetch(DURING)
        it.gives(SHOWN)

        _another_server(next(lives), S)

        it = next(lives)
        it.beat()
        late = it.take(NEVER_ASKED)
        it.change("tea", "11")
        it.say("jam", "12")
        it.asks(DURING)
        it.give(late)
        it.gives_nothing(BEFORE)
        it.fetch(DURING)
        it.gives(SHOWN)


def ahead(scene: Scene) -> None:
    """a gap behind a snapshot that is ahead of the stream"""
    S, first = _drawn(scene)
    with _lives(scene, S, (S(tea="hot"), first, 1000)) as lives:
        it = next(lives)
        it.beat()
        words = []
        for value in ("11", "12", "13", "14"):
            words.append(it.change("tea", value))
            it.copied()
        it.fetch(NEVER_ASKED)
        it.gives(SHOWN, {AGAIN: [S(tea="13")]})
        it.hear(words[0])
        it.hear(words[2])
        it.wait(GRACE)
        if it._asked:  # it has all that was lost, and need not ask
            it.fetch(GAP)
        it.gives(SHOWN, {OLDER: [S(tea="13"), S(tea="12")], AGAIN: [S(tea="13")]})
        it.hear(words[3])
        it.say("egg", "15")
        it.gives(SHOWN)


def _another_server(it: Life, S: Keys) -> None:
    it.beat()
    late = it.take(NEVER_ASKED)
    it.say("tea", "101")
    it.first(S(jam="red"), 3)
    it.beat()
    it.asks(RESTART)
    it.give(late)
    it.gives_nothing(BEFORE)
    it.fetch(RESTART)
    it.gives(SHOWN, {STALE: [S(jam="red", tea="101")]})
    it.say("jam", "4")
    it.gives(SHOWN)
    it.first(S(milk="cold"), 2)
    it.beat()
    it.asks(RESTART)
    it.fetch(RESTART)
    it.gives(SHOWN, {SURVIVED: [S(milk="cold", jam="4")]})
    it.say("milk", "warm")
    it.gives(SHOWN)


def batches(scene: Scene) -> None:
    """a snapshot in batches that begins anew"""
    S, first = _drawn(scene)
    start = S(tea="hot", egg="raw", milk="cold", jam="red")
    with _lives(scene, S, (S(tea="hot"), first, 1000), (start, first, 2)) as lives:
        it = next(lives)
        it.copied()
        it.change("egg", "11")
        it.say("jam", "12")
        it.fetch(NEVER_ASKED)
        it.gives(SHOWN)

        it = next(lives)
        it.beat()
        it.give(it.take(NEVER_ASKED))
        it.gives_nothing(FIRST)
        it.say("tea", "")
        it.house.copies.clear()
        it.give(it.take(NEXT))
        it.gives_nothing(FIRST)
        it.fetch(NEXT)
        mixed = [S(tea="hot", egg="raw", milk="cold", jam="red"), S(tea="hot", egg="raw", milk="cold")]
        it.gives(SHOWN, {MIXED: mixed})


def fair_weather(scene: Scene) -> None:
    """a snapshot in two batches, and two updates"""
    S = Keys(*(key.encode() for key in KEYS))
    with _lives(scene, S, (S(tea="hot", egg="raw", jam="red"), 10, 2), judging=False) as lives:
        it = next(lives)
        it.beat()
        if it._asked:
            it.fetch("")
        it.say("tea", "cold")
        it.say("egg", "")
        raise NotYet("" if it._last is None else f"The last state that it gave: {_told(it._last)}.", "")


TRY = fair_weather
SCENES = (around, deletions, gaps, batches, ahead)
