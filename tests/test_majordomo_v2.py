# SPDX-License-Identifier: BSD-3-Clause
"""Majordomo with many requests in flight: MDP 0.2 (RFC 18) and MMI, core by core, in bad hours, on real processes.

`hostile(seed)` is one bad hour; `make soak` lives through ten thousand of them.
"""

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import zmq
from cores import broken
from sockets import (
    MS,
    WAIT,
    bound_at,
    bound_to,
    curve,
    ended,
    ends_on_ctrl_c,
    guarantees_hold,
    shell,
    signals,
    turned_away,
    under_curve,
)

from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import majordomo_v2
from patterns.majordomo_v2 import (
    CLIENT,
    GUARANTEES,
    TABLE,
    WORKER,
    Broker,
    Client,
    Event,
    Reply,
    State,
    Worker,
    broker,
    client,
    steps,
    words,
    worker,
)
from patterns.shell import NEVER, WORK, Close, Open, Result, Send, Work
from patterns.simulation import Network
from patterns.stage import Stage

SEEDS = 60  # bad hours in this file
INTERVAL, LIVENESS, EXPIRY = 1.0, 3, 10.0
DEAD = INTERVAL * LIVENESS
W, X, C, D = b"W", b"X", b"C", b"D"  # routing ids of two workers and two clients
FREE, ASKED, BEGUN = State

# -- the broker: frames as RFC 18 has them, written out once more --------------------------------------------------


def ask(who: bytes = C, service: bytes = b"tea", *body: bytes) -> list[bytes]:
    return [who, b"MDPC02", b"\x01", service, *(body or (b"cup",))]


def gets_part(who: bytes = C, *body: bytes, service: bytes = b"tea") -> list[bytes]:
    return [who, b"MDPC02", b"\x02", service, *(body or (b"sip",))]


def gets_end(who: bytes = C, *body: bytes, service: bytes = b"tea") -> list[bytes]:
    return [who, b"MDPC02", b"\x03", service, *(body or (b"done",))]


def ready(who: bytes = W, service: bytes = b"tea") -> list[bytes]:
    return [who, b"MDPW02", b"\x01", service]


def job(who: bytes = W, of: bytes = C, *body: bytes) -> list[bytes]:
    return [who, b"MDPW02", b"\x02", of, b"", *(body or (b"cup",))]


def part(who: bytes = W, to: bytes = C, *body: bytes) -> list[bytes]:
    return [who, b"MDPW02", b"\x03", to, b"", *(body or (b"sip",))]


def end(who: bytes = W, to: bytes = C, *body: bytes) -> list[bytes]:
    return [who, b"MDPW02", b"\x04", to, b"", *(body or (b"done",))]


def beat(who: bytes = W) -> list[bytes]:
    return [who, b"MDPW02", b"\x05"]


def bye(who: bytes = W) -> list[bytes]:
    return [who, b"MDPW02", b"\x06"]


class Desk:
    """A broker's core and the time of day: what is said to it, what it says."""

    def __init__(self, room: int = 1000) -> None:
        self.core, self.now = Broker("here", INTERVAL, LIVENESS, EXPIRY, room), 0.0
        self.pass_time(0)

    def hear(self, *messages: list[bytes]) -> list[list[bytes]]:
        return [e.frames for m in messages for e in self.core.receive("peers", m, self.now) if isinstance(e, Send)]

    def pass_time(self, seconds: float, *alive: bytes) -> list[list[bytes]]:
        said, until = [], self.now + seconds
        while self.core.deadline <= until:
            self.now = max(self.now, self.core.deadline)
            for who in alive:
                said += self.hear(beat(who))
            said += [e.frames for e in self.core.tick(self.now) if isinstance(e, Send)]
            assert self.core.deadline > self.now, "it would spin"
        self.now = until
        return said

    def state(self, who: bytes = W) -> str:
        if who not in self.core.workers:
            return "unknown"
        if who not in self.core.jobs:
            return "idle"
        return "replying" if self.core.dialogues[self.core.jobs[who][0]] is BEGUN else "busy"

    def waiting(self) -> list[list[bytes]]:
        return [job for service in self.core.services.values() for _, job in service.requests]


STATES = ("unknown", "idle", "busy", "replying")


def desk(state: str) -> Desk:
    """One where worker W is unknown, idle, busy with the request of client C, or has given a part of its reply."""
    it = Desk()
    for what, message, said in [("idle", ready(), []), ("busy", ask(), [job()]), ("replying", part(), [gets_part()])]:
        if STATES.index(what) <= STATES.index(state):
            assert it.hear(message) == said
    assert it.state() == state
    return it


