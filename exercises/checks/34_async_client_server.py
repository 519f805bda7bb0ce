# SPDX-License-Identifier: BSD-3-Clause
"""Let every client hear the replies in the order of its requests."""

import ast
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import zmq
from exercises.scene import Answer, NotYet, Scene, TookTooLong, unexpected

from diagrams.recording import Event
from exercises.answer import Call
from patterns.shell import NEVER, Effect, Open, Send

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

LABELS = {
    "the replies came in the order in which they were ready": "what has to have gone out before this reply may go?",
    "a reply that had to wait was lost": "where is a reply kept that is due, and whose turn has not come?",
    "a reply whose turn had come was not sent": "what becomes possible in the moment in which a request is complete?",
    "a request's replies waited until it was complete": "whom does the first of a client's requests have to wait for?",
    "a request began only when the one before it was done": "from when do the seconds of a plan count?",
    "one client waited for another": "how many orders are there to keep: one, or one for each client?",
    "two clients with the same request id were taken for one": "who else may have called a request by this id?",
    "a request without replies held up those behind it": "when is a request complete that has nothing to send?",
    "a client that was gone was not forgotten": "which of your tables still knows a client after its silence?",
    "a client that came back was held up by what was forgotten": "what does a client begin with that speaks anew?",
    "a client that showed life was forgotten": "which message of a client is its latest?",
    "after a tick its deadline was not later than now": "what can a tick do about a reply that waits for others?",
    "it asked a clock of its own": "which clock does a core have when it is played at another speed?",
    "a reply left in other frames than it should": "what does a ROUTER need in front, and what does the client?",
    "no core was given to the shell": "who is to call the core, and when does your function come back?",
}

ENDPOINT = "inproc://kitchen"
START = 5.0  # seconds of real time until the answer's process has begun
PATIENCE = 3.0  # seconds of real time that the core has for one call
NUDGE = 50.0  # a time of the checker's clock at which everything has long been over
EXACT = 1e-6
MOST = 300  # ticks in one scene

PLANS = {
    b"": [],
    b"nothing": [],
    b"tea": [(1.0, b"tea 1/2"), (3.0, b"tea 2/2")],
    b"egg": [(0.5, b"egg 1/1")],
    b"jam": [(0.5, b"jam 1/2"), (4.0, b"jam 2/2")],
    b"rice": [(1.0, b"rice 1/2"), (5.0, b"rice 2/2")],
}


def plan(body: bytes) -> list[tuple[float, bytes]]:
    """How the checker's server answers."""
    return list(PLANS[body])


@dataclass(frozen=True)
class Shell:
    """What the answer gets as its shell: it does with the core what the checker says, in the answer's own process."""

    line: str

    def __call__(self, ctx: zmq.Context, core: Any) -> None:
        with zmq.Context(ctx).socket(zmq.PAIR) as line:  # a plain Context: this is no part of the scene
            line.connect(self.line)
            line.send(b"ready")
            while True:
                act, *arguments = ast.literal_eval(line.recv().decode())
                effects = getattr(core, act)(*arguments)
                if not isinstance(effects, (list, tuple, Iterator)):
                    raise TypeError(f"{act} returned {effects!r} where a list of effects was expected")
                plain = [_plain(effect) for effect in effects]  # a generator may set the deadline at its end
                line.send(repr((repr(core.deadline), plain)).encode())


def _plain(effect: Effect) -> tuple[Any, ...]:
    match effect:
        case Open(name, kind, endpoint, bind):
            return "open", str(name), int(kind), str(endpoint), bool(bind)
        case Send(name, frames):
            return "send", str(name), [f if isinstance(f, bytes) else repr(f) for f in frames]
    return "odd", repr(effect)


@dataclass(frozen=True)
class Sent:
    """A reply that went out: when, to whom, to which request, and the event to point at."""

    when: float
    client: str
    request: bytes
    reply: bytes
    event: Event | None = None

    @property
    def name(self) -> tuple[str, bytes, bytes]:
        return self.client, self.request, self.reply

    def __str__(self) -> str:
        return f"{self.reply.decode()!r} to {self.client}"


