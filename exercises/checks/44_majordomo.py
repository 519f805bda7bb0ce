# SPDX-License-Identifier: BSD-3-Clause
"""Let a worker that heartbeats and never replies lose its job to the next."""

import contextlib
import time
from collections.abc import Iterator
from typing import NoReturn

import zmq
from exercises.scene import Answer, NotYet, Scene, TookTooLong, unexpected

from diagrams import trace
from exercises.answer import Call

ENTRY = "broker"


HINTS = (
    "A heartbeat says that a process is alive. What else does the broker have to remember of a worker that has a job, "
    "and at which two moments does it change?",
    "Every job leaves the core as an effect: a Send whose frames begin with the worker's address and hold REQUEST. A "
    "method that passes on the effects of `super().receive` and `super().tick` can look at each of them.",
    "When a REQUEST passes by, note `now + self.limit` under its worker. In `tick`, whoever is due is sent DISCONNECT, "
    'and the core is told `[worker, b"", WORKER, DISCONNECT]`, as if the worker had said goodbye: it knows what to do '
    "with the job. Then `self.deadline` must not be later than the earliest end of a limit.",
)
VARIANT = "let a service have a limit of its own, such as 0.5 s for `tea` and ten minutes for `statistics`."
LIMIT = "a job that no worker can finish in time goes round for ever, and each round costs its worker its connection."
WHY = "which line of yours makes sure that the shell calls `tick` early enough?"

LABELS = {
    "a worker that only heartbeats kept its job": "what do you remember of a job at the moment at which it goes out?",
    "a heartbeat gave a busy worker more time": "which messages of a worker may move the end of its limit?",
    "the limit was looked at only when a heartbeat was due": "when does your core want its next tick?",
    "the job was lost with its worker": "who has the request when the worker is forgotten?",
    "the job that came back stood behind a newer one": "at which end of the queue does it belong?",
    "the worker that lost its job was not told": "how does this worker learn that it has to register again?",
    "the worker that lost its job got it back": "is a worker free when its limit is over?",
    "a busy worker's heartbeat was taken for READY": "which commands of a worker say that it is free?",
    "a busy worker was given a second job": "when does a worker belong to those that wait for a job?",
    "a worker that had replied got no further job": "what is a worker after its reply?",
    "a worker without a job was hung up on": "for whom does the limit run?",
    "the job was taken away before its limit was over": "which two times do you compare, and in which unit are they?",
    "a job had only what its worker's job before had left": "what belongs to a job, and what to its worker?",
    "the limit ran on after the reply": "which messages of a worker end the limit of its job?",
    "the limit ran while the request waited": "from which moment does the limit count?",
    "a late reply was passed on to the client": "whose job is it when that reply comes?",
    "a late reply got no answer": "what does the contract say of a reply that nobody is due?",
    "the heartbeats stopped": "what else happens in the tick of the lesson's broker?",
    "no socket was bound": "in which method does the lesson's broker open its socket?",
    "an empty frame was lost": "which frames stand between an address and what follows it?",
    "the client's address and the worker's were exchanged": "which of the two leads the message, and which is inside?",
    "the reply never reached the client": "which frame tells a ROUTER where a message goes?",
}

CLIENT, WORKER = b"MDPC01", b"MDPW01"
READY, REQUEST, REPLY, HEARTBEAT, DISCONNECT = (bytes([n]) for n in range(1, 6))
START = 2.0  # seconds in which a broker that runs has to have bound its socket
SOON = 1.0  # seconds in which a broker does what nothing keeps it from
GLANCE = 0.05  # seconds for a message that would be on its way already
SHORT = 0.3  # seconds of a limit that the scene waits for
OFTEN = 0.1  # seconds between heartbeats, where they matter
SELDOM = 1.5  # seconds between heartbeats, where nobody is to wait for one
STEADY = 4 * SHORT  # seconds that a worker goes on heartbeating when its limit is long over

Frames = list[bytes]


