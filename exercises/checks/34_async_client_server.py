# SPDX-License-Identifier: BSD-3-Clause
"""Let every client hear the replies in the order of its requests."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from diagrams.recording import Event
from exercises.answer import Call
from exercises.clock import NOT_LATER, NOT_PLAYED, OWN_CLOCK, TOO_OFTEN, UNBOUND, Bound, played
from exercises.scene import NotYet, Scene
from patterns.shell import NEVER

ENTRY = "server"

HINTS = (
    "A reply that is due and may not go yet has to be kept somewhere. What must be known of a client to tell when its "
    "turn has come?",
    "Keep the requests of each client apart and in their order, each with the replies it still has coming. Only the "
    "first of them may send; when it has none left, the next one is the first, in the same tick.",
    "Two lines go wrong in the end: a request without replies must not become the first, and for `deadline` only the "
    "next reply of each client's first request counts, not one that waits its turn.",
)
VARIANT = "at most two requests of a client are at work at a time: a third begins when one of them is done."
LIMIT = "nothing limits what is kept for one client: whoever shows life and asks for much fills the memory."
WHY = "which reply decides about the deadline while others, long due, wait behind it?"

ORDER = "the replies came in the order in which they were ready"
EARLY = "a reply went out before its time"
LOST = "a reply that had to wait was lost"
NOT_SENT = "a reply whose turn had come was not sent"
WHOLE = "a request's replies waited until it was complete"
ANEW = "a request began only when the one before it was done"
TWICE = "a reply went out twice"
OTHER = "one client waited for another"
SAME_ID = "two clients with the same request id were taken for one"
EMPTY = "a request without replies held up those behind it"
HALF = "a request with one empty frame was taken for a sign of life"
ANSWERED = "a sign of life was taken for a request"
KEPT = "a client that was gone was not forgotten"
RENEWED = "a reply that was sent counted as a sign of life"
HELD_UP = "a client that came back was held up by what was forgotten"
GIVEN_UP = "a client that showed life was forgotten"
FRAMES = "a reply left in other frames than it should"

LABELS = {
    ORDER: "what has to have gone out before this reply may go?",
    EARLY: "which two things does a reply wait for: its turn, and what else?",
    LOST: "where is a reply kept that is due, and whose turn has not come?",
    NOT_SENT: "what becomes possible in the moment in which a request is complete?",
    WHOLE: "whom does the first of a client's requests have to wait for?",
    ANEW: "from when do the seconds of a plan count?",
    TWICE: "what does your core still know of a reply that it has sent?",
    OTHER: "how many orders are there to keep: one, or one for each client?",
    SAME_ID: "who else may have called a request by this id?",
    EMPTY: "when is a request complete that has nothing to send?",
    HALF: "which frames does a sign of life have, and which of them would not be enough?",
    ANSWERED: "what is there to plan for a message that says nothing but `I am here`?",
    KEPT: "which of your tables still knows a client after its silence, and what wakes you when it is over?",
    RENEWED: "who has to say something, so that a client is not silent?",
    HELD_UP: "what does a client begin with that speaks anew?",
    GIVEN_UP: "which message of a client is its latest?",
    NOT_LATER: "what can a tick do about a reply that waits for others?",
    TOO_OFTEN: "what is the next thing that your core has to do, and when?",
    OWN_CLOCK: "which clock does a core have when it is played at another speed?",
    FRAMES: "what does a ROUTER need in front, and what does the client?",
    UNBOUND: "which effect opens a socket, and where do clients look for it?",
    NOT_PLAYED: "who is to call the core, and when does your function come back?",
}

ENDPOINT = "inproc://kitchen"
LONG = 2000.0  # seconds of silence that nobody reaches
OVER = 500.0  # seconds after which nothing more has to go out
NAMES = ("ann", "bob", "cleo", "dan", "eve", "fay", "gus", "zoe")

Table = dict[bytes, list[tuple[float, bytes]]]
Name = tuple[str, bytes, bytes]  # of a reply: its client, its request's id, its body


@dataclass(frozen=True)
class Plan:
    """How the checker's server answers."""

    table: Table

    def __call__(self, body: bytes) -> list[tuple[float, bytes]]:
        return list(self.table[body])


