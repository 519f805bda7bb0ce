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
from typing import NoReturn, Self

import zmq

from diagrams.recording import Event
from exercises.answer import Call, Outcome, aside
from exercises.scene import LOOK, NotYet, Scene, TookTooLong, counted, unexpected

ENTRY = "serve"

HINTS = (
    "Nothing urgent comes, and ten ordinary messages wait. On which line of your function does it wait? And what "
    "wakes it up there?",
    "One wait for all three sockets, with the time that is left as its limit. When it returns: is it the end? If not, "
    "a turn, in which each line gets its share and no more, and then the next wait.",
    "A `zmq.Poller` with three sockets waits; within the turn `socket.poll(0)` tells whether a line still has "
    "something. The time left is the distance to one moment that you note at the beginning; it may be below zero.",
)
VARIANT = "let an ordinary message that has waited for longer than a second go before the urgent ones."
LIMIT = "a single message may be worked on for as long as `work` likes, and the word and the time wait for that."
WHY = "what does each of your waits wait for, and which of the three ends can wake it up?"

ONE_SOCKET = "it slept on one socket while another had a message"
WORD_SLEPT = "it slept while the word was there"
ROUND = "it looked round and round instead of sleeping"
STOOD = "it stood still although messages were waiting"
TO_ITS_END = "one line was served to its end while the other waited"
DROPPED = "messages were received and never carried out"
SAME_SHARE = "both lines had the same share"
EXCHANGED = "the two shares were exchanged"
SHARES = "the shares were not three to one"
WORD_BEHIND = "the word waited behind the messages"
WORD_EMPTY = "an empty word did not end it"
WORD_NOT = "the word did not end it"
WORD_ALONE = "only the word could end it"
EARLY = "it ended before its time was over"
ANEW = "the time began anew with each message"
CLOCK_IDLE = "it looked at the clock only when nothing came"
OVERSLEPT = "it slept on when its time was over"
AFTER = "more than a turn was carried out when its time was over"
CONNECTED = "it connected where it had to bind"
UNBOUND = "no PULL was bound at an endpoint"
MESSAGES = "the messages came back, not their results"
RESULT = "something else was returned than the results in their order"
OPEN = "a socket was left open"

LABELS = {
    ONE_SOCKET: "which call waits for several sockets at once, and what may still be missing when it has returned?",
    WORD_SLEPT: "on which sockets does your function sleep when both lines are empty?",
    ROUND: "which call returns only when there is something to do, and in which unit does it count?",
    STOOD: "what woke it up the first time, and does that come again for a message that is already there?",
    TO_ITS_END: "how many messages of one line may be carried out before you look at the other?",
    DROPPED: "what can end your function between `recv` and `work`?",
    SAME_SHARE: "how often in a turn may the urgent line be read, and how often the other?",
    EXCHANGED: "which of the two lines is the urgent one?",
    SHARES: "how often in a turn may the urgent line be read, and how often the other?",
    WORD_BEHIND: "when do you look for the word as long as there is always something to do?",
    WORD_EMPTY: "what may the message that is the word contain?",
    WORD_NOT: "where do you look for the word, and does its content matter?",
    WORD_ALONE: "which of your waits has a limit?",
    EARLY: "what ends your loop when nothing has come, and in which unit does that wait count?",
    ANEW: "from which moment do you count `seconds`?",
    CLOCK_IDLE: "what if there is always something to do?",
    OVERSLEPT: "how long does a wait take whose limit is below zero?",
    AFTER: "how often do you look at the clock as long as there is always something to do?",
    CONNECTED: "who listens at the endpoint when both sides connect?",
    UNBOUND: "which type of socket takes from a PUSH, and at which endpoints?",
    MESSAGES: "what does the contract say about the list?",
    RESULT: "what does the contract say about the list, and do you return it whichever way your function ends?",
    OPEN: "who closes the sockets when your function is done?",
}

EQUIVALENT = {
    "line 11, swap: ((first, urgent), (second, ordinary), (word, stop))": "in which order they are bound is no matter",
    "line 18, swap: ((first, 3), (second, 1))": "a turn that begins with the ordinary message has the same shares",
}