class Peer:
    """A client or worker that speaks MDP by hand; its routing id is its name."""

    def __init__(self, table: "Table", name: str) -> None:
        self.table, self.title, self.name = table, name, name.encode()
        self.heartbeats = 0  # how many it heard
        self.beats, self.beat = False, 0.0  # whether it sends them while it listens, and when the next one
        self.socket = table.context(name).socket(zmq.DEALER)
        table.closing.callback(self.socket.close, 0)
        self.socket.routing_id = self.name
        self.socket.connect(table.endpoint)

    def say(self, *frames: bytes) -> None:
        self.socket.send_multipart([b"", *frames])

    def ask(self, service: bytes, *body: bytes) -> None:
        self.say(CLIENT, service, *body)

    def offer(self, service: bytes) -> None:
        self.say(WORKER, READY, service)

    def reply(self, client: "Peer", *body: bytes) -> None:
        self.say(WORKER, REPLY, client.name, b"", *body)

    def result(self, timeout: float) -> Frames:
        """The next message that is no heartbeat, waited for as `Scene.wait` waits for an actor's result."""
        now = time.monotonic()
        if self.beats and self.beat <= now:
            self.beat = now + OFTEN / 2
            self.say(WORKER, HEARTBEAT)
        until = now + timeout
        while self.socket.poll(max(0.0, until - time.monotonic()) * 1000):
            frames = self.socket.recv_multipart()
            if frames[-2:] != [WORKER, HEARTBEAT]:
                return frames
            self.heartbeats += 1
            if time.monotonic() > until:  # a broker may send nothing but heartbeats, and many of them
                break
        raise TimeoutError

    def hears(self, seconds: float = SOON) -> Frames:
        """The next message that is no heartbeat; nothing if none comes, or the broker has ended."""
        try:
            return self.table.scene.wait(self, self.table.answer, seconds)  # type: ignore[arg-type]
        except TookTooLong:
            return []


class Table:
    """A broker under trial and the peers around it."""

    def __init__(self, scene: Scene, interval: float, limit: float) -> None:
        self.scene, self.endpoint = scene, scene.stage.endpoint("broker")
        self.answer: Answer = scene.answer(Call((self.endpoint, interval, limit)))
        self.closing = contextlib.ExitStack()

    def open(self) -> None:
        """Return when somebody listens at the endpoint; how long a process takes to start is no matter."""
        with self.context("probe").socket(zmq.DEALER) as probe:
            probe.linger, probe.immediate, probe.reconnect_ivl = 0, 1, 5
            probe.connect(self.endpoint)
            self.answer.begun()
            until = time.monotonic() + START
            while not probe.poll(20, zmq.POLLOUT):  # writable once it is connected
                self.alive()
                if time.monotonic() > until:
                    happened = f"Your broker ran for {START:g} s, and nobody was bound at the endpoint."
                    self.blame("no socket was bound", happened)

    def context(self, name: str) -> trace.Context:
        context = trace.Context(self.scene.recording, name)  # of its own, so that the picture knows who spoke
        self.closing.callback(context.term)
        return context

    def seat(self, *names: str) -> list[Peer]:
        return [Peer(self, name) for name in names]

    def alive(self) -> None:
        """A broker that has ended is to blame for whatever is missing."""
        if self.answer.process.told:
            unexpected(self.answer.outcomes(0.5)[0])

    def blame(self, label: str, happened: str, peer: Peer | None = None) -> NoReturn:
        """The verdict, pointing at the last thing that this peer heard or said."""
        name = peer.title if peer else ""
        events = [e for e in self.scene.recording.events if e.actor == name and e.kind in ("send", "receive")]
        raise NotYet(label, happened, events[-1] if events else None)

    def silent(self, missing: str) -> NoReturn:
        """Somebody waits and nothing comes, for no reason that has a name here."""
        self.alive()
        raise TookTooLong(f"{self.answer.stood()}, and {missing} was waited for in vain")

    def framed(self, peer: Peer, frames: Frames, count: int) -> None:
        """Whether a message that has so many empty frames has them."""
        if frames[0] or frames.count(b"") < count:
            happened = f"{peer.title} got {frames!r}, which has not all of its empty frames."
            self.blame("an empty frame was lost", happened, peer)

    def job(self, worker: Peer, client: Peer, *body: bytes) -> None:
        """The worker must get this client's request now."""
        frames = worker.hears()
        if frames == [b"", WORKER, REQUEST, client.name, b"", *body]:
            return
        exchanged = "the client's address and the worker's were exchanged"
        if not frames:
            strayed = client.hears(GLANCE)
            if REQUEST in strayed[:3]:
                self.blame(exchanged, f"{client.title} got {strayed!r}, which is for the worker.", client)
            self.silent(f"{client.title}'s request")
        if worker.name in frames:
            happened = f"{worker.title} got {frames!r}: its own address stands where the client's belongs."
            self.blame(exchanged, happened, worker)
        self.framed(worker, frames, 2)
        self.blame("", f"{worker.title} got {frames!r} where {client.title}'s request was due.", worker)

    def answered(self, client: Peer, worker: Peer, service: bytes, *body: bytes) -> None:
        """The client must get this reply now."""
        frames = client.hears()
        if frames == [b"", CLIENT, service, *body]:
            return
        if not frames:
            self.alive()
            self.in_time(worker, worker.hears(GLANCE))
            happened = f"{worker.title} replied, and {client.title} heard nothing."
            self.blame("the reply never reached the client", happened, worker)
        self.on_time(client, frames)
        self.framed(client, frames, 1)
        self.blame("", f"{client.title} got {frames!r} where {body!r} from {service!r} was due.", client)

    def in_time(self, worker: Peer, frames: Frames) -> None:
        if DISCONNECT in frames[:3]:
            happened = f"{worker.title} had a job, and got DISCONNECT long before the limit was over."
            self.blame("the job was taken away before its limit was over", happened, worker)

    def on_time(self, client: Peer, frames: Frames) -> None:
        if b"late" in frames:
            happened = f"Ada replied when she had lost the job, and {client.title} got that reply."
            self.blame("a late reply was passed on to the client", happened, client)

    def too_old(self, worker: Peer, happened: str) -> NoReturn:
        self.blame("the limit ran while the request waited", happened, worker)


