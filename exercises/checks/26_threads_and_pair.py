# SPDX-License-Identifier: BSD-3-Clause
"""Work in several threads, keep none of them idle, and tell those who wait that you are there."""

import contextlib
import queue
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import zmq

from exercises.peers import ENDLESS, GLANCE, SOON, UNBOUND, Peer, Table, spun
from exercises.scene import NotYet, Raised, Scene, TookTooLong, counted, unexpected

ENTRY = "server"

HINTS = (
    "Which of your threads talks to the clients, and what may it never do? Which threads call `work`, and how do they "
    "hear of a request and tell what came of it?",
    "Let one thread own the ROUTER and a poller with a limit, and give each other thread a PAIR, whose other end is in "
    "that poller too. Then it knows who is idle. Note for each request when its client is to be told next.",
    "`threading.Thread(target=answer, args=(pair, work), daemon=True)`; in it `try: … except Exception:` around `work` "
    "alone. `poller.poll(milliseconds)` until the earliest of the times that you have noted, and without a limit where "
    "there is none.",
)
VARIANT = "let a client say [number][b'CANCEL'], and take its request out of the line if nobody works on it yet."
LIMIT = "work that never returns keeps its thread for good, and its client is told to wait for ever."
WHY = "the thread that owns the ROUTER never calls `work`. What would the clients notice if it did, once an hour?"

SILENT = "nobody was told that the work goes on"
QUEUED = "a client whose request waited for a thread was told nothing"
ONCE = "a client was not told again"
LATE = "a client was told later than it should be"
OFTEN = "a client was told too often"
AFTER = "a client was told to wait after its answer"
SERIAL = "requests were worked on one after the other"
MANY = "more threads were at work than allowed"
IDLE = "a request waited while a thread was idle"
ORDER = "a later request was worked on before an earlier one"
UNSAID = "work that failed was not reported"
ENDED = "work that failed ended the server"
DEAD = "after work that failed there were fewer threads"
MIXED = "an answer went under the wrong number or to the wrong client"
RESULT = "an answer was not what the work had given"
TWICE = "a request was worked on or answered twice"
FRAMES = "a message had other frames"
TORN = "the frames of two messages were mixed"
BODY = "the work was not given the body of a request"
LOST = "with many requests at once answers were lost or broken"
SAME = "of two requests with the same number one was forgotten"
HELD = "an answer was held back when the work was done"
BUSY = "it was busy while it had only to wait"
CONNECTED = "it connected where it had to bind"

LABELS = {
    SILENT: "which of your threads has the time to write to a client while all others work?",
    QUEUED: "which requests have come and are not answered, beside those that are in work?",
    ONCE: "when is a client to be told after it has been told once?",
    LATE: "what is the earliest thing that your loop has to do by itself, and what may put that off?",
    OFTEN: "what else wakes your loop beside the time, and what does it do then?",
    AFTER: "what do you keep of a request, and when does that go?",
    SERIAL: "in which thread is `work` called, and what happens to the next request meanwhile?",
    MANY: "how many threads are there at most, whatever comes?",
    IDLE: "to which thread does the next request go, and who knows what that thread is doing?",
    ORDER: "in how many lines do requests wait, and from which end of a line is the next one taken?",
    UNSAID: "where does an exception go that is raised in a thread?",
    ENDED: "where does an exception of `work` come out, and who catches it there?",
    DEAD: "what does a thread do after an exception?",
    MIXED: "by what do you know whose answer this is? Two clients may use one number.",
    RESULT: "which value does the client get, and which did `work` return?",
    SAME: "two clients may use one number. By what do you keep their requests apart?",
    TWICE: "how often is a request handed out, and how often its answer?",
    FRAMES: "which frames does the contract give for each message, and in which order?",
    TORN: "which socket is used by more than one thread, and what may come between two frames of a message?",
    BODY: "which of the frames is the body, and what does `work` take?",
    LOST: "which socket is used by more than one thread, and how many messages have room where they wait?",
    HELD: "what wakes your loop when a thread is done?",
    BUSY: "for how long does `poll` wait when there is nothing to do until later?",
    UNBOUND: "which endpoint does the contract want to be bound?",
    CONNECTED: "who stays where it is, and who goes there?",
    ENDLESS: "which exception says that the Context has ended, and what do your lines still wait for behind it?",
}

