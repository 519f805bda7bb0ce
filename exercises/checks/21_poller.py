# SPDX-License-Identifier: BSD-3-Clause
"""Serve an urgent line and an ordinary one, three to one, until a word or the time ends it."""

import contextlib
import itertools
import resource
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import zmq

from diagrams.recording import Event
from exercises.answer import Call, Outcome, aside
from exercises.scene import Answer, NotYet, Scene, TookTooLong, unexpected

ENTRY = "serve"


HINTS = (
    "Nothing urgent comes, and ten ordinary messages wait. On which line of your function does it stand? And what "
    "wakes it up there?",
    "One wait for all three sockets, with the time that is left as its limit. When it returns: is it the end? If not, "
    "a turn, in which each line gets its share and no more, and then the next wait.",
    "A `zmq.Poller` with three sockets waits; within the turn `socket.poll(0)` tells whether a line still has "
    "something. The time left is a difference to one moment that you note at the beginning; it may be below zero.",
)
VARIANT = "let an ordinary message that has waited for longer than a second go before the urgent ones."
LIMIT = "a single message may be worked on for as long as `work` likes, and the word and the time wait for that."
WHY = "what does each of your waits wait for, and which of the three ends can wake it up?"

LABELS = {
    "it slept on one socket while another had a message": "which call waits for several sockets at once?",
    "it slept while the word was there": "on which sockets does your function sleep when both lines are empty?",
    "it looked round and round instead of sleeping": "which call returns only when there is something to do, and in "
    "which unit does it count?",
    "it slept although messages were waiting": "what woke it up the first time, and does that come again for a message "
    "that is already there?",
    "one line was served to its end while the other waited": "how many messages of one line may be carried out before "
    "you look at the other?",
    "messages were received and never carried out": "what can end your function between `recv` and `work`?",
    "both lines had the same share": "how often in a turn may the urgent line be read, and how often the other?",
    "the two shares were exchanged": "which of the two lines is the urgent one?",
    "the word waited behind the messages": "when do you look for the word as long as there is always something to do?",
    "only the word could end it": "which of your waits has a limit?",
    "it ended before its time was over": "what ends your loop when nothing has come, and in which unit does that wait "
    "count?",
    "the time began anew with each message": "from which moment do you count `seconds`?",
    "it looked at the clock only when nothing came": "what if there is always something to do?",
    "it slept on when its time was over": "how long does a wait take whose limit is below zero?",
    "it connected where it had to bind": "who listens at the endpoint when both sides connect?",
    "the messages came back, not their results": "what does the contract say about the list?",
    "a socket was left open": "who closes the sockets when your function is done?",
}

LINES = ("urgent", "ordinary", "stop")
LONG = 60.0  # seconds for an answer that only the word is to end
BINDS = 2.0  # seconds for it to bind its sockets
ACTS = 1.6  # seconds for it to take a message that is there, or to end
SILENCE = 0.2  # seconds in which nothing comes
BUSY = 0.015  # seconds of processor time that a sleeper does not use in that time
WAKES = 6  # times that it does not wake up in that time
BRIEF = 0.2  # seconds that an answer is given where the time is to end it
HOLD = 0.03  # seconds that a message is worked on where there is always another
SOON = 0.5  # seconds for what only tells one misconception from another
PROMPT = 0.03  # seconds in which a message that is there is carried out
TRIALS = 8  # so many times at most it is tried whether it is
LOOK = 0.005  # seconds between two looks
MORE = 4  # messages that may be carried out after the end: a turn

_rested = [0.0, 0]  # what the answer's process had used when `ask` last returned


def _used() -> tuple[float, int]:
    """Processor time of this process in seconds, and how often this thread has gone to sleep and woken up again."""
    me = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
    return time.process_time(), resource.getrusage(me).ru_nvcsw


