# SPDX-License-Identifier: BSD-3-Clause
"""Give PPP a version, a type in every message, and a word for "I do not know you"."""

import contextlib
from collections.abc import Iterator
from typing import Any, NoReturn

import zmq

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, Clock, played
from exercises.scene import NotYet, Scene

ENTRY = "queue"

HINTS = (
    "Most of what your queue has to do the lesson's does already, in other frames. Which frames would you have to show "
    "to its `receive`, and what would you have to do with the frames of its effects?",
    "Take version and type off what comes from a worker, and put them before what goes to one: heartbeats leave "
    "through `tick`, requests through `receive`. `self.workers` tells whom the core knows; `pays` of what stands "
    "there, whether a reply is owed.",
    "Three things from a worker are in order: READY, and HEARTBEAT and an owed REPLY of one that is known. For all "
    "else take the sender out of `self.workers` and of `self.idle`, and answer it by [name][PPP2][5]; the lesson's "
    "core never hears of it.",
)
VARIANT = "let a worker name its version in READY, and let the queue speak 1 with the old ones and 2 with the new."
LIMIT = "a worker that is told UNKNOWN while it has a job loses that job, and its client asks again."
WHY = "which of the messages that PPP confuses can your queue still confuse?"

OLD = "a worker that spoke version 2 was not understood"
CLIENT = "a client's message was taken for a worker's"
BARE = "a message to a worker left without its version and type"
LEAKED = "version and type were passed on to the client"
ADDRESS = "the client's address was lost on the way to the worker"
BODY = "a body that looks like something else was changed or lost"
AS_READY = "a busy worker's heartbeat was taken for READY"
UNREADY = "a READY of a worker that was known did not make it idle"
ANSWERED = "READY was answered"
TWICE = "a request was handed out twice"
WAITS = "a request that came while no worker was idle was lost"
ORDER = "the request did not go to the worker that was idle for longest"
UNPAID = "a reply that was owed did not reach its client"
NO_BEATS = "a worker heard no heartbeats"
DEAD = "a request went to a worker whose time was over"
IMMORTAL = "a silent worker went on hearing from the queue"
EARLY = "a worker was taken for dead that was not"
UNTOLD = "a word that was not in order was not answered with UNKNOWN"
TAKEN = "who had not said READY was taken for a worker"
PASSED_ON = "a reply that nobody owed was passed on"
VERSION = "a READY of no version, or of another, was taken for one of version 2"
STILL = "who was told UNKNOWN still counted as a worker"
BLAMED = "UNKNOWN went to a worker that had done nothing wrong"
BEYOND = "a message left for a peer that had never spoken"
UNBOUND = "the two ROUTERs were not bound to their endpoints"