class Said(NamedTuple):
    """A request, or a sign of life."""

    when: float
    client: str
    request: bytes
    body: bytes


class Reply(NamedTuple):
    """A reply that has a time: when it has to go out (never, if its client is forgotten), and why not earlier."""

    client: str
    request: bytes
    body: bytes
    asked: bytes  # its request's body
    when: float
    own: float  # its own time
    anew: float  # its time if its request began with its turn
    last: float  # when its request is complete
    end: float  # when its client is forgotten

    def __str__(self) -> str:
        return f"{self.body.decode()!r} to {self.client}"

    @property
    def name(self) -> Name:
        return self.client, self.request, self.body


class Sent(NamedTuple):
    """A reply that went out."""

    client: str
    request: bytes
    body: bytes
    when: float
    event: Event

    name = Reply.name
    __str__ = Reply.__str__


class Kitchen(Bound):
    """Plays the answer's core and its clients; knows what was said and what was sent."""

    FRAMES = FRAMES

    def __init__(self, scene: Scene, table: Table, silence: float, *how: object) -> None:
        self.table, self.silence = table, silence
        self.said, self.out = list[Said](), list[Sent]()
        super().__init__(scene, *how, ENTRY, ENDPOINT)  # type: ignore[arg-type]

    def at(self, when: float, client: str, request: bytes = b"", body: bytes = b"") -> None:
        """A client says this then, once the core has done what was due before."""
        self.until(when)
        self.now = when
        self.said.append(Said(when, client, request, body))
        self.say(client, request, body)

    def sent(self, peer: str, frames: list[bytes | str], event: Event) -> None:
        if len(frames) != 2 or not all(isinstance(frame, bytes) for frame in frames):
            raise NotYet(FRAMES, f"At {self.now:g} s {peer} was sent {frames!r}.", event)
        self.write(peer, "receive", "DEALER", frames, self.role, "ROUTER")  # type: ignore[arg-type]
        self.out.append(Sent(peer, *frames, self.now, event))  # type: ignore[arg-type]

    def due(self) -> Iterator[Reply]:
        """Every reply that has a time, of each client's requests in their order."""
        for client in dict.fromkeys(said.client for said in self.said):
            turn, words = 0.0, [said for said in self.said if said.client == client]
            for n, (when, _, request, body) in enumerate(words):
                times = [each.when for each in words[n:]] + [NEVER]
                end = next(t for t, after in pairwise(times) if t + self.silence <= after) + self.silence
                if n and words[n - 1].when + self.silence <= when:
                    turn = 0.0  # it begins anew
                began, plan = max(turn, when), self.table[body] if request or body else []
                last = max([began, *[when + seconds for seconds, _ in plan]])
                for seconds, reply in plan:
                    turn = max(turn, when + seconds)
                    goes = turn if turn < end else NEVER
                    times = goes, when + seconds, began + seconds, last, end
                    yield Reply(client, request, reply, body, *times)

    def judge(self, lacks: Callable[[Reply, bool], str]) -> None:
        """Blame the answer for the first reply that went out and should not, or the reverse. `lacks` has the label
        where one had nothing to wait for but its own time, and was late, or never came."""
        self.until(OVER)
        due, out = {reply.name: reply for reply in self.due()}, {sent.name: sent for sent in reversed(self.out)}
        odd = []
        for sent in self.out:
            if out[sent.name] is not sent:
                odd.append((sent.when, NotYet(TWICE, f"{sent} went out at {sent.when:g} s once more.", sent.event)))
            elif sent.name not in due or sent.when < due[sent.name].when:
                odd.append((sent.when, self._extra(sent, due, out)))
        for reply in due.values():
            there = out.get(reply.name)
            if reply.when < (there.when if there else NEVER):
                odd.append((reply.when, _lacks(reply, there, lacks)))
        if odd:
            raise min(odd, key=lambda each: each[0])[1]
        for client in self.peers:
            wanted = sorted((r for r in due.values() if r.client == client), key=lambda reply: reply.when)
            for reply, sent in zip(wanted, (s for s in self.out if s.client == client), strict=False):
                if reply.name != sent.name:
                    raise NotYet(ORDER, f"At {sent.when:g} s {sent} went out before {reply}.", sent.event)

    def _extra(self, sent: Sent, due: dict[Name, Reply], out: dict[Name, Sent]) -> NotYet:
        happened, reply = f"{sent} went out at {sent.when:g} s", due.get(sent.name)
        if reply is None:
            others = [r.client for r in due.values() if (r.request, r.body) == (sent.request, sent.body)]
            if others:
                return NotYet(SAME_ID, f"{happened}; it was {others[0]} who had asked for it.", sent.event)
            if not sent.request and sent.body in [body for _, body in self.table[b""]]:
                return NotYet(ANSWERED, f"{happened}, who had shown life and asked for nothing.", sent.event)
            return NotYet(FRAMES, f"{happened} as an answer to {sent.request!r}; nobody asked that.", sent.event)
        if reply.when == NEVER:
            happened += f"; the last word of {sent.client} came at {reply.end - self.silence:g} s."
            void = [r.name in out for r in due.values() if (r.client, r.end, r.when) == (sent.client, reply.end, NEVER)]
            renewed = [s for s in self.out if s.client == sent.client and s.when < sent.when < s.when + self.silence]
            return NotYet(KEPT if all(void) or not renewed else RENEWED, happened, sent.event)
        if sent.when < reply.own:
            return NotYet(EARLY, f"{happened}; its time was {reply.own:g} s.", sent.event)
        return NotYet(ORDER, f"{happened}; its turn was to come at {reply.when:g} s.", sent.event)


