# SPDX-License-Identifier: BSD-3-Clause
"""Join a system whose list has grown, and answer old clients and new ones."""

import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

import zmq

from exercises.answer import Outcome
from exercises.peers import LOST_FRAME, Frames, Peer, Table
from exercises.scene import NotYet, Scene, TookTooLong, unexpected

ENTRY = "desk"

HINTS = (
    "Go through the list line by line, and ask of each: is it mine, and on which side am I? Then look at the "
    "questions: what tells an old one from a new one, whatever the words in it are?",
    "One socket may be bound and connected as often as you like, so you need three sockets and one loop over the list. "
    "For the questions count the frames before you look at what they say, and have an answer for all that is left.",
    "`open_at` of the lesson reads the list. `match questions.recv_multipart()` with `case [place]`, "
    '`case [b"2", place]` and `case _` are all the questions there are.',
)
VARIANT = (
    "let a third generation ask for the last readings of all places at once, and let no client of the first two notice."
)
LIMIT = "it reads the list when it starts; a line that is added later waits for the next start."
WHY = "which of your lines would you have to touch if the mast bound no longer, and the desk did?"

ONE = "not every line of a name was heeded"
SIDE = "the other side of a line was taken"
OTHERS = "it took a line that belongs to others"
UNOPENED = "a name of the list was left out"
DEAF = "it did not subscribe to everything"
SILENT = "a reading was not told on"
CHANGED = "the news was another than the reading"
TOLD = "what is no reading was told on"
COUNTED = "what is no reading was counted"
BROKEN = "what is no reading ended it"
FRAMES = "a question of several frames ended it"
OLD = "a new client was answered like an old one"
NEW = "an old client was answered like a new one"
TWO = "an old question about the place 2 was taken for a new one"
SERVED = "a question that is none was served"
UNANSWERED = "a question that is none got no answer"
NEVER = "a place that nobody has heard of ended it"
EARLIER = "an earlier reading was given for the last"
COUNT = "the number of readings was wrong"
STR = "str was sent where bytes go"
TWICE = "a reading was told twice"
TEXT = "bytes were taken for text"
WAITED = "it waited at one socket while another had something"
OTHER = "the reply is another than the contract names"

LABELS = {
    ONE: "who are you in that line, and how often may one socket be bound and connected?",
    SIDE: "which word of a line says who binds, and is it you?",
    OTHERS: "which programs does that line name, and are you among them?",
    UNOPENED: "which lines of the list are yours, and what has become of each?",
    DEAF: "what does a SUB receive before it has said what it wants, and which prefix does every message have?",
    SILENT: "where does a reading go after you have taken it in?",
    CHANGED: "which frames does a reading have, and which do you publish?",
    TOLD: "how many frames does a reading have, and who looks at that?",
    COUNTED: "how many frames does a reading have, and who looks at that before it is counted?",
    BROKEN: "what becomes of your loop when a message has a frame too many, or too few?",
    FRAMES: "how much of a question does your call receive, and what if there is more?",
    OLD: "which questions have two frames, and what do they want back?",
    NEW: "what does a client get that was written before there was a second generation?",
    TWO: "what tells the two generations apart: a word, or the number of frames?",
    SERVED: "which questions are neither old nor new, and what are they to be told?",
    UNANSWERED: "what does a client do that waits for its reply?",
    NEVER: "what do you know of a place before its first reading?",
    EARLIER: "what do you keep of a place when the next reading comes?",
    COUNT: "what is counted, for whom, and how is a number written?",
    STR: "what turns a number, or a text, into bytes?",
    TWICE: "how often does your loop publish, and how many of your sockets do?",
    TEXT: "who has promised that a frame is text, or a number?",
    WAITED: "how can you wait for two sockets at once?",
    OTHER: "which frames does each generation get, in which order?",
    LOST_FRAME: "which frames does a REQ put in front of its question, and want back?",
}