SAYS = {
    "READY": ready(),
    "READY for mmi": ready(W, b"mmi.service"),
    "REQUEST": job(),
    "PARTIAL": part(),
    "PARTIAL to another client": part(W, D),
    "FINAL": end(),
    "FINAL to another client": end(W, D),
    "HEARTBEAT": beat(),
    "DISCONNECT": bye(),
    "PARTIAL without a body": part()[:5],
    "FINAL without its empty frame": [W, b"MDPW02", b"\x04", C, b"done"],
    "a seventh command": [W, b"MDPW02", b"\x07"],
    "HEARTBEAT of 0.1": [W, b"", b"MDPW01", b"\x04"],
}
NO_WORD = [name for name in SAYS if name[0] == "a" or "without" in name or "0.1" in name]
KEEPS = {  # what leaves a worker known: (what it is, what it says): (what the broker says, what it is then)
    ("unknown", "READY"): ([], "idle"),
    ("idle", "HEARTBEAT"): ([], "idle"),
    ("busy", "HEARTBEAT"): ([], "busy"),
    ("busy", "PARTIAL"): ([gets_part()], "replying"),
    ("busy", "FINAL"): ([gets_end()], "idle"),
    ("replying", "HEARTBEAT"): ([], "replying"),
    ("replying", "PARTIAL"): ([gets_part()], "replying"),
    ("replying", "FINAL"): ([gets_end()], "idle"),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what", SAYS)
def test_what_a_worker_says_in_each_state(state: str, what: str) -> None:
    it = desk(state)
    silent = what == "DISCONNECT" or what in NO_WORD
    says, becomes = KEEPS.get((state, what), ([] if silent else [bye()], "unknown"))
    assert it.hear(SAYS[what]) == says
    assert it.state() == becomes
    if becomes == "unknown":
        assert it.waiting() == ([[C, b"", b"cup"]] if state == "busy" else []), (
            "a reply that has begun is not begun anew"
        )
        assert it.hear(ready(X)) == ([job(X)] if state == "busy" else [])
        assert it.core.dialogues == ({C: ASKED} if state == "busy" else {})


def test_the_table_is_total_and_only_a_request_begins_a_dialogue() -> None:
    assert set(TABLE) == set(itertools.product(State, Event))
    assert [event for event in Event if TABLE[FREE, event] is not FREE] == [Event.REQUEST]
    assert all(TABLE[state, event] is FREE for state in State for event in (Event.FINAL, Event.EXPIRY))
    assert TABLE[ASKED, Event.LOSS] is ASKED, "it is tried again"
    assert TABLE[BEGUN, Event.LOSS] is FREE, "it is not"


def test_a_reply_of_any_number_of_parts_reaches_its_client_in_order() -> None:
    it = desk("busy")
    for n in range(5):
        assert it.hear(part(W, C, b"%d" % n, b"")) == [gets_part(C, b"%d" % n, b"")]
    assert it.hear(end(W, C, b"")) == [gets_end(C, b"")]
    assert it.hear(part()) == [bye()], "after FINAL the client hears no more"


def test_a_part_is_a_sign_of_life() -> None:
    it = desk("busy")
    for _ in range(4):
        it.pass_time(DEAD - 0.5)
        assert it.hear(part()) == [gets_part()]


def test_of_one_client_one_request_is_kept() -> None:
    it = desk("busy")
    assert it.hear(ready(X), ask(), ask(C, b"coffee")) == []
    assert it.hear(end()) == [gets_end()]
    assert it.hear(ask(C, b"tea", b"2")) == [job(X, C, b"2")]


def test_two_clients_replies_come_out_of_order_and_part_by_part() -> None:
    it = desk("busy")
    assert it.hear(ready(X), ask(D)) == [job(X, D)]
    assert it.hear(part(X, D), part(W, C), end(X, D), end(W, C)) == [
        gets_part(D), gets_part(C), gets_end(D), gets_end(C),
    ]  # fmt: skip


def test_beyond_its_room_it_drops_what_comes_and_has_room_again_when_one_is_done() -> None:
    it = Desk(room=3)
    for n in range(1000):
        it.hear(ask(b"%d" % n))
    assert len(it.waiting()) == len(it.core.dialogues) == 3
    assert it.hear(ready()) == [job(W, b"0")]
    assert it.hear(ask(C)) == [], "who is being served has a place, too"
    assert it.hear(end(W, b"0")) == [gets_end(b"0"), job(W, b"1")]
    it.hear(ask(C))
    assert [frames[0] for frames in it.waiting()] == [b"2", C]


def test_the_room_is_for_all_services_together_and_the_brokers_own_needs_none() -> None:
    it = Desk(room=3)
    it.hear(*(ask(b"%d" % n, b"service %d" % n) for n in range(1000)))
    assert len(it.core.services) == 3
    assert it.hear(ask(D, b"mmi.service", b"service 1")) == [gets_end(D, b"404", service=b"mmi.service")]


def test_what_expires_makes_room() -> None:
    it = Desk(room=1)
    it.hear(ask(C))
    it.pass_time(EXPIRY + INTERVAL)
    assert not it.core.dialogues
    it.hear(ready())
    assert it.hear(ask(D)) == [job(W, D)]


def test_a_job_whose_worker_died_keeps_its_place_and_goes_to_the_next() -> None:
    it = desk("busy")
    it.hear(ready(X))
    assert job(X, C) in it.pass_time(DEAD + INTERVAL, X)
    assert it.hear(ask(C)) == []
    assert it.hear(end(X, C)) == [gets_end()]


def test_it_beats_in_the_words_of_this_version() -> None:
    assert desk("idle").pass_time(INTERVAL, W) == [beat()]


@pytest.mark.parametrize(
    ("before", "asked", "code"),
    [
        pytest.param([], b"tea", b"404", id="nobody offers it"),
        pytest.param([ask(D)], b"tea", b"404", id="somebody has only asked for it"),
        pytest.param([ready()], b"tea", b"200", id="a worker is idle"),
        pytest.param([ready(), ask(D), part(W, D)], b"tea", b"200", id="the only worker is replying"),
        pytest.param([ready(), bye()], b"tea", b"404", id="the only worker has left"),
        pytest.param([ready(), ask(D), part(W, D), bye()], b"tea", b"404", id="the only worker has left its reply"),
        pytest.param([ready(b"mmi.W")], b"tea", b"200", id="the worker's routing id begins as mmi does"),
    ],
)
def test_mmi_tells_whether_a_worker_is_there(before: list[list[bytes]], asked: bytes, code: bytes) -> None:
    it = Desk()
    it.hear(*before)
    assert it.hear(ask(b"mmi.C", b"mmi.service", asked)) == [gets_end(b"mmi.C", code, service=b"mmi.service")]
    assert it.hear(ask(C, b"mmi.other", asked)) == [gets_end(C, b"501", service=b"mmi.other")]


def test_random_words_harm_nobody() -> None:
    chance = random.Random(45)
    pool = [
        b"",
        b"tea",
        b"mmi.service",
        b"MDPC01",
        b"MDPW01",
        CLIENT,
        WORKER,
        W,
        X,
        C,
        D,
        *(bytes([n]) for n in range(8)),
    ]
    for _ in range(400):
        it = desk("replying")
        it.hear(ready(X, b"own"), ask(D, b"own"))
        for _ in range(20):
            header = chance.choice([[], [CLIENT], [WORKER], [CLIENT, b"\x01"], [WORKER, b"\x03"]])
            it.hear([b"Z", *header, *chance.choices(pool, k=chance.randrange(6))])
        assert it.hear(part(), end(), end(X, D))[:2] == [gets_part(), gets_end()]
        it.pass_time(DEAD + EXPIRY + 2 * INTERVAL)
        assert (it.core.workers, it.core.jobs, it.core.services, it.core.dialogues) == ({}, {}, {}, {})


# -- the worker ---------------------------------------------------------------------------------------------------


class Bench:
    """A worker's core and the time of day, idle or with the job of client C."""

    def __init__(self, busy: bool = False) -> None:
        self.core, self.now = Worker("there", b"tea", INTERVAL, LIVENESS), 100.0
        assert list(self.core.tick(self.now)) == OPENS
        self.now += INTERVAL
        if busy:
            assert self.hear(b"MDPW02", b"\x02", C, b"", b"cup") == [Work([b"cup"])]

    def hear(self, *frames: bytes) -> list[Any]:
        return list(self.core.receive("broker", list(frames), self.now))

    def does(self, *result: bytes) -> list[Any]:
        return list(self.core.receive(WORK, list(result), self.now))


OPENS = [Close("broker"), Open("broker", zmq.DEALER, "there"), Send("broker", [b"MDPW02", b"\x01", b"tea"])]


def test_a_worker_sends_part_after_part_and_asks_for_the_next() -> None:
    it = Bench(busy=True)
    for sip in b"one", b"":
        assert it.does(b"\x03", sip) == [Send("broker", [b"MDPW02", b"\x03", C, b"", sip]), Work([])]
        assert it.core.deadline == it.now + INTERVAL, "a part is a heartbeat"
    assert it.does(b"\x04", b"a", b"b") == [Send("broker", [b"MDPW02", b"\x04", C, b"", b"a", b"b"])]
    assert it.hear(b"MDPW02", b"\x02", D, b"", b"", b"2") == [Work([b"", b"2"])]


def test_a_worker_whose_connection_ends_makes_no_further_part_and_begins_anew() -> None:
    it = Bench(busy=True)
    it.does(b"\x03", b"one")
    assert it.hear(b"MDPW02", b"\x06") == [Close("broker")]
    assert it.hear(b"MDPW02", b"\x02", D, b"", b"2") == [], "one job at a time"
    assert it.does(b"\x03", b"two") == OPENS


@pytest.mark.parametrize(
    "frames",
    [[], [b""], [b"MDPW02"], [b"MDPW02", b"\x07"], [b"MDPW02", b"\x03", C, b"", b"x"], [b"MDPW02", b"\x02", C, b"cup"],
     [b"", b"MDPW01", b"\x02", C, b"", b"cup"], [b"MDPC02", b"\x01", b"tea", b"cup"], [b"\x03", b"x"]],
)  # fmt: skip
def test_a_worker_drops_what_is_no_command_for_it(frames: list[bytes]) -> None:
    it = Bench()
    assert it.hear(*frames) == []
    it.now = 100.0 + DEAD
    assert list(it.core.tick(it.now)) == OPENS, "it is no sign of life"


def test_a_worker_beats_while_it_works() -> None:
    it = Bench(busy=True)
    assert list(it.core.tick(it.now)) == [Send("broker", [b"MDPW02", b"\x05"])]


def test_a_part_needs_a_frame() -> None:
    with pytest.raises(ValueError, match=r"^work: "):
        Bench(busy=True).does(b"\x03")


def test_steps_give_what_is_yielded_and_then_what_is_returned() -> None:
    step = steps(words)
    assert [step(job) for job in ([b"one two", b"three"], [], [], [])] == [
        [b"\x03", b"one"], [b"\x03", b"two"], [b"\x03", b"three"], [b"\x04", b"3 words"],
    ]  # fmt: skip
    assert [step([b"again"]), step([])] == [[b"\x03", b"again"], [b"\x04", b"1 words"]]
    assert step([b" "]) == [b"\x04", b"0 words"]


# -- the client ---------------------------------------------------------------------------------------------------


class Guest:
    """A client's core that wants five things, two at a time, and what of them has been made."""

    def __init__(self, tries: int = 2) -> None:
        self.made = 0
        self.core = Client("there", b"tea", self.bodies(), window=2, timeout=2.0, tries=tries)
        assert self.made == 0
        self.began = list(self.core.tick(0.0))

    def bodies(self) -> Iterator[list[bytes]]:
        for self.made in range(1, 6):
            yield [b"%d" % (self.made - 1)]

    def hear(self, name: str, command: bytes, *body: bytes, now: float = 1.0) -> list[Any]:
        return list(self.core.receive(name, [b"MDPC02", command, b"tea", *body], now))


A, B = "broker 0", "broker 1"


def asks(name: str, number: int) -> Send:
    return Send(name, [b"MDPC02", b"\x01", b"tea", b"%d" % number])


def opens(name: str, number: int) -> list[Any]:
    return [Close(name), Open(name, zmq.DEALER, "there"), asks(name, number)]


def test_a_client_asks_as_many_as_its_window_and_makes_no_more() -> None:
    it = Guest()
    assert it.began == opens(A, 0) + opens(B, 1)
    assert it.made == 2
    assert it.hear(B, b"\x02", b"sip") == [Result(Reply(1, Event.PARTIAL, [b"sip"]))]
    assert it.made == 2
    assert it.hear(B, b"\x03", b"a", b"b") == [asks(B, 2), Result(Reply(1, Event.FINAL, [b"a", b"b"]))]
    assert it.made == 3


def test_its_sockets_tell_the_replies_apart_and_close_when_nothing_is_left() -> None:
    it = Guest()
    for name, then in [(B, asks(B, 2)), (A, asks(A, 3)), (B, asks(B, 4)), (B, Close(B)), (A, Close(A))]:
        number = it.core.dialogues[name].number
        assert it.hear(name, b"\x03", b"done") == [then, Result(Reply(number, Event.FINAL, [b"done"]))]
    list(it.core.tick(it.core.deadline))
    assert it.core.deadline == NEVER


def test_what_is_silent_is_asked_again_on_a_new_socket_and_then_given_up_for_the_next() -> None:
    it = Guest()
    it.hear(A, b"\x03", b"done")  # its dialogue is younger then
    assert list(it.core.tick(2.0)) == opens(B, 1)
    assert list(it.core.tick(3.0)) == opens(A, 2)
    assert list(it.core.tick(4.0)) == [Close(B), Result(Reply(1, Event.EXPIRY, [])), *opens(B, 3)[1:]]


def test_a_reply_that_breaks_off_is_not_asked_for_again_and_each_part_gives_it_time() -> None:
    it = Guest()
    for n in range(4):
        assert it.hear(A, b"\x02", b"%d" % n, now=1.5 * n) == [Result(Reply(0, Event.PARTIAL, [b"%d" % n]))]
        assert Close(A) not in list(it.core.tick(1.5 * n + 1.4))
    assert list(it.core.tick(6.5))[:2] == [Close(A), Result(Reply(0, Event.LOSS, []))]


@pytest.mark.parametrize(
    "frames",
    [[], [b"MDPC02"], [b"MDPC02", b"\x03", b"tea"], [b"MDPC02", b"\x03", b"coffee", b"x"],
     [b"MDPC02", b"\x01", b"tea", b"x"], [b"MDPC02", b"\x04", b"tea", b"x"], [b"", b"MDPC01", b"tea", b"x"],
     [b"", b"MDPC02", b"\x03", b"tea", b"x"], [b"MDPC01", b"\x03", b"tea", b"x"]],
)  # fmt: skip
def test_a_client_drops_what_is_no_reply(frames: list[bytes]) -> None:
    it = Guest()
    assert list(it.core.receive(A, frames, 1.0)) == []
    assert list(it.core.tick(2.0)) == opens(A, 0) + opens(B, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Broker("e", room=0), "^room: "),
        (lambda: Broker("e", interval=-1.0), "^interval: "),
        (lambda: Worker("e", b""), "^service: "),
        (lambda: Client("e", b"tea\n", []), "^service: "),
        (lambda: Client("e", b"tea", [], window=0), "^window: "),
        (lambda: Client("e", b"tea", [], timeout=NEVER), "^timeout: "),
        (lambda: Client("e", b"tea", [], tries=0), "^tries: "),
        (lambda: list(Client("e", b"tea", [[]]).tick(0.0)), "^frames: "),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# -- bad hours ----------------------------------------------------------------------------------------------------

BEAT = 0.2  # seconds between heartbeats in a bad hour
SILENT = BEAT * LIVENESS
TRY, TRIES = 1.0, 3  # of its clients
TROUBLE, CALM, LATE = 6.0, 9.0, 40.0  # seconds: troubles end; all have found together again; all clients are done
NAMES = ("worker 1", "worker 2", "worker 3")
LONG = 9  # parts of a reply that takes longer than a try, and than the patience with a silent worker


def recite(body: list[bytes]) -> Iterator[list[bytes]]:
    """A reply of as many parts as the request's last frame says; each names its request and its place."""
    for n in range(int(body[-1])):
        yield [*body, b"%d" % n]
    return [*body, b"end"]


class Watched:
    """A core, and all that goes in and out of it; after each turn `look` looks at it."""

    def __init__(self, core: Any, seen: list[tuple[float, str, Any]], look: Callable[[Any], None]) -> None:
        self.core, self.seen, self.look = core, seen, look

    @property
    def deadline(self) -> float:
        return float(self.core.deadline)

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Any]:
        self.seen.append((now, WORK if socket == WORK else "in", frames))
        return self._did(self.core.receive(socket, frames, now), now)

    def tick(self, now: float) -> list[Any]:
        return self._did(self.core.tick(now), now)

    def _did(self, effects: Iterator[Any], now: float) -> list[Any]:
        did = list(effects)
        self.seen += [(now, type(each).__name__, getattr(each, "frames", each)) for each in did]
        self.look(self.core)
        return did