def ask(endpoint: str, message: bytes) -> bytes:
    """The work, in the answer's process: tell the checker what is worked on, and go on when it says so."""
    cpu, wakes = _used()
    if not isinstance(message, bytes):
        raise TypeError(f"work: expected bytes, got {message!r}")
    with aside() as context, context.socket(zmq.REQ) as request:
        request.linger = 0
        request.connect(endpoint)
        request.send_multipart([message, b"%f %d" % (cpu - _rested[0], wakes - _rested[1])])
        request.recv()
    _rested[:] = _used()
    return message.upper()


class Gone(Exception):
    """The answer has ended before its peers could connect."""


class Line:
    """A PUSH spoken by hand, which knows when its messages are in the other socket: a PONG comes back after them.

    libzmq answers a PING when it has read what came before it, and what it read then is in the socket's queue before
    it reads on. So the answer to a second PING proves that. If no answer comes, we go on without a proof.
    """

    GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)

    def __init__(self, scene: Scene, name: str, wire: socket.socket) -> None:
        self._scene, self._name, self._wire, self._count = scene, name, wire, 0
        wire.settimeout(ACTS)
        wire.sendall(self.GREETING)
        self._read(len(self.GREETING))
        facts = {b"Socket-Type": b"PUSH", b"X-actor": name.encode(), b"X-socket": b"PUSH"}
        pairs = [bytes([len(k)]) + k + len(v).to_bytes(4, "big") + v for k, v in facts.items()]
        self._command(b"READY", b"".join(pairs))
        self._hear(b"READY")
        self._prove()  # who takes no PUSH hangs up now

    def send(self, count: int = 1) -> list[bytes]:
        """Send so many messages, numbered on, and return them when they are there."""
        bodies = [b"%s %d" % (self._name.encode(), self._count + n) for n in range(1, count + 1)]
        self._count += count
        for body in bodies:
            self._scene.recording.add(Event(self._name, "send", "PUSH", (body,)))
            self._scene.recording.add(Event(self._name, "sent", "PUSH"))
        with contextlib.suppress(OSError):  # the answer has gone, and that will be noticed
            self._wire.sendall(b"".join(b"\0" + bytes([len(body)]) + body for body in bodies))
            self._prove()
            self._prove()
        return bodies

    def _prove(self) -> None:
        self._command(b"PING", bytes(2))
        self._hear(b"PONG")

    def _command(self, name: bytes, data: bytes) -> None:
        body = bytes([len(name)]) + name + data
        self._wire.sendall(b"\x04" + bytes([len(body)]) + body)

    def _hear(self, name: bytes) -> None:
        """Read on until this command has come."""
        while not self._read(self._read(2)[1])[1:].startswith(name):
            pass

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            if not (some := self._wire.recv(size - len(data))):
                raise ConnectionError("the other side has closed the connection")
            data += some
        return data


