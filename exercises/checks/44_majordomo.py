# SPDX-License-Identifier: BSD-3-Clause
"""Let a worker that heartbeats and never replies lose its job to the next."""

import contextlib
import time
from typing import NoReturn

from exercises.peers import ENDLESS, GLANCE, LOST_FRAME, SOON, UNBOUND, Frames, Peer, Table
from exercises.scene import Scene

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

KEPT = "a worker that only heartbeats kept its job"
MORE_TIME = "a heartbeat gave a busy worker more time"
BEAT_DUE = "the limit was looked at only when a heartbeat was due"
MESSAGE = "the limit was looked at only when a message came"
EARLY = "the job was taken away before its limit was over"
LATE = "the job was taken away long after its limit was over"
LOST = "the job was lost with its worker"
BEHIND = "the job that came back stood behind a newer one"
NOT_HANDED = "the job that came back waited although a worker was free"
NOT_TOLD = "the worker that lost its job was not told"
GOT_BACK = "the worker that lost its job got it back"
AS_READY = "a busy worker's heartbeat was taken for READY"
SECOND_JOB = "a busy worker was given a second job"
NO_FURTHER = "a worker that had replied got no further job"
IDLE_GONE = "a worker without a job was hung up on"
LEFT_OVER = "a job had only what its worker's job before had left"
RAN_ON = "the limit ran on after the reply"
WAITED = "the limit ran while the request waited"
PASSED_ON = "a late reply was passed on to the client"
NO_ANSWER = "a late reply got no answer"
NO_BEATS = "a worker heard no heartbeats"
IMMORTAL = "a silent worker was not taken for dead"
ALIVE = "a worker was taken for dead that was not"
EXCHANGED = "the client's address and the worker's were exchanged"
UNHEARD = "the reply never reached the client"

LABELS = {
    KEPT: "what do you remember of a job at the moment at which it goes out?",
    MORE_TIME: "which messages of a worker may move the end of its limit?",
    BEAT_DUE: "when does your core want its next tick?",
    MESSAGE: "what happens in your broker while nobody says anything?",
    EARLY: "which two times do you compare, and in which unit are they?",
    LATE: "which two times do you compare, and in which unit are they?",
    LOST: "who has the request when the worker is forgotten?",
    BEHIND: "at which end of the queue does it belong?",
    NOT_HANDED: "at which moments do you look whether a job and a free worker are both there?",
    NOT_TOLD: "how does this worker learn that it has to register again?",
    GOT_BACK: "is a worker free when its limit is over?",
    AS_READY: "which commands of a worker say that it is free?",
    SECOND_JOB: "when does a worker belong to those that wait for a job?",
    NO_FURTHER: "what is a worker after its reply?",
    IDLE_GONE: "for whom does the limit run?",
    LEFT_OVER: "what belongs to a job, and what to its worker?",
    RAN_ON: "which messages of a worker end the limit of its job?",
    WAITED: "from which moment does the limit count?",
    PASSED_ON: "whose job is it when that reply comes?",
    NO_ANSWER: "what does the contract say of a reply that nobody is due?",
    NO_BEATS: "what else happens in the tick of the lesson's broker?",
    IMMORTAL: "what is a worker that has crashed with a job, or without one?",
    ALIVE: "what shows that a worker lives, and how long may it be silent?",
    UNBOUND: "in which method does the lesson's broker open its socket?",
    LOST_FRAME: "which frames stand between an address and what follows it?",
    EXCHANGED: "which of the two leads the message, and which is inside?",
    UNHEARD: "which frame tells a ROUTER where a message goes?",
    ENDLESS: "which exceptions do you catch, and what waits when the Context has gone?",
}