class Hour:
    """A broker, three workers and four clients with windows of their own; what befalls them is up to the seed."""

    def __init__(
        self, seed: int, recipe: Any = majordomo_v2, write: Callable[..., object] = lambda *event: None
    ) -> None:
        self.recipe, self.chance, self.wrong = recipe, random.Random(f"mdp2 {seed}"), list[str]()
        self.frozen = set[str]()  # who has stood still, and may have been late by itself

        def noted(actor: str, kind: str, *more: object) -> None:
            if kind == "frozen":
                self.frozen.add(actor)
            write(actor, kind, *more)

        self.net = Network(f"mdp2 {seed}", write=noted)
        self.room = self.chance.choice([2, 1000])  # one that turns many away, and one that has place for all
        self.lives: dict[str, list[list[tuple[float, str, Any]]]] = {}
        self.asked: dict[str, list[list[bytes]]] = {}
        self.made: dict[str, int] = {}
        self.window: dict[str, int] = {}

    def live(self) -> list[str]:
        net, chance, recipe = self.net, self.chance, self.recipe
        self.play("broker", lambda: recipe.Broker("b", BEAT, LIVENESS, TRY, self.room), self.bounded)
        for name in NAMES:
            pace = chance.choice([0.01, 0.05, 0.15, 2 * SILENT])  # seconds for one part
            self.play(name, lambda: recipe.Worker("b", b"tea", BEAT, LIVENESS), seconds=pace)
        for n in range(4):
            net.at(chance.uniform(0, TROUBLE), partial(self.ask, f"client {n}", 4, chance.randrange(1, 5)))
        troubled = ["broker", *NAMES, *(f"client {n}" for n in range(4))]
        net.at(
            TROUBLE / 4, lambda: net.trouble([n for n in troubled if n in net.nodes], TROUBLE, chance.choice([0.5, 2]))
        )
        net.run(CALM)
        while net.now < LATE and not self.quiet():
            net.run(net.now + 0.5)
        for name in NAMES:
            net.nodes[name].seconds = 0.15
        self.room = 1000
        self.ask("late", 6, 2, parts=LONG)
        net.run(net.now + 3 * (LONG + 1) * 0.15 + 2)
        self.judge()
        return self.wrong

    def quiet(self) -> bool:
        clients = [node.core.core for name, node in self.net.nodes.items() if name in self.asked]  # type: ignore[attr-defined]
        core = self.net.nodes["broker"].core.core  # type: ignore[attr-defined]
        return not core.dialogues and all(it.deadline == NEVER for each in clients for it in each.dialogues.values())

    def play(
        self, name: str, make: Callable[[], Any], look: Callable[[Any], None] = lambda core: None, seconds: float = 0.01
    ) -> None:
        self.lives[name] = []

        def watched() -> Watched:
            self.lives[name].append([])
            return Watched(make(), self.lives[name][-1], look)

        self.net.play(name, watched, self.recipe.steps(recite), seconds)

    def bounded(self, core: Any) -> None:
        kept = sum(len(service.requests) for service in core.services.values()) + len(core.jobs)
        if kept > core.room:
            self.wrong.append(f"{self.net.now:.3f} the broker keeps {kept} requests, and has room for {core.room}")

    def ask(self, name: str, count: int, window: int, parts: int | None = None) -> None:
        counts = [self.chance.choice([0, 1, 3, LONG]) if parts is None else parts for _ in range(count)]
        self.asked[name] = [[name.encode(), b"%d" % n, b"%d" % many] for n, many in enumerate(counts)]
        self.window[name] = window

        def bodies() -> Iterator[list[bytes]]:
            self.made[name] = 0
            for body in self.asked[name]:
                self.made[name] += 1
                yield body

        self.play(name, lambda: self.recipe.Client("b", b"tea", bodies(), window, TRY, TRIES))

    def judge(self) -> None:
        for life in self.lives["broker"]:
            self.judge_broker(life)
        for name in self.asked:
            for n, life in enumerate(self.lives[name]):
                self.judge_client(name, life, last=n == len(self.lives[name]) - 1)
        ends = [each.event.name for each in self.net.results["late"] if each.event.name != "PARTIAL"]
        if ends != ["FINAL"] * 6:
            self.wrong.append(f"in calm weather: {ends}")
        core = self.net.nodes["broker"].core.core  # type: ignore[attr-defined]
        if core.dialogues or core.jobs or len(core.workers) != len(NAMES):
            self.wrong.append(f"the broker keeps {core.dialogues}, {core.jobs} and {len(core.workers)} workers")

    def judge_broker(self, life: list[tuple[float, str, Any]]) -> None:
        """PARTIALs and one FINAL to whom has asked; a reply that has begun has one worker."""
        asked, begun = set[bytes](), set[bytes]()
        for at, kind, frames in life:
            match kind, frames:
                case "in", [who, b"MDPC02", *_]:
                    asked.add(who)
                    begun.discard(who)
                case "Send", [who, b"MDPC02", command, *_] if who not in asked:
                    self.wrong.append(f"{at:.3f} the broker said {command!r} to {who!r}, who is owed nothing")
                case "Send", [who, b"MDPC02", b"\x02", *_]:
                    begun.add(who)
                case "Send", [who, b"MDPC02", *_]:
                    asked.remove(who)
                case "Send", [_, b"MDPW02", b"\x02", who, *_] if who in begun:
                    self.wrong.append(f"{at:.3f} the broker gave away a reply that has begun")

    def judge_client(self, name: str, life: list[tuple[float, str, Any]], last: bool) -> None:
        """Of each request the parts in order and its end, or that there is none, in its time."""
        asked, since, told = self.asked[name], dict[int, float](), dict[int, list[Any]]()
        for at, kind, what in life:
            if kind == "Send":
                since.setdefault(int(what[4]), at)
            if kind == "Result":
                told.setdefault(what.value.number, []).append((what.value.event.name, what.value.body))
                limit = (TRIES + len(told[what.value.number])) * TRY
                if name not in self.frozen and at - since[what.value.number] > limit + 1e-6:
                    self.wrong.append(f"{at:.3f} {name} heard of {what.value.number} after more than {limit:g} s")
        for number, said in told.items():
            parts = [("PARTIAL", [*asked[number], b"%d" % n]) for n in range(int(asked[number][2]))]
            whole = [*parts, ("FINAL", [*asked[number], b"end"])]
            cut = [*parts[: len(said) - 1], ("LOSS" if len(said) > 1 else "EXPIRY", [])]
            if said not in (whole, cut) and (last or said != whole[: len(said)]):
                self.wrong.append(f"{name} asked {asked[number]} and was told {said}")
        ended = sum(said[-1][0] != "PARTIAL" for said in told.values())
        if last and (ended != len(asked) or self.made[name] != len(asked)):
            self.wrong.append(f"{name} was told the end of {ended} of {len(asked)} requests")


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