READY = 2.5  # seconds in which a line that is heeded has its two ends
LATER = 0.3  # seconds in which it comes when it had only been waited for
STEP = 0.03  # seconds between two readings by which a watcher shows that it hears

OPEN = ("radar", "vault")  # the others that have been started
KINDS = {"readings": zmq.XPUB, "news": zmq.SUB, "questions": zmq.DEALER}
NAMES = {"readings": "", "news": "diary", "questions": "Ann"}  # of whoever comes where anybody may

Wire = tuple[str, str, str]
OLD_LIST: tuple[Wire, ...] = (
    ("readings", "mast", "desk"),
    ("news", "desk", "anybody"),
    ("questions", "desk", "anybody"),
)
GROWN: tuple[Wire, ...] = (
    *OLD_LIST,
    ("readings", "shed", "anybody"),
    ("readings", "desk", "cellar"),
    ("news", "screen", "desk"),
    ("questions", "desk", "visitor"),
    ("questions", "school", "desk"),
)
NOT_OURS: tuple[Wire, ...] = (
    ("readings", "radar", "archive"),
    ("questions", "vault", "keeper"),
    ("news", "printer", "press"),
)


class Client(Peer):
    """Asks like a REQ; it may have bound."""

    def __init__(self, table: "Desk", name: str, kind: int, endpoint: str, binds: bool) -> None:
        self.table, self.title, self.name = table, name, name.encode()
        self.socket = table.context(name).socket(kind)
        table.closing.callback(self.socket.close, 0)
        self.socket.sndtimeo = round(1000 * READY)
        if kind == zmq.SUB:
            self.socket.subscribe(b"")
        if kind == zmq.DEALER:
            self.socket.routing_id = self.name
        (self.socket.bind if binds else self.socket.connect)(endpoint)