LINES = ("urgent", "ordinary", "stop")
LONG = 60.0  # seconds for an answer that only the word is to end
ENOUGH = 8.0  # seconds that outlive the scene, and are no sleep if they are taken for milliseconds
BINDS = 2.0  # seconds for it to bind its sockets
ACTS = 1.6  # seconds for it to take a message that is there, or to end
SILENCE = 0.2  # seconds in which nothing comes
BUSY = 0.015  # seconds of processor time that a sleeper does not use in that time
WAKES = 6  # times that it does not wake up in that time
BRIEF = 0.5  # seconds that an answer is given where the time is to end it
HOLD = 0.03  # seconds that a message is worked on where there is always another
SOON = 0.5  # seconds for what only tells one misconception from another
PROMPT = 0.03  # seconds in which a message that is there is carried out
TRIALS = 8  # so many times at most it is tried whether it is
MORE = 3  # messages of the turn in hand that may be carried out after the end

_rested = [0.0, 0]  # what the answer's process had used when `ask` last returned


def _used() -> tuple[float, int]:
    """Processor time of this process in seconds, and how often this thread has gone to sleep and woken up again."""
    me = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
    return time.process_time(), resource.getrusage(me).ru_nvcsw


def ask(endpoint: str, message: bytes) -> bytes:
    """The work, in the answer's process: tell the checker what is worked on, and return what it says."""
    cpu, wakes = _used()
    if not isinstance(message, bytes):
        raise TypeError(f"work: expected bytes, got {message!r}")
    with aside() as context, context.socket(zmq.REQ) as request:
        request.linger = 0
        request.connect(endpoint)
        request.send_multipart([message, b"%f %d" % (cpu - _rested[0], wakes - _rested[1])])
        result = request.recv()
    _rested[:] = _used()
    return result


