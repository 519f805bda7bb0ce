# SPDX-License-Identifier: BSD-3-Clause
"""Let a key be deleted, also while a replica fetches its snapshot."""

import ast
import contextlib
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import zmq
from exercises.scene import Answer, NotYet, Observed, Scene, TookTooLong, unexpected

from diagrams.recording import Event
from exercises.answer import Call
from patterns.clone import HUGZ, ICANHAZ, Server
from patterns.shell import NEVER, Close, Effect, Open, Result, Send, Subscribe

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
NOT_PLAYED = "no core was given to the shell"

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
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

UPDATES, SNAPSHOTS = "inproc://updates", "inproc://snapshots"
START = 5.0  # seconds of real time until the answer's process has begun
PATIENCE = 3.0  # seconds of real time that the core has for one call
STEP, GRACE = 1 / 64, 1.0  # seconds of the checker's clock from one event to the next; and until a gap must be answered
MOST = 300  # ticks, and batches, in one life
OTHER = b"\0\0\0\0o"  # the routing id of another replica

State = dict[bytes, bytes]


def S(**pairs: str) -> State:
    """A state by its keys and values."""
    return {key.encode(): value.encode() for key, value in pairs.items()}


@dataclass(frozen=True)
class Shell:
    """What the answer gets as its shell: it does with the core what the checker says, in the answer's own process."""

    line: str

    def __call__(self, ctx: zmq.Context, core: Any) -> None:
        with zmq.Context(ctx).socket(zmq.PAIR) as line:  # a plain Context: this is no part of the scene
            line.connect(self.line)
            line.send(b"ready")
            while (order := ast.literal_eval(line.recv().decode()))[0] != "end":
                act, *arguments = order
                effects = getattr(core, act)(*arguments)
                if not isinstance(effects, (list, tuple, Iterator)):
                    raise TypeError(f"{act} returned {effects!r} where a list of effects was expected")
                plain = [_plain(effect) for effect in effects]  # a generator may set the deadline at its end
                line.send(repr((repr(core.deadline), plain)).encode())


def _plain(effect: Effect) -> tuple[Any, ...]:
    match effect:
        case Open(name, kind, endpoint, bind):
            return "open", str(name), int(kind), str(endpoint), bool(bind)
        case Close(name):
            return "close", str(name)
        case Subscribe(name, prefix):
            return "subscribe", str(name), bytes(prefix)
        case Send(name, frames):
            return "send", str(name), [f if isinstance(f, bytes) else repr(f) for f in frames]
        case Result(Mapping() as state):
            return "result", dict(state)
    return "odd", repr(effect)


class House(Server):
    """The lesson's server, which deletes."""

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        yield from super().receive(socket, frames, now)
        if socket == "changes" and not frames[1]:
            del self.state[frames[0]]


