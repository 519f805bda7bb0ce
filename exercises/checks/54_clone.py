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

from diagrams.recording import Event
from exercises.answer import Call
from exercises.judge import Answer, NotYet, Observed, Scene, TookTooLong, unexpected
from exercises.task import Question
from patterns.clone import HUGZ, ICANHAZ, Server
from patterns.shell import NEVER, Close, Effect, Open, Result, Send, Subscribe

ENTRY = "replica"

GIVEN = '''\
import zmq

from patterns.shell import AT_ONCE, NEVER, Close, Open, Result, Send, Subscribe


class Replica:
    """The core of a replica whose server can also delete. It is to hold to this:

    The stream comes in on a SUB "updates": an update is [key][sequence][value], a sign of life [HUGZ][sequence][], with
    the sequence of the last update. Each update has the next number, and one whose value is empty deletes its key. A
    word that does not follow the one before it shows that something was lost (or that there is a new server).

    A snapshot comes in on a DEALER "snapshots". [ICANHAZ?][sequence][n] asks for the pairs of one from pair n on: with
    n = 0 for one that has this sequence or a higher one, else for that which has just this sequence. What comes back is
    [KVSYNC][sequence][n][key][value]..., and with the last pairs KTHXBAI in place of KVSYNC. It may be the beginning,
    n = 0, of another, newer snapshot, if the server has forgotten the first; then the pairs of that one are void.

    Ask only when the stream has spoken, for a snapshot that is not older than its first word, and again when something
    was lost, for one that is not older than the word that showed it. Until it is there the replica is not complete.
    Give Result(state), a dict, when the state is complete, and each time it changes after that. It has what the server
    has: no state is given that the server did not have, and none that is older than one given before.

    A number is 8 bytes, the high one first. On the DEALER nothing is lost as long as it is open. Whoever plays this
    core calls tick(now) first, and again when `now` has reached `deadline`, and receive(socket, frames, now) for every
    message. Both return a list of effects. After a tick the deadline lies later than `now`.
    """

    def __init__(self, updates, snapshots):
        self.updates, self.snapshots = updates, snapshots
        self.state = {}
        self.sequence = None  # of the state; None while it is not complete
        self.news = []  # what the stream said meanwhile
        self.deadline = AT_ONCE

    def tick(self, now):
        self.deadline = NEVER
        return [
            Open("updates", zmq.SUB, self.updates),
            Subscribe("updates", b""),
            Open("snapshots", zmq.DEALER, self.snapshots),
            self.ask(0, 0),
        ]

    def ask(self, sequence, n):
        return Send("snapshots", [b"ICANHAZ?", sequence.to_bytes(8), n.to_bytes(8)])

    def receive(self, socket, frames, now):
        if socket == "updates":
            key, number, value = frames
            self.news.append((int.from_bytes(number), key, value))
        else:
            word, number, n, *pairs = frames
            self.state.update(zip(pairs[::2], pairs[1::2]))
            if word == b"KVSYNC":
                return [self.ask(int.from_bytes(number), len(self.state))]
            self.sequence = int.from_bytes(number)
        return self.catch_up() if self.sequence is not None else []

    def catch_up(self):
        """Apply what the stream said since the state."""
        for sequence, key, value in self.news:
            if sequence > self.sequence and key != b"HUGZ":
                self.sequence, self.state[key] = sequence, value
        self.news = []
        return [Result(self.state)]


def replica(ctx, updates, snapshots, shell):
    """Give the core to a shell: the checker's, whose clock is a number, or `run` of patterns.shell."""
    shell(ctx, Replica(updates, snapshots))
'''

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


