# SPDX-License-Identifier: BSD-3-Clause
"""Balance the load of workers that can take several requests at a time, each its own number of them."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

import zmq
from exercises.scene import Answer, NotYet, Scene, TookTooLong, unexpected

from diagrams import trace
from exercises.answer import Call

ENTRY = "broker"


HINTS = (
    "A line of free workers says who is free and not how busy the others are. What do you have to know of each worker "
    "to answer three questions: has it a free place, how many requests has it, and is this reply due?",
    "Keep two things of each worker: how many places it has, and a list of the clients whose requests are in its "
    "hands. Everything else can be computed from these when it is needed. A dictionary keeps the order in which its "
    "keys were put in, and a key that is taken out and put in again goes to the end.",
    "`min(..., key=...)` returns the first of several that are equally small. Over the workers with a free place, in "
    "the order in which they were last given something, that is the one you want.",
)
VARIANT = (
    "choose the fastest instead: remember how long each worker took for its last request, and try those first of whom "
    "you know nothing yet. What becomes of a worker that was slow once?"
)
LIMIT = "what a worker had in its hands when it died is lost, and its clients wait for ever."
WHY = "how many requests can be inside your broker at any moment, neither in a socket nor in a worker's hands?"

LABELS = {
    "a worker with several places got one request at a time": "what does the number behind READY change?",
    "READY alone was not taken for READY": "which forms of READY does the contract know?",
    "READY with a number was not taken for READY": "how many frames has this message, and which form did you expect?",
    "a worker got more requests than it has places": "when is a worker not to be chosen?",
    "a worker that had replied got no further request": "what does a reply tell you beside the answer?",
    "a reply freed more than one place": "how many of the worker's requests are done now?",
    "READY 0 was taken for READY": "which numbers does the contract know?",
    "a second READY made more places": "is the number a gift or a state?",
    "a second READY was not heard": "what if a worker can take more than it thought?",
    "a second READY made the broker forget requests": "what is in a worker's hands when it says READY again?",
    "one worker was filled while another had nothing to do": "how busy is each of those that you can choose from?",
    "the worker with the most free places came first": "who has less to do, one with 3 of 4 places free or one with 1 "
    "of 1?",
    "the worker that was used last got the next request": "at which end of the line does a worker belong that has just "
    "been given something?",
    "equal workers did not take turns": "who comes first among those that have equally few requests?",
    "a request that came while nobody was free was lost": "which socket is worth reading when no place is free?",
    "it spun while nobody was free": "what does a poller say of a message that you leave where it is, and how often?",
    "a reply that was not due was passed on": "who may answer a client?",
    "a reply that was not due freed a place": "whose requests does this worker have in its hands?",
    "a malformed message ended the broker": "what do you know of a frame before you have looked at it?",
    "a reply to a client that has gone ended the broker": "what does a ROUTER do with a message to nobody, and what "
    "have you told it to do?",
    "a malformed reply was passed on": "what does a reply look like, and how many frames has it at least?",
    "a malformed request was passed on": "what does a request look like to your ROUTER?",
    "an empty frame was lost": "which frames stand between an address and what follows it?",
    "the client's address and the worker's were exchanged": "which of the two leads the message, and which is inside?",
    "only a part of the message was passed on": "how many frames may a body have?",
    "a reply never reached its client": "which frame tells a ROUTER where a message goes?",
    "no socket was bound": "who stays where it is, the broker or the others?",
}

START = 2.0  # seconds in which a broker that runs has to have bound its sockets
SOON = 1.2  # seconds in which a broker does what nothing keeps it from
GLANCE = 0.15  # seconds for a message that would be on its way already
STEP = 0.01  # seconds between two looks
SPIN = 0.03  # seconds of computing that a broker does not need to wait
SPUN = 0.008  # the same for one that was never seen asleep
GONE = 6  # replies to a client that has gone
LONGER = 2.0  # seconds for which one is watched that does not sleep

UNHEARD = "a reply never reached its client"
ONE_AT_A_TIME = "a worker with several places got one request at a time"

Frames = list[bytes]


class Peer:
    """A client or a worker that speaks by hand; its routing id is its name."""

    def __init__(self, table: "Table", name: str, endpoint: str) -> None:
        self.table, self.title, self.name = table, name, name.encode()
        self.socket = table.context(name).socket(zmq.DEALER)
        table.closing.callback(self.socket.close, 0)
        self.socket.routing_id = self.name
        self.socket.connect(endpoint)

    def say(self, *frames: bytes) -> None:
        self.socket.send_multipart([b"", *frames])

    def raw(self, *frames: bytes) -> None:
        self.socket.send_multipart(frames)

    def reply(self, client: "Peer", *body: bytes) -> None:
        self.say(client.name, b"", *body)

    def glance(self, seconds: float = GLANCE) -> Frames:
        """What is there, or comes within a moment; nothing if it is nothing."""
        return self.socket.recv_multipart() if self.socket.poll(seconds * 1000) else []


class Either:
    """Several peers, of whom one is to hear something."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        self.peers = {peer.socket: peer for peer in peers}

    def result(self, timeout: float) -> tuple[Peer, Frames]:
        """Who hears something first, and what: waited for as `Scene.wait` waits for an actor's result."""
        for socket in zmq.select(list(self.peers), [], [], timeout)[0]:
            return self.peers[socket], socket.recv_multipart()
        raise TimeoutError


