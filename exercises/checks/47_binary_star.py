# SPDX-License-Identifier: BSD-3-Clause
"""Let the active resign: it hands its office over, and nobody has to wait for two silent intervals."""

import contextlib
import copy
import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any, NoReturn

import zmq

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, Clock, Shell, played
from exercises.scene import NotYet, Scene

ENTRY = "server"

HINTS = (
    "Two things are wrong in what is given, apart from what is new: who decides there that a passive server takes "
    "over, and when? And what may come on its two sockets that is neither a word nor a request?",
    "Draw the table with a fifth state and a fifth word before you write: five rows, seven columns (five words, a "
    "request, a vote). RESIGN is no column. It is a request that only the active looks at, and all it does is to put "
    "the active into the fifth state.",
    'In `receive`: on the SUB, a `match` on [b"1" | b"2" | b"3" | b"4" | b"5" as word], which sets the expiry and '
    'takes a step. On the ROUTER, a `case` for [client, b"", b"RESIGN"] before the one for [client, b"", body]; in '
    "the second, first a step with VOTE if `now >= self.expiry`, and then an answer if the state is ACTIVE.",
)
VARIANT = 'let the resigned server tell its clients where to go: [client][""][GONE][the peer\'s endpoint].'
LIMIT = "if the word RESIGNED is lost with the cable, nobody is active until a client asks."
WHY = "from which moment on does nobody answer, from which moment on the peer, and why is it never both?"

AS_REQUEST = "RESIGN was answered like any other request"
UNHEARD = "an active that was told to resign did not say OK, or did not resign"
AS_PASSIVE = "who resigned said that it was passive"
FORSAKEN = "it resigned although its peer was silent"
REFUSED = "an active that could not resign did not say NO, or did not stay"
RESIGN_VOTE = "RESIGN was taken for a vote"
NOT_ACTIVE = "a server that was not active answered"
NO_HEIR = "a server did not take over from one that had resigned"
KEPT_ON = "a resigned server went on answering"
NOT_BY = "a resigned server did not stand by when its peer was active"
NOT_BACK = "a resigned server did not take its office back when its peer had begun anew"
TOO_EARLY = "a resigned server moved before its peer had taken over"
EAGER = "it became active although nobody had asked"
RASH = "it took over while its peer was heard"
DEAF = "a vote did not count"
MOMENT = "the silence of its peer began at another time than it should"
UNSERVED = "the request that was the vote was not answered"
BACKUP = "a backup that had just begun took over by a vote"
TABLE = "a word of the peer had another effect than in the table"
UNTOLD = "a change was not told at once"
REPEATED = "its state was told once more without a change"
DUE = "its state was told at another time than it was due"
SILENT = "an active did not answer"
JUNK_WORD = "what is no word counted as a word of the peer"
JUNK_REQUEST = "what is no request was taken for one"
BODY = "a reply was not the request in capitals"
FRAMES = "a message left in other frames than it should"
UNBOUND = "the three sockets were not as they should be"