@contextlib.contextmanager
def _table(scene: Scene, interval: float, limit: float) -> Iterator[Table]:
    table = Table(scene, interval, limit)
    with table.closing:
        table.open()
        yield table


def alone(scene: Scene) -> None:
    """one client, one worker"""
    with _table(scene, 10.0, 30.0) as table:
        ada, ann = table.seat("Ada", "Ann")
        ada.offer(b"tea")
        with contextlib.suppress(TimeoutError):  # so that the picture is the same each time
            scene.recording.wait("receive", ENTRY, timeout=1.0)
        ann.ask(b"tea", b"please")
        table.job(ada, ann, b"please")
        ada.reply(ann, b"hot")
        table.answered(ann, ada, b"tea", b"hot")


def fair_weather(scene: Scene) -> None:
    """workers that reply in time"""
    with _table(scene, 10.0, 30.0) as table:
        ada, tick, ann, bob = table.seat("Ada", "Tick", "Ann", "Bob")
        ada.offer(b"tea")
        ann.ask(b"tea", b"please", b"with milk")
        table.job(ada, ann, b"please", b"with milk")
        bob.ask(b"tea", b"black")
        tick.offer(b"clock")
        bob.ask(b"clock", b"?")  # on the same connection: when it is answered, the broker has seen the other
        table.job(tick, bob, b"?")
        tick.reply(bob, b"noon")
        table.answered(bob, tick, b"clock", b"noon")
        if frames := ada.hears(GLANCE):
            table.in_time(ada, frames)
            label = "a busy worker was given a second job" if REQUEST in frames[:3] else ""
            table.blame(label, f"Ada had not replied to Ann yet and got {frames!r}.", ada)
        ada.reply(ann, b"hot", b"white")
        table.answered(ann, ada, b"tea", b"hot", b"white")
        frames = ada.hears()
        if not frames:
            table.alive()
            happened = "Ada replied to Ann; Bob's request waited, and Ada got nothing."
            table.blame("a worker that had replied got no further job", happened, ada)
        if frames != [b"", WORKER, REQUEST, bob.name, b"", b"black"]:
            table.blame("", f"Ada got {frames!r} where Bob's request was due.", ada)
        ada.reply(bob, b"strong")
        table.answered(bob, ada, b"tea", b"strong")