class Clock:
    """Plays the answer's core with a clock that is a number, and writes down what its clients would hear."""

    def __init__(self, scene: Scene, silence: float, line: zmq.Socket, answer: Answer) -> None:
        self.now, self.deadline, self.sent = 0.0, -NEVER, list[Sent]()
        self._scene, self._line, self._answer, self._ids = scene, line, answer, dict[bytes, str]()
        self.ticks, self._name = list[float](), ""
        self._hear(START)
        self.until(0.0)
        if not self._name:
            raise NotYet("", "The first tick opened no socket.")

    def say(self, when: float, client: str, *frames: bytes) -> None:
        """A client says something, once the core has done what was due before."""
        self.until(when)
        self.now, write = when, self._scene.recording.write
        number = b"\0\0\0\0" + client[:1].encode()
        if self._ids.setdefault(number, client) and not self._scene.first("connect", client):
            write(client, "connect", "DEALER", (), "", "", ENDPOINT, when)
        write(client, "send", "DEALER", frames, "", "", "", when)
        write(client, "sent", "DEALER", (), "", "", "", when)
        write(ENTRY, "receive", "ROUTER", (number, *frames), client, "DEALER", "", when)
        self._do("receive", "clients", [number, *frames], when)

    def end(self) -> None:
        """Until everything has long been over; one sign of life shows what has been overlooked."""
        self.until(NUDGE)
        self.say(NUDGE, "zoe", b"", b"")

    def until(self, when: float) -> None:
        """Tick the core whenever it wants to be, up to this time."""
        while self.deadline <= when:
            now = self.now = max(self.now, self.deadline)
            self._do("tick", now)
            self.ticks.append(now)
            if len(self.ticks) > MOST:
                raise NotYet("", f"By {now:g} s your core had wanted {MOST} ticks.")
            if self.deadline <= now:
                happened = f"You were ticked at {now:g} s, and then wanted the next tick at {self.deadline:g} s."
                raise NotYet("after a tick its deadline was not later than now", f"{happened} A shell would spin.")

    def _do(self, *order: Any) -> None:
        with contextlib.suppress(zmq.Again):  # it has gone; we shall hear of that
            self._line.send(repr(order).encode(), zmq.DONTWAIT)
        deadline, effects = ast.literal_eval(self._hear().decode())
        self.deadline = float(deadline)
        for effect in effects:
            self._effect(*effect)

    def _hear(self, patience: float = PATIENCE) -> bytes:
        """What the shell in the answer's process says; or what became of the answer instead."""
        until = time.monotonic() + patience
        while not self._line.poll(20):
            if self._answer.process.told:
                outcome = self._answer.outcomes(0.1)[0]
                if outcome.error:
                    unexpected(outcome)
                happened = "Your function returned, and nobody plays the core."
                raise NotYet("no core was given to the shell", happened)
            if time.monotonic() > until:
                raise TookTooLong(self._answer.stood())
        return bytes(self._line.recv())

    def _effect(self, kind: str, *what: Any) -> None:
        write = self._scene.recording.write
        if kind == "open":
            if what[1:] != (zmq.ROUTER, ENDPOINT, True):
                raise NotYet("", "The core opened something else than a ROUTER bound to its endpoint.")
            self._name = what[0]
            write(ENTRY, "bind", "ROUTER", (), "", "", ENDPOINT, self.now)
        elif kind == "send" and what[0] == self._name:
            frames = [f if isinstance(f, bytes) else f.encode() for f in what[1]]
            write(ENTRY, "send", "ROUTER", frames, "", "", "", self.now)
            event = self._scene.recording.events[-1]
            write(ENTRY, "sent", "ROUTER", (), "", "", "", self.now)
            client = self._ids.get(frames[0] if frames else b"")
            if client is None or len(frames) != 3 or frames != what[1]:
                happened = f"At {self.now:g} s this was sent: {what[1]!r}."
                raise NotYet("a reply left in other frames than it should", happened, event)
            write(client, "receive", "DEALER", frames[1:], ENTRY, "ROUTER", "", self.now)
            self.sent.append(Sent(self.now, client, frames[1], frames[2], event))
        else:
            wanted = f"a message sent on {what[0]!r}, which is not open" if kind == "send" else what[0]
            raise NotYet("", f"The core wanted {wanted}.")