class Kitchen:
    """The peers of one call: two lines, the word, and who decides how long a piece of work takes."""

    def __init__(self, scene: Scene, stack: contextlib.ExitStack, seconds: float, number: int = 0) -> None:
        self.number = number  # of the call, from 0
        self.then: Kitchen | None = None  # that of the next call of the same answer
        self.worked: list[bytes] = []  # what the answer was at work on, in order
        self.cpu, self.wakes = 0.0, 0  # what it used between the last two
        self._scene, self._stack = scene, stack
        context = stack.enter_context(zmq.Context())
        self._gate = stack.enter_context(context.socket(zmq.REP))
        self._gate.linger = 0
        gate, *ends = (scene.stage.endpoint(f"{kind}{number or ''}") for kind in ("work", *LINES))
        self._gate.bind(gate)
        self._ends = dict(zip(LINES, ends, strict=True))
        self.call = Call((*ends, partial(ask, gate), seconds))

    def open(self, answer: Answer, limit: float = BINDS) -> None:
        """Connect the lines as soon as the answer has bound its sockets."""
        self.answer = answer
        answer.begun()
        until = time.monotonic() + limit
        self.urgent, self.ordinary, self.stop = (self._line(kind, until) for kind in self._ends)

    def _connect(self, kind: str) -> socket.socket | None:
        """A connection to this endpoint, if somebody listens there."""
        transport, _, place = self._ends[kind].partition("://")
        host, _, port = place.partition(":")
        wire = socket.socket(socket.AF_UNIX if transport == "ipc" else socket.AF_INET)
        try:
            wire.connect(place if transport == "ipc" else (host, int(port)))
            return wire
        except OSError:
            wire.close()
            return None

    def _line(self, kind: str, until: float) -> Line:
        while True:
            if wire := self._connect(kind):
                self._stack.callback(wire.close)
                with contextlib.suppress(OSError):  # it has hung up
                    line = Line(self._scene, kind, wire)
                    self._scene.recording.add(Event(kind, "connect", "PUSH", detail=self._ends[kind]))
                    return line
            for event in self._scene.recording.events:
                if (event.actor, event.kind, event.detail) == (ENTRY, "connect", self._ends[kind]):
                    happened = f"Your function and the sender connected to the same endpoint, `{kind}`."
                    raise NotYet("it connected where it had to bind", happened, event)
            if self.ended():
                raise Gone
            if time.monotonic() > until:
                raise TookTooLong(f"{self.answer.stood()}, and nothing took a PUSH at `{kind}`")
            threading.Event().wait(LOOK)

    def next(self, limit: float = ACTS) -> bytes | None:
        """What the answer begins to work on; it is held there until `go`. None if it begins nothing."""
        until = time.monotonic() + limit
        while time.monotonic() < until:
            if self._gate.poll(10):
                body, used = self._gate.recv_multipart()
                self.cpu, self.wakes = float(used.split()[0]), int(used.split()[1])
                self.worked.append(body)
                return bytes(body)
            if self.ended():
                break
        return None

    def go(self) -> None:
        """The work that is held is done."""
        self._gate.send(b"")

    def ended(self) -> bool:
        """Whether the call is over: its answer has returned, or is at the next one."""
        return self.answer.process.told or (self.then is not None and self.then.bound())

    def bound(self) -> bool:
        if wire := self._connect(LINES[-1]):
            wire.close()
        return wire is not None

    def result(self, limit: float, late: Callable[[str], NotYet]) -> Outcome:
        """What came of the call, and whether that is what it did. `late` is the blame if it does not return."""
        try:
            outcome = self.answer.outcomes(limit)[-1]  # the last call: no other waits for its result
        except TookTooLong as where:
            raise late(f"your function still stood {where}") from None
        results, value = [body.upper() for body in self.worked], outcome.value
        if outcome.error or not isinstance(value, list | tuple):
            unexpected(outcome)
        if list(value) == self.worked != results:
            raise NotYet("the messages came back, not their results", f"Your function returned {value!r}.")
        if list(value) != results:
            raise NotYet("", f"Your function returned {value!r}, and what it had done was {results!r}.")
        got = [e for e in self._scene.recording.events if e.kind == "receive" and e.actor == ENTRY]
        lines = sum(str(e.frames[0])[2:3] in "uo" for e in got if e.frames)
        if not self.number and lines > len(results):
            happened = f"Your function received {lines} messages from the lines and carried out {len(results)} of them."
            raise NotYet("messages were received and never carried out", happened, got[-1])
        if outcome.left_open:
            happened = "Your function had returned, and a socket of its Context was still open."
            raise NotYet("a socket was left open", happened)
        return outcome

    def _outcome(self) -> Outcome:
        return self.answer.outcomes(LOOK)[: self.number + 1][-1]

    def nothing(self) -> None:
        """Blame an answer to which no peer could connect, unless that is what a slow machine makes of a right one."""
        self.early()
        outcome = self._outcome()
        if outcome.error or outcome.value not in ([], ()):
            unexpected(outcome)

    def early(self) -> None:
        """Blame an answer that has ended although neither the word nor the time was to end it."""
        if not self.answer.process.told:
            return
        outcome, seconds = self._outcome(), self.call.args[-1]
        if outcome.error:
            unexpected(outcome)
        if outcome.seconds < seconds - 0.01:
            happened = f"It had {seconds:g} s, nobody said the word, and it returned {outcome.value!r}"
            raise NotYet("it ended before its time was over", f"{happened} after {outcome.seconds:.3f} s.")


