# SPDX-License-Identifier: BSD-3-Clause
"""One task of a client after the other, wherever it is carried out, and whoever dies."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    (ANY := "a result was taken from a peer that was not sent the task"): "whose result of a task may count?",
    (REPEAT := "a task that repeats another one was not carried out"): "how many tasks are two with the same text?",
    (TWICE := "a task was answered twice"): "what is left of a task when it has been answered?",
    (CHOICE := "a task went to another peer than it should"): "which peer has the most room, and which of two?",
    (STUCK := "a task that might have been sent was not sent"): "after which events may there be something to send?",
    (OLDEST := "a newer task was sent before an older one"): "which of the tasks that may be sent came first?",
    (SENT := "a task was sent that should not have been"): "which task may be sent now, and to whom?",
    (TOLD := "a client was not told its result"): "to whom does a result go, and as which frames?",
    (ELSE := "a client was told something else than its result"): "which result is it, and what stands before it?",
    (EARLY := "a peer was taken for gone too early"): "from when does a peer's silence count?",
    (TAKEN := "a task was taken back from a peer that is not gone"): "what alone costs a peer the tasks that it has?",
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


@dataclass(eq=False)
class Task:
    client: bytes
    body: bytes
    peer: bytes = b""
    sent: set[bytes] = field(default_factory=set)
    free: bool = False  # whether its client's next task may be sent, too


class Model:
    """What the contract asks for; or, with a flaw, what a misconception does. `flaw` is its label."""

    def __init__(self, gone: float, asked: dict[bytes, bytes], flaw: str = "") -> None:
        self.gone, self.asked, self.flaw, self.facts = gone, asked, flaw, list[Fact]()
        self.tasks, self.room, self.heard = list[Task](), dict[bytes, int](), dict[bytes, float]()

    @property
    def due(self) -> float:
        return min((heard + self.gone for heard in self.heard.values()), default=NEVER)

    def open(self, body: bytes) -> Task | None:
        """The oldest task of this text that is not answered."""
        return next((task for task in self.tasks if task.body == body), None)

    def ask(self, now: float, client: bytes, body: bytes) -> None:
        self.tasks.append(Task(client, body))
        self.hand_out()

    def word(self, now: float, peer: bytes, room: int) -> None:
        self.room[peer] = room + (self.room.get(peer, 0) if self.flaw == ADDS else 0)
        self.heard[peer] = self.heard.get(peer, now) if self.flaw == EARLY else now
        self.hand_out()

    def result(self, now: float, peer: bytes, body: bytes) -> None:
        if self.flaw == GAVE:
            self.room[peer] = self.room.get(peer, 0) + 1
        if self.flaw == YOUNG and peer in self.heard:
            self.heard[peer] = now
        task = self.open(body)
        if task and (self.flaw == ANY or peer in ({task.peer} if self.flaw == LATE else task.sent)):
            self.tasks.remove(task)
            self.facts.append(Fact("told", task.client, body.upper()))
        elif self.flaw == TWICE and not task:
            self.facts.append(Fact("told", self.asked[body], body.upper()))
        self.hand_out()

    def odd(self, now: float, who: bytes) -> None:
        if self.flaw == ODD and who in self.heard:
            self.heard[who] = now

    def tick(self, now: float) -> None:
        for peer in [peer for peer, heard in self.heard.items() if now >= heard + self.gone]:
            del self.heard[peer]
            self.room[peer] = 0
            for task in [task for task in self.tasks if task.peer == peer and self.flaw != KEPT]:
                task.peer, task.free = b"", self.flaw == FREED
                if self.flaw == ROTATED:
                    self.tasks.remove(task)
                    self.tasks.append(task)
        self.hand_out()

    def hand_out(self) -> None:
        met = set[bytes]()
        for task in self.tasks:
            first = task.client not in met or self.flaw == ORDER
            met |= set() if task.free else {task.client}
            peers = [peer for peer, room in sorted(self.room.items()) if room > 0]
            if first and peers and not task.peer:
                peer = peers[0] if self.flaw == CHOICE else max(peers, key=self.room.__getitem__)
                self.room[peer] -= self.flaw != COUNT
                task.peer = peer
                task.sent.add(peer)
                self.facts.append(Fact("sent to", peer, task.body))
            elif self.flaw == LINE and not task.peer:
                break


FLAWS = (EARLY, ORDER, LINE, YOUNG, ODD, ROTATED, FREED, KEPT, COUNT, ADDS, GAVE, LATE, ANY, TWICE, CHOICE)


class Town(Clock):
    """Plays the answer's core, its clients and its peers; compares what it does with the model, at once."""

    def __init__(self, scene: Scene, names: Sequence[bytes], gone: float, *how: Any) -> None:
        self.names = names  # of peers
        self.asked, self.numbers = dict[bytes, bytes](), dict[bytes, list[bytes]]()  # of each text: client; numbers
        self.models = [Model(gone, self.asked, flaw) for flaw in ("", *FLAWS)]
        self.model, self.did = self.models[0], list[Fact]()
        self.opened, self.subscribed, self.judged = list[tuple[Any, ...]](), False, True
        self.event: Event | None = None  # the last that somebody said
        super().__init__(scene, *how)
        self.until(0.0)
        wanted = [("state", int(zmq.SUB), _at(name, "state"), False) for name in names]
        wanted += [("peers", int(zmq.ROUTER), _at(name, "cloud"), False) for name in names]
        wanted += [("clients", int(zmq.ROUTER), CLIENTS, True)]
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
        known = self.numbers.setdefault(task, [])
        if number not in known and len(known) <= self._told(task):
            known.append(number)
        if known[-1] != number or sum(number in each for each in self.numbers.values()) > 1:
            others = [each for each, had in self.numbers.items() if number in had and had is not known]
            happened = f"{task!r} was sent as number {number!r}; before, {others or known[-1]!r} was."
            raise NotYet(NUMBER, happened, self.event)

    def _told(self, task: bytes) -> int:
        """How often its client was told the result of this text."""
        return self.did.count(Fact("told", self.asked.get(task, b""), task.upper()))

    def pass_time(self, until: float) -> None:
        """Ticks, when the answer wants them; the model ticks when it has to."""
        while min(self.deadline, self.model.due) <= until:
            due, wanted = self.model.due, self.deadline
            self.now = max(self.now, min(wanted, due))
            self._model("tick")
            if wanted <= due:
                self.tick()
                self._compare(EARLY if self.now < due else KEPT)
            elif Counter(self.did) != Counter(self.model.facts):
                self._do("tick")  # what would it have done?
                self._compare(KEPT)
                raise NotYet(ASLEEP, f"At {due:g} s a peer was gone, and your deadline was {wanted:g} s.")
        self.now = until
        self._model("tick")  # those with a flaw have other times

    def play(self, unit: float, script: str, name: Mapping[str, bytes]) -> None:
        for when, what in re.findall(r"([\d.]+) ([^ ,]+)", script):
            self.pass_time(float(when) * unit)
            match re.split("([=!?])", what):
                case ["", "?", socket]:
                    self._odd(socket, name)
                case [peer, "=", room]:
                    self._hears("state", name[peer], b"%d" % int(room))
                    self._model("word", name[peer], int(room))
                case [task, "!", who]:
                    body, held = name[task], self.model.open(name[task])
                    peer = name.get(who) or (held.peer if held else b"")
                    self._hears("peers", peer, b"", self.numbers[body][-1], b"", body.upper())
                    self._model("result", peer, body)
                case [task]:
                    client, body = name[task[0]], name[task]
                    self.asked[body] = client
                    self._hears("clients", client, b"", body)
                    self._model("ask", client, body)
            self._compare(STUCK if "!" in what else SENT)

    def _model(self, what: str, *rest: Any) -> None:
        for model in self.models:
            getattr(model, what)(self.now, *rest)

    def _hears(self, socket: str, who: bytes, *rest: bytes) -> None:
        title = {"clients": "ROUTER", "peers": "ROUTER 2", "state": "SUB"}[socket]
        mine = "XPUB" if socket == "state" else "DEALER"
        self.event = self.says(who.decode(), mine, (who, *rest) if socket == "state" else rest)
        self.write(ENTRY, "receive", title, (who, *rest), who.decode(), mine)
        self.receive(socket, (who, *rest))

    def _odd(self, socket: str, name: Mapping[str, bytes]) -> None:
        x, number, who = name["x"], self.numbers.get(name["a1"], [b""])[-1], name["b" if socket == "clients" else "p"]
        if socket == "state":
            words = b"", b"-1", b"+5", b"1_0", b" 1", b"5\n", b"1234567", "٣".encode()
            forms = [[], [b"9", b""], *([word] for word in words)]
        elif socket == "clients":
            forms = [[], [b""], [x], [b"?", x], [x, b""], [b"", x, b""]]
        else:
            forms = [[], [b""], [x], [b"", x], [b"", number], [b"", number, b""], [number, x], [b"", number, x]]
            forms += [[number, b"", x], [b"?", number, b"", x], [b"", number, b"?", x], [b"", number, b"", x, b""]]
            forms += [[b"", x, b"", x], [b"", b"", b"", x]]
        for form in forms:
            before, came = len(self.did), f"{[who, *form]!r} came on {socket!r}"
            try:
                self._hears(socket, who, *form)
            except Raised as error:
                raise NotYet(BROKE, f"{came}. {error}", self.event) from None
            if self.did[before:]:
                raise NotYet(ODD, f"{came}, and this was done: {_list(self.did[before:])}.", self.event)
        self._model("odd", who)

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
        if any(fact.kind == "sent to" and self._told(fact.what) for fact in missing):
            return REPEAT
        if any(fact.kind == "told" for fact in missing + extra):
            return ELSE if extra else TOLD
        if any(fact.who in {*self.model.room} - {*self.model.heard} for fact in extra):
            return BELIEVED
        lacks, more = {fact.what for fact in missing}, {fact.what for fact in extra}
        if why != EARLY and any(task.peer for task in self.model.tasks if task.body in more - lacks):
            return TAKEN
        if missing and extra:
            return CHOICE if lacks == more else OLDEST
        return why if why in (EARLY, KEPT) else SENT if extra else STUCK