class Desk(Table):
    """The answer and everybody on its list. `heard` is the last reading of each place, `count` how many there were."""

    def __init__(self, scene: Scene, wires: Sequence[Wire], others: Sequence[Wire] = ()) -> None:
        mixed = [*wires, *others]
        scene.random.shuffle(mixed)
        self.places = [(*wire, scene.stage.endpoint(f"{wire[0]}-{n}")) for n, wire in enumerate(mixed)]
        super().__init__(scene, args=(self.places,))
        self.wires = [place for place in self.places if place[:3] in wires]
        self.others = [place for place in self.places if place[:3] in others]
        self.first_heard, self.heard, self.count = dict[bytes, bytes](), dict[bytes, bytes](), Counter[bytes]()
        self.told = list[bytes]()  # the last reading that every watcher has heard of
        self.bad = False  # whether anything was sent that is no reading
        self.peers: dict[str, list[Client]] = {name: [] for name in KINDS}
        self.lines: dict[Client, tuple[str, str, str, str]] = {}
        self.strangers: dict[str, Client] = {}

    def __enter__(self) -> "Desk":
        super().__enter__()
        with self.closing:
            for name, binds, connects, endpoint in self.wires:
                who = next(who for who in (binds, connects, NAMES[name]) if who not in (ENTRY, "anybody"))
                peer = Client(self, who, KINDS[name], endpoint, binds != ENTRY)
                self.peers[name].append(peer)
                self.lines[peer] = (name, binds, connects, endpoint)
            for name, binds, _, endpoint in self.others:
                if binds in OPEN:
                    self.strangers[endpoint] = Client(self, binds, KINDS[name], endpoint, True)
            self.answer.begun()
            self.meet()
            self.closing = self.closing.pop_all()
        return self

    def meet(self) -> None:
        """Return when every line has its two ends."""
        for sensor in self.peers["readings"]:
            _, frames = self.first([sensor], READY)
            if not frames:
                self.missing(sensor, DEAF, f"{sensor.title} waited for a subscription, and none came.")
            if frames != [b"\1"]:
                self.blame(DEAF, f"{sensor.title} was asked for {frames[0][1:]!r}.", sensor)
        if not self.peers["news"]:
            return
        place = self.scene.words(1)[0]
        sensor, deaf, number = self.peers["readings"][0], list(self.peers["news"]), 0
        until = time.monotonic() + self.scene.within(READY)
        while deaf and time.monotonic() < until and not self.answer.process.told:
            self.measure(sensor, place, b"%d" % number)
            number += 1
            deaf = [watcher for watcher in deaf if not watcher.socket.poll(1000 * STEP)]
        if deaf:
            self.alive()
            self.unless_waiting(deaf[0])
            self.missing(deaf[0], SILENT, f"{deaf[0].title} waited for the news, and none came.")
        self.measure(sensor, place, b"0.0")
        self.told = [place, b"0.0"]
        for watcher in self.peers["news"]:
            while (got := watcher.hears()) != [place, b"0.0"]:
                if not got:
                    self.alive()
                    self.unless_waiting(watcher)
                    self.blame(SILENT, f"{watcher.title} heard some of the news, and then nothing.", watcher)
                if got[:1] != [place] or not got[1:] or not got[1].isdigit():
                    self.blame(
                        CHANGED, f"{sensor.title} measured {_said([place, b'0'])}, and {_said(got)} came.", watcher
                    )

    def missing(self, peer: Client, label: str, happened: str) -> NoReturn:
        """A line without its other end. The answer's trace tells what it did instead."""
        self.alive()
        name, binds, _, endpoint = self.lines[peer]
        due, wrong = ("bind", "connect") if binds == ENTRY else ("connect", "bind")
        line = self.lines[peer][:3]
        if event := self.scene.joined(wrong, endpoint):
            raise NotYet(SIDE, f"The line {line} asked it to {due}. {happened}", event)
        if not self.scene.joined(due, endpoint):
            others = [e for n, _, _, e in self.places if n == name]
            some = any(self.scene.joined(how, *others) for how in ("bind", "connect"))
            raise NotYet(ONE if some else UNOPENED, f"The line {line} asked it to {due}. {happened}")
        self.blame(label, happened, peer)

    def measure(self, sensor: Client, *reading: bytes) -> None:
        """A sensor sends this. If it is a reading, it is the last of its place from now on."""
        sensor.raw(*reading)
        self.bad = self.bad or len(reading) != 2
        if len(reading) == 2:
            self.first_heard.setdefault(reading[0], reading[1])
            self.heard[reading[0]] = reading[1]
            self.count[reading[0]] += 1

    def tells(self, *reading: bytes) -> None:
        """Every watcher hears this next."""
        for watcher in self.peers["news"]:
            got = watcher.hears()
            if not got:
                if self.bad and self.answer.process.told:
                    outcome = self.answer.ended()
                    raise NotYet(
                        BROKEN, f"A sensor had sent what is no reading, and your desk had ended: {_ended(outcome)}."
                    )
                if (
                    self.answer.process.told
                    and (outcome := self.answer.ended())
                    and outcome.error.startswith(("Unicode", "Value"))
                ):
                    raise NotYet(TEXT, f"{_said(reading)} was measured, and your desk had ended: {_ended(outcome)}.")
                self.alive()
                self.unless_waiting(watcher)
                self.blame(SILENT, f"{_said(reading)} was measured, and {watcher.title} did not hear of it.", watcher)
            if got != list(reading):
                happened = f"{_said(reading)} was to come next, and {_said(got)} came."
                label = TWICE if got == self.told else TOLD if self.bad else CHANGED
                self.blame(label, happened, watcher)
        self.told = list(reading)

    def unless_waiting(self, peer: Client) -> None:
        """This peer waits in vain. If something comes as soon as another socket of the answer's has something, too,
        that is why."""
        if peer in self.peers["questions"]:
            self.peers["readings"][0].raw(b"one more", b"0")
        else:
            for client in self.peers["questions"]:
                if client.socket.poll(0, zmq.POLLOUT):
                    client.say(b"one more")
        if peer.socket.poll(1000 * LATER):
            happened = f"What {peer.title} waited for came when another socket of yours had something, too."
            self.blame(WAITED, happened, peer)

    def due(self, question: Sequence[bytes]) -> list[bytes]:
        match list(question):
            case [place]:
                return [self.heard.get(place, b"")]
            case [b"2", place]:
                return [b"2", self.heard.get(place, b""), b"%d" % self.count[place]]
        return [b"?"]

    def asks(self, client: Client, *question: bytes) -> None:
        """A client asks and is answered as it is due."""
        try:
            client.say(*question)
        except zmq.Again:
            self.missing(client, OTHER, f"{client.title} had a question, and nobody was there.")
        frames, due = client.hears(), self.due(question)
        if not frames:
            self.unanswered(client, question)
        self.framed(client, frames, 1)
        if not (got := frames[1:]):
            self.blame(
                LOST_FRAME, f"{client.title} got one empty frame, and a REQ would take that for the delimiter.", client
            )
        if got != due:
            self.blame(
                self.kind_of(question, got, due),
                f"{_said(question)} was to be answered with {_said(due)}, and {_said(got)} came.",
                client,
            )

    def kind_of(self, question: Sequence[bytes], got: Frames, due: Frames) -> str:
        if len(question) == 1:
            if question == (b"2",) and got == [b"?"]:
                return TWO
            if len(got) == 3:
                return NEW
            return EARLIER if got == [self.first_heard.get(question[0])] and len(due) == 1 else OTHER
        if due == [b"?"]:
            return OTHER if got[0] == b"?" else SERVED
        if len(got) == 1:
            return OLD
        if len(got) == 3 and got[:2] == due[:2]:
            return COUNTED if self.bad and got[2].isdigit() and int(got[2]) > int(due[2]) else COUNT
        if len(got) == 3 and got[1] == self.first_heard.get(question[1]) and got[1] != due[1]:
            return EARLIER
        return OTHER

    def unanswered(self, client: Client, question: Sequence[bytes]) -> NoReturn:
        outcome = self.answer.ended()
        if outcome:
            happened = f"{client.title} asked {_said(question)}, and your desk had ended: {_ended(outcome)}."
            if outcome.error == "TypeError" and ("unicode" in outcome.message or "buffer interface" in outcome.message):
                raise NotYet(STR, happened)
            if len(question) > 1:
                raise NotYet(FRAMES, happened)
            if question == (b"2",) and self.heard.get(b"2") and outcome.error in ("IndexError", "ValueError"):
                raise NotYet(TWO, happened)
            if question[0] not in self.heard:
                raise NotYet(NEVER, happened)
            unexpected(outcome)
        self.unless_waiting(client)
        self.linked(client)
        if self.due(question) == [b"?"]:
            self.blame(UNANSWERED, f"{client.title} asked {_said(question)}, and waits.", client)
        raise TookTooLong(f"{self.answer.stood()}, and {_said(question)} was not answered")

    def linked(self, client: Client) -> None:
        """Blame the list if this client's line has not been heeded."""
        _, binds, _, endpoint = self.lines[client]
        if not self.scene.joined("bind" if binds == ENTRY else "connect", endpoint):
            self.missing(client, OTHER, f"{client.title} asked, and nobody answered.")

    def undisturbed(self) -> None:
        """Nobody whose line is not ours has noticed anything."""
        for endpoint, stranger in self.strangers.items():
            what = zmq.POLLIN if stranger.title == "radar" else zmq.POLLOUT
            # a connection that came before the stranger is made anew a moment later
            if stranger.socket.poll(1000 * READY if self.scene.joined("connect", endpoint) else 0, what):
                self.blame(OTHERS, f"Somebody connected to {stranger.title}, which is on no line of yours.", stranger)
        for name, binds, _, endpoint in self.others:
            if binds == "printer" and os.path.exists(endpoint.removeprefix("ipc://")):
                happened = f"Somebody had bound where {binds} was to bind its {name}."
                raise NotYet(OTHERS, happened, self.scene.joined("bind", endpoint))