def heartbeats_without_a_reply(scene: Scene) -> None:
    """a worker that heartbeats and does not reply"""
    with _table(scene, OFTEN, SHORT) as table:
        ada, bea, ann, bob = table.seat("Ada", "Bea", "Ann", "Bob")
        ada.offer(b"tea")
        ann.ask(b"tea", b"one")
        table.job(ada, ann, b"one")
        bob.ask(b"tea", b"two")
        start = time.monotonic()
        ada.beats = True
        told = ada.hears(STEADY)
        _told(table, ada, told, time.monotonic() - start)
        ada.beats = False
        bea.offer(b"tea")
        _inherited(table, ada, bea, told)
        ada.reply(ann, b"late")
        if DISCONNECT in bea.hears(GLANCE)[:3]:
            table.too_old(bea, "Bea got the request that had waited for her and, in the same moment, DISCONNECT.")
        bea.reply(ann, b"hot")
        table.answered(ann, bea, b"tea", b"hot")
        table.job(bea, bob, b"two")
        bea.reply(bob, b"strong")
        table.answered(bob, bea, b"tea", b"strong")
        table.on_time(ann, ann.hears(0.001))


def _told(table: Table, ada: Peer, told: Frames, seconds: float) -> None:
    """What Ada heard when her limit was over: DISCONNECT, or nothing, which may have several reasons."""
    if REQUEST in told[:3] and told[-1] == b"two":
        happened = "Ada had not replied to Ann; Bob's request waited; Ada sent HEARTBEAT and got it."
        table.blame("a busy worker's heartbeat was taken for READY", happened, ada)
    if REQUEST in told[:3] and told[-1] == b"one":
        happened = f"{SHORT:g} s after Ada had got the job it was sent to her once more."
        table.blame("the worker that lost its job got it back", happened, ada)
    if told not in ([], [b"", WORKER, DISCONNECT]):
        table.blame("", f"Ada got {told!r} where DISCONNECT was due.", ada)
    table.alive()
    if told and seconds < SHORT / 2:
        happened = f"The limit was {SHORT:g} s; Ada was hung up on before half of it was over."
        table.blame("the job was taken away before its limit was over", happened, ada)
    if told and not ada.heartbeats:
        happened = f"Ada had a job for {SHORT:g} s; every {OFTEN:g} s a heartbeat to her was due, and none came."
        table.blame("the heartbeats stopped", happened, ada)


def _inherited(table: Table, ada: Peer, bea: Peer, told: Frames) -> None:
    """Bea has registered: Ann's request must be the first that she gets."""
    frames = bea.hears()
    if frames[-1:] == [b"one"] and not told:
        happened = f"Bea got Ann's request, and Ada, who had it before, heard nothing in {STEADY:g} s."
        table.blame("the worker that lost its job was not told", happened, bea)
    if frames[-1:] == [b"one"]:
        return
    if not told:
        if DISCONNECT in ada.hears(1.4 * SHORT)[:3]:
            happened = "Ada was hung up on only when she had ceased to send heartbeats."
            table.blame("a heartbeat gave a busy worker more time", happened, ada)
        happened = f"The limit was {SHORT:g} s; {STEADY:g} s after Ada had got the job she still had it."
        table.blame("a worker that only heartbeats kept its job", happened, ada)
    if not frames:
        table.silent("a request for Bea")
    if frames[-1:] != [b"two"]:
        table.blame("", f"Bea got {frames!r} where Ann's request was due.", bea)
    bea.say(WORKER, REPLY, frames[3], b"", b"strong")
    if bea.hears(0.3)[-1:] == [b"one"]:
        happened = "Bea got Bob's request first, then Ann's, which is older and had been in Ada's hands."
        table.blame("the job that came back stood behind a newer one", happened, bea)
    happened = "Ada was hung up on. Then Bea registered and got Bob's request; Ann's was sent to nobody any more."
    table.blame("the job was lost with its worker", happened, bea)


def silence_and_waiting(scene: Scene) -> None:
    """workers and requests that wait longer than the limit"""
    with _table(scene, SELDOM, SHORT) as table:
        ada, bea, cleo, fay, gus = table.seat("Ada", "Bea", "Cleo", "Fay", "Gus")
        ann, bob, cy = table.seat("Ann", "Bob", "Cy")
        ann.ask(b"coffee", b"black")  # for which there is nobody yet
        fay.offer(b"milk")
        gus.offer(b"cake")
        bob.ask(b"cake", b"one")
        table.job(gus, bob, b"one")
        gus.reply(bob, b"sweet")
        table.answered(bob, gus, b"cake", b"sweet")
        bea.offer(b"tea")
        bob.ask(b"tea", b"one")
        bob.ask(b"tea", b"two")
        table.job(bea, bob, b"one")
        ada.offer(b"clock")
        cy.ask(b"clock", b"?")
        table.job(ada, cy, b"?")
        _limits(table, ada, bea, bob)
        _late(table, ada, cy)
        _free(
            table, fay, bob, b"milk", "a worker without a job was hung up on", "Fay had registered and had no job yet"
        )
        _free(
            table, gus, bob, b"cake", "the limit ran on after the reply", "Gus had replied in time and had no other job"
        )
        cleo.offer(b"coffee")
        _fresh(table, cleo, ann)


