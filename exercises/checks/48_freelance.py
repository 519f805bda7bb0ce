# SPDX-License-Identifier: BSD-3-Clause
"""Give a client favourites: the first that was named is asked, once it has proved itself."""

import contextlib
from collections.abc import Iterator
from typing import Any, NoReturn

import zmq

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, Clock, played
from exercises.scene import NotYet, Scene

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

LINE = "the first that was heard was asked, not the first that was named"
EARLY = "a server was trusted before it had said PONG often enough"
NEVER_TRUSTED = "a server that had said PONG often enough was not trusted"
ORDER = "of those that were trusted another than the first named was asked"
FORGOT = "a server lost its trust that was neither gone nor late"
KEPT = "a server that had been gone was trusted as before"
EXCUSED = "a server that had been late was trusted as before"
MOVED = "a question was put to a second server while the first had time"
STUCK = "a question stayed with a server that was gone or late"
COUNTED = "something that is no PONG was counted as one"
NOBODY = "where nobody was trusted, nobody was asked"
QUEUED = "where nobody was trusted, the lesson's line was not kept"
DEAD = "a question was put to a server that did not live"
UNHEARD = "an answer did not reach the caller"
FOREIGN = "what is no answer to the question reached the caller"
FAILED = "a question's end was not told as in the lesson"
MUTE = "a server was not asked in time whether it lives"
FRAMES = "a message had other frames than in the lesson"
UNBOUND = "the sockets were not opened as in the lesson"