def _list(facts: Sequence[Fact]) -> str:
    return " and ".join(map(str, facts)) or "nothing"


def _at(name: bytes, socket: str) -> str:
    return f"inproc://{name.decode()}-{socket}"


GONE = 4  # units


def _play(scene: Scene, script: str, name: Mapping[str, bytes] | None = None) -> None:
    """Play what happens, each with its time in units: `p=3` a word of peer p; `a2` a task of client a, the same text
    where it comes again; `a2!` its result from the peer that has it, `a2!q` from q; `?state` all that is no message
    there. `e9` is empty. With names nothing is judged."""
    keys = sorted({*re.findall(r"[a-z]\d?", script), *re.findall(r"([a-z])\d", script), "x"})
    peers = [peer for peer in "pqr" if f"{peer}=" in script]
    words = scene.words(len(keys))
    drawn = sorted(words[: len(peers)]) + words[len(peers) :]
    others = [key for key in keys if key not in peers]
    names = name or dict(zip(peers + others, drawn, strict=True)) | {"e9": b""}
    unit = scene.random.choice((0.5, 1.0, 2.0, 4.0))
    places = [_at(names[peer], "state") for peer in peers], [_at(names[peer], "cloud") for peer in peers]
    with played(scene, lambda shell: Call((CLIENTS, *places, GONE * unit, shell))) as (answer, [line]):
        town = Town(scene, [names[peer] for peer in peers], GONE * unit, answer, line)
        town.judged = not name
        town.play(unit, script, names)
        town.pass_time(40 * unit)