def _limits(table: Table, ada: Peer, bea: Peer, bob: Peer) -> None:
    """Ada and Bea have a job each. Ada goes on with hers; Bea replies half-way and gets the next."""
    start = time.monotonic()
    told = ada.hears(SHORT / 2)
    second = 0.0
    if time.monotonic() - start < 0.8 * SHORT:  # else this machine was too slow to be in time
        bea.reply(bob, b"hot")
        table.answered(bob, bea, b"tea", b"hot")
        table.job(bea, bob, b"two")
        second = time.monotonic()
    _hung_up(table, ada, told or ada.hears(1.2 * SELDOM), start)
    if DISCONNECT in bea.hears(0.005)[:3] and time.monotonic() - second < 0.9 * SHORT:
        happened = "Bea replied half-way and got another job; she was hung up on when the limit of the first was over."
        table.blame("a job had only what its worker's job before had left", happened, bea)


def _hung_up(table: Table, ada: Peer, told: Frames, start: float) -> None:
    """Ada is silent with a job: she must get DISCONNECT long before the next heartbeat is due."""
    if not told:
        [dora] = table.seat("Dora")
        dora.offer(b"clock")
        if REQUEST in dora.hears(GLANCE)[:3]:
            happened = "Dora got the request that Ada had before, and Ada heard nothing."
            table.blame("the worker that lost its job was not told", happened, dora)
    if told != [b"", WORKER, DISCONNECT]:
        table.silent("DISCONNECT for Ada")
    if time.monotonic() - start > STEADY:
        happened = (
            f"The limit was {SHORT:g} s, the interval {SELDOM:g} s; Ada was hung up on when the interval was over."
        )
        table.blame("the limit was looked at only when a heartbeat was due", happened, ada)


def _late(table: Table, ada: Peer, cy: Peer) -> None:
    """Ada replies although she has been hung up on."""
    ada.reply(cy, b"late")
    answer = ada.hears(0.5)
    table.on_time(cy, cy.hears(0.001))
    if answer != [b"", WORKER, DISCONNECT]:
        table.alive()
        said = f"got {answer!r}" if answer else "heard nothing"
        table.blame("a late reply got no answer", f"Ada replied when she had lost the job, and {said}.", ada)


def _free(table: Table, worker: Peer, client: Peer, service: bytes, label: str, before: str) -> None:
    """A worker that is free must still be known, however long ago it came or had a job."""
    client.ask(service, b"two")
    frames = worker.hears()
    if DISCONNECT in frames[:3]:
        table.blame(label, f"{before} when DISCONNECT came.", worker)
    if frames != [b"", WORKER, REQUEST, client.name, b"", b"two"]:
        table.blame("", f"{worker.title} got {frames!r} where {client.title}'s request was due.", worker)
    worker.reply(client, b"fine")
    table.answered(client, worker, service, b"fine")


def _fresh(table: Table, cleo: Peer, ann: Peer) -> None:
    """Ann's request has waited for longer than the limit when Cleo comes."""
    frames = cleo.hears()
    if not frames:
        table.alive()
        table.too_old(cleo, "Ann's request waited for a worker. When Cleo registered, it was gone.")
    if frames != [b"", WORKER, REQUEST, ann.name, b"", b"black"]:
        table.blame("", f"Cleo got {frames!r} where Ann's request was due.", cleo)
    if DISCONNECT in cleo.hears(GLANCE)[:3]:
        table.too_old(cleo, "Cleo got the request and, in the same moment, DISCONNECT.")
    cleo.reply(ann, b"bitter")
    table.answered(ann, cleo, b"coffee", b"bitter")


TRY = alone
SCENES = (fair_weather, heartbeats_without_a_reply, silence_and_waiting)
