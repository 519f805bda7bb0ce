# SPDX-License-Identifier: BSD-3-Clause
"""One task of a client after the other, wherever it is carried out, and whoever dies."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import zmq

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, Clock, played
from exercises.scene import NotYet, Raised, Scene
from patterns.shell import NEVER

ENTRY = "desk"

HINTS = (
    "Two things are missing in what is given: nobody notices that a peer is silent, and nobody asks whether a task's "
    "client still waits for an earlier one. Which line decides what is sent next?",
    "Let the line be all tasks that are not answered, in the order in which they came, and remember of each which peer "
    "has it. Going through them, which task of a client is the only one that may be sent?",
    "In `hand_out`, go through the tasks with a set of clients that you have met: of each, the first may be sent, if "
    "nobody has it. When a peer is gone, write down that nobody has its tasks, give it no room, and hand out again.",
)
VARIANT = "let a client say how many of its tasks may be under way at once; one is what you have built."
LIMIT = "a task may be carried out twice, and where it is, the second time may be after the client's next task."
WHY = "which line of yours keeps a client's second task waiting while its first one is sent for the second time?"

LABELS = {
    (ORDER := "two tasks of one client were under way at once"): "until when does a client's second task wait?",
    (LINE := "one client's tasks kept another client's waiting"): "what happens behind a task that has to wait?",
    (ROTATED := "a task that was taken back lost its place"): "which task came first, also when its peer dies?",
    (FREED := "a client's next task overtook one that was taken back"): "is a task answered when its peer is gone?",
    (KEPT := "what a peer had that is gone was not sent again"): "what do you know of a task whose peer is gone?",
    (BELIEVED := "a task was sent to a peer that is gone"): "how much room has a peer that is silent for so long?",
    (COUNT := "what a peer was sent was not counted down"): "how much room is left when you have sent something?",
    (ADDS := "a peer's word was added to the one before"): "does a word say how many more are free, or how many?",
    (GAVE := "a result was taken for room"): "who says how many workers of a peer are free?",
    (YOUNG := "a result was taken for a peer's word"): "what exactly shows that a peer is not gone?",
    (LATE := "the result of a peer that is gone was not taken"): "what tells to which task a result belongs?",
    (TWICE := "a task was answered twice"): "what is left of a task when it has been answered?",
    (CHOICE := "a task went to another peer than it should"): "which peer has the most room, and which of two?",
    (STUCK := "a task that might have been sent was not sent"): "after which events may there be something to send?",
    (OLDEST := "a newer task was sent before an older one"): "which of the tasks that may be sent came first?",
    (SENT := "a task was sent that should not have been"): "which task may be sent now, and to whom?",
    (TOLD := "a client was not told its result"): "to whom does a result go, and as which frames?",
    (ELSE := "a client was told something else than its result"): "which result is it, and what stands before it?",
    (EARLY := "a peer was taken for gone too early"): "from when does a peer's silence count?",
    (ASLEEP := "it was not awake when a peer's time came"): "which of your times is next, and when do you ask?",
    (NUMBER := "a number was used for two tasks, or a task had two"): "who makes up the number of a task, and when?",
    (FRAMES := "a message was sent that is none"): "which frames does a message have, on which of the sockets?",
    (SOCKETS := "the sockets are not those of the contract"): "which three does the first tick open, and where?",
    (ODD := "a message that is none was taken for one"): "how many frames has each kind, and which are empty?",
    (BROKE := "a message that is none ended the core"): "what does your core do with other frames, or no digits?",
    NOT_LATER: "what is still to be done at that time, after the tick?",
    TOO_OFTEN: "which of all the times that you keep is the next, and what is there to do before it?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

EQUIVALENT = {
    "line 19, swap: (self.room, self.heard)": "both are empty",
    "line 20, less: 0": "numbers may begin anywhere",
    "line 35, more: 1": "numbers need not follow each other",
}

CLIENTS = "inproc://clients"


class Fact(NamedTuple):
    """What was done: a task sent to a peer, or a client told a result."""

    kind: str
    who: bytes
    what: bytes

    def __str__(self) -> str:
        return f"{self.what!r} {self.kind} {self.who!r}"


@dataclass
class Task:
    client: bytes
    body: bytes
    peer: bytes = b""
    free: bool = False  # whether its client's next task may be sent, too


class Model:
    """What the contract asks for; or, with a flaw, what a misconception does. `flaw` is its label."""

    def __init__(self, gone: float, asked: dict[bytes, bytes], flaw: str = "") -> None:
        self.gone, self.asked, self.flaw, self.facts = gone, asked, flaw, list[Fact]()
        self.tasks, self.room, self.heard = dict[bytes, Task](), dict[bytes, int](), dict[bytes, float]()
        self.now = 0.0

    @property
    def due(self) -> float:
        return min((heard + self.gone for heard in self.heard.values()), default=NEVER)

    def ask(self, client: bytes, body: bytes) -> None:
        self.tasks[body] = Task(client, body)
        self.hand_out()

    def word(self, peer: bytes, room: int) -> None:
        self.room[peer] = room + (self.room.get(peer, 0) if self.flaw == ADDS else 0)
        self.heard[peer] = self.heard.get(peer, self.now) if self.flaw == EARLY else self.now
        self.hand_out()

    def result(self, peer: bytes, body: bytes) -> None:
        if self.flaw == GAVE:
            self.room[peer] = self.room.get(peer, 0) + 1
        if self.flaw == YOUNG and peer in self.heard:
            self.heard[peer] = self.now
        task = self.tasks.get(body)
        if task and not (self.flaw == LATE and task.peer != peer):
            del self.tasks[body]
            self.facts.append(Fact("told", task.client, body.upper()))
        elif self.flaw == TWICE:
            self.facts.append(Fact("told", self.asked[body], body.upper()))
        if self.flaw != STUCK:
            self.hand_out()

    def tick(self, now: float) -> None:
        self.now = now
        for peer in [peer for peer, heard in self.heard.items() if now >= heard + self.gone]:
            del self.heard[peer]
            if self.flaw != BELIEVED:
                self.room[peer] = 0
            for task in [task for task in self.tasks.values() if task.peer == peer and self.flaw != KEPT]:
                task.peer, task.free = b"", self.flaw == FREED
                if self.flaw == ROTATED:
                    self.tasks[task.body] = self.tasks.pop(task.body)
        self.hand_out()

    def hand_out(self) -> None:
        met = set[bytes]()
        for task in list(self.tasks.values()):
            first = task.client not in met or self.flaw == ORDER
            met |= set() if task.free else {task.client}
            peers = [peer for peer, room in sorted(self.room.items()) if room > 0]
            if first and peers and not task.peer:
                peer = peers[0] if self.flaw == CHOICE else max(peers, key=self.room.__getitem__)
                self.room[peer] -= self.flaw != COUNT
                task.peer = peer
                self.facts.append(Fact("sent to", peer, task.body))
            elif self.flaw == LINE and not task.peer:
                break


FLAWS = (ORDER, LINE, EARLY, YOUNG, ROTATED, FREED, KEPT, BELIEVED, COUNT, ADDS, GAVE, LATE, TWICE, CHOICE, STUCK)


class Town(Clock):
    """Plays the answer's core, its clients and its peers; compares what it does with the model, at once."""

    def __init__(self, scene: Scene, names: Sequence[bytes], gone: float, *how: Any) -> None:
        self.names = names  # of peers
        self.asked: dict[bytes, bytes] = {}  # task: client
        self.models = [Model(gone, self.asked, flaw) for flaw in ("", *FLAWS)]
        self.model, self.did = self.models[0], list[Fact]()
        self.numbers: dict[bytes, bytes] = {}  # task: number
        self.opened, self.subscribed, self.judged = list[tuple[Any, ...]](), False, True
        self.event: Event | None = None  # the last that somebody said
        super().__init__(scene, *how)
        self.until(0.0)
        wanted = [("clients", int(zmq.ROUTER), CLIENTS, True)]
        for name in names:
            wanted += [("state", int(zmq.SUB), _at(name, "state"), False)]
            wanted += [("peers", int(zmq.ROUTER), _at(name, "cloud"), False)]
        if sorted(self.opened) != sorted(wanted) or not self.subscribed:
            raise NotYet(SOCKETS, f"After the first tick these were open: {self.opened!r}.")

    def effect(self, kind: str, *what: Any) -> None:
        match kind, what:
            case "open", _:
                self.opened.append(what)
            case "subscribe", ("state", b""):
                self.subscribed = True
            case "send", ("clients", [bytes(client), b"", bytes(result)]):
                self._says("ROUTER", what[1], Fact("told", client, result))
            case "send", ("peers", [bytes(peer), b"", bytes(number), b"", bytes(task)]) if number:
                self._numbered(task, number)
                self._says("ROUTER 2", what[1], Fact("sent to", peer, task))
            case _:
                raise NotYet(FRAMES, f"At {self.now:g} s it did this: {kind} {what!r}.", self.event)

    def _says(self, socket: str, frames: list[bytes], fact: Fact) -> None:
        self.event = self.says(ENTRY, socket, frames)
        if fact.who in {*self.asked.values(), *self.names}:
            self.write(fact.who.decode(), "receive", "DEALER", frames[1:], ENTRY, socket)
        self.did.append(fact)

    def _numbered(self, task: bytes, number: bytes) -> None:
        known = self.numbers.setdefault(task, number)
        if known != number or list(self.numbers.values()).count(number) > 1:
            others = [each for each, had in self.numbers.items() if had == number and each != task]
            raise NotYet(
                NUMBER, f"{task!r} was sent as number {number!r}; before, {others or known!r} was.", self.event
            )

    def pass_time(self, until: float) -> None:
        """Ticks, when the answer wants them; the model ticks when it has to."""
        while min(self.deadline, self.model.due) <= until:
            due, self.now = self.model.due, max(self.now, min(self.deadline, self.model.due))
            if self.deadline <= due:
                for model in self.models:
                    model.tick(self.now)
                self.tick()
                self._compare(EARLY if self.now < due else KEPT)
            else:
                for model in self.models:
                    model.tick(due)
                if Counter(self.did) != Counter(self.model.facts):
                    self._do("tick")  # what would it have done?
                    self._compare(KEPT)
                    raise NotYet(ASLEEP, f"At {due:g} s a peer was gone, and your deadline was {self.deadline:g} s.")
        self.now = until
        for model in self.models:
            model.now = until

    def play(self, unit: float, *steps: tuple[Any, ...]) -> None:
        """(when, "ask", client, task), (when, "word", peer, room), (when, "done", task[, peer]), (when, "odd", ...)."""
        for when, what, *rest in steps:
            self.pass_time(when * unit)
            if what == "ask":
                self.asked[rest[1]] = rest[0]
                self._hears("clients", rest[0].decode(), [rest[0], b"", rest[1]])
                self._model("ask", *rest)
            elif what == "word":
                self._hears("state", rest[0].decode(), [rest[0], b"%d" % rest[1]])
                self._model("word", *rest)
            elif what == "done":
                [task, peer] = rest if rest[1:] else [rest[0], self.model.tasks[rest[0]].peer]
                self._hears("peers", peer.decode(), [peer, b"", self.numbers[task], b"", task.upper()])
                self._model("result", peer, task)
            else:
                self._odd(*rest)
            self._compare(STUCK if what == "done" else SENT)

    def _model(self, what: str, *rest: Any) -> None:
        for model in self.models:
            getattr(model, what)(*rest)

    def _hears(self, socket: str, who: str, frames: Sequence[bytes]) -> None:
        title = {"clients": "ROUTER", "peers": "ROUTER 2", "state": "SUB"}[socket]
        mine = "XPUB" if socket == "state" else "DEALER"
        self.event = self.says(who, mine, frames if socket == "state" else frames[1:])
        self.write(ENTRY, "receive", title, frames, who, mine)
        self.receive(socket, frames)

    def _odd(self, socket: str, *frames: bytes) -> None:
        before = len(self.did)
        try:
            self._hears(socket, "stranger", frames)
        except NotYet:
            raise
        except Raised as error:
            raise NotYet(BROKE, f"{[*frames]!r} came on {socket!r}. {error}", self.event) from None
        if self.did[before:]:
            raise NotYet(ODD, f"{[*frames]!r} came on {socket!r}, and this was done: {_list(self.did[before:])}.")

    def _compare(self, why: str) -> None:
        """What was done up to now must be what the model did."""
        did, wanted = Counter(self.did), Counter(self.model.facts)
        if not self.judged or did == wanted:
            return
        missing, extra = list((wanted - did).elements()), list((did - wanted).elements())
        happened = f"At {self.now:g} s this was to be done: {_list(missing)}. This was done instead: {_list(extra)}."
        fit = [model.flaw for model in self.models if Counter(model.facts) == did]
        raise NotYet(fit[0] if fit else self._label(why, missing, extra), happened, self.event)

    def _label(self, why: str, missing: list[Fact], extra: list[Fact]) -> str:
        if any(fact.kind == "told" for fact in missing + extra):
            return ELSE if extra else TOLD
        if missing and extra:
            return CHOICE if {fact.what for fact in missing} == {fact.what for fact in extra} else OLDEST
        return why if why in (EARLY, KEPT) else SENT if extra else STUCK