def test_parts_come_in_order_before_their_end_and_what_is_not_answered_is_known() -> None:
    for seed in range(SEEDS):
        assert not (wrong := hostile(seed)), f"seed {seed}: {wrong[:3]}"


MUTANTS = {
    "begins a reply anew that has begun": ("(S.BEGUN, E.LOSS): S.FREE", "(S.BEGUN, E.LOSS): S.BEGUN"),
    "keeps whatever comes": (" or len(self.dialogues) >= self.room", ""),
    "keeps a place for what has expired": ("self._step(client, E.EXPIRY)", "pass"),
    "keeps a place for what is done": ("self._step(client, E.FINAL)", "pass"),
    "takes no part for a sign of life": ("self.workers[worker].expiry = now + self.patience", "pass"),
    "has a worker that goes on for nobody": (" and self.client is not None", ""),
    "has a client that asks again on the old socket": ("yield Close(socket)\n                was", "was"),
    "has a client that never gives up": ("it.left - 1, now", "it.left, now"),
    "has a client to whom a part gives no time": ("frames[3:]), now + self.timeout", "frames[3:]), it.deadline"),
    "has a client that asks again although the reply has begun": ("(S.ASKED, E.PARTIAL): S.BEGUN",
                                                                  "(S.ASKED, E.PARTIAL): S.ASKED"),
    "has a client that forgets what is left": ("if it.state is S.ASKED or self._take(it):", "if it.state is S.ASKED:"),
}  # fmt: skip