QUESTIONS = {
    "54.1": Question(
        "A replica subscribes, asks for a snapshot at once, and then applies each update that is newer than the "
        "snapshot. How can an update get lost all the same?",
        {
            "a": (
                "It cannot: the subscription was made before the request.",
                "two connections are taken for one order",
            ),
            "b": ("It was made after the snapshot and before the subscription had arrived.", ""),
            "c": (
                "It was made before the snapshot, and the snapshot does not have it.",
                "a snapshot is taken for late",
            ),
        },
        "Subscription and request travel on two connections, and nobody keeps an order between them. The request may "
        "be answered while the subscription is still on its way. The first word of the stream proves that the "
        "subscription has arrived: ask then.",
    ),
    "54.2": Question(
        "A snapshot has the sequence 200. The updates 199, 200, 201 and 202 waited for it. Which of them are to be "
        "applied?",
        {
            "a": ("All four: to set a key twice does no harm.", "an old value is taken for harmless"),
            "b": ("202 only: what is up to 201 is thrown away.", "the Guide's text is one off"),
            "c": ("201 and 202.", ""),
        },
        "A snapshot of sequence 200 has every update up to 200 and no other. The Guide's text throws away 201, too, "
        "and nobody brings that back. An update that is applied again turns its key back to an older value.",
    ),
    "54.3": Question(
        "One update gets lost between a server and a replica that is complete. After that nothing changes any more. "
        "Every half second the server publishes a sign of life with the number of its last update. When does the "
        "replica notice?",
        {
            "a": ("Never: it needs another update to see the gap.", "only updates are taken for the stream"),
            "b": ("At the next sign of life.", ""),
            "c": ("At once: the socket raises an error.", "PUB and SUB are taken for a sure way"),
        },
        "The sign of life names an update that the replica has not heard. Without the number in it the replica would "
        "wait for the next update, which may come tomorrow.",
    ),
    "54.4": Question(
        "A server sends 100,000 pairs at once through a ROUTER, one message each, to a DEALER that does not read yet. "
        "All high-water marks are as they come. What happens?",
        {
            "a": ("All of them wait for the DEALER.", "a queue is taken for endless"),
            "b": ("The ROUTER takes what there is room for, and drops the rest without a word.", ""),
            "c": ("The server's `send` waits until there is room.", "a ROUTER is taken for a PUSH"),
        },
        "A ROUTER drops what it has no room for, as it drops what it cannot route. The last word of the snapshot is "
        "among what is lost, and the client waits for it. Who asks for one batch after the other never has more than "
        "one under way.",
    ),
    "54.5": Question(
        "A server has made two updates and dies. Another one takes its place with another state, counts from 1 again, "
        "and has made two updates, too, before the replica is connected. What does the replica show?",
        {
            "a": ("The new server's state: a new connection brings a new snapshot.", "a connection is taken for news"),
            "b": ("The old server's state, and it takes that for complete.", ""),
            "c": ("Both states, one on top of the other.", "a sequence number is taken for a merge"),
        },
        "The replica knows nothing of connections, and the number that it hears next is the one that it expects. So no "
        "two lives of a server may use the same numbers.",
    ),
}

_SOLUTION = """\
import zmq

from patterns.shell import AT_ONCE, NEVER, Close, Open, Result, Send, Subscribe


class Replica:
    def __init__(self, updates, snapshots):
        self.updates, self.snapshots = updates, snapshots
        self.state, self.sequence, self.complete = {}, 0, False
        self.heard = None  # the last number in the stream
        self.news = []  # updates that wait for the snapshot
        self.wanted, self.pairs = 0, {}  # the snapshot's sequence, and what has come of it
        self.deadline = AT_ONCE

    def tick(self, now):
        self.deadline = NEVER
        return [Open("updates", zmq.SUB, self.updates), Subscribe("updates", b"")]

    def receive(self, socket, frames, now):
        return self.word(*frames) if socket == "updates" else self.batch(*frames)

    def word(self, key, number, value):
        sequence, update = int.from_bytes(number), key != b"HUGZ"
        follows = self.heard is not None and sequence == self.heard + update
        self.heard = sequence
        effects = [] if follows else self.begin(sequence)
        if update:
            self.news.append((sequence, key, value))
        return effects + (self.catch_up() if self.complete and update else [])

    def begin(self, sequence):
        self.complete, self.wanted, self.pairs, self.news = False, sequence, {}, []
        return [Close("snapshots"), Open("snapshots", zmq.DEALER, self.snapshots), self.ask()]

    def ask(self):
        return Send("snapshots", [b"ICANHAZ?", self.wanted.to_bytes(8), len(self.pairs).to_bytes(8)])

    def batch(self, word, number, n, *pairs):
        if int.from_bytes(n) == 0:
            self.wanted, self.pairs = int.from_bytes(number), {}
        self.pairs.update(zip(pairs[::2], pairs[1::2]))
        if word == b"KVSYNC":
            return [self.ask()]
        self.complete, self.state, self.sequence, self.pairs = True, self.pairs, self.wanted, {}
        return self.catch_up()

    def catch_up(self):
        for sequence, key, value in self.news:
            if sequence > self.sequence:
                self.sequence = sequence
                if value:
                    self.state[key] = value
                else:
                    self.state.pop(key, None)
        self.news = []
        return [Result(self.state)]


def replica(ctx, updates, snapshots, shell):
    shell(ctx, Replica(updates, snapshots))
"""


def _changed(*pairs: tuple[str, str], source: str = _SOLUTION) -> str:
    for old, new in pairs:
        if old not in source:
            raise ValueError(f"the bank of {__name__} changes a line that is not there: {old!r}")
        source = source.replace(old, new)
    return source