class Life:
    """Plays one of the answer's cores with a clock that is a number, and is its server."""

    def __init__(self, scene: Scene, line: zmq.Socket, answer: Answer, server: Any, judging: bool) -> None:
        self._scene, self._line, self._answer, self.judging = scene, line, answer, judging
        scene.recording = Observed()  # a picture shows one life
        self.now, self.deadline, self._ticks = 0.0, -NEVER, 0
        self._open: dict[str, str] = {}  # the core's name of a socket: which it is
        self._opened, self._subscribed = 0, False
        self._heard = self._since = -1  # the last number in the stream; and the one that called for a snapshot
        self._given = -1  # the sequence of the last batch since then
        self._asked: deque[tuple[int, list[bytes]]] = deque()  # on the how-many-th DEALER, and what
        self._shown: list[tuple[State, float, Event | None]] = []  # since we looked last: what, when, after which event
        self._last: State | None = None
        self._event: Event | None = None  # the last message that it received
        self.first(*server)
        scene.recording.write("server", "bind", "PUB", (), "", "", UPDATES, 0.0)
        scene.recording.write("server", "bind", "ROUTER", (), "", "", SNAPSHOTS, 0.0)
        self._hear(START)
        self.wait(0.0)

    # the server

    def first(self, state: State, sequence: int, pairs: int = 1000) -> None:
        """A server with this state; another one, if there was one."""
        self.house = House("u", "s", "c", state, sequence, pairs=pairs)
        self.had = [dict(self.house.state)]

    def change(self, key: str, value: str) -> list[bytes]:
        """The server's state changes. What the stream has to say of it is on its way, or lost."""
        [said] = list(self.house.receive("changes", [key.encode(), value.encode()], self.now))
        self.had.append(dict(self.house.state))
        return said.frames

    def say(self, key: str, value: str) -> None:
        self.hear(self.change(key, value))

    def beat(self) -> None:
        self.hear([HUGZ, self.house.sequence.to_bytes(8), b""])

    def take(self, silent: str) -> tuple[int, list[bytes]]:
        """The server answers the oldest request. It comes in when it is given."""
        if not self._asked:
            raise NotYet(silent, f"At {self.now:.2f} s there was no request for the server to answer.")
        which, frames = self._asked.popleft()
        answers = list(self.house.receive("snapshots", [OTHER, *frames], self.now))
        if not answers:
            raise NotYet(FRAMES, f"The server dropped your request {_shown(frames)}.")
        return which, answers[0].frames[1:]

    # the replica

    def hear(self, frames: list[bytes]) -> None:
        """A word of the stream reaches the replica."""
        self.wait(STEP)
        if "updates" not in self._open.values() or not self._subscribed:
            raise NotYet("", f"At {self.now:.2f} s no SUB was open and subscribed to everything.")
        number, update = int.from_bytes(frames[1]), frames[0] != HUGZ
        if number != self._heard + update or self._heard < 0:
            self._since, self._given = number - update, -1
        self._heard = number
        self._bring("PUB", "SUB", "updates", frames)

    def give(self, batch: tuple[int, list[bytes]]) -> None:
        """An answer of the server reaches the DEALER that asked, if it is still open."""
        self.wait(STEP)
        which, frames = batch
        if "snapshots" in self._open.values() and which == self._opened:
            self._given = int.from_bytes(frames[1])
            self._bring("ROUTER", "DEALER", "snapshots", frames)

    def fetch(self, silent: str) -> None:
        """All that the replica asks for is answered at once."""
        self.give(self.take(silent))
        for _ in range(MOST):
            if not self._asked:
                return
            self.give(self.take(silent))
        raise NotYet("", f"By {self.now:.2f} s your core had asked for {MOST} batches.")

    def wait(self, seconds: float) -> None:
        """Tick the core whenever it wants to be, for so long."""
        until = self.now + seconds
        while self.deadline <= until:
            now = self.now = max(self.now, self.deadline)
            self._do("tick", now)
            self._ticks += 1
            if self._ticks > MOST or self.deadline <= now:
                happened = f"You were ticked at {now:.2f} s, and then wanted the next tick at {self.deadline:.2f} s."
                raise NotYet("", f"{happened} A shell would spin.")
        self.now = until

    # what it did

    def asks(self, label: str, wrong: Iterable[State] = ()) -> None:
        """It must have asked anew, and shown nothing meanwhile."""
        self.wait(GRACE)
        for state, when, event in self._shown:
            raise NotYet(label if state in wrong else "", f"At {when:.2f} s you gave {_told(state)}.", event)
        if not self._asked:
            raise NotYet(label, f"At {self.now:.2f} s your core did not ask for another snapshot.")

    def forget(self) -> None:
        """What it has asked for until now is of no interest any more."""
        self._asked.clear()

    def asks_nothing(self, label: str) -> None:
        """It has not asked since."""
        if self._asked:
            raise NotYet(label, f"At {self.now:.2f} s your core asked for another snapshot.")

    def gives_nothing(self, label: str) -> None:
        for state, when, event in self._shown:
            raise NotYet(label, f"At {when:.2f} s you gave {_told(state)}; it was not complete.", event)

    def gives(self, silent: str, wrong: dict[str, list[State]] | None = None) -> None:
        """The last that it gave is what the server has, and all before that is what the server had."""
        state, shown, self._shown = self.house.state, self._shown, []

        def label(given: State) -> str:
            return next((label for label, states in (wrong or {}).items() if given in states), "")

        for given, when, event in shown:
            if given not in self.had:
                happened = f"At {when:.2f} s you gave {_told(given)}; the server has {_told(state)}."
                raise NotYet(HUGGED if HUGZ in given else label(given), happened, event)
        if self._last != state:
            last = f"the last that you gave was {_told(self._last)}" if self._last is not None else "you gave no state"
            happened = f"At {self.now:.2f} s the server has {_told(state)}; {last}."
            raise NotYet(label(self._last or {}) or ("" if shown else silent), happened, self._event)
        self.had = [state.copy()]

    # its shell

    def _bring(self, sender: str, receiver: str, socket: str, frames: list[bytes]) -> None:
        write, shown = self._scene.recording.write, [_number(f) for f in frames]
        write(
            "server",
            "send",
            sender,
            [ENTRY.encode(), *shown] if sender == "ROUTER" else shown,
            "",
            "",
            "",
            self.now,
        )
        write("server", "sent", sender, (), "", "", "", self.now)
        write(ENTRY, "receive", receiver, shown, "server", sender, "", self.now)
        self._event = self._scene.recording.events[-1]
        name = next(name for name, which in self._open.items() if which == socket)
        self._do("receive", name, frames, self.now)

    def _do(self, *order: Any) -> None:
        with contextlib.suppress(zmq.Again):  # it has gone; we shall hear of that
            self._line.send(repr(order).encode(), zmq.DONTWAIT)
        deadline, effects = ast.literal_eval(self._hear().decode())
        self.deadline = float(deadline)
        for effect in effects:
            self._effect(*effect)

    def end(self) -> None:
        with contextlib.suppress(zmq.Again):
            self._line.send(repr(("end",)).encode(), zmq.DONTWAIT)

    def _hear(self, patience: float = PATIENCE) -> bytes:
        """What the shell in the answer's process says; or what became of the answer instead."""
        until = time.monotonic() + patience
        while not self._line.poll(20):
            if self._answer.process.told:
                outcome = next((o for o in self._answer.outcomes(0.1) if o.error), None)
                if outcome:
                    unexpected(outcome)
                raise NotYet(NOT_PLAYED, "Your function returned, and nobody plays the core.")
            if time.monotonic() > until:
                raise TookTooLong(self._answer.stood())
        return bytes(self._line.recv())

    def _effect(self, kind: str, *what: Any) -> None:
        write = self._scene.recording.write
        which = self._open.get(what[0], "") if kind in ("close", "subscribe", "send") else ""
        if kind == "open":
            known = {(zmq.SUB, UPDATES, False): "updates", (zmq.DEALER, SNAPSHOTS, False): "snapshots"}
            if what[1:] not in known:
                raise NotYet("", "The core opened something else than a SUB and a DEALER to its endpoints.")
            self._opened += known[what[1:]] == "snapshots" and what[0] not in self._open
            self._open[what[0]] = known[what[1:]]
            write(ENTRY, "connect", "SUB" if what[1] == zmq.SUB else "DEALER", (), "", "", what[2], self.now)
        elif kind == "close":
            self._open.pop(what[0], None)
            self._subscribed = self._subscribed and which != "updates"
            if which == "snapshots":  # what it asked for finds nobody
                self._asked.clear()
        elif kind == "subscribe" and which == "updates" and what[1] == b"":
            self._subscribed = True
        elif kind == "send" and which == "snapshots":
            self._request(what[1])
        elif kind == "result":
            self._last = what[0]
            self._shown.append((what[0], self.now, self._event))
        else:
            wanted = f"to {kind} on {what[0]!r}, where it cannot" if kind in ("send", "subscribe") else str(what[0])
            raise NotYet("", f"The core wanted {wanted}.")

    def _request(self, frames: list[Any]) -> None:
        write = self._scene.recording.write
        if (
            not all(isinstance(f, bytes) for f in frames)
            or frames[:1] != [ICANHAZ]
            or [*map(len, frames[1:])] != [8, 8]
        ):
            raise NotYet(FRAMES, f"At {self.now:.2f} s you sent {_shown(frames)}.")
        write(ENTRY, "send", "DEALER", [_number(f) for f in frames], "", "", "", self.now)
        event = self._scene.recording.events[-1]
        write(ENTRY, "sent", "DEALER", (), "", "", "", self.now)
        received = [ENTRY.encode(), *map(_number, frames)]
        write("server", "receive", "ROUTER", received, ENTRY, "DEALER", "", self.now)
        self._asked.append((self._opened, frames))
        if self._heard < 0 and self.judging:
            raise NotYet(EARLY, f"At {self.now:.2f} s you asked, and the stream had not said a word yet.", event)
        wanted, n = map(int.from_bytes, frames[1:])
        if n and wanted != self._given and self.judging:
            happened = f"At {self.now:.2f} s you asked for the pairs of {wanted} from {n} on; you had none of them."
            raise NotYet(MIXED, happened, event)
        if n == 0 and wanted < self._since and self.judging:
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
def _lives(scene: Scene, *servers: tuple[State, int, int], judging: bool = True) -> Iterator[Iterator[Life]]:
    """One life of the answer's core for each server: its state, its sequence, and how many pairs make a batch."""
    with contextlib.ExitStack() as stack:
        lines, calls = [], []
        for k in range(len(servers)):
            line = stack.enter_context(zmq.Context(scene.stage.context).socket(zmq.PAIR))
            line.linger = 0
            line.bind(scene.stage.endpoint(f"line-{k}"))
            lines.append(line)
            calls.append(Call((UPDATES, SNAPSHOTS, Shell(scene.stage.endpoint(f"line-{k}")))))
        answer = scene.answer(*calls)
        answer.begun()

        def live() -> Iterator[Life]:
            for line, server in zip(lines, servers, strict=True):
                life = Life(scene, line, answer, server, judging)
                yield life
                life.end()

        yield live()