class Table:
    """A broker under trial and the peers around it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.frontend, self.backend = scene.stage.endpoint("frontend"), scene.stage.endpoint("backend")
        self.answer: Answer = scene.answer(Call((self.frontend, self.backend)))
        self.closing = contextlib.ExitStack()
        self.workers: list[Peer] = []
        self.hostile = False  # whether something was said that is not in the contract
        self.ended = "a malformed message ended the broker"  # what it is to end after that

    def open(self) -> None:
        """Return when somebody listens at both ends; how long a process takes to start is no matter."""
        for endpoint in self.frontend, self.backend:
            with zmq.Context() as context, context.socket(zmq.DEALER) as probe:
                probe.linger, probe.immediate, probe.reconnect_ivl = 0, 1, 5
                probe.connect(endpoint)
                self.answer.begun()
                until = time.monotonic() + START
                while not probe.poll(20, zmq.POLLOUT):  # writable once it is connected
                    self.alive()
                    if time.monotonic() > until:
                        end = "frontend" if endpoint == self.frontend else "backend"
                        self.blame(
                            "no socket was bound", f"Your broker ran for {START:g} s, and nobody was bound at {end}."
                        )

    def context(self, name: str) -> trace.Context:
        context = trace.Context(self.scene.recording, name)  # of its own, so that the picture knows who spoke
        self.closing.callback(context.term)
        return context

    def clients(self, *names: str) -> list[Peer]:
        return [Peer(self, name, self.frontend) for name in names]

    def seat(self, name: str) -> Peer:
        self.workers.append(Peer(self, name, self.backend))
        return self.workers[-1]

    def hears(self, *peers: Peer, seconds: float = SOON) -> tuple[Peer, Frames]:
        """Who of these hears something first, and what; the first of them and nothing if nobody does."""
        try:
            return self.scene.wait(Either(peers), self.answer, seconds)  # type: ignore[arg-type]
        except TookTooLong:
            return peers[0], []

    def alive(self) -> None:
        """A broker that has ended is to blame for whatever is missing."""
        if not self.answer.process.told:
            return
        [outcome, *_] = self.answer.outcomes(0.5)
        if self.hostile and outcome.error:
            happened = f"It ended with {outcome.error}: {outcome.message}\n{outcome.trace}".rstrip()
            self.blame(self.ended, happened)
        unexpected(outcome)

    def blame(self, label: str, happened: str, peer: Peer | None = None) -> NoReturn:
        """The verdict, pointing at the last thing that this peer heard or said."""
        name = peer.title if peer else ""
        events = [e for e in self.scene.recording.events if e.actor == name and e.kind in ("send", "receive")]
        raise NotYet(label, happened, events[-1] if events else None)

    def silent(self, missing: str) -> NoReturn:
        """Somebody waits and nothing comes, for no reason that has a name here."""
        self.alive()
        raise TookTooLong(f"{self.answer.stood()}, and {missing} was waited for in vain")

    def given(self, client: Peer, *body: bytes) -> Peer | None:
        """Which worker gets this client's request now, if one does. What it gets must be right."""
        worker, frames = self.hears(*self.workers)
        if frames == [b"", client.name, b"", *body]:
            return worker
        if frames:
            self.differs(worker, frames, client, body)
        self.alive()
        strayed = client.glance(0.01)
        if strayed and not self.hostile:
            happened = f"{client.title} asked, and got {strayed!r}, which is for a worker."
            self.blame("the client's address and the worker's were exchanged", happened, client)
        if not self.hostile:
            self.lost(client, body)
        return None

    def lost(self, client: Peer, body: Sequence[bytes]) -> None:
        """Nobody has got this request. If somebody gets the next one, it is lost."""
        client.say(b"again")
        worker, frames = self.hears(*self.workers, seconds=GLANCE)
        if frames[-1:] == [b"again"]:
            happened = (
                f"{client.title}'s request {body[0]!r} came while no place was free. {worker.title} got the next "
            )
            self.blame("a request that came while nobody was free was lost", f"{happened}one, and never that.", worker)

    def differs(self, worker: Peer, frames: Frames, client: Peer, body: Sequence[bytes]) -> NoReturn:
        """A worker has got what is not the request that was due."""
        happened = f"{worker.title} got {frames!r} where {client.title}'s request was due."
        if worker.name in frames:
            self.blame("the client's address and the worker's were exchanged", happened, worker)
        if self.hostile and body[-1] not in frames:
            self.blame("a malformed request was passed on", happened, worker)
        self.framed(worker, frames, happened, 2, body)
        self.blame("", happened, worker)

    def framed(self, peer: Peer, frames: Frames, happened: str, count: int, body: Sequence[bytes]) -> None:
        """Whether a message has so many empty frames, and its whole body."""
        if frames[0] or frames.count(b"") < count:
            self.blame("an empty frame was lost", happened, peer)
        if not set(body) <= set(frames) and set(body) & set(frames):
            self.blame("only a part of the message was passed on", happened, peer)

    def answered(
        self, client: Peer, worker: Peer, *body: bytes, label: str = UNHEARD, unheard: Callable[[], None] | None = None
    ) -> None:
        """The client must get this reply now."""
        _, frames = self.hears(client)
        if frames == [b"", *body]:
            return
        if not frames:
            self.alive()
            if unheard:
                unheard()
            self.blame(label, f"{worker.title} replied, and {client.title} heard nothing.", worker)
        happened = f"{client.title} got {frames!r} where {worker.title}'s reply {body!r} was due."
        self.framed(client, frames, happened, 1, body)
        self.blame("", happened, client)

    def nobody(self, label: str, happened: str, seconds: float = GLANCE) -> None:
        """No worker may get anything now. Looked at in small steps, which take longer where the machine is busy."""
        sockets = {worker.socket: worker for worker in self.workers}
        for _ in range(max(1, round(seconds / STEP))):
            for socket in zmq.select(list(sockets), [], [], STEP)[0]:
                worker, frames = sockets[socket], socket.recv_multipart()
                self.blame(label, f"{happened} {worker.title} got {frames!r} all the same.", worker)