@contextlib.contextmanager
def _played(scene: Scene, silence: float) -> Iterator[Clock]:
    with zmq.Context(scene.stage.context).socket(zmq.PAIR) as line:
        line.linger = 0
        line.bind(scene.stage.endpoint("line"))
        answer = scene.answer(Call((ENDPOINT, silence, plan, Shell(scene.stage.endpoint("line")))))
        answer.begun()
        yield Clock(scene, silence, line, answer)


Blame = Callable[[str, Sent, Sent | None], str]  # missing, late, early or extra; what was expected; what was sent


def _compare(clock: Clock, expected: list[Sent], blame: Blame) -> None:
    """Blame the answer for the first reply that did not go out as it should."""
    clock.end()
    found: list[tuple[float, str, Sent, Sent | None]] = []
    for wanted in expected:
        same = [sent for sent in clock.sent if sent.name == wanted.name]
        if not same:
            found.append((wanted.when, "missing", wanted, None))
        elif abs(same[0].when - wanted.when) > EXACT:
            how = "late" if same[0].when > wanted.when else "early"
            found.append((min(same[0].when, wanted.when), how, wanted, same[0]))
    known, counted = {wanted.name for wanted in expected}, set[tuple[str, bytes, bytes]]()
    for sent in clock.sent:
        if sent.name not in known or sent.name in counted:
            found.append((sent.when, "extra", sent, sent))
        counted.add(sent.name)
    for client in sorted({w.client for w in expected}) if not found else ():
        wants, gots = ([s for s in each if s.client == client] for each in (expected, clock.sent))
        for wanted, got in zip(wants, gots, strict=True):
            if wanted.reply != got.reply:
                found.append((got.when, "early", got, got))
    if found:
        _, how, wanted, got = min(found, key=lambda each: each[0])
        _say(clock, how, wanted, got, blame(how, wanted, got))


def _say(clock: Clock, how: str, wanted: Sent, got: Sent | None, label: str) -> NoReturn:
    if how == "missing" and abs(clock.deadline - time.monotonic()) < 100 * PATIENCE:
        happened = "The checker's clock began at 0; your deadline is that of this machine's clock."
        raise NotYet("it asked a clock of its own", happened)
    happened = {
        "missing": f"{wanted} never went out; it was to go at {wanted.when:g} s.",
        "late": f"{wanted} went out at {got.when if got else 0:g} s; it was to go at {wanted.when:g} s.",
        "early": f"{wanted} went out at {got.when if got else 0:g} s, before what should have gone first.",
        "extra": f"{wanted} went out at {wanted.when:g} s; nobody was to hear that.",
    }[how]
    raise NotYet(label, happened, got.event if got else None)


def one_slow_request(scene: Scene) -> None:
    """a slow request before quick ones"""
    with _played(scene, 100.0) as clock:
        clock.say(0.0, "ann", b"1", b"tea")
        clock.say(0.125, "ann", b"2", b"egg")
        clock.say(0.25, "ann", b"3", b"jam")
        replies = [(1.0, b"1", b"tea 1/2"), (3.0, b"1", b"tea 2/2"), (3.0, b"2", b"egg 1/1"), (3.0, b"3", b"jam 1/2")]
        expected = [Sent(when, "ann", *reply) for when, *reply in [*replies, (4.25, b"3", b"jam 2/2")]]

        def blame(how: str, wanted: Sent, got: Sent | None) -> str:
            if how == "early":
                return "the replies came in the order in which they were ready"
            if how == "missing":
                return "a reply that had to wait was lost"
            if how == "late" and got and wanted.reply == b"tea 1/2" and got.when == 3.0:
                return "a request's replies waited until it was complete"
            if how == "late" and got and abs(got.when - 3.5) < EXACT:
                return "a request began only when the one before it was done"
            return "a reply whose turn had come was not sent" if how == "late" else ""

        _compare(clock, expected, blame)


