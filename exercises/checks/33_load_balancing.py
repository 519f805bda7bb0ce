# SPDX-License-Identifier: BSD-3-Clause
"""Balance the load of workers that can take several requests at a time, each its own number of them."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

import zmq

from diagrams import trace
from exercises.answer import Call
from exercises.judge import Answer, NotYet, Scene, TookTooLong, unexpected
from exercises.task import Question

ENTRY = "broker"

GIVEN = '''\
from collections import deque

import zmq

def broker(ctx, frontend, backend):
    """Bind a ROUTER at each endpoint and share out requests among workers with several places each, for ever.

    frontend  clients connect a REQ or a DEALER here; on their side of the cable a request is
              [""][body, 1 frame or more], and so is a reply
    backend   workers connect a REQ or a DEALER here; on their side of the cable they
              say  [""]["READY"][places]   how many requests they take at a time, 1 to 99 in decimal digits;
                   [""]["READY"] alone means 1. Who says it again has from then on so many places in all,
                   those that are taken included
              get  [""][client][""][body]  a request, `client` being the routing id that your ROUTER gave
              say  [""][client][""][body]  the reply, in any order; it frees one place

    A request goes to a worker with a free place: to the one that has the fewest requests in its hands, and of
    several that have equally few to the one whose last request was given to it longest ago (who has had none
    comes before them, in the order of READY). While no place is free, no request is read, none is lost, and your
    broker sleeps. A reply is passed on only if its worker has a request of that client in its hands; any other
    message that has not one of these forms is dropped, too, and changes nothing.
    It ends when its Context does: let zmq.ContextTerminated through.
    """
    ready = deque()
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.bind(frontend)
        back.bind(backend)
        poller = zmq.Poller()
        poller.register(back, zmq.POLLIN)
        while True:
            poller.register(front, zmq.POLLIN if ready else 0)
            heard = dict(poller.poll())
            if back in heard:
                match back.recv_multipart():
                    case [worker, b"", b"READY", *_]:
                        ready.append(worker)
                    case [worker, b"", _, b"", _, *_] as message:
                        ready.append(worker)
                        front.send_multipart(message[2:])
            elif front in heard:
                match front.recv_multipart():
                    case [_, b"", _, *_] as message:
                        back.send_multipart([ready.popleft(), b"", *message])
'''

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

QUESTIONS = {
    "33.1": Question(
        "A shared queue deals requests to two workers, and one of them stops over its first. Ten guests have ordered. "
        "How many of them are served as long as that worker stands still?",
        {
            "a": ("9: the other worker does the rest.", "a DEALER is taken for a line that workers draw from"),
            "b": ("5: every second one.", ""),
            "c": ("1: the queue waits for the one whose turn it is.", "round robin is taken for lock-step"),
        },
        "The DEALER deals each request to the next connection at once. Four requests lie in the queue of a worker that "
        "stands still, beside one that has nothing to do.",
    ),
    "33.2": Question(
        "A worker with a DEALER sends the single frame `READY`, as its colleague with a REQ does. What comes of it?",
        {
            "a": ("It is served like the other: DEALER puts the delimiter there.", "a DEALER is taken for a REQ"),
            "b": ("The broker raises an error.", "a peer's mistake is taken for the broker's"),
            "c": ("Nothing, for ever: its message has a form that the broker does not know.", ""),
        },
        "Only REQ adds the empty frame. The broker's ROUTER gives it two frames, an id and READY, where it expects "
        "three. What has another form is dropped, and nobody is told.",
    ),
    "33.3": Question(
        "The same kitchen with a broker and with workers that say READY; again one stops over its first order. Ten "
        "guests have ordered. How many are served as long as it stands still?",
        {
            "a": ("9: all but the one in its hands.", ""),
            "b": ("5: every second one.", "a ROUTER is taken for a DEALER"),
            "c": ("10: the broker takes the order back.", "the broker is taken for one that watches its workers"),
        },
        "Who has not replied is not in the line, and gets nothing. One order waits in its hands, and only that one.",
    ),
    "33.4": Question(
        "Three workers are free. A client asks 30 times, one request after the other. The broker is changed in one "
        "place: it takes the worker that came to the line last. How many do the three get?",
        {
            "a": ("10, 10, 10", "any line is taken for a fair one"),
            "b": ("30, 0, 0", ""),
            "c": ("28, 1, 1", "the others are thought to have a turn at the beginning"),
        },
        "The worker that has just replied stands at the end of the line where the next one is taken. The other two "
        "wait for ever, and nobody notices until it is their turn at last, with connections that died long ago.",
    ),
    "33.5": Question(
        "No worker is free, and a request waits. A broker polls both its sockets, and reads the frontend only when a "
        "worker is free. What does it do until then?",
        {
            "a": ("It sleeps in `poll`.", "a poller is taken for edge-triggered"),
            "b": ("It goes round and round: `poll` returns at once, again and again.", ""),
            "c": ("It loses the request.", "unread is taken for lost"),
        },
        "A poller reports what is there, not what is new. A message that is left in its socket is there at every call.",
    ),
    "33.6": Question(
        "A worker is killed with an order in its hands, and another one is free. What becomes of the order?",
        {
            "a": ("It goes to the other worker.", "the broker is taken for one that remembers what it gave away"),
            "b": ("It is lost, and its guest waits for ever.", ""),
            "c": ("Its guest gets an error.", "a ROUTER is taken for a witness"),
        },
        "This broker remembers who is free and nothing else. It has passed the order on, and a ROUTER does not tell "
        "its owner that a peer has gone.",
    ),
}

_SOLUTION = """\
import zmq