@pytest.mark.parametrize("mutant", [pytest.param(m, id=f"a recipe that {name}") for name, m in MUTANTS.items()])
def test_bad_hours_tell(mutant: tuple[str, str]) -> None:
    recipe = broken(majordomo_v2, *mutant)
    assert any(trouble(seed, recipe) for seed in range(SEEDS))


def trouble(seed: int, recipe: Any) -> bool:
    try:
        return bool(Hour(seed, recipe).live())
    except (KeyError, RuntimeError, TypeError, ValueError):
        return True


# -- on sockets, and real processes ---------------------------------------------------------------------------------

SHORT = 0.1  # seconds between heartbeats here


def telling_worker(ctx: Any, endpoint: str, told: str, parts: int, holds: bool) -> None:
    """A worker that tells each job; if it `holds` it is never done with one, once it has given so many parts."""
    with ctx.socket(zmq.DEALER) as tell:
        tell.connect(told)

        def work(body: list[bytes]) -> Iterator[list[bytes]]:
            for n in range(parts):
                yield [b"part %d" % n]
            tell.send_multipart(body)
            return [b"done", *body] if not holds else tell.recv_multipart()  # type: ignore[return-value]

        worker(ctx, "tea", endpoint, SHORT, work)  # type: ignore[arg-type]