CLIENT, WORKER = b"MDPC01", b"MDPW01"
READY, REQUEST, REPLY, HEARTBEAT, DISCONNECT = (bytes([n]) for n in range(1, 6))
LONG = 30.0  # seconds that no scene waits for
SELDOM = 2.0  # seconds between heartbeats, where nobody is to wait for one
OFTEN = 0.15  # the same where workers are to die of silence, after five of them
BEATS = 0.04  # seconds between the heartbeats of a worker that sends them
EARLIEST, LATEST = 0.9, 1.7  # times the limit; the shortest of several waits must lie between
PATIENT = 3.0  # times the limit for which a scene waits for its end


class Party(Peer):
    """A client or a worker that speaks MDP. `heartbeats` counts those that it heard."""

    heartbeats = 0

    def ask(self, service: bytes, *body: bytes) -> None:
        self.say(CLIENT, service, *body)

    def tell(self, *frames: bytes) -> None:
        self.say(WORKER, *frames)

    def offer(self, service: bytes) -> None:
        self.tell(READY, service)

    def reply(self, client: Peer, *body: bytes) -> None:
        self.tell(REPLY, client.name, b"", *body)


class Mdp(Table):
    """A broker under trial. Those that are `beating` send heartbeats while somebody waits for a message."""

    kind = Party

    def __init__(self, scene: Scene, interval: float, limit: float) -> None:
        super().__init__(scene, "broker", args=(interval, limit))
        self.interval, self.limit = interval, limit
        self.beating: list[Party] = []
        self.beat = 0.0

    def seats(self, *names: str) -> list[Party]:
        return [self.seat(name, "broker") for name in names]

    def first(self, peers: list[Party], seconds: float = SOON) -> tuple[Party, Frames]:
        """Who hears something first that is no heartbeat."""
        until = time.monotonic() + seconds
        while True:
            if self.beating and self.beat <= time.monotonic():
                self.beat = time.monotonic() + BEATS
                for worker in self.beating:
                    worker.tell(HEARTBEAT)
            left = max(0.0, until - time.monotonic())
            peer, frames = super().first(peers, min(left, BEATS) if self.beating else left)
            if frames[1:] == [WORKER, HEARTBEAT]:
                peer.heartbeats += 1
            elif frames:
                return peer, frames
            if time.monotonic() >= until or (self.answer.process.told and not frames):
                return peer, []

    def job(self, workers: list[Party], client: Party, *body: bytes) -> Party:
        """Which of these workers gets this client's request now."""
        worker, frames = self.first(workers)
        if frames != [b"", WORKER, REQUEST, client.name, b"", *body]:
            self.amiss(worker, frames, client)
        return worker

    def amiss(self, worker: Party, frames: Frames, client: Party) -> NoReturn:
        """A worker did not get what a client had asked."""
        if not frames:
            strayed = client.hears(GLANCE)
            if REQUEST in strayed[:3]:
                self.blame(EXCHANGED, f"{client.title} got {strayed!r}, which is for the worker.", client)
            self.silent(f"{client.title}'s request")
        happened = f"{worker.title} got {frames!r} where {client.title}'s request was due."
        if worker.name in frames:
            self.blame(EXCHANGED, f"{happened} Its own address stands where the client's belongs.", worker)
        if DISCONNECT not in frames[:3]:
            self.framed(worker, frames, 2)
        self.blame("", happened, worker)

    def answered(self, client: Party, worker: Party, service: bytes, *body: bytes, gone: str = EARLY) -> None:
        """The client must get this reply now, and no other before. `gone` is for a worker that is hung up on."""
        frames = client.hears()
        if frames == [b"", CLIENT, service, *body]:
            return
        if not frames:
            self.alive()
            if DISCONNECT in worker.hears(GLANCE)[:3]:
                self.blame(gone, f"{worker.title} replied in time, and got DISCONNECT.", worker)
            self.blame(UNHEARD, f"{worker.title} replied, and {client.title} heard nothing.", worker)
        self.framed(client, frames, 1)
        self.blame("", f"{client.title} got {frames!r} where {body!r} from {service!r} was due.", client)

    def not_at_once(self, worker: Party, client: Party) -> None:
        """A worker has just got a request that had waited."""
        if DISCONNECT in worker.hears(GLANCE / 3)[:3]:
            happened = f"{worker.title} got {client.title}'s request, which had waited, and in the same moment "
            self.blame(WAITED, f"{happened}DISCONNECT.", worker)