EQUIVALENT: dict[str, str] = {}

INTERVAL = 0.2  # seconds, where clients are to be told
NEVER = 60.0  # where nobody lives to be told
TOLD = 5  # times that each client is to be told
PATIENCE = 1.6 * TOLD * INTERVAL  # seconds in which that happens on a busy machine, and not at half the pace
EACH = 60  # requests of each client in the burst
BURST = 4.0  # seconds in which all of them are answered
STEP = 0.01  # seconds from one look at a waiting answer to the next
WATCHED = 0.3  # seconds of them
LOOPS = "asyncio", "run(", "run_until_complete(", "run_forever(", "outside the answer's own lines"
GIVES, FAILS = b".", b"!"  # what the desk says of work; behind it stands the result, or which of ERRORS is raised
KINDS = {b"WAIT": 3, b"DONE": 4, b"FAILED": 3}  # a message for a client, and its frames


class NoTicket(Exception):
    """What nobody but the work knows."""


ERRORS = (ValueError, KeyError, NoTicket, queue.Empty, zmq.Again, zmq.ContextTerminated)


class Work:
    """What the answer is given to call. It asks the desk what comes of it, and takes as long as the desk does."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, body: bytes) -> bytes:
        sound = isinstance(body, bytes | bytearray | memoryview | zmq.Frame)
        with socket.create_connection(("127.0.0.1", self.port)) as line:
            line.sendall((bytes(body) if sound else repr(body).encode()) + b"\n")
            said = b"".join(iter(lambda: line.recv(1024), b""))
        if said[:1] != GIVES:
            raise ERRORS[int(said[1:] or b"0")](f"no such ticket: {body!r}")
        return said[1:]


class Client(Peer):
    """Whoever asks. It notes when it has asked, how often it was told to wait, and what was answered."""

    def __init__(self, table: "Desk", title: str, endpoint: str) -> None:
        super().__init__(table, title, endpoint)
        self.asked: dict[bytes, float] = {}
        self.told: dict[bytes, int] = {}
        self.answer: dict[bytes, list[bytes]] = {}

    def asks(self, number: bytes, body: bytes) -> None:
        self.asked[number] = time.monotonic()
        self.told[number] = 0
        self.say(number, body)


class Desk(Table):
    """The server under trial, its clients, and the desk that decides what comes of the work and when."""

    kind = Client

    def __init__(self, scene: Scene, threads: int, interval: float = NEVER) -> None:
        self.threads, self.interval = threads, interval
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.clients: list[Client] = []
        self.lines: dict[bytes, socket.socket] = {}  # what is in work, by its body
        self.began: list[bytes] = []
        self.bodies: dict[bytes, bytes] = {}  # what was asked, and what is to come of it
        self.whose: dict[bytes, tuple[Client, bytes]] = {}  # by the result: who is to get it, under which number
        self.failing = False
        self.errors = scene.random.sample(range(len(ERRORS)), len(ERRORS))
        super().__init__(scene, "clients", args=(Work(self.listener.getsockname()[1]), threads, interval))
        self.closing.callback(self.listener.close)

    def __exit__(self, *error: object) -> None:
        self.scene.abandon()
        for line in self.lines.values():
            line.close()
        super().__exit__(*error)

    def arrive(self, *titles: str) -> list[Client]:
        self.clients += [self.seat(title, "clients") for title in titles]
        return self.clients[-len(titles) :]

    def ask(self, client: Client, number: bytes, body: bytes, result: bytes) -> None:
        self.bodies[body] = result
        self.whose[result] = client, number
        client.asks(number, body)

    def alive(self) -> None:
        if event := self.scene.joined("connect", *self.ends.values()):
            raise NotYet(CONNECTED, "Your server and its clients connected to one endpoint; nobody listened.", event)
        outcome = self.answer.ended()
        if outcome and self.failing:
            self.blame(ENDED, f"`work` raised, and then your server ended: {outcome.error or 'it returned'}.")
        if outcome:
            unexpected(outcome)

    # what happens

    def turn(self, seconds: float = STEP) -> None:
        """Note what has come within so many seconds, and say what is wrong with it."""
        sockets = {client.socket: client for client in self.clients}
        for ready in zmq.select([*sockets, self.listener], [], [], seconds)[0]:
            if ready in sockets:
                self.hear(sockets[ready])
            else:
                self.begin()

    def begin(self) -> None:
        line, _ = self.listener.accept()
        line.settimeout(SOON)
        body = b""
        with contextlib.suppress(OSError), line.makefile("rb") as words:
            body = words.readline()
        if not body.endswith(b"\n"):  # whoever called has gone
            line.close()
            return
        body = body[:-1]
        if body not in self.bodies:
            line.close()
            self.blame(BODY, f"`work` was called with {body!r}, which nobody had asked for.")
        if body in self.began:
            line.close()
            self.blame(TWICE, f"`work` was called with {body!r} a second time.")
        self.began.append(body)
        self.lines[body] = line
        if len(self.lines) > self.threads:
            self.blame(MANY, f"With {self.threads} threads {len(self.lines)} requests were worked on at once.")

    def hear(self, client: Client) -> None:
        frames = client.socket.recv_multipart()
        shown = "".join(f"[{frame[:20].decode(errors='backslashreplace')}]" for frame in frames)
        kind = frames[2] if len(frames) > 2 else b""
        if frames[0] or len(frames) != KINDS.get(kind):
            names = {each.name for each in self.clients}  # the first frame of every message, for the ROUTER alone
            sound = any(each.answer or any(each.told.values()) for each in self.clients)  # there were others before
            label = TORN if (sound or len(frames) > 4) and names.intersection(frames) else FRAMES
            self.blame(label, f"{client.title} got {shown}, which is no message of the contract.", client)
        number = frames[1]
        if kind == b"DONE" and self.whose.get(frames[3], (client, number)) != (client, number):
            other, its = self.whose[frames[3]]
            whose = "its own" if other is client else f"{other.title}'s"
            self.blame(MIXED, f"{client.title} got {shown}, the answer to {whose} number {its.decode()}.", client)
        if number not in client.asked:
            self.blame(MIXED, f"{client.title} got {shown} and has no request of that number.", client)
        if kind != b"WAIT":
            if number in client.answer:
                self.blame(TWICE, f"{client.title} got {shown} when number {number.decode()} was answered.", client)
            client.answer[number] = frames[2:]
            return
        if number in client.answer:
            self.blame(AFTER, f"{client.title} got {shown} when that request had been answered.", client)
        client.told[number] += 1
        passed = (time.monotonic() - client.asked[number]) / self.interval
        if client.told[number] > passed + 1.5:
            happened = f"{client.title} was told {counted(client.told[number])} in {passed:.1f} intervals."
            self.blame(OFTEN, happened, client)

    def until(self, over: Callable[[], Any], seconds: float = SOON) -> bool:
        """Whether it is the case within so many seconds."""
        limit = time.monotonic() + self.scene.within(seconds)
        while not over() and time.monotonic() < limit:
            self.turn()
            if self.answer.process.told:
                limit = min(limit, time.monotonic() + GLANCE)
        return bool(over())

    def lacks(self, label: str, happened: str, client: Client | None = None) -> NoReturn:
        self.alive()
        self.blame(label, happened, client)

    def works_on(self, *bodies: bytes, label: str, because: str, instead: str = ORDER) -> None:
        """These are in work, or soon will be, and nothing else."""
        if self.until(lambda: len(self.lines) >= len(bodies)):
            if set(self.lines) != set(bodies):
                words = ", ".join(sorted(body.decode() for body in self.lines))
                self.lacks(instead, f"{because} In work were: {words}.")
            return
        if not self.lines and not self.began:
            self.alive()
            raise TookTooLong(f"{self.answer.stood()}, and a request was not worked on")
        self.lacks(label, f"{because} {len(self.lines)} were in work, {len(bodies)} were due.")

    def finish(self, body: bytes, fails: bool = False) -> None:
        """The work on this is over."""
        self.failing = self.failing or fails
        line = self.lines.pop(body)
        with contextlib.suppress(OSError), line:
            line.sendall(b"%b%d" % (FAILS, self.errors.pop()) if fails else GIVES + self.bodies[body])

    def gets(self, client: Client, number: bytes, *due: bytes, label: str = HELD) -> None:
        """This is the answer to the client's request."""
        if not self.until(lambda: number in client.answer):
            if any(number in each.answer for each in self.clients if each is not client):
                label = SAME
            self.lacks(label, f"The work on number {number.decode()} of {client.title} was over; in {SOON} s no "
                              "answer came.", client)  # fmt: skip
        if (got := client.answer[number]) != list(due):
            self.blame(
                UNSAID if due[0] == b"FAILED" else RESULT,
                f"{client.title} got {got!r} for number {number.decode()}; {due!r} was due.",
                client,
            )

    def sleeps(self) -> None:
        """All threads work, and nobody is to be told for a while: there is nothing to compute."""
        spent = spun(self.answer.process.pid, WATCHED, self.turn)
        if spent:
            happened = f"All threads were at work, and nothing came. In {WATCHED:.1f} s your server was computing for "
            self.blame(BUSY, f"{happened}{spent:.2f} s; clients were to be told every {self.interval:g} s.")

    def waits(self, asked: Sequence[tuple[Client, bytes]], times: int, others: Sequence[bytes] = ()) -> None:
        """Each of these clients is told so often in time, while others ask, and one request after another is answered.
        The first of these is in work."""
        began, coming = time.monotonic(), list(others)

        def over() -> bool:
            if coming and time.monotonic() - began > (len(others) - len(coming)) * self.interval / 2:
                body = coming.pop()
                self.ask(self.clients[-1], body, body, body + body)
                if len(self.lines) == self.threads:
                    self.finish(list(self.lines)[-1])
            return all(client.told[number] >= times for client, number in asked)

        last = max(client.asked[number] for client, number in asked)
        if self.until(over, last + PATIENCE - began):
            return
        client, number = min(asked, key=lambda each: each[0].told[each[1]])
        count, at_work = client.told[number], (client, number) == asked[0]
        happened = f"{client.title} had asked number {number.decode()}, which "
        happened += f"{'was in work' if at_work else 'waited for a thread'}, and was told {counted(count)} in "
        happened += f"{time.monotonic() - client.asked[number]:.1f} s with an interval of {self.interval} s"
        happened += " while others asked and were answered." if others else "."
        if not any(client.told[number] for client, number in asked):
            self.lacks(SILENT, happened, client)
        if not count:
            self.lacks(SILENT if at_work else QUEUED, happened, client)
        self.lacks(LATE if others else ONCE, happened, client)

    def over(self) -> None:
        """Its Context ends, and so must it. An `await` does not see that: nothing is asked of an event loop."""
        self.failing = False
        try:
            self.end()
        except NotYet as late:
            if not any(loop in late.happened for loop in LOOPS):
                raise