@pytest.fixture
def told(stage: Stage) -> Any:
    it = stage.socket(zmq.DEALER, rcvtimeo=MS)
    it.bind(stage.endpoint("told"))
    return it


def spawn(stage: Stage, name: str, parts: int = 0, holds: bool = False) -> Any:
    ends = stage.endpoint("broker"), stage.endpoint("told")
    return stage.spawn(telling_worker, *ends, parts, holds, name=name)


def drink(
    stage: Stage, *asked: str, service: str = "tea", name: str = "client", endpoint: str = "", **limits: Any
) -> Any:
    """Play a client that waits for long and asks once, unless told otherwise."""
    role = partial(client, endpoint=endpoint or stage.endpoint("broker"), **{"timeout": WAIT, "tries": 1, **limits})
    return stage.play(role, service, *asked, name=name)


def serve_tea(stage: Stage, work: Any = words) -> None:
    stage.play(partial(worker, endpoint=stage.endpoint("broker"), interval=SHORT, work=work), "tea")


def test_replies_come_in_parts_and_in_the_order_of_the_requests(stage: Stage) -> None:
    stage.play(broker, stage.endpoint("broker"), SHORT)
    serve_tea(stage)
    assert drink(stage, "a b", " ", "c").result(WAIT) == [b"a", b"b", b"2 words", b"0 words", b"c", b"1 words"]
    assert drink(stage, "tea", "coffee", service="mmi.service", name="asks").result(WAIT) == [b"200", b"404"]
    assert drink(stage, "x", service="mmi.other", name="asks more").result(WAIT) == [b"501"]
    assert drink(stage, name="asks nothing").result(WAIT) == []