@contextlib.contextmanager
def _table(scene: Scene) -> Iterator[Table]:
    table = Table(scene)
    with table.closing:
        table.open()
        yield table


def alone(scene: Scene) -> None:
    """one client, one worker"""
    with _table(scene) as table:
        [ann], ada = table.clients("Ann"), table.seat("Ada")
        ada.say(b"READY", b"2")
        with contextlib.suppress(TimeoutError):  # so that the picture is the same each time
            scene.recording.wait("receive", ENTRY, timeout=1.0)
        for body in b"tea", b"milk":
            ann.say(body)
        table.given(ann, b"tea")
        second = ada.glance(0.3)
        ada.reply(ann, b"TEA")
        table.answered(ann, ada, b"TEA")
        second or table.hears(ada)


def places_that_are_taken(scene: Scene) -> None:
    """workers with all their places taken"""
    with _table(scene) as table:
        ann, bob = table.clients("Ann", "Bob")
        ola = table.seat("Ola")
        ola.say(b"READY")
        ann.say(b"one", b"with milk")
        if table.given(ann, b"one", b"with milk") is None:
            ola.say(b"READY", b"1")
            if table.given(ann, b"one", b"with milk") is ola:
                happened = "Ola said READY and got nothing; she said READY 1 and got Ann's request."
                table.blame("READY alone was not taken for READY", happened, ola)
            table.silent("Ann's request")
        ada = table.seat("Ada")
        ada.say(b"READY", b"3")
        _three(table, ada, ola, ann)
        bob.say(b"five")
        more = "Ola had 1 of 1 places taken, Ada 3 of 3, and Bob asked."
        _sleeps(table)
        table.nobody("a worker got more requests than it has places", more, 0.01)
        ada.reply(ann, b"hot", b"three")
        table.answered(ann, ada, b"hot", b"three")
        _freed(table, ada, bob)
        bob.say(b"six")
        freed = "a reply freed more than one place"
        table.nobody(freed, "Ada had 3 places, replied once and got one more; Bob asked.")
        ola.reply(ann, b"hot", b"one")
        table.answered(ann, ola, b"hot", b"one")
        worker = table.given(bob, b"six")
        if worker is ada:
            table.blame(freed, "Ada had 3 places, replied once, and got the next two requests.", ada)
        if worker is None:
            table.silent("Bob's request")
        ada.reply(ann, b"hot", b"two")
        table.answered(ann, ada, b"hot", b"two", unheard=lambda: _forgotten(table, ada, ann, freed))
        for worker, client, body in (ada, bob, b"five"), (ola, bob, b"six"), (ada, ann, b"four"):
            worker.reply(client, b"hot", body)
            table.answered(client, worker, b"hot", body)