LABELS = {
    LINE: "where does the lesson's core choose whom it asks?",
    EARLY: "how many PONGs make a server trusted, and from when do they count?",
    NEVER_TRUSTED: "with which PONG does a server become trusted?",
    ORDER: "in which order were the servers named, and where does the core keep it?",
    FORGOT: "which two events cost a server its PONGs, and which messages do not?",
    KEPT: "what becomes of a server's PONGs when it is gone, also one that nobody was waiting for?",
    EXCUSED: "who was asked when the patience ended, and what does that cost it?",
    MOVED: "which events may put a question that is under way to another server?",
    STUCK: "what does the lesson's core do when the server that was asked is gone, or late?",
    COUNTED: "which messages of a server are exactly [PONG]?",
    NOBODY: "whom does the rule name when nobody is trusted?",
    QUEUED: "who stands in the lesson's line, and what moves somebody to its end?",
    DEAD: "which of the servers live at that moment?",
    UNHEARD: "what has the lesson's method to see of every message that comes?",
    FOREIGN: "by what does the lesson's core know an answer to the question at hand?",
    FAILED: "when does a question fail, and which frames tell whom it was put to?",
    MUTE: "which of the lesson's methods sends the PINGs, and does it still run?",
    FRAMES: "which frames does the lesson's core send to a server, and which to its caller?",
    UNBOUND: "which effects open the sockets, and in which method of the lesson's core?",
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

    def __init__(self, scene: Scene, interval: float, trust: int, names: list[str], *how: Any) -> None:
        self.interval, self.trust, self.names, self.number = interval, trust, names, 0
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
                raise NotYet(UNBOUND, f"At {self.at:g} intervals it did this: {(kind, *what)!r}.")

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

    @property
    def at(self) -> float:
        return self.now / self.interval

    def blame(self, label: str, happened: str) -> NoReturn:
        raise NotYet(label, f"At {self.at:g} intervals: {happened}", self.event)

    def hear(self, server: str, *frames: bytes) -> None:
        self.says(server, "ROUTER", frames)
        self.write("client", "receive", "ROUTER", (server.encode(), *frames), server, "ROUTER")
        self.receive(self._routers[server], [server.encode(), *frames])

    def pong(self, server: str, times: int = 1) -> None:
        for _ in range(times):
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

    def turn(self, server: str, wrong: str, **others: str) -> None:
        self.ask()
        self.put(server, wrong, **others)
        self.reply(server)

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
        desk = Desk(scene, interval, trust, names, answer, line)
        yield desk, names[0], names[1], names[2]


def alone(scene: Scene) -> None:
    """two servers, of which the second is heard first"""
    with _played(scene, 2) as (desk, a, b, _):
        desk.pong(b)
        desk.ask(b"Dover")
        desk.hear(b, b"1", b"9:15")
        desk.pong(b)
        desk.pong(a, 2)
        desk.ask(b"Calais")


def favour(scene: Scene) -> None:
    """favourites that are heard late, and words that are no PONGs"""
    with _played(scene) as (desk, a, b, c):
        desk.ask()
        desk.stays(DEAD, "nobody had been heard")
        desk.pong(c)
        desk.put(c, NOBODY, A=DEAD, B=DEAD)
        desk.on(1.5)  # it is late, and there is nobody else
        desk.put(c, STUCK, A=DEAD, B=DEAD)
        desk.reply(c)
        desk.hear(a, b"?")
        desk.turn(c, QUEUED, none=NOBODY)
        for frames in NO_PONGS * desk.trust:
            desk.hear(a, *frames)
        desk.turn(c, QUEUED, A=COUNTED)
        desk.pong(b, desk.trust - 1)
        desk.turn(c, EARLY, none=NOBODY)
        desk.pong(b)
        desk.ask()
        if desk.asked == [c]:
            desk.asked.clear()
            desk.reply(c)
            desk.pong(b, 3)
            desk.ask()
            desk.put(b, LINE)
            desk.blame(NEVER_TRUSTED, f"only now {b} is asked, which had said PONG {desk.trust + 3} times.")
        desk.put(b, NEVER_TRUSTED)
        desk.reply(b)
        desk.pong(c, 3 * desk.trust)
        desk.ask()
        if desk.asked == [c]:
            desk.asked.clear()
            desk.reply(c)
            desk.pong(b, desk.trust)
            desk.turn(b, ORDER)
            desk.blame(FORGOT, f"{b} was trusted, answered, and was asked again only after {desk.trust} PONGs more.")
        desk.put(b, ORDER)
        desk.reply(b)
        desk.pong(a, desk.trust - 1)
        desk.turn(b, ORDER, A=EARLY)
        desk.pong(a)
        desk.turn(a, ORDER)


def gone(scene: Scene) -> None:
    """favourites that fall silent and come back"""
    with _played(scene, patience=6.0) as (desk, a, b, c):
        desk.pong(b, desk.trust)
        desk.pong(a, desk.trust)
        desk.pong(c)
        desk.ask()
        desk.put(a, NEVER_TRUSTED, B=LINE)
        desk.on(GONE - 0.25, b, c)
        desk.stays(MOVED, f"{a} was not gone yet")
        desk.on(0.5, b, c)
        desk.put(b, STUCK, C=ORDER, A=DEAD)
        desk.reply(b)
        for _ in range(desk.trust - 1):
            desk.pong(a)
            desk.turn(b, KEPT)
        desk.on(0.5, a, b, c)
        desk.on(GONE + 0.25, b, c)  # nobody was waiting for it
        desk.pong(a, desk.trust - 1)
        desk.turn(b, KEPT)
        desk.pong(a)
        desk.turn(a, NEVER_TRUSTED)


def late(scene: Scene) -> None:
    """favourites that live and do not answer in time"""
    with _played(scene) as (desk, a, b, c):
        desk.pong(c)
        desk.pong(b, desk.trust)
        desk.pong(a, desk.trust)
        desk.ask()
        desk.put(a, NEVER_TRUSTED, B=LINE, C=LINE)
        desk.on(1.0, a, b, c)
        desk.stays(MOVED, f"{a} had time")
        desk.on(0.5, a, b, c)
        desk.put(b, STUCK, A=EXCUSED, C=ORDER)
        desk.reply(a)
        desk.pong(a, desk.trust - 1)
        desk.ask()
        desk.put(b, EXCUSED)
        desk.on(1.5, a, b, c)
        desk.put(c, STUCK, A=QUEUED, B=EXCUSED)
        desk.on(1.5, a, b, c)
        desk.put(a, STUCK, B=QUEUED)
        desk.on(1.5, a, b, c)
        desk.put(b, STUCK, A=EXCUSED, C=QUEUED)
        desk.pong(a, desk.trust)
        desk.stays(MOVED, f"{a} had become trusted")
        desk.reply(b)
        desk.pong(b, desk.trust - 1)
        desk.turn(a, NEVER_TRUSTED, B=EXCUSED)


def under_way(scene: Scene) -> None:
    """a question under way while trust changes, and answers that are none"""
    with _played(scene, patience=6.0) as (desk, a, b, _):
        desk.pong(b, desk.trust)
        desk.ask()
        desk.put(b, NEVER_TRUSTED)
        desk.pong(a, desk.trust)
        desk.stays(MOVED, f"{a} had become trusted")
        for frames in [b"0", b"tea"], [desk.question[0]], [b"", desk.question[0], b"tea"], [b"?"]:
            desk.hear(b, *frames)
        desk.hear(a, desk.question[0], b"tea")  # it was not asked
        desk.silent()
        desk.reply(b)
        desk.turn(a, NEVER_TRUSTED, B=LINE)


def nobody(scene: Scene) -> None:
    """servers of which none is trusted, and none answers"""
    with _played(scene, trust=50, patience=2.75) as (desk, a, b, c):
        desk.on(0.25)
        desk.pinged()
        for server in c, b, a:
            desk.pong(server)
        desk.ask()
        desk.put(c, QUEUED, none=NOBODY)
        for server in (b, a):
            desk.on(2.5, a, b, c)
            desk.stays(MOVED, "the last one had time")
            desk.on(0.25, a, b, c)
            desk.put(server, STUCK, A=QUEUED, B=QUEUED, C=QUEUED)
        desk.on(2.25, b)
        desk.stays(MOVED, f"{a} had time")
        desk.on(0.25, b)
        want = [[desk.question[0], b"FAILED", *(server.encode() for server in (c, b, a))]]
        if desk.told != want:
            desk.blame(FAILED, f"the question was 8 intervals old, and the caller heard {desk.told!r}, not {want!r}.")
        desk.told.clear()
        desk.pinged()


TRY = alone
SCENES = (favour, gone, late, under_way, nobody)