def around(scene: Scene) -> None:
    """updates on both sides of the snapshot's number"""
    with _lives(scene, (S(tea="hot", egg="raw"), 10, 1000), (S(tea="hot"), 10, 1000)) as lives:
        it = next(lives)
        it.wait(GRACE)
        it.beat()
        it.say("tea", "11")
        it.say("egg", "12")
        snapshot = it.take(NEVER_ASKED)
        it.say("tea", "13")
        it.say("jam", "14")
        it.gives_nothing(FIRST)
        it.give(snapshot)
        one_off = S(tea="11", egg="12", jam="14")
        it.gives(SHOWN, {THROWN: [S(tea="11", egg="12")], ONE_OFF: [one_off]})
        it.say("egg", "15")
        it.gives(SHOWN)
        it.forget()
        it.beat()
        it.asks_nothing(NOT_LOST)
        it.gives(SHOWN)

        it = next(lives)
        it.beat()
        it.say("tea", "11")
        on_its_way = [it.change("tea", "12"), it.change("tea", "13")]
        it.give(it.take(NEVER_ASKED))
        it.gives(SHOWN, {AGAIN: [S(tea="11")]})
        it.forget()
        for word in on_its_way:
            it.hear(word)
            it.asks_nothing(NO_GAP)
            it.gives(SHOWN, {AGAIN: [S(tea="12")]})
        it.say("tea", "14")
        it.asks_nothing(NO_GAP)
        it.gives(SHOWN)