def _forgotten(table: Table, ada: Peer, ann: Peer, freed: str) -> None:
    """Ada's reply was passed on to nobody: perhaps her request is taken to be done."""
    ann.say(b"seven")
    if table.given(ann, b"seven") is ada:
        happened = "Ada had 3 places, replied once and got one more; then she got another, and no other reply of hers "
        table.blame(freed, f"{happened}was passed on.", ada)


def _three(table: Table, ada: Peer, ola: Peer, ann: Peer) -> None:
    """Ola has one request and one place; Ada has three places and must get the next three."""
    for count, body in enumerate((b"two", b"three", b"four")):
        ann.say(body)
        worker = table.given(ann, body)
        if worker is ola:
            happened = "Ola had said READY and had a request in her hands; she got another."
            table.blame("a worker got more requests than it has places", happened, ola)
        if worker is None and count:
            happened = f"Ada had said READY 3 and had {count} in her hands; Ann asked, and Ada got nothing."
            table.blame(ONE_AT_A_TIME if count == 1 else "", happened, ada)
        if worker is None:
            happened = "Ola had said READY and got a request. Ada said READY 3; Ann asked again, and Ada got nothing."
            table.blame("READY with a number was not taken for READY", happened, ada)


def _freed(table: Table, ada: Peer, bob: Peer) -> None:
    """Ada has replied: Bob's request, which waited, must go to her."""
    if table.given(bob, b"five") is not None:
        return
    happened = "Ada replied while Bob's request waited, and got nothing."
    table.blame("a worker that had replied got no further request", happened, ada)


def _sleeps(table: Table) -> None:
    """All places are taken and a request waits: for that a broker needs no computing time.

    Where the machine is so busy that little can be seen in a moment, one that never sleeps is watched for longer.
    """
    pid, start = table.answer.process.pid, time.monotonic()
    before, slept, seconds = _computed(pid), 0, 0.0
    while seconds < (GLANCE if slept >= 3 else LONGER):
        zmq.select([table.workers[0].socket], [], [], STEP)
        table.alive()
        spent, seconds = _computed(pid) - before, time.monotonic() - start
        slept += _asleep(pid)
        if spent > (SPIN if slept or seconds < LONGER else SPUN):
            happened = (
                f"All places were taken and a request waited. In {seconds:.2f} s of that your broker was computing "
            )
            table.blame("it spun while nobody was free", f"{happened}for {spent:.2f} s.")