class Line:
    """A PUSH spoken by hand, which knows when its messages are in the other socket: a PONG comes back after them.

    libzmq answers a PING when it has read what came before it, and what it read then is in the socket's queue before
    it reads on. So the answer to a second PING proves that. If no answer comes, we go on without a proof.
    """

    GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)

    def __init__(self, scene: Scene, name: str, wire: socket.socket) -> None:
        self._scene, self._name, self._wire = scene, name, wire
        wire.settimeout(ACTS)
        wire.sendall(self.GREETING)
        self._read(len(self.GREETING))
        facts = {b"Socket-Type": b"PUSH", b"X-actor": name.encode(), b"X-socket": b"PUSH"}
        pairs = [bytes([len(k)]) + k + len(v).to_bytes(4, "big") + v for k, v in facts.items()]
        self._command(b"READY", b"".join(pairs))
        self._hear(b"READY")
        self._prove()  # who takes no PUSH hangs up now

    def send(self, *bodies: bytes) -> None:
        """Send these, and return when they are there."""
        for body in bodies:
            self._scene.recording.add(Event(self._name, "send", "PUSH", (body,)))
            self._scene.recording.add(Event(self._name, "sent", "PUSH"))
        with contextlib.suppress(OSError):  # the answer has gone, and that will be noticed
            self._wire.sendall(b"".join(b"\0" + bytes([len(body)]) + body for body in bodies))
            self._prove()
            self._prove()

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
    """The answer at work, the two lines and the word, and who decides how long a piece of work takes.

    kinds    of which line each message is
    worked   what the answer was at work on, in order, and `results` what came of it
    """

    def __init__(self, scene: Scene, seconds: float) -> None:
        self.scene, self.seconds = scene, seconds
        self.kinds: dict[bytes, str] = {}
        self.worked: list[bytes] = []
        self.results: list[bytes] = []
        self.cpu, self.wakes = 0.0, 0  # what it used between the last two
        self._words = itertools.cycle(scene.words(20))
        self._lines: dict[str, Line] = {}
        self._stack = contextlib.ExitStack()
        gate, *ends = (scene.stage.endpoint(kind) for kind in ("work", *LINES))
        self._gate = self._stack.enter_context(zmq.Context()).socket(zmq.REP)
        self._stack.callback(self._gate.close, 0)
        self._gate.bind(gate)
        self._ends = dict(zip(LINES, ends, strict=True))
        self.answer = scene.answer(Call((*ends, partial(ask, gate), seconds)))
        self.answer.begun()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def over(self) -> bool:
        return self.answer.process.told

    def open(self) -> bool:
        """Connect the lines when the answer has bound its sockets. Whether that was before it ended."""
        until = time.monotonic() + BINDS
        for kind in LINES:
            while kind not in self._lines:
                if event := self.scene.joined("connect", self._ends[kind]):
                    happened = f"Your function and the sender connected to the same endpoint, `{kind}`."
                    raise NotYet(CONNECTED, happened, event)
                if self.over:
                    return False
                if time.monotonic() > until:
                    happened = f"Nobody at `{kind}` took a PUSH, and your function stood {self.answer.stood()}."
                    raise NotYet(UNBOUND, happened)
                with contextlib.suppress(OSError):  # nobody listens there yet, or it has hung up
                    self._connect(kind)
                threading.Event().wait(LOOK)
        return True

    def _connect(self, kind: str) -> None:
        transport, _, place = self._ends[kind].partition("://")
        host, _, port = place.partition(":")
        wire = socket.socket(socket.AF_UNIX if transport == "ipc" else socket.AF_INET)
        self._stack.callback(wire.close)
        wire.connect(place if transport == "ipc" else (host, int(port)))
        self._lines[kind] = Line(self.scene, kind, wire)
        self.scene.recording.add(Event(kind, "connect", "PUSH", detail=self._ends[kind]))

    def send(self, kind: str, count: int = 1) -> bytes:
        """Send so many messages in a line, and return when they are there. The last of them."""
        bodies = [b"%s %d" % (next(self._words), len(self.kinds) + n) for n in range(count)]
        self.kinds.update(dict.fromkeys(bodies, kind))
        self._lines[kind].send(*bodies)
        return bodies[-1]

    def stop(self, word: bytes = b"enough") -> None:
        self._lines["stop"].send(word)

    def next(self, limit: float = ACTS) -> bool:
        """Whether the answer begins to work on something; it is held there until `go`."""
        until = time.monotonic() + self.scene.within(limit)
        while time.monotonic() < until:
            if self._gate.poll(10):
                body, used = self._gate.recv_multipart()
                self.cpu, self.wakes = float(used.split()[0]), int(used.split()[1])
                self.worked.append(body)
                return True
            if self.over:
                break
        return False

    def go(self) -> None:
        """The work that is held is done."""
        self.results.append(b"%s %d" % (next(self._words), self.scene.random.randrange(1000)))
        self._gate.send(self.results[-1])

    def rest(self, limit: float = SOON) -> None:
        """Let it carry out whatever it begins, until it begins nothing more or ends."""
        while self.next(limit):
            self.go()

    def last(self) -> Event | None:
        """The last message that the answer has received."""
        return self.scene.first("receive", ENTRY, max(1, self.scene.recording.count("receive", ENTRY)))

    def early(self) -> None:
        """Blame an answer that has ended although neither the word nor the time was to end it."""
        if outcome := self.answer.ended():
            if outcome.error:
                unexpected(outcome)
            if outcome.seconds < self.seconds - 0.01:
                happened = f"It had {self.seconds:g} s, nobody said the word, and it returned {outcome.value!r:.100}"
                raise NotYet(EARLY, f"{happened} after {outcome.seconds:.3f} s.")

    def finish(self, late: Callable[[str], NoReturn]) -> Outcome:
        """What came of the call, which must be what it did. `late` blames it if it does not return."""
        if not self.answer.until(lambda: self.over, ACTS):
            late(f"your function stood {self.answer.stood()}")
        outcome = self.answer.outcomes(LOOK)[0]
        if outcome.error:
            unexpected(outcome)
        value = outcome.value
        if isinstance(value, list | tuple) and self.worked and list(value) == self.worked:
            raise NotYet(MESSAGES, f"Your function returned {value!r:.200}.")
        if not isinstance(value, list | tuple) or list(value) != self.results:
            happened = f"What had come of the work was {self.results!r:.200}, and your function returned "
            raise NotYet(RESULT, f"{happened}{value!r:.200}.")
        if outcome.left_open:
            raise NotYet(OPEN, "Your function had returned, and a socket of its Context was still open.")
        return outcome

    def unheard(self, kind: str, body: bytes) -> None:
        """Blame an answer that does not carry out this message, and wakes up by one in the other line."""
        self.early()
        happened = f"{body.decode()!r} was there in the {kind} line, and your function stood {self.answer.stood()}."
        other = "urgent" if kind == "ordinary" else "ordinary"
        for line in (other, other, other, kind, kind, kind):
            self.send(line)
            if self.next(SOON):
                self.early()
                raise NotYet(ONE_SOCKET, f"{happened} It went on when more had come in the {line} line.", self.last())
        raise NotYet(STOOD, happened, self.last())

    def deaf(self, stood: str) -> NoReturn:
        """Blame an answer that did not hear the word, which was empty, or was none it could have missed."""
        self.stop()
        if self.answer.until(lambda: self.over, SOON):
            raise NotYet(WORD_EMPTY, f"A message with nothing in it had come as the word, and {stood}.")
        self.send("urgent")
        self.send("ordinary")
        self.rest()
        if self.over:
            raise NotYet(WORD_SLEPT, f"The word had come, and {stood}. It ended when something came in the lines.")
        raise NotYet(WORD_NOT, f"The word had come, and {stood}.")