def two_clients(scene: Scene) -> None:
    """two clients that use the same request ids"""
    with _played(scene, 100.0) as clock:
        clock.say(0.0, "ann", b"1", b"tea")
        clock.say(0.125, "bob", b"1", b"egg")
        clock.say(0.25, "bob", b"2", b"jam")
        clock.say(0.375, "ann", b"2", b"egg")
        anns = [(1.0, b"1", b"tea 1/2"), (3.0, b"1", b"tea 2/2"), (3.0, b"2", b"egg 1/1")]
        bobs = [(0.625, b"1", b"egg 1/1"), (0.75, b"2", b"jam 1/2"), (4.25, b"2", b"jam 2/2")]
        expected = [Sent(w, "ann", *r) for w, *r in anns] + [Sent(w, "bob", *r) for w, *r in bobs]

        def blame(how: str, wanted: Sent, got: Sent | None) -> str:
            return {
                "late": "one client waited for another",
                "early": "the replies came in the order in which they were ready",
            }.get(how, "two clients with the same request id were taken for one")

        _compare(clock, expected, blame)


def no_replies(scene: Scene) -> None:
    """signs of life and a request without replies"""
    with _played(scene, 100.0) as clock:
        clock.say(0.0, "ann", b"", b"")
        clock.say(0.125, "ann", b"1", b"egg")
        clock.say(0.25, "ann", b"", b"")
        clock.say(0.375, "ann", b"2", b"nothing")
        clock.say(0.5, "ann", b"3", b"egg")
        clock.say(2.0, "ann", b"4", b"nothing")
        clock.say(2.125, "ann", b"5", b"egg")
        replies = [(0.625, b"1"), (1.0, b"3"), (2.625, b"5")]
        label = "a request without replies held up those behind it"
        expected = [Sent(when, "ann", request, b"egg 1/1") for when, request in replies]
        _compare(clock, expected, lambda how, wanted, got: label if how in ("missing", "late") else "")


def silence(scene: Scene) -> None:
    """clients that fall silent"""
    with _played(scene, 2.0) as clock:
        clock.say(0.0, "bob", b"1", b"rice")
        clock.say(0.0, "ann", b"1", b"rice")
        clock.say(0.125, "ann", b"2", b"egg")
        for when in (1.5, 3.0, 4.5):
            clock.say(when, "bob", b"", b"")
        clock.say(10.0, "ann", b"3", b"egg")
        anns, bobs = (
            [(1.0, b"1", b"rice 1/2"), (10.5, b"3", b"egg 1/1")],
            [(1.0, b"1", b"rice 1/2"), (5.0, b"1", b"rice 2/2")],
        )
        expected = [Sent(w, "ann", *r) for w, *r in anns] + [Sent(w, "bob", *r) for w, *r in bobs]

        def blame(how: str, wanted: Sent, got: Sent | None) -> str:
            if how == "extra" and wanted.client == "ann":
                return "a client that was gone was not forgotten"
            if how in ("missing", "late") and wanted.client == "ann" and wanted.request == b"3":
                return "a client that came back was held up by what was forgotten"
            return "a client that showed life was forgotten" if how == "missing" else ""

        _compare(clock, expected, blame)
        clock.until(NUDGE + 10.0)
        if not any(NUDGE + 2.0 - EXACT < tick < NUDGE + 3.0 for tick in clock.ticks):
            happened = (
                f"Zoe said her last word at {NUDGE:g} s, and by {NUDGE + 10:g} s no tick was wanted to forget her."
            )
            raise NotYet("a client that was gone was not forgotten", happened)


def fair_weather(scene: Scene) -> None:
    """one client with three requests"""
    with _played(scene, 100.0) as clock:
        for number, body in enumerate((b"tea", b"egg", b"jam"), 1):
            clock.say(number / 8, "ann", b"%d" % number, body)
        clock.until(10.0)


TRY = fair_weather
SCENES = (one_slow_request, two_clients, no_replies, silence)