def _list(facts: Sequence[Fact]) -> str:
    return " and ".join(map(str, facts)) or "nothing"


def _at(name: bytes, socket: str) -> str:
    return f"inproc://{name.decode()}-{socket}"


GONE = 4  # units


def _names(scene: Scene, peers: int, clients: int, tasks: int) -> tuple[list[bytes], list[bytes], list[bytes]]:
    words = scene.words(peers + clients + tasks)
    return sorted(words[:peers]), words[peers : peers + clients], words[peers + clients :]


def _play(scene: Scene, peers: Sequence[bytes], *steps: tuple[Any, ...], judged: bool = True) -> None:
    unit = scene.random.choice((0.5, 1.0, 2.0, 4.0))
    places = [_at(name, "state") for name in peers], [_at(name, "cloud") for name in peers]
    with played(scene, lambda shell: Call((CLIENTS, *places, GONE * unit, shell))) as (answer, [line]):
        town = Town(scene, peers, GONE * unit, answer, line)
        town.judged = judged
        town.play(unit, *steps)
        town.pass_time(40 * unit)


def in_turn(scene: Scene) -> None:
    """clients with several tasks each, and a peer with much room"""
    [p], [ann, bob, eve], [a1, a2, a3, b1, b2, e1] = _names(scene, 1, 3, 6)
    steps = [(0.5, "ask", ann, a1), (0.625, "ask", ann, a2), (0.75, "ask", bob, b1), (1.0, "word", p, 9)]
    steps += [(1.25, "ask", ann, a3), (1.5, "done", a1), (1.75, "ask", eve, e1), (2.0, "ask", bob, b2)]
    steps += [(2.25, "done", a2), (2.5, "done", e1), (2.75, "done", b1), (3.0, "done", a3), (3.25, "done", b2)]
    _play(scene, [p], *steps)