def _lacks(reply: Reply, sent: Sent | None, lacks: Callable[[Reply, bool], str]) -> NotYet:
    went = f"went out at {sent.when:g} s" if sent else "never went out"
    if not reply.request or not reply.asked:
        label = HALF
    elif reply.own < reply.when:
        label = (ANEW if sent.when == reply.anew else NOT_SENT) if sent else LOST
    else:
        label = WHOLE if sent and sent.when == reply.last else lacks(reply, sent is None)
    return NotYet(label, f"{reply} {went}; it was to go at {reply.when:g} s.", sent.event if sent else None)


@contextlib.contextmanager
def _played(scene: Scene, table: Table, silence: float = LONG) -> Iterator[Kitchen]:
    with played(scene, lambda shell: Call((ENDPOINT, silence, Plan(table), shell))) as (answer, [line]):
        yield Kitchen(scene, table, silence, answer, line)


def _table(scene: Scene, *plans: Sequence[float]) -> tuple[Table, list[bytes]]:
    """A body for each of these plans, and what is replied to it, when; nothing to an empty body."""
    bodies = scene.words(len(plans))
    table = {
        b: [(t, b"%s %d/%d" % (b, n, len(p))) for n, t in enumerate(p, 1)] for b, p in zip(bodies, plans, strict=True)
    }
    return {b"": [], **table}, bodies


def one_slow_request(scene: Scene) -> None:
    """a slow request before quick ones"""
    unit, [ann] = scene.random.choice((0.5, 1.0, 2.0)), scene.random.sample(NAMES, 1)
    table, [slow, quick, both, now] = _table(scene, [unit, 3 * unit, 3 * unit], [unit / 2], [unit / 2, 4 * unit], [0.0])
    with _played(scene, table) as kitchen:
        for n, body in enumerate((slow, quick, both, now)):
            kitchen.at(n * unit / 8, ann, b"%d" % n, body)
        for n, body in enumerate((quick, now, both)):
            kitchen.at((6 + n) * unit, ann, b"%d" % (n + 4), body)
        kitchen.judge(lambda reply, never: NOT_SENT)