def test_nobody_there_costs_a_timeout_error(stage: Stage) -> None:
    with pytest.raises(TimeoutError, match=r"^tea did not answer request 0, 2 tries, 0\.1 s each$"):
        drink(stage, "one", timeout=0.1, tries=2).result(WAIT)


@curve
def test_under_curve_only_who_has_the_keys_is_served() -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        home.play(broker, "tcp://127.0.0.1:*")
        [endpoint] = bound_at(recording, "broker")
        abroad.play(partial(worker, endpoint=endpoint), "tea")
        with turned_away(street, zmq.DEALER, endpoint, ask()[1:]):
            assert drink(abroad, "hello", endpoint=endpoint).result(WAIT) == [b"hello", b"1 words"]
        assert not any(b"cup" in e.frames for e in recording if e.kind == "receive")


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def test_a_dead_workers_job_goes_to_the_next_unless_its_reply_has_begun(stage: Stage, told: Any) -> None:
    stage.play(broker, stage.endpoint("broker"), SHORT, WAIT)
    first = spawn(stage, "first", holds=True)
    asking = drink(stage, "green", timeout=10 * WAIT)
    assert told.recv() == b"green"
    second = spawn(stage, "second", parts=1, holds=True)
    first.kill()
    assert told.recv() == b"green", "the work is done a second time"
    waits = drink(stage, "black", name="another client")
    second.kill()
    spawn(stage, "third")
    assert told.recv() == b"black", "what has begun is not begun a third time"
    assert waits.result(WAIT) == [b"done", b"black"]
    assert not asking.done