def deletions(scene: Scene) -> None:
    """deletions beside a snapshot that is fetched"""
    start = S(tea="hot", egg="raw", milk="cold", jam="red")
    with _lives(scene, (S(tea="hot", egg="raw"), 10, 1000), (start, 10, 2)) as lives:
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
    start, three = S(tea="hot", egg="raw"), S(tea="hot", egg="raw", jam="red")
    with _lives(scene, (start, 10, 1000), (three, 10, 2), (start, 100, 1000)) as lives:
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
        it.gives_nothing(BEFORE if it._asked else DURING)
        it.asks(DURING, missed)
        it.fetch(DURING)
        it.gives(SHOWN)

        _another_server(next(lives))


def _another_server(it: Life) -> None:
    it.beat()
    it.take(NEVER_ASKED)  # the server dies with the answer
    it.say("tea", "101")
    it.first(S(jam="red"), 3)
    it.beat()
    it.asks(RESTART)
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
    start = S(tea="hot", egg="raw", milk="cold", jam="red")
    with _lives(scene, (S(tea="hot"), 10, 1000), (start, 10, 2)) as lives:
        it = next(lives)
        list(it.house.receive("snapshots", [OTHER, ICANHAZ, (10).to_bytes(8), bytes(8)], it.now))
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
    with _lives(scene, (S(tea="hot", egg="raw", jam="red"), 10, 2), judging=False) as lives:
        it = next(lives)
        it.beat()
        if it._asked:
            it.fetch("")
        it.say("tea", "cold")
        it.say("egg", "")
        raise NotYet("" if it._last is None else f"The last state that it gave: {_told(it._last)}.", "")


TRY = fair_weather
SCENES = (around, deletions, gaps, batches)