def in_turn(scene: Scene) -> None:
    """clients with several tasks each, the same ones again, and a peer with much room"""
    script = "0.125 p=2, 0.1875 a0, 0.25 a0!, 0.3125 b0, 0.375 b0!, 0.4375 p=0, 0.5 a1, 0.625 a2, 0.75 b1, 1 p=9, "
    script += "1.25 a3, 1.5 a1!, 1.75 e9, 2 b2, 2.25 a2!, 2.5 e9!, 2.75 b1!, 3 a3!, 3.25 b2!, "
    _play(scene, script + "3.5 c1, 3.625 c1, 3.75 c1!, 3.875 c1!, 4 c1, 4.25 c1!")


def little_room(scene: Scene) -> None:
    """peers with little room"""
    script = "0.25 r=1, 0.5 p=2, 0.75 q=3, 1 a1, 1.0625 q=1, 1.125 b1, 1.1875 c1, 1.25 d1, 1.3125 e1, 1.375 f1, "
    script += "1.4375 g1, 1.75 a1!, 2 q=1, 2.25 h1, 2.5 g2, 2.75 r=2, 2.875 p=0, 3 g1!, 3.25 i1, 3.375 a2, 3.5 p=1, "
    _play(scene, script + "3.75 p=2, 3.875 p=2, 3.9375 p=1, 4 j1, 4.25 k1")  # of b1 to g1 four find room