def _computed(pid: int) -> float:
    """Seconds of computing time that a process has used, where the system tells (Linux)."""
    return sum(int(line.split()[0]) for line in _threads(pid, "schedstat")) / 1e9


def _asleep(pid: int) -> bool:
    """Whether no thread of a process runs or would like to."""
    return not any(line.rpartition(") ")[2].startswith("R") for line in _threads(pid, "stat"))


def _threads(pid: int, name: str) -> list[str]:
    """What stands in this file of each thread."""
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/{name}") as file:
                found.append(file.read())
    return found


PLACES = {"Ada": 2, "Cleo": 4, "Bea": 2}
Hands = dict[Peer, list[bytes]]  # which requests each worker has


def several_workers(scene: Scene) -> None:
    """workers with different numbers of places"""
    with _table(scene) as table:
        [ann] = table.clients("Ann")
        hands: Hands = {}
        for name, places in PLACES.items():  # each is filled before the next one comes
            worker = table.seat(name)
            worker.say(b"READY", b"%d" % places)
            hands[worker] = []
            _round(table, ann, hands, [worker] * places)
        ada, cleo, bea = hands
        _emptied(table, ann, hands, ada, cleo, bea)
        _round(table, ann, hands, [ada, cleo, bea, ada, cleo, bea, cleo, cleo], PATTERNS)
        _emptied(table, ann, hands, cleo)
        _emptied(table, ann, hands, ada, count=1)
        _round(table, ann, hands, [cleo, ada])
        _emptied(table, ann, hands, bea, ada)
        _round(table, ann, hands, [bea, ada, cleo])


def _emptied(table: Table, ann: Peer, hands: Hands, *order: Peer, count: int = 4) -> None:
    """These workers reply to so many of their requests."""
    for worker in order:
        for body in hands[worker][:count]:
            hands[worker].remove(body)
            worker.reply(ann, b"done", body)
            table.answered(ann, worker, b"done", body)


def _round(table: Table, ann: Peer, hands: Hands, due: list[Peer], patterns: dict[str, str] | None = None) -> None:
    """Ann asks once for each of these workers, and they must get it in this order.

    If they do not, the first difference tells what is wrong, unless the whole order is one of `patterns`.
    """
    got: list[Peer] = []
    first: tuple[str, str, Peer] | None = None
    for worker in due:
        body = b"%d" % table.scene.recording.count("send", "Ann")
        had = {each: len(whose) for each, whose in hands.items()}
        got.append(_next(table, ann, hands, worker, body))
        if got[-1] is not worker and first is None:
            first = _difference(had, got[-1], worker)
            if not patterns:
                table.blame(*first)
        hands[got[-1]].append(body)
    if first:
        order = ", ".join(worker.title for worker in got)
        label = (patterns or {}).get("".join(worker.title[0] for worker in got))
        happened = f"All were free: Ada and Bea with 2 places, Cleo with 4. Eight requests went to {order}."
        table.blame(*((label, happened, first[2]) if label else first))


def _next(table: Table, ann: Peer, hands: Hands, due: Peer, body: bytes) -> Peer:
    """Ann asks; who gets it. Somebody must who has a free place."""
    ann.say(body)
    got = table.given(ann, body)
    if got is None and 0 < len(hands[due]) < PLACES[due.title]:
        happened = f"{due.title} had said READY {PLACES[due.title]} and had {len(hands[due])} in her hands; she got "
        table.blame(ONE_AT_A_TIME if len(hands[due]) == 1 else "", f"{happened}no other.", due)
    if got is None and not hands[due] and len(hands) == 1:
        happened = "Ada said READY 2; Ann asked, and Ada got nothing."
        table.blame("READY with a number was not taken for READY", happened, due)
    if got is None:
        table.silent("Ann's request")
    if len(hands[got]) >= PLACES[got.title]:
        happened = (
            f"{got.title} had said READY {PLACES[got.title]}, had {len(hands[got])} in her hands and got another."
        )
        table.blame("a worker got more requests than it has places", happened, got)
    return got