def two_clients(scene: Scene) -> None:
    """two clients that use the same request ids"""
    unit, [ann, bob] = scene.random.choice((0.5, 1.0, 2.0)), scene.random.sample(NAMES, 2)
    table, [slow, quick, both] = _table(scene, [unit, 3 * unit], [unit / 2], [unit / 2, 4 * unit])
    with _played(scene, table) as kitchen:
        for n, said in enumerate([(ann, b"1", slow), (bob, b"1", quick), (bob, b"2", both), (ann, b"2", quick)]):
            kitchen.at(n * unit / 8, *said)
        kitchen.judge(lambda reply, never: SAME_ID if never else OTHER)


def no_replies(scene: Scene) -> None:
    """signs of life and a request without replies"""
    unit, [ann] = scene.random.choice((0.5, 1.0, 2.0)), scene.random.sample(NAMES, 1)
    table, [nothing, quick, other] = _table(scene, [], [unit / 2], [unit])
    table[b""] = table.pop(other)
    with _played(scene, table) as kitchen:
        kitchen.at(0.0, ann)
        for n, said in enumerate([(b"1", quick), (), (b"2", nothing), (b"3", quick)]):
            kitchen.at((2 + n / 8) * unit, ann, *said)
        kitchen.at(4 * unit, ann, b"4", nothing)
        kitchen.at(4.125 * unit, ann, b"5", quick)
        kitchen.at(6 * unit, ann, b"", quick)
        kitchen.at(8 * unit, ann, b"6", b"")
        kitchen.judge(lambda reply, never: EMPTY)


def silence(scene: Scene) -> None:
    """clients that fall silent"""
    time, [ann, bob, eve, zoe] = scene.random.choice((2.0, 4.0, 8.0)), scene.random.sample(NAMES, 4)
    plans = [0.75 * time, 1.25 * time, 4 * time], [0.5 * time, 4.5 * time], [time], [3 * time], [time / 4]
    table, [waits, stays, ends, late, quick] = _table(scene, *plans)
    with _played(scene, table, time) as kitchen:
        kitchen.at(0.0, ann, b"1", waits)
        kitchen.at(0.125, bob, b"1", stays)
        kitchen.at(0.25, ann, b"2", quick)
        for n in range(1, 7):
            kitchen.at(0.75 * n * time, bob)
        kitchen.at(8 * time, eve, b"1", ends)
        kitchen.at(10 * time, ann, b"3", quick)
        kitchen.at(20 * time, eve, b"2", late)
        kitchen.at(22 * time, eve)
        kitchen.at(30 * time, zoe)
        kitchen.judge(lambda reply, never: HELD_UP if reply.request == b"3" else GIVEN_UP)
        if 31 * time not in kitchen.ticks:
            raise NotYet(KEPT, f"{zoe} spoke last at {30 * time:g} s, and you wanted no tick at {31 * time:g} s.")


def fair_weather(scene: Scene) -> None:
    """one client with three requests"""
    table: Table = {
        b"tea": [(1.0, b"tea 1/2"), (3.0, b"tea 2/2")],
        b"egg": [(0.5, b"egg 1/1")],
        b"jam": [(0.5, b"jam 1/2"), (4.0, b"jam 2/2")],
    }
    with _played(scene, table) as kitchen:
        for number, body in enumerate(table, 1):
            kitchen.at(number / 8, "ann", b"%d" % number, body)
        kitchen.until(10.0)


TRY = fair_weather
SCENES = (one_slow_request, two_clients, no_replies, silence)
