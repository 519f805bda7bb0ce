# SPDX-License-Identifier: BSD-3-Clause
"""Let a leader know when it is one no longer: its followers answer, and without a majority of them it steps down."""

import contextlib
from collections.abc import Iterator
from typing import Any, NoReturn

import zmq

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, Clock, played
from exercises.scene import NotYet, Scene

ENTRY = "member"

HINTS = (
    "Two things are new, and each has its place in the lesson's core: something is said when a LEAD has been taken, "
    "and something is noted when a HERE comes. What has to be asked before either method does anything else?",
    "Note for each peer until when it is present. A leader needs so many of them that together with itself they are "
    "more than half: its own time is over with the earliest of the latest that it needs. Look at that first thing in "
    "`tick` and in `receive`, and let the deadline be no later.",
    "Sort the times up to which the peers are present: in a group of `n` the one that counts is the `n // 2`-th from "
    "the end. Keep the time of the next heartbeat apart from it, because a HERE moves the one and not the other.",
)
VARIANT = "let a leader that is about to be shut down say so, so that nobody has to wait for its silence."
LIMIT = "a process that is frozen after it has looked at the clock still sends what it was about to send."
WHY = "what does the store of the lesson still have to check, and in which moment would you miss it?"

EQUIVALENT = {
    "line 36, more: 1": "any number below 0 is the term of no message",
    "line 43, less: 1": "there are three or five members",
}

UNANSWERED = "a heartbeat of the leader was not answered"
FRAMES = "an answer to a heartbeat had other frames than it should"
ANSWERED = "a heartbeat was answered that is not of the leader it follows"
NEVER_DOWN = "a leader that nobody answered led on"
EARLY = "a leader stepped down although more than half were there"
MANY = "one peer was counted as several"
HALF = "a leader led on with half of the members or fewer"
OLD = "an answer that was not for this leader in this term was counted"
SPOKE = "a leader that had stood still did not look at the time first"
REVIVED = "an answer that came too late kept a leader in office"
LATE = "it was not awake when its time as a leader was over"
UNTOLD = "it did not report that it leads no longer"
TERM = "it changed its term when it stepped down"
AGAIN = "it voted a second time in the term in which it had led"
VOTES = "a vote counted otherwise than as a HERE"
HASTY = "who had stepped down stood for election before it had waited"
STAYS = "who had stepped down never stood for election again"
BACK = "who had stepped down led again in the same term"
QUIET = "a leader fell silent"
RHYTHM = "a LEAD came at another time than a quarter of `timeout` after the one before"
HIGHER = "a higher term in an answer was passed over"
LESSON = "an election went otherwise than in the lesson"
UNBOUND = "no PUB was bound, or no SUB connected to all peers"