def _kitchen(scene: Scene, stack: contextlib.ExitStack, seconds: float) -> Kitchen:
    kitchen = Kitchen(scene, stack, seconds)
    try:
        kitchen.open(scene.answer(kitchen.call))
    except Gone:
        kitchen.early()
        unexpected(kitchen.answer.outcomes(LOOK)[-1])
    return kitchen


def alone(scene: Scene) -> None:
    """one message in each line, and the word"""
    with contextlib.ExitStack() as stack:
        kitchen = _kitchen(scene, stack, LONG)
        kitchen.urgent.send()
        kitchen.ordinary.send()
        for number in range(2):
            if kitchen.next() is None:
                break
            if number:
                kitchen.stop.send()
            kitchen.go()
        kitchen.answer.outcomes()


def silent_lines(scene: Scene) -> None:
    """a line that is silent while the other is not"""
    with contextlib.ExitStack() as stack:
        seconds = 3.0  # so few that in milliseconds they are no sleep
        kitchen = _kitchen(scene, stack, seconds)
        for line, silence in (("ordinary", 0.0), ("urgent", SILENCE)):
            threading.Event().wait(silence)
            [body] = getattr(kitchen, line).send()
            if kitchen.next() is None:
                kitchen.early()
                if kitchen.ended():
                    return  # a machine so slow that the time was over
                raise _unheard(kitchen, line, body)
            if event := scene.first("wait", ENTRY):
                happened = f"It waited for {event.socket} alone, in vain, and what came elsewhere had to wait as long."
                raise NotYet("it slept on one socket while another had a message", happened, event)
            if silence and (kitchen.cpu > BUSY or kitchen.wakes > WAKES):
                used = f"woke up {kitchen.wakes} times" if kitchen.wakes > WAKES else "kept a processor busy"
                happened = f"Nothing came for {SILENCE:g} s, and your function {used}."
                raise NotYet("it looked round and round instead of sleeping", happened)
            kitchen.go()
        _pieces(scene, kitchen)
        kitchen.stop.send()
        kitchen.result(ACTS, lambda stood: _deaf(kitchen, stood))


def _unheard(kitchen: Kitchen, line: str, body: bytes) -> NotYet:
    """The blame for a message that was not carried out. Slept on the other line has who wakes up by a message there."""
    happened = f"{body.decode()!r} was there, and your function stood {kitchen.answer.stood()}."
    (kitchen.urgent if line == "ordinary" else kitchen.ordinary).send()
    woken = kitchen.next(SOON) is not None
    return NotYet("it slept on one socket while another had a message" if woken else "", happened)


def _deaf(kitchen: Kitchen, stood: str) -> NotYet:
    """The blame for a word that was not heard. Slept has who hears it when something comes in the lines."""
    kitchen.urgent.send()
    kitchen.ordinary.send()
    while kitchen.next(SOON) is not None:
        kitchen.go()
    return NotYet("it slept while the word was there" if kitchen.ended() else "", f"The word had come, and {stood}.")


def _sleeps(answer: Answer) -> bool:
    """Whether the answer's process is at rest, as far as the system can say."""

    def ticks() -> int:
        try:
            facts = Path(f"/proc/{answer.process.pid}/stat").read_text().rpartition(")")[2].split()
            return int(facts[11]) + int(facts[12])  # hundredths of a second at work, in the program and in the system
        except OSError:
            return 0

    before = ticks()
    threading.Event().wait(SILENCE)
    return ticks() - before < 2