LABELS = {
    OLD: "what are the first two frames behind a worker's routing id now?",
    CLIENT: "on which of the two sockets does version 2 count?",
    BARE: "in which two methods does something leave for a worker, and through which of them have you put the header?",
    LEAKED: "what does a client's REQ expect behind its empty frame?",
    ADDRESS: "what does a worker need, to answer whom it was asked by?",
    BODY: "which frames of a message are yours to look at?",
    AS_READY: "which messages of a worker say that it is free?",
    UNREADY: "what does READY begin, whoever says it?",
    ANSWERED: "when is the next heartbeat due, and who waits for a word before that?",
    TWICE: "who asks again when a worker is lost, the queue or the client?",
    WAITS: "what does the lesson's core do with a request for which there is nobody yet?",
    ORDER: "where in the line of the idle does a word leave a worker that stands in it already?",
    UNPAID: "which frames does the core expect of a reply, and which did you hand to it?",
    NO_BEATS: "what else happens in the tick of the lesson's core?",
    DEAD: "when is a worker's time over, and who looks at that before a request is handed out?",
    IMMORTAL: "what is there left to say to a worker whose time is over?",
    EARLY: "from which moment does a worker's silence count, and in which unit?",
    UNTOLD: "what does your queue say where the lesson's says nothing?",
    TAKEN: "what must the first message of a conversation be?",
    PASSED_ON: "who owes what to whom when this reply comes?",
    VERSION: "what does a version stand in the message for?",
    STILL: "what does the queue remember of a worker to which it has said that it does not know it?",
    BLAMED: "which messages are in order, and from whom?",
    BEYOND: "which frame does a ROUTER take off to find its peer?",
    UNBOUND: "which effects open the sockets, and in which method of the core?",
    NOT_LATER: "from when does the next interval count?",
    TOO_OFTEN: "what is there to do at the time that you want to be called next?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

FRONT, BACK = "inproc://clients", "inproc://workers"
PPP2 = b"PPP2"
READY, HEARTBEAT, REQUEST, REPLY, UNKNOWN = (bytes([n]) for n in range(1, 6))
LIVENESS = 3
NEAR = 0.01  # of an interval: a time that is the very moment

Frames = list[Any]  # bytes, or the text that stands for what is none


class Desk(Clock):
    """Plays the answer's core, its clients and its workers; a scene's times are in intervals.

    heard   what each peer has heard since somebody said something, and has not been asked for
    jobs    all that was handed out
    words   when each worker has last said something
    """

    def __init__(self, scene: Scene, interval: float, *how: Any) -> None:
        self.interval = interval
        self.heard, self.events, self.jobs = dict[str, list[Frames]](), dict[str, Event](), list[Frames]()
        self.words, self._speaker = dict[str, float](), ""
        self._ends, self._sides = dict[str, str](), dict[str, str]()
        super().__init__(scene, *how)
        self.until(0.0)
        if sorted(self._ends.values()) != [FRONT, BACK]:
            raise NotYet(UNBOUND, f"After the first tick these were bound: {sorted(self._ends.values())}.")

    def effect(self, kind: str, *what: Any) -> None:
        if kind == "open":
            name, of, endpoint, bind = what
            if of != zmq.ROUTER or not bind or endpoint not in (FRONT, BACK):
                raise NotYet(UNBOUND, f"At {self.now:g} s it opened another socket, or bound one elsewhere.")
            self._ends[name] = endpoint
            self.write(ENTRY, "bind", self._title(endpoint), (), "", "", endpoint)
        elif kind == "close":
            raise NotYet(UNBOUND, f"At {self.now:g} s it closed a socket.")
        elif kind == "send":
            end, frames = self._ends.get(what[0], ""), list(what[1])
            event = self.says(ENTRY, self._title(end), frames)
            peer = next((p for p, e in self._sides.items() if e == end and frames[:1] == [p.encode()]), "")
            happened = f"This left for {end.removeprefix('inproc://') or 'nobody'}: {frames!r}."
            if not peer:
                client = any(frames[:1] == [p.encode()] for p, e in self._sides.items() if e == FRONT)
                raise NotYet(CLIENT if client and end == BACK else BEYOND, happened, event)
            if frames[1:] in self.jobs:
                raise NotYet(TWICE, f"{happened} A worker had had that request before.", event)
            self.heard.setdefault(peer, []).append(frames[1:])
            self.events[peer] = event
            if peer in self.words:
                self._may_hear(peer, frames[1:])
            sure = [f if isinstance(f, bytes) else f.encode() for f in frames[1:]]
            self.write(peer, "receive", "DEALER", sure, ENTRY, self._title(end))

    def _may_hear(self, worker: str, said: Frames) -> None:
        """A worker whose time is over may not; at the very moment, it may still be told that the queue lives."""
        unasked = said == [PPP2, UNKNOWN] and worker != self._speaker
        silent = (self.now - self.words[worker]) / self.interval
        happened = f"{worker} had said nothing for {silent:g} intervals, and got {said!r}."
        if silent > LIVENESS + NEAR or (unasked and silent > LIVENESS - NEAR):
            self.blame(DEAD if REQUEST in said[:2] else IMMORTAL, happened, worker)
        if unasked:
            self.blame(BLAMED, happened, worker)

    def _title(self, end: str) -> str:
        return "ROUTER" if end == BACK else "ROUTER 2"

    def say(self, end: str, peer: str, *frames: bytes) -> None:
        """A peer says something, now; what was heard before is forgotten."""
        self.heard.clear()
        if peer not in self._sides:
            self.write(peer, "connect", "DEALER", (), "", "", end)
        self._sides[peer], self._speaker = end, peer
        if end == BACK:
            self.words[peer] = self.now
        self.says(peer, "DEALER", frames)
        self.write(ENTRY, "receive", self._title(end), (peer.encode(), *frames), peer, "DEALER")
        [name] = [name for name, each in self._ends.items() if each == end]
        self.receive(name, [peer.encode(), *frames])

    def tell(self, peer: str, *frames: bytes) -> None:
        """A worker says something in version 2."""
        self.say(BACK, peer, PPP2, *frames)

    def ask(self, peer: str, *body: bytes) -> None:
        self.say(FRONT, peer, b"", *body)

    def at(self, intervals: float) -> None:
        """Let the time pass until then."""
        self.heard.clear()
        self._speaker = ""
        self.until(intervals * self.interval)
        self.now = intervals * self.interval

    def blame(self, label: str, happened: str, peer: str = "") -> NoReturn:
        raise NotYet(label, f"At {self.now / self.interval:g} intervals: {happened}", self.events.get(peer))

    def got(self, peer: str) -> str:
        return f"{peer} got {' and '.join(map(repr, self.heard.get(peer, []))) or 'nothing'}"

    def given(self, worker: str, client: str, *body: bytes, lost: str = WAITS) -> None:
        """A client asks, and this worker must get that."""
        self.ask(client, *body)
        self.job(worker, client, *body, lost=lost)

    def job(self, worker: str, client: str, *body: bytes, lost: str = WAITS) -> None:
        """This worker must just have got this client's request."""
        lost = BODY if [PPP2, HEARTBEAT] in self.heard.get(worker, []) else lost
        self.beats_aside()
        self.jobs.append(due := [PPP2, REQUEST, client.encode(), b"", *body])
        if self.heard == {worker: [due]}:
            return
        for peer, said in self.heard.items():
            if peer != worker and any(body[0] in frames for frames in said):
                self.blame(ORDER, f"{self.got(peer)}, where {client}'s request was {worker}'s.", peer)
        said = self.heard.get(worker, [])
        happened = f"{self.got(worker)} where {client}'s request {body!r} was due."
        if any(frames == [PPP2, UNKNOWN] for frames in said):
            self.blame(BLAMED, happened, worker)
        if any(frames[:1] != [PPP2] for frames in said):
            self.blame(BARE, happened, worker)
        if said and not any(client.encode() in frames for frames in said):
            self.blame(ADDRESS, happened, worker)
        self.blame(BODY if said else lost, happened, worker)

    def pays(self, worker: str, client: str, *body: bytes, lost: str = UNPAID) -> None:
        """A worker's reply, which it owes: this client must get it, and nobody else anything but a request."""
        self.tell(worker, REPLY, client.encode(), b"", *body)
        said = self.heard.pop(client, [])
        happened = f"{client} got {said!r} where the reply {body!r} was due."
        if any(PPP2 in frames and PPP2 not in body for frames in said):
            self.blame(LEAKED, happened, client)
        if said != [[b"", *body]]:
            told = any([PPP2, UNKNOWN] in each for each in self.heard.values())
            self.blame(BODY if said else BLAMED if told else lost, happened, client)

    def nothing(self, label: str, happened: str) -> None:
        """Nobody may have heard anything but heartbeats."""
        self.beats_aside()
        for peer, said in self.heard.items():
            known = [PPP2, UNKNOWN] in said
            self.blame(BLAMED if known and label != STILL else label, f"{happened}, and {self.got(peer)}.", peer)

    def beats_aside(self) -> None:
        for peer, said in list(self.heard.items()):
            self.heard[peer] = [frames for frames in said if frames != [PPP2, HEARTBEAT]]
            if not self.heard[peer]:
                del self.heard[peer]

    def ready(self, worker: str, label: str = BLAMED) -> None:
        self.tell(worker, READY)
        for frames in self.heard.get(worker, []):
            if frames in ([PPP2, HEARTBEAT], [HEARTBEAT]) or UNKNOWN in frames[:2]:
                label = ANSWERED if HEARTBEAT in frames[:2] else label
                self.blame(label, f"{worker} said READY, and {self.got(worker)}.", worker)

    def beats(self, worker: str) -> None:
        """This worker must have heard a heartbeat by now."""
        said = self.heard.get(worker, [])
        if [PPP2, HEARTBEAT] not in said:
            happened = f"{worker} is known, and in 1.25 intervals {self.got(worker)}."
            self.blame(BARE if any(frames[-1:] == [HEARTBEAT] for frames in said) else NO_BEATS, happened, worker)

    def refused(self, worker: str, what: str, *frames: bytes, label: str = UNTOLD) -> None:
        """What this worker says, or has just said, is to be answered with UNKNOWN, and to have no other effect."""
        if frames:
            self.say(BACK, worker, *frames)
        said = self.heard.pop(worker, [])
        for peer in self.heard:
            self.blame(label if label == STILL else PASSED_ON, f"{worker} said {what}, and {self.got(peer)}.", peer)
        if said != [[PPP2, UNKNOWN]]:
            taken = any(REQUEST in frames[:2] for frames in said)
            bare = said and not taken and any(frames[:1] != [PPP2] for frames in said)
            happened = f"{worker} said {what}, and got {' and '.join(map(repr, said)) or 'nothing'}."
            self.blame(BARE if bare else label if taken else UNTOLD, happened, worker)


@contextlib.contextmanager
def _played(scene: Scene) -> Iterator[Desk]:
    interval = scene.random.choice((0.5, 1.0, 2.0, 4.0))
    with played(scene, lambda shell: Call((FRONT, BACK, interval, LIVENESS, shell))) as (answer, [line]):
        yield Desk(scene, interval, answer, line)


def alone(scene: Scene) -> None:
    """one worker and one client"""
    with _played(scene) as desk:
        desk.say(BACK, "Ada", PPP2, READY)
        desk.ask("Ann", b"tea")
        desk.say(BACK, "Ada", PPP2, REPLY, b"Ann", b"", b"hot tea")
        desk.at(1.0)


def traffic(scene: Scene) -> None:
    """two workers that are asked more than they can do at once"""
    one, two, three, four = scene.words(4)
    with _played(scene) as desk:
        desk.ready("Ada", OLD)
        desk.given("Ada", "Ann", one, lost=OLD)
        desk.tell("Ada", HEARTBEAT)
        desk.nothing("", "Ada, who is busy, sent a heartbeat")
        desk.ask("Bob", two, b"", four)
        desk.nothing(AS_READY, "Ada is busy, had sent a heartbeat, and Bob asked")
        desk.ready("Bea")
        desk.job("Bea", "Bob", two, b"", four)
        desk.ask("Cat", b"", four)
        desk.ask("Dan", three)
        desk.nothing("", "Ada and Bea are busy")
        desk.pays("Bea", "Bob", four, b"", two)
        desk.job("Bea", "Cat", b"", four)
        desk.pays("Ada", "Ann", one)
        desk.job("Ada", "Dan", three)
        desk.pays("Bea", "Cat", b"", one)
        desk.pays("Ada", "Dan", three)
        desk.tell("Bea", HEARTBEAT)
        desk.given("Bea", "Ann", four)
        for body in [HEARTBEAT], [READY], [PPP2, REPLY], [UNKNOWN, b"", one]:  # Ada is the one that is idle
            desk.ready("Ada")
            desk.given("Ada", "Cat", *body)
            desk.pays("Ada", "Cat", *body, lost=BODY)
        desk.given("Ada", "Bob", two)
        desk.ready("Ada")
        desk.given("Ada", "Dan", four, lost=UNREADY)
        desk.pays("Bea", "Ann", one)
        desk.pays("Ada", "Dan", two)
        desk.ready("Bea")
        desk.given("Bea", "Ann", two)


def silence(scene: Scene) -> None:
    """workers that fall silent, and one that does not"""
    one, two, three = scene.words(3)
    with _played(scene) as desk:
        for worker in "Ada", "Bea", "Cid":
            desk.ready(worker)
        desk.at(1.25)
        for worker in "Ada", "Bea", "Cid":
            desk.beats(worker)
        desk.at(1.375)
        desk.tell("Cid", HEARTBEAT)
        for when in 1.5, 2.0, 2.5:
            desk.at(when)
            desk.tell("Bea", HEARTBEAT)
        desk.at(5.25)  # the others' time is over
        desk.given("Bea", "Ann", one, lost=EARLY)  # whose last word was at 2.5
        desk.tell("Bea", HEARTBEAT)
        desk.at(6.5)
        desk.beats("Bea")
        desk.pays("Bea", "Ann", two)
        desk.at(7.0)
        desk.ready("Ada")
        desk.at(9.0)
        desk.now = 9.75 * desk.interval  # what comes is received before the tick that may be due
        desk.given("Ada", "Bob", three, lost=EARLY)  # Bea's last word was at 6.5
        desk.at(11.25)
        desk.ready("Cid")  # what Ada had is not for her


def strangers(scene: Scene) -> None:
    """workers that are not known, and words that are not in order"""
    one, two, three, four = scene.words(4)
    with _played(scene) as desk:
        desk.tell("Ada", HEARTBEAT)
        said = desk.heard.copy()
        desk.ask("Ann", one)
        desk.nothing(TAKEN, "Ada had only sent a heartbeat, and Ann asked")
        desk.heard = said
        desk.refused("Ada", "HEARTBEAT and never READY")
        desk.ask("Bob", four)
        desk.refused("Ada", "a REPLY to Ann, whose request nobody had", PPP2, REPLY, b"Ann", b"", two, label=TAKEN)
        for worker, frames in ("Bea", [READY]), ("Cid", [b"PPP1", READY]), ("Dot", [b"", READY]):
            desk.refused(worker, repr(frames), *frames, label=VERSION)
        desk.ready("Ada")
        desk.job("Ada", "Ann", one)
        desk.refused("Ada", "a REPLY to Bob, whose request she did not have", PPP2, REPLY, b"Bob", b"", two)
        desk.refused("Ada", "a REPLY after she had been told UNKNOWN", PPP2, REPLY, b"Ann", b"", three, label=STILL)
        desk.ready("Bea")
        desk.job("Bea", "Bob", four)
        odd = [[b"\x09"], [REQUEST, b"Ann", b"", two], [READY, two], [HEARTBEAT, two]]
        odd = [[HEARTBEAT], *([PPP2, *frames] for frames in odd)]
        for frames in scene.random.sample(odd, len(odd)):
            desk.ready("Ada")
            desk.refused("Ada", repr(frames), *frames)
        desk.ask("Cat", three)
        desk.nothing(STILL, "Ada had been told UNKNOWN, Bea is busy, and Cat asked")
        desk.pays("Bea", "Bob", one)
        desk.job("Bea", "Cat", three)
        desk.pays("Bea", "Cat", one)
        desk.refused("Bea", "the same REPLY once more", PPP2, REPLY, b"Cat", b"", one)
        desk.ready("Bea")
        desk.given("Bea", "Dan", two)
        desk.ready("Bea")
        desk.refused("Bea", "READY, and then a REPLY that she had owed before", PPP2, REPLY, b"Dan", b"", one)
        desk.ready("Bea")
        desk.given("Bea", "Dan", one)
        desk.refused("Bea", "a REPLY to Dan without a body", PPP2, REPLY, b"Dan", b"")
        desk.at(1.25)
        for worker in desk.heard:
            desk.blame(STILL, f"{worker} had been told UNKNOWN, and {desk.got(worker)}.", worker)


TRY = alone
SCENES = (traffic, silence, strangers)