def alone(scene: Scene) -> None:
    """two requests, one after the other, each long in work"""
    with Desk(scene, 1, INTERVAL) as desk:
        [ann] = desk.arrive("Ann")
        desk.bodies = {b"tea": b"TEA", b"milk": b"MILK"}
        for number, body in ((b"1", b"tea"), (b"2", b"milk")):
            ann.asks(number, body)
            desk.until(lambda body=body: body in desk.lines)  # type: ignore[misc]
            desk.until(lambda number=number: ann.told[number], 2 * INTERVAL)  # type: ignore[misc]
            if body in desk.lines:
                desk.finish(body)
            desk.until(lambda number=number: number in ann.answer)  # type: ignore[misc]


def as_ever(scene: Scene) -> None:
    """two threads at work, and no more"""
    with Desk(scene, 2) as desk:
        ann, ben = desk.arrive("Ann", "Ben")
        first, second, third, fourth, fifth, *results = scene.words(10)
        desk.ask(ann, b"1", first, results[0])
        desk.works_on(first, label=SERIAL, because="One request had come.")
        desk.ask(ben, b"1", second, results[1])
        desk.works_on(first, second, label=SERIAL, because="There are two threads, and two requests had come.")
        for number, body, result in ((b"2", third, results[2]), (b"3", fourth, results[3]), (b"4", fifth, b"")):
            desk.ask(ann, number, body, result)
        desk.until(lambda: False, GLANCE)  # nobody may begin
        desk.sleeps()
        desk.finish(second)
        desk.gets(ben, b"1", b"DONE", results[1])
        desk.works_on(first, third, label=IDLE, because="One of two threads was done, and others waited.")
        desk.finish(third)
        desk.gets(ann, b"2", b"DONE", results[2])
        desk.works_on(first, fourth, label=IDLE, because="One of two threads was done again, and others waited.")
        desk.finish(first)
        desk.gets(ann, b"1", b"DONE", results[0])
        desk.works_on(fourth, fifth, label=IDLE, because="The other thread was done, and one request waited.")
        desk.finish(fifth)
        desk.gets(ann, b"4", b"DONE", b"", label=RESULT)
        desk.over()  # `fourth` is in work