def little_room(scene: Scene) -> None:
    """peers with little room"""
    [p, q, r], who, what = _names(scene, 3, 11, 13)
    steps = [(0.25, "word", r, 1), (0.5, "word", p, 2), (0.75, "word", q, 3), (1.0, "ask", who[0], what[0])]
    steps += [(1.0625, "word", q, 1)]
    steps += [(1.125 + i / 16, "ask", who[i], what[i]) for i in range(1, 7)]  # four of them find room
    steps += [(1.75, "done", what[0]), (2.0, "word", q, 1), (2.25, "ask", who[7], what[7])]
    steps += [(2.5, "ask", who[6], what[8]), (2.75, "word", r, 2), (2.875, "word", p, 0), (3.0, "done", what[6])]
    steps += [(3.25, "ask", who[8], what[9]), (3.375, "ask", who[0], what[12]), (3.5, "word", p, 1)]
    steps += [(3.75, "word", p, 2), (3.875, "word", p, 2), (3.9375, "word", p, 1)]
    _play(scene, [p, q, r], *steps, (4.0, "ask", who[9], what[10]), (4.25, "ask", who[10], what[11]))


def silence(scene: Scene) -> None:
    """a peer that falls silent with tasks in its hands"""
    [p, q], [ann, bob, eve], [a1, a2, b1, e1, e2] = _names(scene, 2, 3, 5)
    steps = [(0.5, "word", p, 3), (1.5, "word", p, 3), (1.75, "ask", ann, a1), (2.0, "ask", ann, a2)]
    steps += [(2.25, "ask", bob, b1), (4.75, "word", p, 1), (5.0, "word", q, 0), (6.5, "ask", eve, e1)]
    steps += [(6.75, "ask", eve, e2), (7.5, "word", q, 0)]  # p is gone at 8.75
    steps += [(9.5, "word", q, 1), (10.0, "word", q, 1), (11.0, "done", a1), (11.5, "word", q, 1), (12.0, "word", q, 4)]
    steps += [(12.25, "done", b1), (13.0, "word", p, 2), (13.25, "done", a2)]
    _play(scene, [p, q], *steps)