def _said(frames: Sequence[bytes]) -> str:
    return "".join(f"[{frame!r:.60}]" for frame in frames)


def _ended(outcome: Outcome | None) -> str:
    return f"{outcome.error} {outcome.message}".strip() if outcome and outcome.error else "it had returned"


def _degrees(drawn: random.Random) -> bytes:
    return b"%d.%02d" % (drawn.randrange(-30, 40), drawn.randrange(100))


def the_list_as_it_was(scene: Scene) -> None:
    """the list as it was, places that nobody has heard of"""
    one, two, never = scene.words(3)
    with Desk(scene, OLD_LIST) as desk:
        [mast], [ann] = desk.peers["readings"], desk.peers["questions"]
        desk.asks(ann, never)
        odd = one + b"\xff"
        for place in (one, two, odd, one, one):
            reading = place, _degrees(scene.random) if place != odd else scene.random.randbytes(4) + b"\xfe"
            desk.measure(mast, *reading)
            desk.tells(*reading)
        for place in (one, two, never, odd, one):
            desk.asks(ann, place)


def a_list_that_has_grown(scene: Scene) -> None:
    """a list that has grown"""
    words = scene.words(4)
    with Desk(scene, GROWN, NOT_OURS) as desk:
        for place, sensor in zip(words, desk.peers["readings"], strict=False):
            reading = place, _degrees(scene.random)
            desk.measure(sensor, *reading)
            desk.tells(*reading)
        for client in desk.peers["questions"]:
            for place in words:
                desk.asks(client, place)
        desk.undisturbed()