def alone(scene: Scene) -> None:
    """one message in each line, and the word"""
    with Kitchen(scene, LONG) as kitchen:
        if kitchen.open():
            kitchen.send("urgent")
            kitchen.send("ordinary")
            kitchen.rest()
            kitchen.stop()
        kitchen.answer.outcomes()


def silent_lines(scene: Scene) -> None:
    """a line that is silent while the other is not"""
    with Kitchen(scene, ENOUGH) as kitchen:
        if not kitchen.open():
            _ended(kitchen)
        for kind, silence in (("ordinary", 0.0), ("urgent", SILENCE)):
            threading.Event().wait(silence)
            body = kitchen.send(kind)
            if not kitchen.next():
                kitchen.unheard(kind, body)
            if event := scene.first("wait", ENTRY):
                happened = f"It waited for {event.socket} alone, in vain, and what came elsewhere had to wait as long."
                raise NotYet(ONE_SOCKET, happened, event)
            if silence and (kitchen.cpu > BUSY or kitchen.wakes > WAKES):
                used = f"woke up {kitchen.wakes} times" if kitchen.wakes > WAKES else "kept a processor busy"
                raise NotYet(ROUND, f"Nothing came for {SILENCE:g} s, and your function {used}.")
            kitchen.go()
        _pieces(kitchen)
        kitchen.stop(b"")
        kitchen.finish(kitchen.deaf)


def _ended(kitchen: Kitchen) -> NoReturn:
    """It was over before anybody could connect."""
    kitchen.early()
    unexpected(kitchen.answer.outcomes(LOOK)[0])


def _pieces(kitchen: Kitchen) -> None:
    """Blame an answer that waits for one socket alone, if only for a while: what comes elsewhere waits as long.

    While it is at work on one message, another is there already. Whoever looks at all sockets begins with it at once.
    A busy machine may be slow, but not every time.
    """
    for kind, other in itertools.product(("urgent", "ordinary"), repeat=2):
        for _ in range(TRIALS):
            body = kitchen.send(kind)
            if not kitchen.next():
                kitchen.unheard(kind, body)
            body = kitchen.send(other)
            since = time.monotonic()
            kitchen.go()
            if not kitchen.next():
                kitchen.unheard(other, body)
            late = time.monotonic() - since
            kitchen.go()
            if late < PROMPT:
                break
        else:
            happened = f"{body.decode()!r} was there, and each time it took {PROMPT:g} s and more until it was begun."
            raise NotYet(ONE_SOCKET, happened, kitchen.last())


def silence_to_the_end(scene: Scene) -> None:
    """a time that ends in silence"""
    with Kitchen(scene, BRIEF) as kitchen:
        outcome = kitchen.finish(lambda stood: _endless(kitchen, stood))
        kitchen.early()
        if outcome.seconds > 3 * BRIEF:
            raise NotYet(OVERSLEPT, f"It had {BRIEF:g} s, nothing came, and it took {outcome.seconds:.2f} s.")


def _endless(kitchen: Kitchen, stood: str) -> NoReturn:
    kitchen.open()
    kitchen.stop()
    if kitchen.answer.until(lambda: kitchen.over, SOON):
        raise NotYet(WORD_ALONE, f"It had {BRIEF:g} s, nothing came for {BRIEF + ACTS:g} s, and {stood}.")
    raise TookTooLong(kitchen.answer.stood())


def a_long_piece_of_work(scene: Scene) -> None:
    """a time that ends during the work"""
    with Kitchen(scene, BRIEF) as kitchen:
        if kitchen.open():
            kitchen.send("urgent")
        if kitchen.next():
            threading.Event().wait(BRIEF + HOLD)
            kitchen.go()
        kitchen.finish(lambda stood: _overslept(kitchen, stood))


def _overslept(kitchen: Kitchen, stood: str) -> NoReturn:
    kitchen.stop()
    kitchen.rest()
    if kitchen.over:
        raise NotYet(OVERSLEPT, f"A piece of work took longer than the {BRIEF:g} s that it had; after that {stood}.")
    raise TookTooLong(kitchen.answer.stood())