RECIPE = """\
from patterns.clone import Replica

def replica(ctx, updates, snapshots, shell):
    shell(ctx, Replica(updates, snapshots))
"""

PER_KEY = _changed(
    ("            if sequence > self.sequence:\n", "            if sequence > self.latest.get(key, 0):\n"),
    ("                self.sequence = sequence\n", "                self.latest[key] = sequence\n"),
    ("        self.news = []  # updates", "        self.latest = {}\n        self.news = []  # updates"),
)

WRONG = {
    KEPT: RECIPE,
    f"{KEPT} (2)": _changed(
        (
            "                if value:\n                    self.state[key] = value\n"
            "                else:\n                    self.state.pop(key, None)\n",
            "                self.state[key] = value\n",
        )
    ),
    EARLY: _changed(
        (
            '        return [Open("updates", zmq.SUB, self.updates), Subscribe("updates", b"")]',
            '        return [Open("updates", zmq.SUB, self.updates), Subscribe("updates", b""), *self.begin(0)]',
        ),
        ("self.heard is not None and sequence == self.heard + update", "self.heard in (None, sequence - update)"),
    ),
    NEVER_ASKED: _changed(
        ("        effects = [] if follows else", "        effects = [] if follows or not update else"),
        (
            "        self.heard = sequence\n",
            "        self.heard = sequence if self.heard is not None or update else None\n",
        ),
    ),
    FRAMES: _changed(("self.wanted.to_bytes(8), len(self.pairs).to_bytes(8)]", 'b"%d" % self.wanted]')),
    f"{FRAMES} (2)": _changed(('[b"ICANHAZ?", self', '[b"", b"ICANHAZ?", self')),
    THROWN: _changed(
        ("True, self.pairs, self.wanted, {}\n", "True, self.pairs, self.wanted, {}\n        self.news = []\n")
    ),
    f"{THROWN} (2)": _changed(("        if update:\n", "        if update and self.complete:\n")),
    ONE_OFF: _changed(
        ("True, self.pairs, self.wanted, {}\n", "True, self.pairs, self.wanted, {}\n        self.sequence += 1\n"),
    ),
    AGAIN: _changed(("            if sequence > self.sequence:\n", "            if True:\n")),
    f"{AGAIN} (2)": PER_KEY,
    NO_GAP: _changed(
        (
            "True, self.pairs, self.wanted, {}\n",
            "True, self.pairs, self.wanted, {}\n        self.heard = max(self.heard, self.wanted)\n",
        )
    ),
    NOT_LOST: _changed(
        ("sequence == self.heard + update", "sequence == self.heard + 1"),
    ),
    PASSED_OVER: _changed(
        ("                else:\n                    self.state.pop(key, None)\n", ""),
    ),
    FOR_GOOD: _changed(
        ("                if value:\n", "                if value and key not in self.gone:\n"),
        (
            "                    self.state.pop(key, None)\n",
            "                    self.gone.add(key)\n                    self.state.pop(key, None)\n",
        ),
        ("        self.news = []  # updates", "        self.gone = set()\n        self.news = []  # updates"),
    ),
    CAME_BACK: _changed(
        ("        if update:\n", "        if update and (value or self.complete):\n"),
    ),
    GAP: _changed(
        (
            "self.heard is not None and sequence == self.heard + update",
            "self.heard is not None and sequence >= self.heard",
        ),
    ),
    f"{GAP} (2)": _changed(
        ("self.heard is not None and sequence == self.heard + update", "self.heard is not None"),
    ),
    SIGN: _changed(
        (
            "        self.heard = sequence\n",
            "        follows = follows or (not update and self.heard is not None)\n        self.heard = sequence\n",
        )
    ),
    f"{SIGN} (2)": _changed(
        (
            "        sequence, update = int",
            '        if key == b"HUGZ" and self.heard is not None:\n            return []\n'
            "        sequence, update = int",
        ),
    ),
    SURVIVED: _changed(
        ("= True, self.pairs, self.wanted, {}", "= True, {**self.state, **self.pairs}, self.wanted, {}")
    ),
    DURING: _changed(
        (
            "        self.heard = sequence\n",
            "        follows = follows or not (self.complete or self.heard is None)\n        self.heard = sequence\n",
        )
    ),
    BEFORE: _changed(
        (
            '        return [Close("snapshots"), Open("snapshots", zmq.DEALER, self.snapshots), self.ask()]',
            '        opens = [] if self.state or self.heard_once else [Open("snapshots", zmq.DEALER, self.snapshots)]\n'
            "        self.heard_once = True\n"
            "        return [*opens, self.ask()]",
        ),
        ("        self.news = []  # updates", "        self.heard_once = False\n        self.news = []  # updates"),
    ),
    STALE: _changed(("self.news = False, sequence, {}, []", "self.news = False, sequence, {}, self.news")),
    RESTART: _changed(
        (
            "        self.heard = sequence\n",
            "        if self.heard is not None and sequence <= self.heard:\n            return []\n"
            "        self.heard = sequence\n",
        ),
    ),
    OLD: _changed(
        (
            "self.complete, self.wanted, self.pairs, self.news = False, sequence,",
            "self.complete, self.wanted, self.pairs, self.news = False, 0,",
        )
    ),
    FIRST: _changed(
        (
            '        if word == b"KVSYNC":\n            return [self.ask()]\n',
            '        more = [self.ask()] if word == b"KVSYNC" else []\n',
        ),
        (
            "        return self.catch_up()\n\n    def catch",
            "        return [*more, *self.catch_up()]\n\n    def catch",
        ),
        (
            "self.pairs = True, self.pairs, self.wanted, {}",
            "self.pairs = True, self.pairs, self.wanted, dict(self.pairs)",
        ),
    ),
    NEXT: _changed(("            return [self.ask()]\n", "            return []\n")),
    MIXED: _changed(("self.wanted, self.pairs = int.from_bytes(number), {}", "self.wanted = int.from_bytes(number)")),
    HUGGED: _changed(
        ("        if update:\n", "        if True:\n"),
        ("if self.complete and update", "if self.complete"),
        ("            if sequence > self.sequence:\n", "            if sequence >= self.sequence:\n"),
        ("                if value:\n", '                if value or key == b"HUGZ":\n'),
    ),
    SHOWN: _changed(
        ("        return self.catch_up()\n\n    def catch", "        return self.catch_up()[:0]\n\n    def catch")
    ),
    NOT_PLAYED: _changed(("    shell(ctx, Replica(updates, snapshots))", "    Replica(updates, snapshots)")),
}