@signals
def test_a_frozen_workers_job_goes_to_the_next(stage: Stage, told: Any) -> None:
    stage.play(broker, stage.endpoint("broker"), SHORT, WAIT)
    first = spawn(stage, "first", holds=True)
    asking = drink(stage, "green")
    assert told.recv() == b"green"
    first.freeze()
    spawn(stage, "second", parts=2)
    assert told.recv() == b"green", "the work is done a second time"
    assert asking.result(WAIT) == [b"part 0", b"part 1", b"done", b"green"]


def test_a_lost_reply_is_asked_for_again(stage: Stage) -> None:
    stage.play(broker, stage.endpoint("broker"), SHORT)
    serve_tea(stage)
    with Wire(stage.endpoint("broker")) as wire:
        wire.drop("back", 1)
        asking = drink(stage, " ", endpoint=wire.endpoint, timeout=0.2, tries=50)
        assert asking.result(WAIT) == [b"0 words"]
        assert wire.count("forward") >= 2


def test_a_slow_worker_holds_up_whoever_makes_the_requests(stage: Stage) -> None:
    """A hundred requests are wanted, and no more are made than the window has room for, while none is answered."""
    begun, go, made = threading.Semaphore(0), threading.Event(), list[int]()

    def held(body: list[bytes]) -> Iterator[list[bytes]]:
        begun.release()
        assert go.wait(WAIT)
        yield from ()
        return body

    def wants(ctx: Any) -> int:
        def bodies() -> Iterator[list[bytes]]:
            for n in range(100):
                made.append(n)
                yield [b"%d" % n]

        core = Client(stage.endpoint("broker"), b"tea", bodies(), window=4, timeout=WAIT)
        replies = zip(range(100), majordomo_v2.run(ctx, core), strict=False)
        return sum(reply.event is Event.FINAL for _, reply in replies)

    stage.play(broker, stage.endpoint("broker"), SHORT)
    serve_tea(stage, held)
    asking = stage.play(wants)
    assert begun.acquire(timeout=WAIT)
    assert len(made) <= 4
    go.set()
    assert asking.result(WAIT) == len(made) == 100


def test_what_a_broker_kept_is_asked_for_again_when_it_is_restarted(stage: Stage, told: Any) -> None:
    endpoint = stage.endpoint("broker")
    old = stage.spawn(broker, endpoint, SHORT, WAIT, name="old broker")
    spawn(stage, "worker")
    assert drink(stage, "before").result(WAIT) == [b"done", b"before"]
    assert told.recv() == b"before"
    old.kill()
    asking = drink(stage, "one", "two", "three", name="asks", timeout=0.5, tries=30)
    stage.spawn(broker, endpoint, SHORT, WAIT, name="new broker")
    assert asking.result(WAIT) == [b"done", b"one", b"done", b"two", b"done", b"three"]


@signals
def test_from_the_shell_three_terminals_and_ctrl_c() -> None:
    with shell("majordomo_v2", "broker", "--endpoint", "tcp://127.0.0.1:0") as serving:
        [endpoint] = bound_to(serving)
        with shell("majordomo_v2", "worker", "words", "--endpoint", endpoint) as working:
            way = "--endpoint", endpoint, "--timeout", f"{WAIT}"
            with shell("majordomo_v2", "client", "words", "one two", "three", *way) as asking:
                assert ended(asking) == (0, "one\ntwo\n2 words\nthree\n1 words\n", "")
            ends_on_ctrl_c(serving, working)
