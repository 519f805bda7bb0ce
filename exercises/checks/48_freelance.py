# SPDX-License-Identifier: BSD-3-Clause
"""Give a client favourites: the first that was named is asked, once it has proved itself."""

import contextlib
from collections.abc import Iterator
from typing import Any, NoReturn

import zmq

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, Clock, played
from exercises.scene import NotYet, Raised, Scene

ENTRY = "client"

HINTS = (
    "The lesson's core chooses in one place only. Which method is it, when is it called, and what does it know "
    "at that moment of the server that was asked before?",
    "Count the PONGs of each server in `receive`, before the lesson's method sees them. Where must a count begin "
    "anew? Whoever is heard and is not in `alive` was gone; `_ask` finds in `turn` who was late.",
    "The lesson asks the first in `alive`. In an `_ask` of your own put those that are trusted in front of that line, "
    "in the order of `pauses`, and let the lesson's `_ask` do the rest.",
)
VARIANT = "let a server that was late twice in a minute be trusted only after twice as many PONGs."
LIMIT = "all clients have the same favourite, and so it has all the work."
WHY = "which of your lines keeps a server that dies every few seconds from being asked each time it comes back?"

LABELS = {
    (LINE := "the first that was heard was asked, not the first that was named"): "which of its methods chooses?",
    (EARLY := "a server was trusted before it had said PONG often enough"): "how many PONGs, and counted from when?",
    (NEVER_TRUSTED := "a server that had said PONG often enough was not trusted"): "with which PONG is it trusted?",
    (ORDER := "of those that were trusted another than the first named was asked"): "in which order were they named?",
    (FORGOT := "a server lost its PONGs that was neither gone nor late"): "which two events cost a server its PONGs?",
    (KEPT := "a server that had been gone kept its PONGs"): "what if it is gone while nobody waits for it?",
    (EXCUSED := "a server that had been late kept its PONGs"): "who was asked when the patience ended?",
    (MOVED := "a question was put to a second server while the first had time"): "which events may move it?",
    (STUCK := "a question stayed with a server that was gone or late"): "what does the lesson's core do then?",
    (COUNTED := "something that is no PONG was counted as one"): "which messages of a server are exactly [PONG]?",
    (NOBODY := "where nobody was trusted, nobody was asked"): "whom does the rule name when nobody is trusted?",
    (QUEUED := "where nobody was trusted, the lesson's line was not kept"): "what moves somebody to the line's end?",
    (DEAD := "a question was put to a server that did not live"): "which of the servers live at that moment?",
    (UNHEARD := "an answer did not reach the caller"): "what has the lesson's method to see of every message?",
    (FOREIGN := "what is no answer to the question reached the caller"): "by which frame do you know an answer?",
    (FAILED := "a question's end was not told as in the lesson"): "when does it fail, and whom was it put to by then?",
    (MUTE := "a server was not asked in time whether it lives"): "which method sends the PINGs, and does it still run?",
    (FRAMES := "a message had other frames than in the lesson"): "what goes to a server, and what to the caller?",
    (STRANGER := "a server that was not named ended the core"): "whose PONGs do you keep, and who else may say it?",
    (UNBOUND := "the sockets were not opened as in the lesson"): "which effects open them, and in which method?",
    NOT_LATER: "from which deadlines is the core's own made, and when?",
    TOO_OFTEN: "what is there to do at the time that you want to be called next?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}
EQUIVALENT = {
    "line 13, always: if socket == 'servers':": "what the caller says is counted under its number, and never looked at",
}

INSIDE = "inproc://caller"
CALLER = "caller"
GONE = 3  # intervals
NO_PONGS = ([b"PONG", b"PONG"], [b"pong"], [b""], [b"PONG "], [b"", b"PONG"], [b"PING"])


class Desk(Clock):
    """Plays the answer's core, its caller and its servers A, B and C, named in this order; times are in intervals.

    asked, told   to whom the question has been put since somebody looked, and what the caller has heard
    pings         how often each server was pinged
    """

    def __init__(self, scene: Scene, interval: float, patience: float, trust: int, names: list[str], *how: Any) -> None:
        self.interval, self.patience, self.trust, self.names, self.number = interval, patience, trust, names, 0
        self.asked, self.told = list[str](), list[list[Any]]()
        self.question = list[bytes]()
        self.pings, self.event = dict.fromkeys(names, 0), Event("", "open")
        self._caller, self._routers = "", dict[str, str]()  # the answer's names for its sockets; of each server's
        super().__init__(scene, *how)
        self.until(0.0)
        if not self._caller or sorted(self._routers) != sorted(names):
            raise NotYet(UNBOUND, f"After the first tick these were connected: {sorted(self._routers)}.")

    def effect(self, kind: str, *what: Any) -> None:
        name, *rest = what
        match kind, rest:
            case "send", [frames]:
                self._sent(name, list(frames))
            case "open", [zmq.PAIR, endpoint, True] if endpoint == INSIDE and not self._caller:
                self._caller = name
            case "open", [zmq.ROUTER, endpoint, False] if endpoint in self.names and endpoint not in self._routers:
                self._routers[endpoint] = name
            case "open" | "close", _:
                self.blame(UNBOUND, f"it did this: {(kind, *what)!r}.")

    def _sent(self, socket: str, frames: list[Any]) -> None:
        self.event = self.says("client", "PAIR" if socket == self._caller else "ROUTER", frames)
        if socket == self._caller:
            self.told.append(frames)
            self._heard(CALLER, frames)
            return
        server = next((name for name in self.names if frames[:1] == [name.encode()]), "")
        if self._routers.get(server) != socket or len(frames) < 2:
            self.blame(FRAMES, f"this left: {frames!r}.")
        self._heard(server, frames[1:])
        if frames[1:] == [b"PING"]:
            self.pings[server] += 1
        elif frames[1:] == self.question:
            self.asked.append(server)
        else:
            self.blame(FRAMES, f"{server} got {frames[1:]!r}, where the question was {self.question!r}.")

    def _heard(self, actor: str, frames: list[Any]) -> None:
        routed = [f if isinstance(f, bytes) else str(f).encode() for f in (["client"] * (actor != CALLER) + frames)]
        self.write(actor, "receive", self.event.socket, routed, "client", self.event.socket)

    def blame(self, label: str, happened: str) -> NoReturn:
        raise NotYet(label, f"At {self.now / self.interval:g} intervals: {happened}", self.event)

    def hear(self, server: str, *frames: bytes) -> None:
        self.event = self.says(server, "ROUTER", frames)
        self.write("client", "receive", "ROUTER", (server.encode(), *frames), server, "ROUTER")
        self.receive(self._routers.get(server, self._routers[self.names[0]]), [server.encode(), *frames])

    def stranger(self, *frames: bytes) -> None:
        """Somebody who was not named says this."""
        try:
            self.hear("tcp://nobody:1", *frames)
        except Raised as error:
            self.blame(STRANGER, f"{[*frames]!r} came from tcp://nobody:1. {error}")

    def pong(self, times: int, *servers: str) -> None:
        for server in servers * times:
            self.hear(server, b"PONG")

    def ask(self, *body: bytes) -> None:
        self.number += 1
        self.question = [b"%d" % self.number, *(body or (self.scene.random.choice(self.scene.words(3)),))]
        self.asked.clear()
        self.told.clear()
        self.says(CALLER, "PAIR", self.question)
        self.write("client", "receive", "PAIR", self.question, CALLER, "PAIR")
        self.receive(self._caller, self.question)

    def put(self, server: str, wrong: str, **others: str) -> None:
        """The question must just have been put to this server and to nobody else. `others`: labels for one of them."""
        self.silent()
        if self.asked != [server]:
            who = next(("ABC"[self.names.index(name)] for name in self.asked if name != server), "none")
            known = f"put to {', '.join(self.asked) or 'nobody'}, where it was {server}'s turn"
            self.blame(others.get(who, wrong), f"the question was {known}. Named were, in order: {self.names}.")
        self.asked.clear()

    def asks(self, server: str, wrong: str, **others: str) -> None:
        self.ask()
        self.put(server, wrong, **others)

    def settles(self, server: str, wrong: str, **others: str) -> None:
        self.put(server, wrong, **others)
        self.reply(server)

    def turn(self, server: str, wrong: str, **others: str) -> None:
        self.ask()
        self.settles(server, wrong, **others)

    def moves(self, server: str, wrong: str, **others: str) -> None:
        """All live, and the one that was asked is late now, and not before."""
        self.on(self.patience - 0.25, *self.names)
        self.stays(MOVED, "the one that was asked had time")
        self.on(0.25, *self.names)
        self.put(server, wrong, **others)

    def falls(self, server: str) -> bool:
        """Put a question. Whether it is this server's turn; then it answers."""
        self.ask()
        if fell := self.asked == [server]:
            self.asked.clear()
            self.reply(server)
        return fell

    def fails(self, *asked: str) -> None:
        """The question must have failed now, when these had been asked."""
        want = [[self.question[0], b"FAILED", *(server.encode() for server in asked)]]
        if self.told != want:
            self.blame(FAILED, f"the question was 8 intervals old, and the caller heard {self.told!r}, not {want!r}.")
        self.told.clear()

    def silent(self) -> None:
        for frames in self.told:
            label = FAILED if frames[1:2] == [b"FAILED"] else FOREIGN
            self.blame(label, f"the caller heard {frames!r}, and nobody had answered its question.")

    def stays(self, label: str, happened: str) -> None:
        if self.asked:
            self.blame(label, f"{happened}, and the question was put to {', '.join(self.asked)}.")

    def reply(self, server: str) -> None:
        number, body = self.question[0], self.scene.words(2)
        self.hear(server, number, *body)
        if self.told != [[number, b"OK", *body]]:
            self.blame(UNHEARD, f"{server} answered {body!r}, and the caller heard {self.told!r}.")
        self.stays(MOVED, f"{server} had answered")
        self.told.clear()

    def pinged(self) -> None:
        """Nobody says a word now, and so each is asked whether it lives."""
        before = dict(self.pings)
        self.on(1.25)
        for server in self.names:
            if self.pings[server] == before[server]:
                self.blame(MUTE, f"{server} was silent for 1.25 intervals, and got no PING.")

    def on(self, intervals: float, *alive: str) -> None:
        """Let time pass, in halves of an interval; those who are alive say a word at each, which is no PONG."""
        end = self.now + intervals * self.interval
        while self.now < end:
            step = min(end, self.now + self.interval / 2)
            self.until(step)
            self.now = step
            for server in alive:
                self.hear(server, b"?")


@contextlib.contextmanager
def _played(scene: Scene, trust: int = 0, patience: float = 1.25) -> Iterator[tuple[Desk, str, str, str]]:
    """`patience` is in intervals."""
    interval, trust = scene.random.choice((0.5, 1.0, 2.0, 4.0)), trust or scene.random.choice((2, 3, 4))
    names = [f"tcp://{word.decode()}:1" for word in scene.words(3)]
    limits = (interval, patience * interval, 8.0 * interval)
    with played(scene, lambda shell: Call((INSIDE, names, *limits, trust, shell))) as (answer, [line]):
        desk = Desk(scene, interval, patience, trust, names, answer, line)
        yield desk, names[0], names[1], names[2]


def alone(scene: Scene) -> None:
    """two servers, of which the second is heard first"""
    with _played(scene, 2) as (desk, a, b, _):
        desk.pong(1, b)
        desk.ask(b"Dover")
        desk.hear(b, b"1", b"9:15")
        desk.pong(1, b)
        desk.pong(2, a)
        desk.ask(b"Calais")


def favour(scene: Scene) -> None:
    """favourites that are heard late, and words that are no PONGs"""
    with _played(scene) as (desk, a, b, c):
        desk.ask()
        desk.stays(DEAD, "nobody had been heard")
        desk.pong(1, c)
        desk.settles(c, NOBODY, A=DEAD, B=DEAD)
        desk.hear(a, b"?")
        desk.turn(c, QUEUED, none=NOBODY)
        for frames in NO_PONGS * desk.trust:
            desk.hear(a, *frames)
        desk.turn(c, QUEUED, A=COUNTED)
        desk.pong(desk.trust - 1, b)
        desk.turn(c, EARLY, none=NOBODY)
        desk.pong(1, b)
        if desk.falls(c):
            desk.pong(desk.trust, b)
            if not desk.falls(c):
                desk.blame(NEVER_TRUSTED, f"only now {b} is asked, which had said PONG {2 * desk.trust} times.")
            desk.ask()
            desk.asked.clear()
            desk.pong(desk.trust, b)
            desk.moves(b, LINE)
            desk.blame(FORGOT, f"only a question that had to move came to {b}, which had said PONG all the time.")
        desk.settles(b, NEVER_TRUSTED)
        desk.pong(3 * desk.trust, c)
        if desk.falls(c):
            desk.pong(desk.trust, b)
            desk.turn(b, ORDER)
            desk.blame(FORGOT, f"{b} was trusted, answered, and was asked again only after {desk.trust} PONGs more.")
        desk.settles(b, ORDER)
        desk.pong(desk.trust - 1, a)
        desk.turn(b, ORDER, A=EARLY)
        desk.pong(1, a)
        desk.turn(a, ORDER)


def gone(scene: Scene) -> None:
    """favourites that fall silent and come back"""
    with _played(scene, patience=6.0) as (desk, a, b, c):
        desk.pong(desk.trust, b, a)
        desk.pong(1, c)
        desk.asks(a, NEVER_TRUSTED, B=LINE)
        desk.on(GONE - 0.25, b, c)
        desk.stays(MOVED, f"{a} was not gone yet")
        desk.on(0.5, b, c)
        desk.settles(b, STUCK, C=ORDER, A=DEAD)
        for _ in range(desk.trust - 1):
            desk.pong(1, a)
            desk.turn(b, KEPT)
        desk.on(0.5, a, b, c)
        desk.on(GONE + 0.25, b, c)  # nobody was waiting for it
        desk.pong(desk.trust - 1, a)
        desk.turn(b, KEPT)
        desk.hear(a, b"?")
        desk.pong(1, a)
        desk.turn(a, FORGOT)


def late(scene: Scene) -> None:
    """favourites that live and do not answer in time"""
    with _played(scene) as (desk, a, b, c):
        desk.pong(1, c)
        desk.pong(desk.trust, b, a)
        desk.asks(a, NEVER_TRUSTED, B=LINE, C=LINE)
        desk.pong(desk.trust, a)
        desk.moves(b, STUCK, A=EXCUSED, C=ORDER)
        desk.reply(a)
        desk.pong(desk.trust - 1, a)
        desk.asks(b, EXCUSED)
        desk.moves(c, STUCK, A=QUEUED, B=EXCUSED)
        desk.moves(a, STUCK, B=QUEUED)
        desk.moves(b, NOBODY, A=EXCUSED, C=QUEUED)
        desk.reply(b)
        desk.pong(1, a)  # which was not trusted when it was late
        desk.turn(b, QUEUED, A=EXCUSED)
        desk.pong(desk.trust - 1, b, a)
        desk.turn(a, NEVER_TRUSTED, B=EXCUSED)


def under_way(scene: Scene) -> None:
    """a question under way while trust changes, and answers that are none"""
    with _played(scene, patience=2.75) as (desk, a, b, c):
        desk.pong(desk.trust, b)
        desk.asks(b, NEVER_TRUSTED)
        desk.pong(desk.trust, c, a)
        desk.stays(MOVED, f"{a} had become trusted")
        for frames in [b"0", b"tea"], [desk.question[0]], [b"", desk.question[0], b"tea"], [b"?"]:
            desk.hear(b, *frames)
        desk.hear(a, desk.question[0], b"tea")  # it was not asked
        desk.stranger(desk.question[0], b"tea")
        desk.stranger(b"PONG")
        desk.silent()
        desk.moves(a, ORDER, B=EXCUSED)
        desk.pong(desk.trust, b)
        desk.moves(b, NEVER_TRUSTED, A=EXCUSED)  # it has proved itself anew
        desk.on(2.5, a, b, c)
        desk.fails(b, a, b)
        desk.turn(b, FORGOT)  # that the question has failed makes nobody late


def nobody(scene: Scene) -> None:
    """servers of which none is trusted, and none answers"""
    with _played(scene, trust=50, patience=2.75) as (desk, a, b, c):
        desk.on(0.25)
        desk.pinged()
        desk.pong(1, c)
        desk.asks(c, QUEUED, none=NOBODY)
        desk.on(2.75)
        desk.settles(c, STUCK)  # it was late, and there is nobody else
        desk.pong(1, b, a)
        desk.asks(c, QUEUED, none=NOBODY)
        for server in (b, a):
            desk.moves(server, STUCK, A=QUEUED, B=QUEUED, C=QUEUED)
        desk.on(2.25, b)
        desk.stays(MOVED, f"{a} had time")
        desk.on(0.25, b)
        desk.fails(c, b, a)
        desk.pinged()


TRY = alone
SCENES = (favour, gone, late, under_way, nobody)