def back(scene: Scene) -> None:
    """the only peer, which falls silent with a task in its hands and comes back"""
    script = "0.5 p=2, 1 a1, 1.5 a2, 6 p=1, 7 b1, 11 p=2, 11.5 a1!, 12 p=1, 12.5 b1!, 12.75 a2!, 13 p=2, 18 e1, 19 p=1"
    _play(scene, script)  # it is gone at 4.5, at 10, and at 17


def silence(scene: Scene) -> None:
    """a peer that falls silent with tasks in its hands"""
    script = "0.5 p=3, 1.5 p=3, 1.75 a1, 2 a2, 2.25 b1, 4.75 p=1, 5 q=0, 6.5 e1, 6.75 e2, 7.5 q=0, "  # gone at 8.75
    script += "9.5 q=1, 10 q=1, 11 a1!, 11.5 q=1, 12 q=4, 12.25 b1!, 13 p=2, 13.25 a2!, 14 e1!, 14.5 e2!, "
    _play(scene, script + "15 q=1, 17.5 f1, 18.5 q=0, 18.75 p=1, 21.5 q=0, 22 f1!")  # p is gone at 17, q at work


def room_elsewhere(scene: Scene) -> None:
    """a peer that is gone while another has room"""
    script = "0.5 p=3, 0.75 a1, 1 b1, 1.5 a2, 3 q=1, 3.5 b1!q, 6 q=3, 6.25 p=0, 6.5 a1!, 7 b2, 9.5 q=2, 10.5 c1, "
    _play(scene, script + "10.75 b1!p")  # it is gone at 4.5, and at 10.25 without a task


def late(scene: Scene) -> None:
    """results of peers that are gone"""
    script = "0.5 p=3, 0.75 a1, 1 b1, 1.25 e1, 1.5 a2, 2 q=1, 4 e1!, 5.25 q=1, 5.5 a1!p, 6 q=1, 6.25 a1!q, "  # at 4.5
    _play(scene, script + "6.5 b1!p, 6.75 q=1, 7 a2!, 7.25 a2!q, 8 p=1, 8.25 q=1")


def odd(scene: Scene) -> None:
    """messages that are none"""
    script = "0.5 a1, 0.75 ?state, 1.5 p=2, 1.75 ?peers, 2 ?clients, 2.5 b1, 2.75 a1!, 3 p=1, 3.5 a2, 3.75 b1!, "
    _play(scene, script + "6 ?state, 7.875 p=1, 8 a2!")  # it is gone at 7


def fair_weather(scene: Scene) -> None:
    """two clients and a peer"""
    name = {"p": b"B", "a": b"ann", "b": b"bob", "a1": b"tea", "a2": b"rum", "b1": b"ale"}
    _play(scene, "0.5 p=3, 1 a1, 1.25 a2, 1.5 b1", name)


TRY = fair_weather
SCENES = (in_turn, little_room, room_elsewhere, back, odd, silence, late)