def three_to_one(scene: Scene) -> None:
    """two full lines with a word in their midst"""
    with Kitchen(scene, LONG) as kitchen:
        if not kitchen.open():
            _ended(kitchen)
        body = kitchen.send("urgent")
        if not kitchen.next():
            kitchen.unheard("urgent", body)
        kitchen.send("urgent", 16)
        kitchen.send("ordinary", 8)
        for _ in range(10):
            kitchen.go()
            if not kitchen.next():
                kitchen.early()
                happened = f"Messages waited in both lines, and your function stood {kitchen.answer.stood()}."
                raise NotYet(STOOD, happened, kitchen.last())
        _shares(kitchen)
        kitchen.stop()
        for more in itertools.count(1):
            kitchen.go()
            if not kitchen.next():
                break
            if more > MORE:
                happened = f"The word was there, and your function began {more} messages more."
                raise NotYet(WORD_BEHIND, happened, kitchen.last())
        kitchen.finish(kitchen.deaf)
        got = [e.frames[0] for e in scene.recording.events if (e.actor, e.kind) == (ENTRY, "receive") and e.frames]
        if lost := [body for body in got if body in kitchen.kinds and body not in kitchen.worked]:
            happened = f"{counted(len(lost), 'message')}, {lost[0]!r} the first, had been received and not carried out."
            raise NotYet(DROPPED, happened, kitchen.last())


def _shares(kitchen: Kitchen) -> None:
    """The turns must have had three urgent messages and one ordinary, as long as there were both."""
    kinds = [kitchen.kinds.get(body, "") for body in kitchen.worked[1:]]
    runs = [(kind, len(list(run))) for kind, run in itertools.groupby(kinds)]
    share, whole = {"urgent": 3, "ordinary": 1}, runs[1:-1]
    if all(size <= share.get(kind, 0) for kind, size in runs) and all(size == share[kind] for kind, size in whole):
        return
    happened = f"Both lines were full, and the order of the work was {' '.join(kinds)}."
    sizes = {kind: {size for k, size in whole if k == kind} for kind in share}
    if len(runs) == 1 or max(size for _, size in runs) >= 8:
        raise NotYet(TO_ITS_END, happened, kitchen.last())
    if sizes == {"urgent": {1}, "ordinary": {1}}:
        raise NotYet(SAME_SHARE, happened, kitchen.last())
    raise NotYet(EXCHANGED if sizes == {"urgent": {1}, "ordinary": {3}} else SHARES, happened, kitchen.last())


def time_under_traffic(scene: Scene) -> None:
    """a time that ends among messages"""
    with Kitchen(scene, BRIEF) as kitchen:
        if not kitchen.open():
            kitchen.early()
            return
        lines = itertools.cycle(LINES[:2])
        kitchen.send(next(lines))
        began, more = time.monotonic(), 0  # later than the answer's own beginning
        while time.monotonic() - began < 2.5 * BRIEF and kitchen.next():
            more += time.monotonic() - began > BRIEF
            kitchen.send(next(lines))
            threading.Event().wait(HOLD)
            last = time.monotonic()
            kitchen.go()
        happened = f"There was always something to do, and when the {BRIEF:g} s were over, your function went on"
        if more > MORE and kitchen.over:
            raise NotYet(AFTER, f"{happened} with {more} messages more.", kitchen.last())
        while more > MORE and kitchen.next():
            last = time.monotonic()
            kitchen.go()
        if more > MORE:
            quick = kitchen.over and time.monotonic() - last < BRIEF
            raise NotYet(CLOCK_IDLE if quick else ANEW, f"{happened} until nothing came.", kitchen.last())
        kitchen.early()


def a_late_message(scene: Scene) -> None:
    """a message shortly before the end"""
    with Kitchen(scene, 2 * BRIEF) as kitchen:
        began = time.monotonic()
        if kitchen.open():
            threading.Event().wait(1.5 * BRIEF - (time.monotonic() - began))
            kitchen.send("urgent")
        if not kitchen.next(SOON):  # a machine so slow that the time was over
            kitchen.early()
            return
        last = time.monotonic()
        kitchen.go()
        outcome = kitchen.finish(lambda stood: _overslept(kitchen, stood))
        if time.monotonic() - last > 2 * BRIEF - 0.01 and outcome.seconds > 3 * BRIEF:
            happened = f"It had {2 * BRIEF:g} s, the last message came after {1.5 * BRIEF:g} s, and it took "
            raise NotYet(ANEW, f"{happened}{outcome.seconds:.2f} s.")


TRY = alone
SCENES = (
    *(silent_lines, silence_to_the_end, a_long_piece_of_work),
    *(three_to_one, time_under_traffic, a_late_message),
)