def broker(ctx, frontend, backend):
    places, hands = {}, {}
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.bind(frontend)
        back.bind(backend)
        poller = zmq.Poller()
        poller.register(back, zmq.POLLIN)
        while True:
            free = [worker for worker in hands if len(hands[worker]) < places[worker]]
            poller.register(front, zmq.POLLIN if free else 0)
            heard = dict(poller.poll())
            if back in heard:
                match back.recv_multipart():
                    case [worker, b"", b"READY"]:
                        places[worker] = 1
                        hands.setdefault(worker, [])
                    case [worker, b"", b"READY", number] if number.isdigit() and int(number) > 0:
                        places[worker] = int(number)
                        hands.setdefault(worker, [])
                    case [worker, b"", client, b"", _, *_] as message if client in hands.get(worker, []):
                        hands[worker].remove(client)
                        front.send_multipart(message[2:])
            elif front in heard:
                match front.recv_multipart():
                    case [client, b"", _, *_] as message:
                        worker = min(free, key=lambda name: len(hands[name]))
                        hands[worker] = [*hands.pop(worker), client]
                        back.send_multipart([worker, b"", *message])
"""


def _changed(*pairs: tuple[str, str], of: str = _SOLUTION) -> str:
    source = of
    for old, new in pairs:
        if old not in source:
            raise ValueError(f"the bank of {__name__} changes a line that is not there: {old!r}")
        source = source.replace(old, new)
    return source


_PLACES_IN_A_LINE = """\
from collections import deque

import zmq

def broker(ctx, frontend, backend):
    line, has, hands = deque(), {}, {}
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.bind(frontend)
        back.bind(backend)
        poller = zmq.Poller()
        poller.register(back, zmq.POLLIN)
        while True:
            poller.register(front, zmq.POLLIN if line else 0)
            heard = dict(poller.poll())
            if back in heard:
                message = back.recv_multipart()
                match message:
                    case [worker, b"", b"READY", *number] if len(number) < 2:
                        number = (number or [b"1"])[0]
                        if number.isdigit():
                            line.extend([worker] * (int(number) - has.get(worker, 0)))
                            has[worker] = int(number)
                            hands.setdefault(worker, [])
                    case [worker, b"", client, b"", _, *_] if client in hands.get(worker, []):
                        hands[worker].remove(client)
                        line.append(worker)
                        front.send_multipart(message[2:])
            elif front in heard:
                message = front.recv_multipart()
                if len(message) > 2 and message[1] == b"":
                    worker = line.popleft()
                    hands[worker].append(message[0])
                    back.send_multipart([worker, b"", *message])