def told(scene: Scene) -> None:
    """work that takes long, and requests that wait for it"""
    with Desk(scene, 2, INTERVAL) as desk:
        ann, ben, _ = desk.arrive("Ann", "Ben", "Cleo")
        one, two, three, *results = scene.words(6)
        numbers = [b"%d" % number for number in scene.random.sample(range(100, 999), 24)]
        desk.ask(ann, b"1", one, results[0])
        desk.works_on(one, label=SERIAL, because="One request had come.")
        for number in numbers[:12]:  # what she is answered meanwhile
            desk.ask(ann, number, number, number + number)
        desk.sleeps()
        desk.until(lambda: all(ann.told.values()))  # then all these have come, before those of others
        desk.ask(ben, b"1", two, results[1])
        desk.ask(ann, b"2", three, results[2])
        asked = [(ann, b"1"), (ben, b"1"), (ann, b"2")]
        desk.sleeps()  # on a busy machine one that never sleeps may have passed for one that does
        desk.waits(asked, 2)
        desk.waits(asked, TOLD, numbers[12:])
        desk.finish(one)
        desk.gets(ann, b"1", b"DONE", results[0])
        enough = max(ben.told[b"1"], ann.told[b"2"]) + 2
        desk.until(lambda: min(ben.told[b"1"], ann.told[b"2"]) >= enough)  # and `one` is told no more

        def over() -> bool:
            for body in list(desk.lines):
                desk.finish(body)
            return b"1" in ben.answer and b"2" in ann.answer

        desk.until(over)
        desk.gets(ben, b"1", b"DONE", results[1])
        desk.gets(ann, b"2", b"DONE", results[2])