def two_generations(scene: Scene) -> None:
    """two generations of clients, readings and questions that are none"""
    one, two, never = scene.words(3)
    with Desk(scene, (*OLD_LIST, ("questions", "desk", "visitor"))) as desk:
        [mast], (ann, ben) = desk.peers["readings"], desk.peers["questions"]
        for place in (one, two, b"2", one, two, one):
            reading = place, _degrees(scene.random)
            desk.measure(mast, *reading)
            desk.tells(*reading)
        for place in (one, two, never):
            desk.asks(ben, b"2", place)
            desk.asks(ann, place)
        desk.asks(ann, b"2")
        desk.asks(ben, b"2", b"2")
        desk.asks(ben, b"new", one)
        desk.asks(ben, b"02", one)
        desk.asks(ben, b"2", one, two)
        desk.asks(ann, one)
        desk.measure(mast, one, desk.heard[one])  # as warm as before
        desk.tells(one, desk.heard[one])
        desk.measure(mast, two)
        desk.measure(mast, two, _degrees(scene.random), b"more")
        reading = two, _degrees(scene.random)
        desk.measure(mast, *reading)
        desk.tells(*reading)
        desk.asks(ben, b"2", two)
        desk.measure(mast, two, b"")  # a reading like any other
        desk.tells(two, b"")
        desk.asks(ben, b"2", two)


def a_morning(scene: Scene) -> None:
    """a reading, an old question and a new one"""
    with Desk(scene, OLD_LIST[:1] + OLD_LIST[2:], OLD_LIST[1:2]) as desk:
        [mast], [ann] = desk.peers["readings"], desk.peers["questions"]
        desk.measure(mast, b"roof", b"7.5")
        desk.answer.until(lambda: scene.first("sent", ENTRY), READY)
        desk.asks(ann, b"roof")
        ann.say(b"2", b"roof")
        ann.hears()
        desk.answer.ended()


EQUIVALENT = {"line 14, swap: ('desk', 'anybody')": "in which order two names are looked for is no matter"}
TRY = a_morning
SCENES = (the_list_as_it_was, a_list_that_has_grown, two_generations)