LABELS = {
    AS_REQUEST: "which body means something to the active?",
    UNHEARD: "which two things happen when an active whose peer is heard is told to resign?",
    AS_PASSIVE: "what would your peer do if it heard that you are passive?",
    FORSAKEN: "who would answer after you?",
    REFUSED: "what does an active do whose peer is silent, and how does its operator learn of it?",
    RESIGN_VOTE: "does an operator who wants somebody to resign want this server to begin?",
    NOT_ACTIVE: "who answers, of all the states?",
    NO_HEIR: "who is in office if your peer has resigned, whether you are passive or have just begun?",
    KEPT_ON: "who may answer from the moment on in which you have said OK?",
    NOT_BY: "what are you, once your peer says that it is active?",
    NOT_BACK: "who is in office if you have resigned and your peer has just begun?",
    TOO_EARLY: "which words of your peer say that it has heard you?",
    EAGER: "which two conditions must hold before somebody takes over?",
    RASH: "when is a request a vote, and when is it none?",
    DEAF: "what is a request that comes while your peer is silent, and which states does it move?",
    MOMENT: "which words count, also of those that move nothing, and from which moment on is your peer silent?",
    UNSERVED: "what has the client that voted asked for?",
    BACKUP: "what has a backup that has just begun never heard?",
    TABLE: "which line of the table is that?",
    UNTOLD: "when does your peer learn of a change?",
    REPEATED: "which three occasions are there to tell a state, and is a message that moves nothing one of them?",
    DUE: "from which moment does the interval count, and what is told in between?",
    SILENT: "whom does an active answer?",
    JUNK_WORD: "of how many frames is a word, and which five are there?",
    JUNK_REQUEST: "which three frames does a request have?",
    BODY: "what stands in a reply, and which body alone means something else?",
    FRAMES: "of how many frames is a word to the peer, and what stands in front of what a client gets?",
    UNBOUND: "which effects open the sockets, and which of them binds?",
    NOT_LATER: "from when does the next interval count?",
    TOO_OFTEN: "what is there to do at the time that you want to be called next?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

ENDPOINT, MINE, PEER = "inproc://clients", "inproc://mine", "inproc://peer"
SOCKETS = {(zmq.ROUTER, ENDPOINT, True): "clients", (zmq.PUB, MINE, True): "out", (zmq.SUB, PEER, False): "in"}
P, B, A, S, R = b"1", b"2", b"3", b"4", b"5"
NAMES = {P: "PRIMARY", B: "BACKUP", A: "ACTIVE", S: "PASSIVE", R: "RESIGNED"}
WORDS = {  # what a word of the peer makes of a state
    P: {B: A, A: S, R: A},
    B: {A: S, R: A},
    A: {},
    S: {P: A, B: A, R: A},
    R: {P: A, B: A, A: S},
}
LETTERS = dict(zip("PBASR", NAMES, strict=True))
NEAR = 1e-3  # seconds
ODD = ([b""], [b"tea"], [b"", b"RESIGN", b""], [b"", b"tea", b"two"], [b"tea", b""], [b"x", b"RESIGN"])
JUNK = ([b""], [b"6"], [b"3", b""], [b"33"], [b"0"], [b"5 "], [b"", b"3"])


def _names(words: list[bytes]) -> str:
    return " ".join(NAMES[word] for word in words) or "nothing"


class Model:
    """What the answer has to be: a server that can resign."""

    def __init__(self, first: bytes, interval: float) -> None:
        self.state, self.interval, self.due, self.expiry = first, interval, 0.0, 4 * interval

    def become(self, state: bytes, now: float) -> list[bytes]:
        if state == self.state:
            return []
        self.state, self.due = state, now + self.interval
        return [state]

    def word(self, word: bytes, now: float) -> list[bytes]:
        self.expiry = now + 2 * self.interval
        return self.become(WORDS[self.state].get(word, self.state), now)

    def ask(self, body: bytes, now: float) -> tuple[list[bytes], list[bytes]]:
        """What it says to its peer, and what it replies."""
        silent, said = now >= self.expiry, list[bytes]()
        if body == b"RESIGN":
            if self.state != A or silent:
                return [], [b"NO"] * (self.state == A)
            return self.become(R, now), [b"OK"]
        if silent and self.state in (P, S, R):
            said = self.become(A, now)
        return said, [body.upper()] * (self.state == A)


class Desk(Clock):
    """Plays the answer's core, its peer and its clients, and knows what it ought to do.

    said, replied  what it has said to its peer, and replied to the client, since something last happened
    """

    def __init__(self, scene: Scene, first: bytes, interval: float, *how: Any) -> None:
        self.model, self.interval, self.first = Model(first, interval), interval, first
        self.said, self.replied, self.client = list[bytes](), list[bytes](), ""
        self.event: Event | None = None
        self.odd = -9 * interval  # when something was heard that is no word
        self._names = dict[str, str]()  # of a socket: which of the three it is
        self._heard = False  # whether the SUB has subscribed to everything
        super().__init__(scene, *how)
        self.tick()
        if set(self._names.values()) != {"clients", "out", "in"} or not self._heard:
            raise NotYet(UNBOUND, f"After the first tick there were, of clients, out, in: {[*self._names.values()]}.")
        self.model.due = interval
        self._compare([first], [], "its first tick", DUE)

    def effect(self, kind: str, *what: Any) -> None:
        if kind == "open":
            if SOCKETS.get(what[1:]) in {None, *self._names.values()}:
                raise NotYet(UNBOUND, f"At {self.now:g} s it opened {what!r}.")
            self._names[what[0]] = SOCKETS[what[1:]]
            self.write(ENTRY, "bind" if what[3] else "connect", zmq.SocketType(what[1]).name, (), "", "", what[2])
        elif kind == "subscribe":
            self._heard |= self._names.get(what[0]) == "in" and what[1] == b""
        elif kind == "send":
            self._sent(self._names.get(what[0], ""), list(what[1]))
        else:
            raise NotYet(UNBOUND, f"At {self.now:g} s it gave {kind} {what!r}.")

    def _sent(self, socket: str, frames: list[Any]) -> None:
        self.event = self.says(ENTRY, "PUB" if socket == "out" else "ROUTER", frames)
        if socket == "out":
            if len(frames) != 1 or frames[0] not in NAMES:
                raise NotYet(FRAMES, f"At {self.now:g} s it said {frames!r} to its peer.", self.event)
            self.said.append(frames[0])
        else:
            if len(frames) != 3 or frames[:2] != [self.client.encode(), b""] or not isinstance(frames[2], bytes):
                raise NotYet(FRAMES, f"{self.client or 'Nobody'} had asked, and {frames!r} was sent.", self.event)
            self.replied.append(frames[2])
            self.write(self.client, "receive", "DEALER", frames[1:], ENTRY, "ROUTER")

    def play(self, script: str) -> None:
        """What happens, in short: times in intervals, words of the peer by their letter, requests, odd and junk."""
        for act in script.split():
            if act in LETTERS:
                self.hear(LETTERS[act])
            elif act == "RESIGN":
                self.ask("operator", b"", b"RESIGN")
            elif act in ("ask", "blank", "resign"):
                bodies = {"ask": self.scene.words(1), "blank": [b""], "resign": [b"resign"]}[act]
                self.ask(self.scene.random.choice(("Ann", "Bob")), b"", *bodies)
            elif act == "odd":
                for frames in ODD:
                    self.ask("Cat", *frames)
            elif act == "junk":
                for frames in JUNK:
                    self.hear(*frames)
            else:
                self.at(float(act))

    def at(self, intervals: float) -> None:
        """Let the time pass until then; the state has to be told whenever it is due."""
        when = intervals * self.interval
        while min(self.deadline, self.model.due) <= when + NEAR:
            if self.deadline > self.model.due + NEAR:
                self.now = self.model.due
                self._blame(DUE, f"{NAMES[self.model.state]} was to be told, and it wanted no tick.")
            due = self.deadline > self.model.due - NEAR
            self._clear()
            self.now = self.model.due if due else max(self.now, self.deadline)
            self.deadline = self.now
            self.tick()
            if due:
                self.model.due = self.now + self.interval
            label = EAGER if A in self.said and self.model.state != A else DUE
            self._compare([self.model.state] * due, [], "a tick", label)
        self.now = when

    def hear(self, *frames: bytes) -> None:
        """The peer says something, which may be no word."""
        self._clear()
        before, silent = self.model.state, self.now >= self.model.expiry
        self.says("peer", "PUB", frames)
        self.write(ENTRY, "receive", "SUB", frames, "peer", "PUB")
        self.receive(next(name for name, which in self._names.items() if which == "in"), list(frames))
        if len(frames) != 1 or frames[0] not in NAMES:
            self.odd = self.now
            self._compare([], [], f"it heard {list(frames)!r} from its peer", JUNK_WORD)
            return
        word = frames[0]
        said = self.model.word(word, self.now)
        what = f"its peer was {'silent' if silent else 'heard'}, and said {NAMES[word]}"
        self._compare(said, [], f"it was {NAMES[before]}, {what}", self._of_word(before, word))

    def _of_word(self, before: bytes, word: bytes) -> str:
        if before == R:
            return NOT_BY if word == A else NOT_BACK if word in (P, B) else TOO_EARLY
        return NO_HEIR if word == R and before != A else TABLE

    def ask(self, client: str, *frames: bytes) -> None:
        """A client asks something, or sends what is no request."""
        self._clear()
        self.client, before, silent = client, self.model.state, self.now >= self.model.expiry
        self.says(client, "DEALER", frames)
        self.write(ENTRY, "receive", "ROUTER", (client.encode(), *frames), client, "DEALER")
        socket = next(name for name, which in self._names.items() if which == "clients")
        self.receive(socket, [client.encode(), *frames])
        until = f"{'silent from' if silent else 'heard until'} {self.model.expiry / self.interval:g} intervals on"
        said, replied, label = list[bytes](), list[bytes](), JUNK_REQUEST
        if len(frames) == 2 and frames[0] == b"":
            body = frames[1]
            label = (self._of_resign if body == b"RESIGN" else self._of_request)(before, silent)
            if self._moment(body, silent):
                label = MOMENT
            said, replied = self.model.ask(body, self.now)
            if replied and self.replied and body != b"RESIGN":
                label = BODY
        happened = f"it was {NAMES[before]}, its peer {until}, and {client} sent {list(frames)!r}"
        self._compare(said, replied, happened, label)

    def _moment(self, body: bytes, silent: bool) -> bool:
        """Whether it did what were right a little earlier or later: before its peer is silent, or from then on."""
        other, off = copy.copy(self.model), abs(self.now - self.model.expiry)
        other.expiry = self.now + silent
        if off >= 2 * self.interval - NEAR or (silent and self.now < self.odd + 2 * self.interval):
            return False
        return other.ask(body, self.now) == (self.said, self.replied)

    def _of_resign(self, before: bytes, silent: bool) -> str:
        if before != A:
            return RESIGN_VOTE if A in self.said else NOT_ACTIVE
        if self.replied == [b"RESIGN"]:
            return AS_REQUEST
        if silent:
            return FORSAKEN if b"OK" in self.replied or R in self.said else REFUSED
        return AS_PASSIVE if S in self.said else UNHEARD

    def _of_request(self, before: bytes, silent: bool) -> str:
        if before == A:
            return SILENT
        if before == B:
            return BACKUP if A in self.said else NOT_ACTIVE
        if silent:
            if A in self.said:
                return UNSERVED
            return JUNK_WORD if self.now < self.odd + 2 * self.interval else DEAF
        return KEPT_ON if before == R else RASH if A in self.said else NOT_ACTIVE

    def _clear(self) -> None:
        self.said, self.replied, self.event = [], [], None

    def _compare(self, said: list[bytes], replied: list[bytes], what: str, label: str) -> None:
        if (self.said, self.replied) == (said, replied):
            return
        wrong = [*self.said], [*self.replied]
        if self.replied == replied and not said and self.said == [self.model.state] and label not in (DUE, JUNK_WORD):
            label = REPEATED
        if self.replied == replied and said and not self.said and label not in (DUE, EAGER):
            self.tick()
            if self.said == said:  # it has changed all the same
                label = UNTOLD
        did, due = ((_names(told), sent if sent else "nothing") for told, sent in (wrong, (said, replied)))
        happened = f"{what}. It told its peer {did[0]} and replied {did[1]};"
        self._blame(label, f"{happened} it should have told {due[0]} and replied {due[1]}.")

    def _blame(self, label: str, happened: str) -> NoReturn:
        raise NotYet(label, f"At {self.now / self.interval:g} intervals: {happened}", self.event)


@contextlib.contextmanager
def _played(scene: Scene, *firsts: bytes) -> Iterator[Iterator[Desk]]:
    """A core for each of these states to begin in, one after the other."""
    interval = scene.random.choice((0.5, 1.0, 2.0, 4.0))

    def begin(first: bytes, shell: Shell) -> Call:
        return Call((ENDPOINT, MINE, PEER, first, interval, shell))

    with played(scene, *(partial(begin, first) for first in firsts)) as (answer, lines):
        yield (Desk(scene, first, interval, answer, line) for first, line in zip(firsts, lines, strict=True))


def handing_over(scene: Scene) -> None:
    """an active that resigns, and is asked to take its office back"""
    with _played(scene, P) as [desk]:
        desk.play("0.25 ask B resign blank RESIGN ask 1 S R A RESIGN 5 ask RESIGN ask A 6 RESIGN")
        desk.play(f"{scene.random.choice('PB')} ask")


def silence(scene: Scene) -> None:
    """servers whose peer falls silent"""
    scripts = (  # once for long, and then to the moment
        "4.5 ask A 8.5 RESIGN ask A RESIGN 12.5 RESIGN ask A RESIGN A 14 junk 14.75 odd ask odd ask",
        "3.75 ask 4 blank",
        "0.25 B 1.75 RESIGN 2 ask 2.25 ask",
        "0.25 A 1 S 2.75 ask 3 ask 4 R 5.75 RESIGN 6.5 S 8.25 ask 8.5 ask 9.25 P 11 ask 11.25 RESIGN",
    )
    with _played(scene, B, P, P, P) as desks:
        for desk, script in zip(desks, scripts, strict=True):
            desk.play(script)
            desk.end()


def every_word(scene: Scene) -> None:
    """each word of its peer in each state"""
    pairs = [(first, letter) for first in (P, B) for letter in LETTERS]  # the last of them makes it active
    with _played(scene, *(first for first, _ in pairs)) as desks:
        for desk, (first, letter) in zip(desks, pairs, strict=True):
            desk.play(f"0.25 {letter} 2.25 ask RESIGN")
            if (first, letter) == pairs[-1]:
                for number, (way, word) in enumerate(itertools.product(("", "RESIGN", "RESIGN A"), LETTERS)):
                    desk.play(f"B {way} {3.25 + 2.75 * number} {word} {5 + 2.75 * number} ask RESIGN")
            desk.end()


def any_hour(scene: Scene) -> None:
    """an hour in which anything may come"""
    acts = [*LETTERS, *LETTERS, *["ask"] * 6, *["RESIGN"] * 4, "odd", "junk"]
    with _played(scene, P, B) as desks:
        for desk in desks:
            now = 0.0
            for _ in range(40):
                now += scene.random.choice((0.0, 0.0, 0.25, 0.5, 1.0, 2.0, 2.5))
                desk.play(f"{now} {scene.random.choice(acts)}")
            desk.end()


EQUIVALENT = {
    "line 25, swap: [Open('clients', zmq.ROUTER, self.endpoint, bind=True), Open('out', zmq.PUB, self.mine, "
    "bind=True), Open('in', zmq.SUB, self.peer), Subscribe('in', b'')]": "sockets may be opened in any order",
    "line 42, swap: [reply, *self.become(RESIGNED, now)]": "two sockets: nobody sees which message left first",
}
TRY = handing_over
SCENES = (handing_over, silence, every_word, any_hour)