def room_elsewhere(scene: Scene) -> None:
    """a peer that is gone while another has room"""
    [p, q], [ann, bob], [a1, a2, b1, b2] = _names(scene, 2, 2, 4)
    steps = [(0.5, "word", p, 3), (0.75, "ask", ann, a1), (1.0, "ask", bob, b1), (1.5, "ask", ann, a2)]
    steps += [(3.0, "word", q, 1), (6.0, "word", q, 3), (6.5, "done", a1), (7.0, "ask", bob, b2), (7.5, "done", b1, p)]
    _play(scene, [p, q], *steps)


def late(scene: Scene) -> None:
    """results of peers that are gone"""
    [p, q], [ann, bob, eve], [a1, a2, b1, e1] = _names(scene, 2, 3, 4)
    steps = [(0.5, "word", p, 3), (0.75, "ask", ann, a1), (1.0, "ask", bob, b1), (1.25, "ask", eve, e1)]
    steps += [(1.5, "ask", ann, a2), (2.0, "word", q, 1), (4.0, "done", e1), (5.25, "word", q, 1)]  # p is gone at 4.5
    steps += [(5.5, "done", a1, p), (6.0, "word", q, 1), (6.25, "done", a1, q), (6.5, "done", b1, p)]
    steps += [(6.75, "word", q, 1), (7.0, "done", a2), (7.25, "done", a2, q), (8.0, "word", p, 1), (8.25, "word", q, 1)]
    _play(scene, [p, q], *steps)