def alone(scene: Scene) -> None:
    """one client, one worker"""
    with Mdp(scene, 10.0, LONG) as table:
        ada, ann = table.seats("Ada", "Ann")
        ada.offer(b"tea")
        with contextlib.suppress(TimeoutError):  # so that the picture is the same each time
            scene.recording.wait("receive", ENTRY, timeout=1.0)
        ann.ask(b"tea", b"please")
        table.job([ada], ann, b"please")
        ada.reply(ann, b"hot")
        table.answered(ann, ada, b"tea", b"hot")


def fair_weather(scene: Scene) -> None:
    """workers that reply in time and the end of its Context"""
    with Mdp(scene, 10.0, LONG) as table:
        ada, bea, ann, bob = table.seats("Ada", "Bea", "Ann", "Bob")
        tea, clock, one, two, three, more = scene.words(6)
        ada.offer(tea)
        ann.ask(tea, one, more)
        table.job([ada], ann, one, more)
        bob.ask(tea, two)
        bea.offer(clock)
        bob.ask(clock, three)  # on the same connection: when it is answered, the broker has seen the other
        table.job([bea], bob, three)
        bea.reply(bob, b"noon", three)
        table.answered(bob, bea, clock, b"noon", three)
        if frames := ada.hears(GLANCE / 3):
            happened = f"Ada had not replied to Ann yet and got {frames!r}."
            known = {REQUEST: SECOND_JOB, DISCONNECT: EARLY}
            table.blame(known.get(frames[2] if len(frames) > 2 else b"", ""), happened, ada)
        ada.reply(ann, b"hot", one)
        table.answered(ann, ada, tea, b"hot", one)
        frames = ada.hears()
        if not frames:
            table.alive()
            table.blame(NO_FURTHER, "Ada replied to Ann; Bob's request waited, and Ada got nothing.", ada)
        if frames != [b"", WORKER, REQUEST, bob.name, b"", two]:
            table.blame("", f"Ada got {frames!r} where Bob's request was due.", ada)
        ada.reply(bob, b"hot", two)
        table.answered(bob, ada, tea, b"hot", two)
        table.end()


def heartbeats_without_a_reply(scene: Scene) -> None:
    """a worker that heartbeats and does not reply"""
    with Mdp(scene, 0.4, scene.random.uniform(0.3, 0.4)) as table:
        ada, bea, ann, bob = table.seats("Ada", "Bea", "Ann", "Bob")
        tea, one, two, late = scene.words(4)
        began = time.monotonic()
        ada.offer(tea)
        ann.ask(tea, one)
        table.job([ada], ann, one)
        bob.ask(tea, two)
        table.beating = [ada]
        told = ada.hears(PATIENT * table.limit)
        if told and told != [b"", WORKER, DISCONNECT]:
            label = {one: GOT_BACK, two: AS_READY}.get(told[-1], "") if REQUEST in told[:3] else ""
            table.blame(label, f"Ada had Ann's job and sent heartbeats; she got {told!r}.", ada)
        table.alive()
        _in_time(table, ada, told, began)
        table.beating = []
        bea.offer(tea)
        frames = bea.hears()
        if not told:
            _still_hers(table, ada, bea, frames[-1:] == [one])
        _inherited(table, bea, frames, one, two)
        ada.reply(ann, late)
        table.not_at_once(bea, ann)
        bea.reply(ann, b"hot", one)
        frames = ann.hears()
        if late in frames:
            table.blame(PASSED_ON, f"Ada had lost the job when she replied, and Ann got {frames!r}.", ann)
        if frames != [b"", CLIENT, tea, b"hot", one]:
            table.alive()
            table.blame("", f"Ann got {frames!r} where Bea's reply was due.", ann)
        table.job([bea], bob, two)
        table.not_at_once(bea, bob)
        bea.reply(bob, b"hot", two)
        table.answered(bob, bea, tea, b"hot", two)
        answer = ada.hears(GLANCE)
        if answer != [b"", WORKER, DISCONNECT]:
            said = f"got {answer!r}" if answer else "heard nothing"
            table.blame(NO_ANSWER, f"Ada replied when she had lost the job, and {said}.", ada)
        if frames := ann.hears(0.001):
            table.blame(PASSED_ON, f"Ann had got Bea's reply, and then {frames!r}.", ann)