"""

_COUNTS = """\
import zmq

def broker(ctx, frontend, backend):
    places, busy = {}, {}
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.bind(frontend)
        back.bind(backend)
        poller = zmq.Poller()
        poller.register(back, zmq.POLLIN)
        while True:
            free = [worker for worker in busy if busy[worker] < places[worker]]
            poller.register(front, zmq.POLLIN if free else 0)
            heard = dict(poller.poll())
            if back in heard:
                match back.recv_multipart():
                    case [worker, b"", b"READY"]:
                        places[worker] = 1
                        busy.setdefault(worker, 0)
                    case [worker, b"", b"READY", number] if number.isdigit() and int(number):
                        places[worker] = int(number)
                        busy.setdefault(worker, 0)
                    case [worker, b"", client, b"", _, *_] as message if worker in busy:
                        busy[worker] = max(0, busy[worker] - 1)
                        front.send_multipart(message[2:])
            elif front in heard:
                match front.recv_multipart():
                    case [client, b"", _, *_] as message:
                        worker = min(free, key=busy.get)
                        busy[worker] = busy.pop(worker) + 1
                        back.send_multipart([worker, b"", *message])
"""

WRONG = {
    "READY with a number was not taken for READY": "from patterns.load_balancing import broker\n",
    "a worker with several places got one request at a time": GIVEN + "                # as it was\n",
    "a worker got more requests than it has places": _changed(("if len(hands[worker]) < places[worker]]", "]")),
    "a worker got more requests than it has places (2)": _changed(("]) < places", "]) <= places")),
    "a worker that had replied got no further request": _changed(
        ("                        hands[worker].remove(client)\n", "")
    ),
    "a reply freed more than one place": _changed(("hands[worker].remove(client)", "hands[worker].clear()")),
    "READY alone was not taken for READY": _changed(
        ('case [worker, b"", b"READY"]:', 'case [worker, b"", b"READY", b"alone"]:')
    ),
    "READY 0 was taken for READY": _changed((" and int(number) > 0", "")),
    "a second READY made more places": _changed(("= int(number)\n", "= places.get(worker, 0) + int(number)\n")),
    "a second READY was not heard": _changed(("if number.isdigit()", "if worker not in places and number.isdigit()")),
    "a second READY made the broker forget requests": _changed(("hands.setdefault(worker, [])", "hands[worker] = []")),
    "one worker was filled while another had nothing to do": _PLACES_IN_A_LINE,
    "one worker was filled while another had nothing to do (2)": _changed(
        ("min(free, key=lambda name: len(hands[name]))", "free[0]"),
        ("[*hands.pop(worker), client]", "[*hands[worker], client]"),
    ),
    "the worker with the most free places came first": _changed(
        ("min(free, key=lambda name: len(hands[name]))", "max(free, key=lambda name: places[name] - len(hands[name]))")
    ),
    "the worker with the most free places came first (2)": _changed(
        ("key=lambda name: len(hands[name])", "key=lambda name: len(hands[name]) / places[name]"),
    ),
    "the worker that was used last got the next request": _changed(("min(free,", "min(reversed(free),")),
    "equal workers did not take turns": _changed(("[*hands.pop(worker), client]", "[*hands[worker], client]")),
    "a request that came while nobody was free was lost": _changed(
        ("zmq.POLLIN if free else 0", "zmq.POLLIN"),
        ('case [client, b"", _, *_] as message:\n', 'case [client, b"", _, *_] as message if free:\n'),
    ),
    "it spun while nobody was free": _changed(
        ("zmq.POLLIN if free else 0", "zmq.POLLIN"), ("elif front in heard:", "elif free:")
    ),
    "it spun while nobody was free (2)": _changed(("poller.poll()", "poller.poll(0)")),
    "a reply that was not due was passed on": _changed(
        (
            "as message if client in hands.get(worker, []):\n                        hands[worker].remove(client)\n",
            "as message:\n                        if client in hands.get(worker, []):\n"
            "                            hands[worker].remove(client)\n",
        )
    ),
    "a reply that was not due freed a place": _COUNTS,
    "a reply that was not due freed a place (2)": _changed(
        (
            "as message if client in hands.get(worker, []):\n                        hands[worker].remove(client)\n"
            "                        front.send_multipart(message[2:])\n",
            "as message if hands.get(worker):\n                        due = client in hands[worker]\n"
            "                        hands[worker].remove(client if due else hands[worker][0])\n"
            "                        if due:\n                            front.send_multipart(message[2:])\n",
        )
    ),
    "a malformed message ended the broker": _changed((" if number.isdigit() and int(number) > 0:", ":")),
    "a malformed message ended the broker (2)": """\