def failing(scene: Scene) -> None:
    """work that raises errors of many kinds, more often than there are threads"""
    with Desk(scene, 2) as desk:
        ann, ben = desk.arrive("Ann", "Ben")
        *words, last, also, result = scene.words(len(ERRORS) + 2)
        for number in range(len(ERRORS) - 1):
            body = words[number]
            desk.ask(ann, b"%d" % number, body, b"never %d" % number)
            desk.works_on(body, label=DEAD, because=f"`work` had raised {counted(number)}, and one request had come.")
            desk.finish(body, fails=True)
            desk.gets(ann, b"%d" % number, b"FAILED", label=UNSAID)
        desk.ask(ann, b"7", last, b"never")
        desk.ask(ben, b"7", also, result)
        because = f"`work` had raised {len(words)} times, and two requests had come."
        desk.works_on(last, also, label=DEAD, because=because)
        desk.finish(last, fails=True)
        desk.finish(also)
        desk.gets(ann, b"7", b"FAILED", label=UNSAID)
        desk.gets(ben, b"7", b"DONE", result)


def many(scene: Scene) -> None:
    """hundreds of requests at once"""
    with Desk(scene, 3) as desk:
        clients = desk.arrive("Ann", "Ben", "Cleo", "Dan")
        [word] = scene.words(1)
        for number in range(EACH):
            for client in clients:
                body = b"%s %s %d" % (word, client.name, number)
                desk.ask(client, b"%d" % number, body, body[::-1])

        def over() -> bool:
            for body in list(desk.lines):
                desk.finish(body)
            return all(len(client.answer) == EACH for client in clients)

        happened = f"{len(clients)} clients had asked {EACH} times each. "
        try:
            answered = desk.until(over, BURST)
            missing = sum(EACH - len(client.answer) for client in clients)
            happened += f"{missing} answers never came."
            desk.answer.ended()
        except NotYet as broken:
            answered, happened = False, happened + broken.happened
        except Raised as died:
            answered, happened = False, happened + str(died)
        if not answered:
            desk.blame(LOST, happened)


TRY = alone
SCENES = (as_ever, told, failing, many)