def _in_time(table: Mdp, worker: Party, told: Frames, began: float) -> float:
    """How long a worker had its job, which it cannot have had before `began`."""
    seconds = time.monotonic() - began
    if told and seconds < EARLIEST * table.limit:
        happened = f"The limit was {table.limit:.2f} s; {worker.title} was hung up on within {seconds:.2f} s."
        table.blame(EARLY, happened, worker)
    return seconds


def _still_hers(table: Mdp, ada: Party, bea: Party, inherited: bool) -> NoReturn:
    """Ada has been heartbeating for long, and heard nothing."""
    waited = f"The limit was {table.limit:.2f} s; {PATIENT * table.limit:.2f} s after Ada had got the job"
    told = ada.hears(1.4 * table.limit)
    if inherited:
        happened = f"{waited}, Bea came and got it, and Ada, who had it before, heard nothing."
        table.blame(LATE if told else NOT_TOLD, happened, bea)
    if DISCONNECT in told[:3]:
        table.blame(MORE_TIME, "Ada was hung up on only when she had ceased to send heartbeats.", ada)
    table.blame(KEPT, f"{waited} she still had it.", ada)


def _inherited(table: Mdp, bea: Party, frames: Frames, one: bytes, two: bytes) -> None:
    """Ada was hung up on and Bea has registered: Ann's request must be the first that she gets."""
    if frames[-1:] == [one]:
        return
    if not frames:
        table.alive()
        table.blame(LOST, "Ada was hung up on. Then Bea registered, and got nothing.", bea)
    if frames[-1:] != [two]:
        table.blame("", f"Bea got {frames!r} where Ann's request was due.", bea)
    bea.tell(REPLY, frames[3], b"", b"hot")
    if bea.hears(2 * GLANCE)[-1:] == [one]:
        happened = "Bea got Bob's request first, then Ann's, which is older and had been in Ada's hands."
        table.blame(BEHIND, happened, bea)
    happened = "Ada was hung up on. Then Bea registered and got Bob's request; Ann's was sent to nobody any more."
    table.blame(LOST, happened, bea)


def silence_and_waiting(scene: Scene) -> None:
    """workers and requests that wait longer than the limit"""
    with Mdp(scene, SELDOM, scene.random.uniform(0.3, 0.4)) as table:
        ada, bea, cleo, dan, fay, gus = table.seats("Ada", "Bea", "Cleo", "Dan", "Fay", "Gus")
        ann, bob, cy = table.seats("Ann", "Bob", "Cy")
        tea, coffee, cake, milk, soup, one, two = scene.words(7)
        ann.ask(coffee, one)  # for which there is nobody yet
        fay.offer(milk)
        gus.offer(soup)
        bob.ask(soup, one)
        table.job([gus], bob, one)
        gus.reply(bob, b"hot", one)
        table.answered(bob, gus, soup, b"hot", one)
        waits = [_two_jobs(table, dan, bob, cake, one, two)]
        _free(table, fay, bob, milk, two, IDLE_GONE, "Fay had registered and had no job yet")
        _free(table, gus, bob, soup, two, RAN_ON, "Gus had replied in time and had no other job")
        waits.append(_one_after_another(table, ada, bea, cy, tea, one))
        if min(waits) > LATEST * table.limit:
            happened = f"The limit was {table.limit:.2f} s; two workers had their jobs for {min(waits):.2f} s and more."
            table.blame(LATE, happened, dan)
        cleo.offer(coffee)
        frames = cleo.hears()
        if not frames:
            table.alive()
            table.blame(WAITED, "Ann's request waited for a worker. When Cleo registered, it was gone.", cleo)
        if frames != [b"", WORKER, REQUEST, ann.name, b"", one]:
            table.blame("", f"Cleo got {frames!r} where Ann's request was due.", cleo)
        table.not_at_once(cleo, ann)
        cleo.reply(ann, b"hot", one)
        table.answered(ann, cleo, coffee, b"hot", one)