def _difference(had: dict[Peer, int], got: Peer, due: Peer) -> tuple[str, str, Peer]:
    """What can be said of it that this worker got a request and not that one."""
    happened = f"In their hands were: {', '.join(f'{each.title} {count}' for each, count in had.items())}. "
    happened += f"The next request went to {got.title}."
    if had[got] > had[due] == 0:
        return "one worker was filled while another had nothing to do", happened, got
    if had[got] == had[due]:
        return "equal workers did not take turns", f"{happened} {due.title} has waited longer.", got
    return "", f"{happened} It was {due.title}'s turn.", got


def _patterns() -> dict[str, str]:
    """In which order eight requests go to the three, all free, by the first letters, for what is chosen wrongly."""
    most, last = "the worker with the most free places came first", "the worker that was used last got the next request"
    rules: list[tuple[str, Callable[[int, int], float], bool]] = [
        (most, lambda places, has: has - places, False),
        (most, lambda places, has: has / places, False),
        (most, lambda places, has: -places, False),
        (last, lambda places, has: has, True),
        (last, lambda places, has: 0, True),
    ]
    found = {}
    for label, score, backwards in rules:
        for turns in True, False:  # whether equal ones take turns
            line, has, order = list(PLACES), dict.fromkeys(PLACES, 0), ""
            for _ in range(sum(PLACES.values())):
                free = [name for name in line if has[name] < PLACES[name]]
                name = min(reversed(free) if backwards else free, key=lambda name: score(PLACES[name], has[name]))
                has[name] += 1
                order += name[0]
                if turns:
                    line.remove(name)
                    line.append(name)
            found[order] = label
    return found


PATTERNS = _patterns()


def ready_again(scene: Scene) -> None:
    """a worker that says READY again"""
    with _table(scene) as table:
        [ann], ada = table.clients("Ann"), table.seat("Ada")
        forgot = "a second READY made the broker forget requests"
        ada.say(b"READY")
        ann.say(b"one")
        if table.given(ann, b"one") is None:
            table.silent("Ann's request")
        ada.say(b"READY")
        ann.say(b"two")
        ada.reply(ann, b"hot", b"one")
        table.answered(ann, ada, b"hot", b"one", label=forgot)
        if table.given(ann, b"two") is None:
            table.silent("Ann's request")
        ann.say(b"three")
        ada.say(b"READY", b"2")
        if table.given(ann, b"three") is None:
            happened = "Ada had said READY and had a request. She said READY 2; Ann's next request waited for ever."
            table.blame("a second READY was not heard", happened, ada)
        ada.say(b"READY", b"2")
        ada.reply(ann, b"hot", b"two")
        table.answered(ann, ada, b"hot", b"two", label=forgot)
        ann.say(b"four")
        if table.given(ann, b"four") is None:
            happened = "Ada had two places, and replied to one of two requests. Ann asked, and Ada got nothing."
            table.blame("a worker that had replied got no further request", happened, ada)
        more = "Ada said READY twice, then READY 2 twice, and had two requests in her hands; Ann asked."
        for body in b"five", b"six":
            ann.say(body)
        table.nobody("a second READY made more places", more)
        ada.reply(ann, b"hot", b"three")
        table.answered(ann, ada, b"hot", b"three", label=forgot)
        if table.given(ann, b"five") is None:
            table.silent("Ann's request")
        table.nobody("a second READY made more places", more)