def _pieces(scene: Scene, kitchen: Kitchen) -> None:
    """Blame an answer that waits for one socket alone, if only for a while: what comes elsewhere waits as long.

    While it is at work on one message, another is there already. Whoever looks at all sockets begins with it at once.
    A busy machine may be slow, but not every time.
    """
    for line, other in itertools.product(("urgent", "ordinary"), repeat=2):
        for _ in range(TRIALS):
            [body] = getattr(kitchen, line).send()
            if kitchen.next() is None:
                blame = _unheard(kitchen, line, body)
                if blame.label:
                    raise blame
                return  # another scene finds out why
            [body] = getattr(kitchen, other).send()
            since = time.monotonic()
            kitchen.go()
            if kitchen.next() is None:
                return
            late = time.monotonic() - since
            kitchen.go()
            if late < PROMPT:
                break
        else:
            happened = (
                f"{body.decode()!r} was there, and every time it took {PROMPT:g} s and more until it was carried out."
            )
            raise NotYet("it slept on one socket while another had a message", happened, _last(scene))


def the_time(scene: Scene) -> None:
    """a time that ends in silence or during the work"""
    with contextlib.ExitStack() as stack:
        silence, work = (Kitchen(scene, stack, BRIEF, number) for number in range(2))
        answer = silence.answer = scene.answer(silence.call, work.call)
        try:
            work.open(answer, BRIEF + ACTS)
        except TookTooLong:
            raise _endless(silence, work, answer.stood()) from None
        except Gone:
            silence.nothing()
            work.nothing()
            return
        work.urgent.send()
        if work.next() is not None:
            threading.Event().wait(BRIEF + HOLD)
            work.go()
        silence.early()
        work.result(ACTS, lambda stood: _overslept(work, stood))
        silence.nothing()


def _endless(silence: Kitchen, work: Kitchen, stood: str) -> Exception:
    """The blame for an answer that did not return in silence."""
    try:
        silence.open(silence.answer, SOON)
        silence.stop.send()
        work.open(silence.answer, SOON)
    except (TookTooLong, Gone):
        return TookTooLong(stood)
    happened = f"It had {BRIEF:g} s, nothing came for {BRIEF + ACTS:g} s, and your function stood {stood}."
    return NotYet("only the word could end it", happened)


def _overslept(kitchen: Kitchen, stood: str) -> NotYet:
    """The blame for an answer that did not return when its time was over. Slept has who wakes up by the word."""
    kitchen.stop.send()
    kitchen.next(SOON)
    happened = f"A piece of work took longer than the {BRIEF:g} s that it had; after that {stood}."
    return NotYet("it slept on when its time was over" if kitchen.ended() else "", happened)


def three_to_one(scene: Scene) -> None:
    """two full lines with a word in their midst"""
    with contextlib.ExitStack() as stack:
        kitchen = _kitchen(scene, stack, LONG)
        kitchen.urgent.send()
        waiting = kitchen.next()
        if waiting is None:
            kitchen.early()
            raise TookTooLong(kitchen.answer.stood())
        kitchen.urgent.send(16)
        kitchen.ordinary.send(8)
        for _ in range(10):
            kitchen.go()
            if kitchen.next() is None:
                kitchen.early()
                happened = f"Messages waited in both lines, and your function stood {kitchen.answer.stood()}."
                label = "it slept although messages were waiting" if _sleeps(kitchen.answer) else ""
                raise NotYet(label, happened, _last(scene))
        _shares(scene, kitchen.worked[1:])
        kitchen.stop.send()
        before = len(kitchen.worked)
        kitchen.go()
        while kitchen.next() is not None:
            more = len(kitchen.worked) - before
            if more > MORE:
                happened = f"The word was there, and your function carried out {more} messages more."
                raise NotYet("the word waited behind the messages", happened, _last(scene))
            kitchen.go()
        kitchen.result(ACTS, lambda stood: _deaf(kitchen, stood))