def _two_jobs(table: Mdp, dan: Party, bob: Party, cake: bytes, one: bytes, two: bytes) -> float:
    """Dan replies half-way, gets another job and keeps it. How long he had that."""
    began = time.monotonic()
    dan.offer(cake)
    bob.ask(cake, one)
    bob.ask(cake, two)
    table.job([dan], bob, one)
    told = dan.hears(table.limit / 2)
    _in_time(table, dan, told, began)
    replied = time.monotonic()
    dan.reply(bob, b"hot", one)
    frames = told or dan.hears()
    if DISCONNECT in frames[:3]:  # this machine was too slow for him to be in time, or the limit is too short
        return _in_time(table, dan, frames, began)
    if frames != [b"", WORKER, REQUEST, bob.name, b"", two]:
        table.amiss(dan, frames, bob)
    table.answered(bob, dan, cake, b"hot", one)
    _told(table, dan, replied, cake)
    if (seconds := time.monotonic() - replied) < EARLIEST * table.limit:
        happened = f"The limit was {table.limit:.2f} s. Dan replied half-way and got another job; {seconds:.2f} s "
        table.blame(LEFT_OVER, f"{happened}after that he was hung up on.", dan)
    return seconds


def _one_after_another(table: Mdp, ada: Party, bea: Party, cy: Party, tea: bytes, one: bytes) -> float:
    """One of two workers keeps the job, and the other does it. How long the first one had it."""
    ada.offer(tea)
    bea.offer(tea)
    began = time.monotonic()
    cy.ask(tea, one)
    holder = table.job([ada, bea], cy, one)
    heir = bea if holder is ada else ada
    _told(table, holder, began, tea)
    seconds = _in_time(table, holder, [DISCONNECT], began)
    frames = heir.hears()
    if not frames:
        [late] = table.seats("Dora")
        late.offer(tea)
        happened = f"{holder.title} was hung up on, and {heir.title}, who was free, did not get the job."
        table.blame(NOT_HANDED if late.hears()[-1:] == [one] or heir.hears(GLANCE) else LOST, happened, heir)
    if frames != [b"", WORKER, REQUEST, cy.name, b"", one]:
        table.blame("", f"{heir.title} got {frames!r} where Cy's request was due.", heir)
    table.not_at_once(heir, cy)
    heir.reply(cy, b"hot", one)
    table.answered(cy, heir, tea, b"hot", one)
    return seconds


def _told(table: Mdp, worker: Party, began: float, service: bytes) -> None:
    """A worker is silent with a job: it must get DISCONNECT long before the next heartbeat is due."""
    told = worker.hears(PATIENT * table.limit)
    if told == [b"", WORKER, DISCONNECT]:
        return
    if told:
        table.blame("", f"{worker.title} got {told!r} where DISCONNECT was due.", worker)
    table.alive()
    waited = f"The limit was {table.limit:.2f} s; {worker.title} was silent with a job"
    if DISCONNECT in worker.hears(began + 1.3 * table.interval - time.monotonic())[:3]:
        table.blame(BEAT_DUE, f"{waited}, and was hung up on when {table.interval:g} s were over.", worker)
    other, heir = table.seats("Olga", "Hal")
    other.offer(b"nothing")
    if DISCONNECT in worker.hears(2 * GLANCE)[:3]:
        table.blame(MESSAGE, f"{waited}, and was hung up on when somebody else had said something.", worker)
    heir.offer(service)
    if REQUEST in heir.hears(GLANCE)[:3]:
        table.blame(NOT_TOLD, f"Hal got the request that {worker.title} had before, who heard nothing.", heir)
    table.silent(f"DISCONNECT for {worker.title}")