RIGHT = {
    "the recipe's core, which keeps empty values and does not show them": """\
from patterns import clone
from patterns.shell import Result

class Replica(clone.Replica):
    def receive(self, socket, frames, now):
        for effect in super().receive(socket, frames, now):
            if isinstance(effect, Result):
                effect = Result({key: value for key, value in effect.value.items() if value})
            yield effect

def replica(ctx, updates, snapshots, shell):
    shell(ctx, Replica(updates, snapshots))
""",
    "one DEALER for ever, and of the words that wait the last for each key": """\
import zmq
from patterns.shell import AT_ONCE, NEVER, Open, Result, Send, Subscribe

class Replica:
    def __init__(self, updates, snapshots):
        self.ends, self.deadline = (updates, snapshots), AT_ONCE
        self.state, self.at = None, -1
        self.heard, self.since = None, 0
        self.latest = {}
        self.fetched, self.pairs = None, []

    def tick(self, now):
        self.deadline = NEVER
        yield Open("updates", zmq.SUB, self.ends[0])
        yield Subscribe("updates", b"")
        yield Open("snapshots", zmq.DEALER, self.ends[1])

    def receive(self, socket, frames, now):
        number = int.from_bytes(frames[1])
        if socket == "snapshots":
            yield from self.fetch(frames[0], number, int.from_bytes(frames[2]), frames[3:])
            return
        key, _, value = frames
        step = 0 if key == b"HUGZ" else 1
        if self.heard is None or number - step != self.heard:
            self.since, self.state, self.fetched, self.pairs, self.latest = number, None, None, [], {}
            yield Send("snapshots", [b"ICANHAZ?", frames[1], bytes(8)])
        self.heard = number
        if step:
            self.latest[key] = number, value
            if self.state is not None:
                yield from self.apply(key)

    def fetch(self, word, number, first, pairs):
        if number < self.since or self.state is not None:
            return
        if first == 0:
            self.fetched, self.pairs = number, []
        if (number, 2 * first) != (self.fetched, len(self.pairs)):
            return
        self.pairs += pairs
        if word == b"KVSYNC":
            yield Send("snapshots", [b"ICANHAZ?", number.to_bytes(8), (len(self.pairs) // 2).to_bytes(8)])
            return
        self.state, self.at = dict(zip(self.pairs[::2], self.pairs[1::2])), number
        for key in list(self.latest):
            list(self.apply(key))
        yield Result(dict(self.state))

    def apply(self, key):
        number, value = self.latest.pop(key)
        if number > self.at:
            if value:
                self.state[key] = value
            elif key in self.state:
                del self.state[key]
            yield Result(dict(self.state))

def replica(ctx, updates, snapshots, shell):
    shell(ctx, Replica(updates, snapshots))
""",
}