def _shares(scene: Scene, worked: list[bytes]) -> None:
    """Whether the turns had three urgent messages and one ordinary, as long as there were both."""
    kinds = [body[:1].decode() for body in worked]
    runs = [(kind, len(list(run))) for kind, run in itertools.groupby(kinds)]
    share = {"u": 3, "o": 1}
    whole = runs[1:-1]
    if all(size <= share[kind] for kind, size in runs) and all(size == share[kind] for kind, size in whole):
        return
    order = " ".join("urgent" if kind == "u" else "ordinary" for kind in kinds)
    happened = f"Both lines were full, and the order of the work was {order}."
    sizes = {kind: {size for k, size in whole if k == kind} for kind in share}
    if len(runs) == 1 or max(size for _, size in runs) >= 8:
        label = "one line was served to its end while the other waited"
    elif sizes == {"u": {1}, "o": {1}}:
        label = "both lines had the same share"
    elif sizes == {"u": {1}, "o": {3}}:
        label = "the two shares were exchanged"
    else:
        label = ""
    raise NotYet(label, happened, _last(scene))


def _last(scene: Scene) -> Event | None:
    """The last message that the answer has received."""
    return scene.first("receive", ENTRY, scene.recording.count("receive", ENTRY))


def time_under_traffic(scene: Scene) -> None:
    """a time that ends among messages"""
    with contextlib.ExitStack() as stack:
        busy, late = Kitchen(scene, stack, BRIEF), Kitchen(scene, stack, 3 * BRIEF, 1)
        busy.then = late
        answer = scene.answer(busy.call, late.call)
        for kitchen, play in (busy, _busy), (late, _late):
            try:
                kitchen.open(answer)
                play(kitchen)
            except Gone:
                if answer.process.told:
                    kitchen.nothing()


def _busy(kitchen: Kitchen) -> None:
    """There is always something to do, until long after the time is over."""
    lines = itertools.cycle((kitchen.urgent, kitchen.ordinary))
    next(lines).send()
    began, more = time.monotonic(), 0
    while time.monotonic() - began < 3 * BRIEF and kitchen.next() is not None:
        more += time.monotonic() - began > BRIEF
        next(lines).send()
        threading.Event().wait(HOLD)
        last = time.monotonic()
        kitchen.go()
    if more <= MORE:
        return
    happened = f"There was always something to do, and when the {BRIEF:g} s were over, your function went on"
    if kitchen.ended():
        raise NotYet("", f"{happened} with {more} messages more.")
    while kitchen.next() is not None:
        last = time.monotonic()
        kitchen.go()
    if not kitchen.ended():
        raise NotYet("", f"{happened}; then nothing came, and it did not end.")
    if time.monotonic() - last < BRIEF:
        raise NotYet("it looked at the clock only when nothing came", f"{happened}, until nothing came.")
    raise NotYet("the time began anew with each message", f"{happened}, until nothing had come for {BRIEF:g} s.")


def _late(kitchen: Kitchen) -> None:
    """A message comes shortly before the end, and after it nothing more."""
    seconds = kitchen.call.args[-1]
    threading.Event().wait(seconds - BRIEF / 2)
    kitchen.urgent.send()
    if kitchen.next(SOON) is None:  # a machine so slow that the time was over
        return
    last = time.monotonic()
    kitchen.go()
    outcome = kitchen.result(ACTS, lambda stood: NotYet("", f"The time was over, and {stood}."))
    if time.monotonic() - last > seconds - 0.01 and outcome.seconds > 1.5 * seconds:
        happened = f"It had {seconds:g} s, the last message came after {seconds - BRIEF / 2:g} s"
        raise NotYet("the time began anew with each message", f"{happened}, and it took {outcome.seconds:.2f} s.")


TRY = alone
SCENES = (silent_lines, the_time, three_to_one, time_under_traffic)