def _free(table: Mdp, worker: Party, client: Party, service: bytes, body: bytes, label: str, before: str) -> None:
    """A worker that is free must still be known, however long ago it came or had a job."""
    client.ask(service, body)
    frames = worker.hears()
    if DISCONNECT in frames[:3]:
        table.blame(label, f"{before} when DISCONNECT came.", worker)
    if frames != [b"", WORKER, REQUEST, client.name, b"", body]:
        table.alive()
        table.blame("", f"{before}; it got {frames!r} where {client.title}'s request was due.", worker)
    worker.reply(client, b"hot", body)
    table.answered(client, worker, service, b"hot", body)


def workers_that_fall_silent(scene: Scene) -> None:
    """workers that fall silent"""
    with Mdp(scene, OFTEN, LONG) as table:
        ada, dora, eve, fay, gil, ann, bob = table.seats("Ada", "Dora", "Eve", "Fay", "Gil", "Ann", "Bob")
        tea, milk, one, two = scene.words(4)
        fay.offer(milk)
        began = time.monotonic()
        ada.offer(tea)
        ann.ask(tea, one)
        table.job([ada], ann, one)
        dora.offer(tea)
        table.beating = [dora]
        frames = dora.hears(2 * 5 * OFTEN)
        seconds = time.monotonic() - began
        table.alive()
        silent = f"The interval was {OFTEN:g} s. Ada, who had a job, said nothing for {seconds:.2f} s"
        if not frames or DISCONNECT in frames[:3]:
            eve.offer(tea)
            if DISCONNECT in frames[:3] or eve.hears()[-1:] == [one]:
                happened = f"The interval was {OFTEN:g} s. Dora had no job, and sent a heartbeat every {BEATS:g} s; "
                table.blame(ALIVE, f"{happened}she was no longer known when Ada was dead.", dora)
            table.blame(IMMORTAL, f"{silent}, and it was not given to Dora.", ada)
        if frames != [b"", WORKER, REQUEST, ann.name, b"", one]:
            table.blame("", f"Dora got {frames!r} where Ann's request was due.", dora)
        if seconds < 3.5 * OFTEN:
            table.blame(ALIVE, f"{silent}, and it was given to Dora.", dora)
        ada.hears(GLANCE / 3)
        for worker in ada, dora:
            if worker.heartbeats < 2:
                happened = f"The interval was {OFTEN:g} s. {worker.title} had {'a' if worker is ada else 'no'} job; "
                happened += f"in {seconds:.2f} s she heard {worker.heartbeats} heartbeats."
                table.blame(NO_BEATS, happened, worker)
        dora.reply(ann, b"hot", one)
        table.answered(ann, dora, tea, b"hot", one, gone=ALIVE)
        fay.hears(2 * OFTEN)  # her READY may have come later than Ada's
        bob.ask(milk, two)
        if REQUEST in fay.hears(GLANCE)[:3]:
            happened = f"The interval was {OFTEN:g} s. Fay had registered and said nothing since; after "
            table.blame(IMMORTAL, f"{happened}{time.monotonic() - began:.2f} s she was given a job.", fay)
        gil.offer(milk)
        table.job([gil], bob, two)


EQUIVALENT = {
    "line 28, swap: [self.deadline, *self.due.values()]": "the least of them is the same",
    "line 11, less: 3": "MDPW01 is no command, so it may be looked at, too",
    "line 11, more: 4": "what follows a command is a name, and nobody's is one byte, 4",
}
TRY = alone
SCENES = (fair_weather, heartbeats_without_a_reply, silence_and_waiting, workers_that_fall_silent)