import zmq

def broker(ctx, frontend, backend):
    places, hands = {}, {}
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.bind(frontend)
        back.bind(backend)
        poller = zmq.Poller()
        poller.register(back, zmq.POLLIN)
        while True:
            free = [w for w in hands if len(hands[w]) < places[w]]
            poller.register(front, zmq.POLLIN if free else 0)
            for socket, _ in poller.poll():
                if socket is back:
                    worker, empty, *rest = back.recv_multipart()
                    if rest[0] == b"READY":
                        places[worker] = int(rest[1]) if len(rest) > 1 else 1
                        hands.setdefault(worker, [])
                    elif rest[0] in hands.get(worker, []):
                        hands[worker].remove(rest[0])
                        front.send_multipart(rest)
                    break
                client, empty, *body = front.recv_multipart()
                worker = min(free, key=lambda w: len(hands[w]))
                hands[worker] = hands.pop(worker) + [client]
                back.send_multipart([worker, b"", client, b"", *body])
""",
    "a reply to a client that has gone ended the broker": _changed(
        ("        front.bind", "        front.router_mandatory = True\n        front.bind")
    ),
    "a malformed reply was passed on": _changed(
        ('client, b"", _, *_] as message if', 'client, b"", *_] as message if')
    ),
    "a malformed reply was passed on (2)": _changed(
        ('client, b"", _, *_] as message if', "client, _, *_] as message if")
    ),
    "a malformed request was passed on": _changed(
        ('case [client, b"", _, *_] as message:', "case [client, *_] as message:")
    ),
    "an empty frame was lost": _changed(
        ("front.send_multipart(message[2:])", "front.send_multipart([client, *message[4:]])")
    ),
    "an empty frame was lost (2)": _changed(('[worker, b"", *message]', '[worker, b"", client, *message[2:]]')),
    "the client's address and the worker's were exchanged": _changed(
        ('[worker, b"", *message]', '[worker, b"", worker, b"", *message[2:]]')
    ),
    "the client's address and the worker's were exchanged (2)": _changed(
        (
            'back.send_multipart([worker, b"", *message])',
            'front.send_multipart([client, b"", worker, b"", *message[2:]])',
        )
    ),
    "only a part of the message was passed on": _changed(
        ("front.send_multipart(message[2:])", 'front.send_multipart([client, b"", message[4]])')
    ),
    "only a part of the message was passed on (2)": _changed(("*message])", 'client, b"", message[-1]])')),
    "a reply never reached its client": _changed(("message[2:]", "message")),
    "no socket was bound": _changed(("back.bind", "back.connect")),
}

RIGHT = {
    "counters of what each client has in each worker's hands, in a class": """\
import zmq
from collections import Counter