def strangers(scene: Scene) -> None:
    """messages in no known form, and replies that nobody is due"""
    with _table(scene) as table:
        (ann, bob), ada = table.clients("Ann", "Bob"), table.seat("Ada")
        table.hostile = True
        for odd in ([b"READY"], [b""], [b"", b"READY", b"many"], [b"", b"READY", b""], [b"", b"READY", b"0"]):
            ada.raw(*odd)
        ada.raw(b"", b"READY", b"1", b"2")
        ada.say(b"READY", b"1")
        for odd in ([b"tea"], [b""], [b"tea", b"", b"milk"]):
            ann.raw(*odd)
        ann.say(b"one")
        if table.given(ann, b"one") is None:
            table.alive()
            happened = "Ann said three things that are no requests, then asked; Ada had a free place and got nothing."
            table.blame("", happened, ada)
        for body in b"two", b"three", b"four":
            bob.say(body)
        for odd in [b"", b"Ann", b""], [b"", b"Ann", b"not", b"hot"], [b"Ann", b"", b"hot"]:
            ada.raw(*odd)
        ada.say(b"READY", b"0")
        ada.reply(ann, b"hot")
        _, frames = table.hears(ann)
        if frames and frames != [b"", b"hot"]:
            happened = f"Ada said something that is no reply, and Ann got {frames!r}."
            table.blame("a malformed reply was passed on", happened, ann)
        if not frames:
            table.alive()
            table.blame(UNHEARD, "Ada replied, and Ann heard nothing.", ada)
        if table.given(bob, b"two") is None:
            ada.say(b"READY", b"1")
            if table.given(bob, b"two") is ada:
                happened = "Ada said READY 1, then READY 0, which is no number of places. She got nothing until "
                table.blame("READY 0 was taken for READY", f"{happened}she said READY 1 again.", ada)
            table.silent("Bob's request")
        _not_due(table, ann, bob, ada)


def _not_due(table: Table, ann: Peer, bob: Peer, ada: Peer) -> None:
    table.hostile = False
    ada.reply(ann, b"cold")  # Bob's request is in her hands, and Ann's no longer
    freed = "a reply that was not due freed a place"
    twice = "Ada had one place and one of Bob's requests; she replied to Ann, whom she had answered before."
    table.nobody(freed, twice)
    _undue(table, ann, ada, "Ada replied to Ann, whom she had answered before")
    ada.reply(bob, b"hot")
    table.answered(bob, ada, b"hot", label=freed)
    if table.given(bob, b"three") is None:
        table.silent("Bob's request")
    table.nobody(freed, twice)
    ada.reply(bob, b"hot")
    table.answered(bob, ada, b"hot")
    if table.given(bob, b"four") is None:
        table.silent("Bob's request")
    _nobody_asked(table, ann)
    _gone(table, ann, bob, ada)


def _gone(table: Table, ann: Peer, bob: Peer, ada: Peer) -> None:
    """Bob has a request in Ada's hands and asks for more; then he goes, and she replies to each of them."""
    ada.say(b"READY", b"%d" % GONE)
    for _ in range(GONE - 1):
        bob.say(b"more")
        if table.given(bob, b"more") is not ada:
            table.silent("Bob's request")
    bob.socket.close(0)
    table.hostile, table.ended = True, "a reply to a client that has gone ended the broker"
    for number in range(GONE):  # the first may come before the broker can know
        ada.reply(bob, b"hot")
        ann.say(b"after %d" % number)
        if table.given(ann, b"after %d" % number) is not ada:
            table.silent("Ann's request, after a reply to a client that has gone,")


def _nobody_asked(table: Table, ann: Peer) -> None:
    """Nell replies to Ann, whose request she never got; then she says READY and gets one."""
    nell = table.seat("Nell")
    nell.reply(ann, b"boo")
    nell.say(b"READY", b"1")
    ann.say(b"five")
    if table.given(ann, b"five") is not nell:
        table.silent("Ann's request")
    _undue(table, ann, nell, "Nell had never had a request, and replied to Ann")


def _undue(table: Table, ann: Peer, worker: Peer, what: str) -> None:
    if frames := ann.glance(0.02):
        happened = f"{what}, and Ann got {frames!r}."
        table.blame("a reply that was not due was passed on", happened, ann)


TRY = alone
SCENES = (places_that_are_taken, several_workers, ready_again, strangers)