LABELS = {
    UNANSWERED: "who has to hear from a follower, and how often?",
    FRAMES: "which term stands in a HERE, whose name comes before the last, and whose is the last?",
    ANSWERED: "which heartbeats does the lesson's core drop, and what becomes of your answer then?",
    NEVER_DOWN: "when does anybody look at how long the peers have been silent?",
    EARLY: "whom does a leader count besides its peers, and from when does a peer's silence count?",
    MANY: "does it matter how often a peer answers, or when it did so last?",
    HALF: "how many peers does a leader of three need beside itself, and how many a leader of five?",
    OLD: "what does a HERE say, beside that somebody lives?",
    SPOKE: "what is the first thing to look at, when nobody knows how long one has slept?",
    REVIVED: "which comes first when a message is received: the message or the time?",
    LATE: "at what time do you want your next tick, if the next heartbeat is due after your time is over?",
    UNTOLD: "how does whoever runs the core learn of its role?",
    TERM: "what makes a term grow?",
    AGAIN: "for whom has a leader voted in its own term?",
    VOTES: "from when on is a peer present that voted, before the election or after it, and one that did not?",
    HASTY: "how long does a follower wait for a leader, and from which moment on when it has just stepped down?",
    STAYS: "what does a follower wait for that has no leader?",
    BACK: "what does it take to become leader, and in which term?",
    QUIET: "what else is a leader's deadline for?",
    RHYTHM: "from which moment does the time of the next LEAD count, and what does an answer change about that?",
    HIGHER: "what is done with the term of a message before anybody looks at its kind?",
    LESSON: "which of the lesson's rules does your core still have to keep?",
    UNBOUND: "which effects open the sockets, and where are the places of the members?",
    NOT_LATER: "from when does the next wait count?",
    TOO_OFTEN: "what is there to do at the time that you want to be called next?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

NAMES = ["Ada", "Bea", "Cid", "Dot", "Eve", "Fay", "Gus", "Hal", "Ida", "Jan", "Kay", "Lea", "Mia", "Ned", "Oda", "Pam"]
Words = tuple[str, ...]


class Seat(Clock):
    """Plays the answer's core among its peers. Times of a scene are in timeouts.

    zero  when a scene's time begins: with its life, and anew when it is elected, and when it steps down
    said  what it has said since somebody said something, or since it was asked for: a kind and what follows
    told  its results since then: (role, term, leader)
    due   seconds: when it has to say its next LEAD, in its `term`; None when it does not lead, or has stood still
    """

    def __init__(self, scene: Scene, me: str, peers: list[str], timeout: float, *how: Any) -> None:
        self.me, self.peers, self.timeout, self.zero = me, peers, timeout, 0.0
        self.said, self.told, self.last = list[Words](), list[Any](), dict[str, Event]()
        self.term = 0
        self.due: float | None = None
        self._names, self._places, self._prefixes = dict[str, int](), set[tuple[str, bool]](), list[bytes]()
        super().__init__(scene, *how)
        self.until(0.0)
        places = {(place(me), True), *((place(peer), False) for peer in peers)}
        if self._places != places or not any(b"ELECT1".startswith(prefix) for prefix in self._prefixes):
            raise NotYet(UNBOUND, f"After the first tick these were open: {sorted(self._places)}.")

    def effect(self, kind: str, *what: Any) -> None:
        match kind, what:
            case "open", [name, of, endpoint, bind] if bind == (of == zmq.PUB) and of in (zmq.PUB, zmq.SUB):
                self._names[name] = of
                self._places.add((endpoint, bind))
                self.write(ENTRY, "bind" if bind else "connect", zmq.SocketType(of).name, (), "", "", endpoint)
            case "subscribe", [_, prefix]:
                self._prefixes.append(prefix)
            case "send", [name, frames] if self._names[name] == zmq.PUB:
                event = self.says(ENTRY, "PUB", frames)
                words = [f.decode(errors="replace") if isinstance(f, bytes) else f for f in frames]
                self.last[words[1] if len(words) > 1 else ""] = event
                for peer in self.peers:
                    self.write(peer, "receive", "SUB", [w.encode() for w in words], ENTRY, "PUB")
                self.said.append(tuple(words[1:] if words[:1] == ["ELECT1"] else ["?", *words]))
                if words == ["ELECT1", "LEAD", str(self.term), self.me]:
                    self._beats()
            case "result", [(role, term, leader)]:
                self.told.append((f"{role}", term, leader))
            case _:
                raise NotYet(UNBOUND, f"At {self.now:g} s it did what no member does: {kind} {what!r}.")

    def _beats(self) -> None:
        """It says LEAD, which has to be when that is due."""
        off = (self.now - self.due) / self.timeout if self.due is not None else 0.0
        if abs(off) > 1 / 64:
            how = f"{abs(off):g} timeouts {'before' if off < 0 else 'after'} it was due"
            self.blame(RHYTHM if off < 1 / 4 else QUIET, f"its LEAD came {how}.", "LEAD")
        self.due = self.now + self.timeout / 4

    def hear(self, peer: str, words: str, by: str = "") -> list[Words]:
        """A peer says something, now; what the member says to that."""
        self.said, self.told = [], []
        kind, term, *rest = words.split()
        frames = [part.encode() for part in ("ELECT1", kind, term, by or peer, *rest)]
        self.says(peer, "PUB", frames)
        self.write(ENTRY, "receive", "SUB", frames, peer, "PUB")
        [name] = [name for name, of in self._names.items() if of == zmq.SUB]
        self.receive(name, frames)
        return self.said

    @property
    def passed(self) -> float:
        return self.now / self.timeout - self.zero

    def at(self, timeouts: float) -> list[Words]:
        """Let the time pass until then; what the member says in the meantime."""
        self.said, self.told = [], []
        self.until(when := (self.zero + timeouts) * self.timeout)
        self.now = when
        return self.said

    def blame(self, label: str, happened: str, kind: str = "") -> NoReturn:
        raise NotYet(label, f"At {self.now / self.timeout:g} timeouts: {happened}", self.last.get(kind))

    def lead(self, *voters: str, apart: float = 0.0) -> int:
        """It stands for election in time, and wins with these votes, so far apart; its term. The last one is at 0."""
        asked = list[Words]()
        while not asked and self.passed < 2.0:
            asked = [words for words in self.at(self.passed + 1 / 16) if words[0] == "VOTE"]
        if not asked or any(words[2:] != (self.me, self.me) for words in asked):
            label = STAYS if self.zero and not asked else LESSON
            self.blame(label, f"it has heard no leader for two timeouts, and said {asked}.", "VOTE")
        term = self.term = int(asked[-1][1])
        for number, voter in enumerate(voters):
            self.at(self.passed + apart * (number > 0))
            self.hear(voter, f"VOTE {term} {self.me}")
        if ("LEAD", str(term), self.me) not in self.said or ("leader", term, self.me) not in self.told:
            self.blame(LESSON, f"it has a majority now, in term {term}, said {self.said} and told {self.told}.", "LEAD")
        self.zero += self.passed
        return term

    def answers(self, leader: str, term: int) -> None:
        """A leader beats, and is to be answered."""
        said = self.hear(leader, f"LEAD {term}")
        here = [words for words in said if words[0] == "HERE"]
        if here != [("HERE", str(term), self.me, leader)]:
            happened = f"it follows {leader} in term {term}, heard LEAD, and said {said}."
            self.blame(FRAMES if here or said else UNANSWERED, happened, here[0][0] if here else "")

    def leads(self, term: int, until: float, label: str = EARLY) -> None:
        """It must lead up to then, and beat."""
        said = self.at(until)
        if any(news[0] != "leader" for news in self.told) or any(words[0] == "VOTE" for words in said):
            self.blame(label, f"a majority has answered in time, and it reported {self.told}.")
        if self.due is not None and (silent := (self.now - self.due) / self.timeout) > 15 / 64:
            self.blame(QUIET, f"its next LEAD in term {term} was due {silent:g} timeouts ago.", "LEAD")

    def down(self, term: int, over: float, why: str, late: bool = False) -> None:
        """Its time is over then, or was when it heard so late: it follows from now on, and waits."""
        said, told, self.due = *((self.said, self.told) if late else ([], [])), None
        learnt, follower = max(over, self.passed), ("follower", term, "")
        awake, soon = follower in told, self.at(learnt + 1 / 16)
        told = told + self.told
        awake, said = awake if late else follower in told, said + self.at(learnt + 15 / 16)
        told += self.told
        happened = f"its time in term {term} was over {self.passed - over:g} timeouts ago. It said {said} and reported"
        if any(words[0] == "LEAD" for words in said):
            self.blame(why, f"{happened} {told}.", "LEAD")
        if any(words[0] == "VOTE" and words[2:] == (self.me, self.me) for words in soon + said):
            self.blame(HASTY, f"{happened} {told}.", "VOTE")
        if follower not in told:
            terms = [news[1] for news in told if news[0] == "follower"]
            self.blame(why if late else TERM if set(terms) - {term} else UNTOLD, f"{happened} {told}.")
        if not awake:
            self.blame(SPOKE if late else LATE, f"{happened} {told}.")
        self.zero, self.due = self.zero + learnt, None


def place(name: str) -> str:
    return f"inproc://{name}"


@contextlib.contextmanager
def _played(scene: Scene, members: int) -> Iterator[Seat]:
    me, *peers = scene.random.sample(NAMES, members)
    timeout, places = scene.random.choice((1.0, 2.0, 4.0)), {name: place(name) for name in (me, *peers)}
    call = lambda shell: Call((me, tuple(peers), places, timeout, shell))  # noqa: E731
    with played(scene, call) as (answer, [line]):
        yield Seat(scene, me, peers, timeout, answer, line)


def alone(scene: Scene) -> None:
    """one member of three"""
    with _played(scene, 3) as seat:
        one, _ = seat.peers
        term = seat.lead(one)
        for when in 0.25, 0.5, 0.75:
            seat.at(when)
            seat.hear(one, f"HERE {term} {seat.me}")
        seat.at(2.5)


def follows(scene: Scene) -> None:
    """leaders that it follows"""
    with _played(scene, 5) as seat:
        one, two, three, _ = seat.peers
        first = scene.random.randrange(5, 50)
        for quarter in range(13):
            seat.at(quarter / 4)
            seat.answers(one, first)
        said = seat.hear(two, f"VOTE {first + 1} {two}")
        if said != [("VOTE", str(first + 1), seat.me, two)]:
            seat.blame(LESSON, f"{two} asked for its vote in term {first + 1}, and it said {said}.", "VOTE")
        if said := seat.hear(one, f"LEAD {first}"):
            seat.blame(ANSWERED, f"it heard a LEAD of term {first}, which is over, and said {said}.", "HERE")
        if said := seat.hear(one, f"LEAD {first + 1}", by="Zoe"):
            seat.blame(ANSWERED, f"it heard a LEAD of Zoe's, who is no member, and said {said}.", "HERE")
        seat.answers(two, first + 1)
        seat.answers(two, first + 1)
        for words in f"HERE {first + 1} {two}", f"HERE {first + 1}":
            if said := seat.hear(three, words):
                seat.blame(LESSON, f"it heard {words} of {three}'s, and said {said}.", said[0][0])
        seat.hear(three, f"HERE {first + 7} {one}")
        said = seat.at(5.5)
        if not said or said[0] != ("VOTE", str(first + 8), seat.me, seat.me):
            seat.blame(HIGHER, f"it had heard a HERE of term {first + 7}, then nothing, and said {said}.", "VOTE")


def silence(scene: Scene) -> None:
    """a peer that falls silent and what comes after that"""
    with _played(scene, 3) as seat:
        one, two = scene.random.sample(seat.peers, 2)
        often = [n / 16 for n in range(1, 16, 2)]  # also between two beats
        for answers in (*often, 1.8125, 2.6875, 3.0625), (0.875, 1.75), (0.5625,):
            term = seat.lead(one)
            for when in answers:
                seat.leads(term, when)
                seat.hear(one, f"HERE {term} {seat.me}")
            seat.leads(term, when + 15 / 16)
            seat.down(term, when + 1.0, NEVER_DOWN)
        for peer in one, two:
            said = seat.hear(peer, f"HERE {term} {seat.me}")
            if said or any(news[0] == "leader" for news in seat.told):
                seat.blame(BACK, f"it had stepped down, heard a HERE of {peer}'s, and said {said}.", "LEAD")
        if said := seat.hear(two, f"VOTE {term} {two}"):
            seat.blame(AGAIN, f"{two} asked for its vote in term {term}, in which it had led. It said {said}.", "VOTE")
        said = seat.hear(two, f"VOTE {term + 1} {two}")
        if said != [("VOTE", str(term + 1), seat.me, two)]:
            seat.blame(LESSON, f"{two} asked for its vote in term {term + 1}, and it said {said}.", "VOTE")
        seat.answers(two, term + 1)


def five(scene: Scene) -> None:
    """five members, of whom too few answer, or for another, or again and again"""
    with _played(scene, 5) as seat:
        one, two, three, four = seat.peers
        for label in (HALF, MANY, OLD):
            term = seat.lead(one, two)
            seat.leads(term, 0.8125)
            for peer in three, four:
                seat.hear(peer, f"HERE {term} {seat.me}")
            seat.leads(term, 1.5)
            for _ in range(4 if label == MANY else 1):
                seat.hear(three, f"HERE {term} {seat.me}")
            if label == OLD:
                for words in f"HERE {term - 1} {seat.me}", f"HERE {term} {one}", f"VOTE {term} {one}":
                    seat.hear(four, words)
                seat.hear(four, f"HERE {term} {seat.me}", by="Zoe")
            seat.leads(term, 1.75)
            seat.down(term, 1.8125, label)
        term = seat.lead(one, two, apart=0.625)
        seat.leads(term, 0.3125, VOTES)
        seat.down(term, 0.375, VOTES)
        term = seat.lead(one, two)
        seat.leads(term, 0.5625)
        for until in 1.25, 2.1875:  # one of the two has voted before; then both have
            for peer in one, three:
                seat.hear(peer, f"VOTE {term} {seat.me}")
            seat.leads(term, until, VOTES)
        seat.down(term, 2.25, VOTES)


def stood_still(scene: Scene) -> None:
    """a leader that stood still"""
    with _played(scene, 3) as seat:
        one, two = scene.random.sample(seat.peers, 2)
        words = {
            "HERE": lambda term: (one, f"HERE {term} {seat.me}"),
            "VOTE": lambda term: (two, f"VOTE {term + 1} {two}"),
            "older": lambda term: (two, f"LEAD {term - 1}"),
            "stranger": lambda term: (two, f"LEAD {term + 1}", "Zoe"),
            "junk": lambda term: (two, f"TEA {term + 1}"),
        }
        lates = [("", 3.0, 1.0), ("", 3.0, 1.4375), ("HERE", 3.0, 1.4375), ("HERE", 1.5625, 1.0)]
        others = [(what, 3.0, 1.0) for what in ("VOTE", "older", "stranger", "junk")]  # all but the first are dropped
        for what, late, beat in (*scene.random.sample(lates, 4), *others):
            term = seat.lead(one)
            seat.leads(term, 0.5625)
            seat.hear(one, f"HERE {term} {seat.me}")
            seat.now, seat.due = (seat.zero + beat) * seat.timeout, None
            seat.leads(term, beat + 1 / 64)
            seat.now, seat.due, seat.said, seat.told = (seat.zero + late) * seat.timeout, None, [], []
            if what:
                seat.hear(*words[what](term))
            else:
                with contextlib.suppress(NotYet):  # it wants to be called at once: what it has said by then tells why
                    seat.tick()
            seat.down(term, 1.5625, REVIVED if what == "HERE" else SPOKE, late=True)


TRY = alone
SCENES = (follows, silence, five, stood_still)