class Worker:
    def __init__(self, name):
        self.name, self.places, self.asked, self.turn = name, 0, Counter(), 0

    @property
    def load(self):
        return sum(self.asked.values())

class Balance:
    def __init__(self):
        self.workers, self.turns = {}, 0

    def free(self):
        return [w for w in self.workers.values() if w.load < w.places]

    def ready(self, name, places):
        self.workers.setdefault(name, Worker(name)).places = places

    def choose(self, client):
        worker = min(self.free(), key=lambda w: (w.load, w.turn))
        self.turns += 1
        worker.turn = self.turns
        worker.asked[client] += 1
        return worker.name

    def done(self, name, client):
        worker = self.workers.get(name)
        if worker is None or not worker.asked[client]:
            return False
        worker.asked[client] -= 1
        return True

def number(frames):
    if not frames:
        return 1
    try:
        return int(frames[0]) if len(frames) == 1 else 0
    except ValueError:
        return 0

def broker(ctx, frontend, backend):
    balance = Balance()
    front, back = ctx.socket(zmq.ROUTER), ctx.socket(zmq.ROUTER)
    try:
        front.bind(frontend)
        back.bind(backend)
        while True:
            ready, _, _ = zmq.select([back, front] if balance.free() else [back], [], [])
            if back in ready:
                worker, empty, *rest = back.recv_multipart()
                if empty or not rest:
                    continue
                if rest[0] == b"READY" and len(rest) < 3:
                    places = number(rest[1:])
                    if places > 0:
                        balance.ready(worker, places)
                elif len(rest) >= 3 and not rest[1] and balance.done(worker, rest[0]):
                    front.send_multipart(rest)
            if front in ready and balance.free():
                request = front.recv_multipart()
                if len(request) >= 3 and request[1] == b"":
                    back.send_multipart([balance.choose(request[0]), b""] + request)
    finally:
        front.close()
        back.close()
""",
    "lines of workers by what they have in their hands": """\
from collections import OrderedDict, defaultdict
import re
import zmq

NUMBER = b"(,[1-9][0-9]?)?"

def broker(ctx, frontend, backend):
    lines = defaultdict(OrderedDict)  # how many it has -> workers with a free place, oldest first
    places, hands, given, turn = {}, {}, {}, 0

    def enter(worker):
        load = len(hands[worker])
        for line in lines.values():
            line.pop(worker, None)
        if load < places[worker]:
            line = lines[load]
            line[worker] = given[worker]
            for later in sorted(line, key=line.get):
                line.move_to_end(later)

    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.router_mandatory = back.router_mandatory = True
        front.bind(frontend)
        back.bind(backend)
        both, workers_only = zmq.Poller(), zmq.Poller()
        for poller in both, workers_only:
            poller.register(back, zmq.POLLIN)
        both.register(front, zmq.POLLIN)
        while True:
            load = min((load for load, line in lines.items() if line), default=None)
            heard = dict((workers_only if load is None else both).poll(100))
            if back in heard:
                frames = back.recv_multipart()
                match frames:
                    case [worker, b"", b"READY", *number] if re.fullmatch(NUMBER, b",".join([b"", *number])):
                        places[worker] = int(number[0]) if number else 1
                        if worker not in hands:
                            turn += 1
                            hands[worker], given[worker] = [], turn - 1000000
                        enter(worker)
                    case [worker, b"", client, b"", _, *_]:
                        if client in hands.get(worker, ()):
                            hands[worker].remove(client)
                            enter(worker)
                            try:
                                front.send_multipart(frames[2:])
                            except zmq.ZMQError as error:
                                if error.errno != zmq.EHOSTUNREACH:
                                    raise
                continue
            if front in heard:
                request = front.recv_multipart()
                if request[1:2] == [b""] and request[2:]:
                    worker = next(iter(lines[load]))
                    hands[worker].append(request[0])
                    turn += 1
                    given[worker] = turn
                    enter(worker)
                    back.send_multipart([worker, b"", *request])
""",
}