def odd(scene: Scene) -> None:
    """messages that are none"""
    [p], [ann, bob], [a1, a2, b1] = _names(scene, 1, 2, 3)
    none = [("clients", ann), ("clients", ann, b""), ("clients", ann, a1), ("clients", ann, b"", a1, b"")]
    none += [("state", p), ("state", p, b""), ("state", p, b"-1"), ("state", p, b"9", b""), ("state", p, b"1234567")]
    none += [("state", p, "٣".encode()), ("state", p, b" 1"), ("peers", p), ("peers", p, b""), ("peers", p, b"", b"x")]
    none += [("peers", p, b"", b"no such number", b"", b1), ("peers", p, b"", b"", b"", b1)]
    steps = [(0.5, "ask", ann, a1), *((0.75 + i / 64, "odd", *each) for i, each in enumerate(none))]
    steps += [(1.5, "word", p, 2), *((1.75 + i / 64, "odd", *each) for i, each in enumerate(none))]
    steps += [(2.5, "ask", bob, b1), (2.75, "done", a1), (3.0, "word", p, 1), (3.5, "ask", ann, a2), (3.75, "done", b1)]
    _play(scene, [p], *steps)


def fair_weather(scene: Scene) -> None:
    """two clients and a peer"""
    steps = [(0.5, "word", b"B", 3), (1.0, "ask", b"ann", b"tea"), (1.25, "ask", b"ann", b"rum")]
    _play(scene, [b"B"], *steps, (1.5, "ask", b"bob", b"ale"), judged=False)


TRY = fair_weather
SCENES = (in_turn, little_room, odd, room_elsewhere, silence, late)
