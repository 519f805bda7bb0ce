# SPDX-License-Identifier: BSD-3-Clause
"""Paranoid Pirate: PPP (RFC 6) as tables of cases, in hundreds of bad hours, on real processes and from the shell.

`hostile(seed)` is one bad hour; `make soak` lives through ten thousand of them.
"""

import itertools
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import zmq
from cores import broken
from sockets import (
    MS,
    WAIT,
    Service,
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

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import lazy_pirate, paranoid_pirate
from patterns.paranoid_pirate import (
    GUARANTEES,
    HEARTBEAT,
    LIVENESS,
    READY,
    TABLE,
    Event,
    Queue,
    State,
    Worker,
    queue,
    worker,
)
from patterns.shell import AT_ONCE, NEVER, WORK, Close, Open, Result, Send, Work
from patterns.simulation import Network
from patterns.stage import Stage

SEEDS = 100  # bad hours in this file
INTERVAL, EXPIRY = 1.0, 10.0
DEAD = INTERVAL * LIVENESS
W, X, C, D = b"W", b"X", b"C", b"D"  # routing ids of two workers and two clients
UNKNOWN, IDLE, BUSY = State

# -- the queue ----------------------------------------------------------------------------------------------------


def job(who: bytes, of: bytes = C, *body: bytes) -> Send:
    return Send("workers", [who, of, b"", *(body or (b"cup",))])


def answer(of: bytes = C, *body: bytes) -> Send:
    return Send("clients", [of, b"", *(body or (b"done",))])


def beat(who: bytes) -> Send:
    return Send("workers", [who, HEARTBEAT])


class Desk:
    """A queue's core and the time of day."""

    def __init__(self, *state: State) -> None:
        self.core, self.now = Queue("front", "back", INTERVAL, LIVENESS, EXPIRY), 0.0
        self.pass_time(0)
        for each, who in zip(state, (W, X), strict=False):
            if each is not UNKNOWN:
                self.hear(who, READY)
            if each is BUSY:
                assert self.ask(C) == [job(who)]

    def hear(self, who: bytes, *frames: bytes) -> list[Any]:
        return list(self.core.receive("workers", [who, *frames], self.now))

    def ask(self, who: bytes = C, *body: bytes) -> list[Any]:
        return list(self.core.receive("clients", [who, b"", *(body or (b"cup",))], self.now))

    def pass_time(self, seconds: float, *alive: bytes) -> list[Any]:
        """Let time pass, tick by tick; those who are alive heartbeat all the while."""
        did, until = [], self.now + seconds
        while self.core.deadline <= until:
            self.now = max(self.now, self.core.deadline)
            for who in alive:
                did += self.hear(who, HEARTBEAT)
            did += list(self.core.tick(self.now))
            assert self.core.deadline > self.now, "it would spin"
        self.now = until
        return did

    def state(self, who: bytes) -> State:
        return self.core.workers[who].state if who in self.core.workers else UNKNOWN


def test_the_table_is_total_and_only_ready_makes_anybody_known() -> None:
    assert set(TABLE) == set(itertools.product(State, Event))
    assert [event for event in Event if TABLE[UNKNOWN, event] is not UNKNOWN] == [Event.READY]
    assert all(TABLE[state, Event.SILENCE] is UNKNOWN for state in State)


def test_no_heartbeat_changes_a_state() -> None:
    assert all(TABLE[state, Event.HEARTBEAT] is state for state in State)


SAID: dict[str, list[bytes]] = {
    "READY": [READY],
    "HEARTBEAT": [HEARTBEAT],
    "the reply it owes": [C, b"", b"done"],
    "a reply to somebody else": [D, b"", b"done"],
    "a reply without a body": [C, b""],
    "a reply without its empty frame": [C, b"done"],
    "READY behind an empty frame": [b"", READY],
    "HEARTBEAT behind an empty frame": [b"", HEARTBEAT],
    "a third command": [b"\x03"],
    "an empty frame": [b""],
    "nothing": [],
}
BECOMES = {
    (UNKNOWN, "READY"): IDLE,
    (IDLE, "READY"): IDLE,
    (BUSY, "READY"): IDLE,
    (BUSY, "the reply it owes"): IDLE,
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("said", SAID)
def test_what_a_worker_says_in_each_state(state: State, said: str) -> None:
    it = Desk(state)
    pays = (state, said) == (BUSY, "the reply it owes")
    assert it.hear(W, *SAID[said]) == ([answer()] if pays else [])
    assert it.state(W) is BECOMES.get((state, said), state)


def test_a_busy_workers_heartbeat_does_not_make_it_ready() -> None:
    it = Desk(BUSY)
    assert it.hear(W, HEARTBEAT) == []
    assert it.ask(D) == []
    assert it.hear(W, C, b"", b"done") == [answer(), job(W, D)]


def test_the_expired_go_first_and_no_request_is_for_them() -> None:
    it = Desk(IDLE, IDLE)
    it.now = DEAD - 0.5
    it.hear(X, HEARTBEAT)
    it.now = DEAD  # a request is read before the tick that is due
    assert it.ask() == [job(X)]
    assert it.state(W) is UNKNOWN


@pytest.mark.parametrize("state", [IDLE, BUSY])
def test_a_silent_worker_is_forgotten_and_hears_no_more(state: State) -> None:
    it = Desk(state)
    assert it.pass_time(DEAD - 0.1) == [beat(W)] * (LIVENESS - 1)
    assert it.pass_time(10 * DEAD) == []
    assert not it.core.workers
    assert not it.core.idle


@pytest.mark.parametrize("state", [IDLE, BUSY])
def test_a_worker_whose_heart_beats_is_kept_and_hears_ours(state: State) -> None:
    it = Desk(state)
    assert it.pass_time(20 * INTERVAL, W) == [beat(W)] * 20
    assert it.state(W) is state


def test_a_reply_is_a_sign_of_life_too() -> None:
    it = Desk(BUSY)
    it.now = DEAD - 0.5
    it.hear(W, C, b"", b"done")
    it.pass_time(DEAD - 0.5)
    assert it.state(W) is IDLE


def test_what_nobody_owes_is_no_sign_of_life() -> None:
    it = Desk(IDLE)
    it.now = DEAD - 0.5
    it.hear(W, C, b"", b"done")
    it.pass_time(1.0)
    assert it.state(W) is UNKNOWN


def test_the_worker_that_is_idle_for_longest_is_next() -> None:
    it = Desk(IDLE, IDLE)
    for first, second in [(W, X), (X, W), (W, X)]:
        assert it.ask(C) + it.ask(D) == [job(first), job(second, D)]
        it.hear(second, HEARTBEAT)
        it.hear(second, D, b"", b"done")
        it.hear(first, C, b"", b"done")
        it.hear(second, HEARTBEAT)  # keeps its place, and so does who says READY again
        it.hear(second, READY)


def test_requests_wait_in_their_order_and_expire() -> None:
    it = Desk()
    assert it.ask(C, b"1") + it.ask(D, b"2") + it.ask(C, b"3") == []
    assert it.hear(W, READY) == [job(W, C, b"1")]
    assert it.hear(W, C, b"", b"done") == [answer(), job(W, D, b"2")]
    it.now = EXPIRY  # also between two ticks
    assert it.hear(W, D, b"", b"done") == [answer(D)]
    it.ask(C)
    it.ask(C)
    it.pass_time(EXPIRY + INTERVAL, W)
    assert not it.core.requests


@pytest.mark.parametrize("body", [[READY], [HEARTBEAT], [b""], [b"", b""], [b"a", b"", b"b"]])
def test_a_body_crosses_as_it_is(body: list[bytes]) -> None:
    it = Desk(IDLE)
    assert it.ask(C, *body) == [job(W, C, *body)]
    assert it.hear(W, C, b"", *body) == [answer(C, *body)]


def test_an_address_of_several_ids_comes_back_as_it_is() -> None:
    it = Desk(IDLE)
    list(it.core.receive("clients", [C, D, b"", b"cup"], it.now))
    assert it.hear(W, C, b"", b"done") == []
    assert it.hear(W, C, D, b"", b"done") == [Send("clients", [C, D, b"", b"done"])]


@pytest.mark.parametrize("frames", [[C], [C, b""], [C, b"cup"], [C, b"cup", b""], [C, HEARTBEAT], [C, READY]])
def test_a_request_without_its_empty_frame_or_body_is_dropped(frames: list[bytes]) -> None:
    it = Desk(IDLE)
    assert list(it.core.receive("clients", frames, it.now)) == []
    assert (it.state(W), it.state(C), len(it.core.requests)) == (IDLE, UNKNOWN, 0)


def test_it_binds_a_router_for_workers_and_one_for_clients() -> None:
    core = Queue("front", "back")
    assert core.deadline == AT_ONCE
    assert list(core.tick(5.0)) == [
        Open("workers", zmq.ROUTER, "back", bind=True),
        Open("clients", zmq.ROUTER, "front", bind=True),
    ]


def test_random_words_harm_nobody() -> None:
    chance = random.Random(43)
    for _ in range(300):
        it = Desk(BUSY, IDLE)
        for _ in range(20):
            frames = chance.choices([READY, HEARTBEAT, b"", b"cup", W, X, C, D], k=chance.randrange(6))
            socket, who = chance.choice([("workers", b"Z"), ("clients", D)])
            list(it.core.receive(socket, [who, *frames], it.now))
        it.hear(b"Z", READY)
        assert it.hear(W, C, b"", b"done")[0] == answer()
        it.pass_time(DEAD + EXPIRY + INTERVAL)
        assert not it.core.workers
        assert not it.core.idle
        assert not it.core.requests


# -- the worker ---------------------------------------------------------------------------------------------------


class Bench:
    """A worker's core and the time of day. It has just begun, and is busy if it is to be."""

    def __init__(self, busy: bool = False) -> None:
        self.core, self.now = Worker("there", INTERVAL, LIVENESS, 4 * INTERVAL), 100.0
        assert self.pass_time(0) == [(100.0, each) for each in BEGINS]
        if busy:
            assert self.hear(C, b"", b"cup") == [Work([b"cup"])]

    def hear(self, *frames: bytes) -> list[Any]:
        return list(self.core.receive("queue", list(frames), self.now))

    def finish(self, *result: bytes) -> list[Any]:
        return list(self.core.receive(WORK, list(result or (b"done",)), self.now))

    def pass_time(self, seconds: float) -> list[Any]:
        did, until = [], self.now + seconds
        while self.core.deadline <= until:
            self.now = max(self.now, self.core.deadline)
            did += [(self.now, effect) for effect in self.core.tick(self.now)]
            assert self.core.deadline > self.now, "it would spin"
        self.now = until
        return did


BEGINS = [Open("queue", zmq.DEALER, "there"), Send("queue", [READY])]


@pytest.mark.parametrize(
    ("frames", "work"),
    [
        pytest.param([C, b"", b"cup"], [b"cup"], id="an address and a body"),
        pytest.param([C, D, b"", b"cup"], [b"cup"], id="an address of two ids"),
        pytest.param([b"", b"cup"], [b"cup"], id="an empty address"),
        pytest.param([b"cup"], [b"cup"], id="no address"),
        pytest.param([b"cup", b"saucer"], [b"cup", b"saucer"], id="no address, and a body of two"),
        pytest.param([C, b"", b"", b"cup"], [b"", b"cup"], id="a body that begins with an empty frame"),
        pytest.param([READY], [READY], id="a body that looks like READY, which is not for workers"),
    ],
)
def test_a_worker_works_and_replies_to_the_address(frames: list[bytes], work: list[bytes]) -> None:
    it = Bench()
    assert it.hear(*frames) == [Work(work)]
    assert it.finish(b"two", b"frames") == [Send("queue", [*frames[: len(frames) - len(work)], b"two", b"frames"])]


def test_a_heartbeat_is_no_request_and_a_busy_worker_takes_none() -> None:
    assert Bench().hear(HEARTBEAT) == []
    it = Bench(busy=True)
    assert it.hear(D, b"", b"2") == it.hear(HEARTBEAT) == []
    assert it.finish() == [Send("queue", [C, b"", b"done"])]


def test_heartbeats_go_on_while_a_job_runs() -> None:
    it, did = Bench(busy=True), list[Any]()
    for _ in range(10):
        it.hear(HEARTBEAT)
        did += it.pass_time(INTERVAL)
    assert did == [(100.0 + n, Send("queue", [HEARTBEAT])) for n in range(1, 11)]


def test_a_worker_whose_queue_is_silent_pauses_longer_each_time_up_to_the_longest() -> None:
    did = Bench().pass_time(60.0)
    opened = [at for at, effect in did if effect == BEGINS[0]]
    closed = [at for at, effect in did if effect == Close("queue")]
    assert closed[0] == 100.0 + DEAD
    assert [b - a for a, b in zip(closed, opened, strict=False)][:5] == [1.0, 2.0, 4.0, 4.0, 4.0]
    assert all(did[did.index((at, BEGINS[0])) + 1] == (at, BEGINS[1]) for at in opened)


def test_any_word_of_the_queue_ends_the_back_off() -> None:
    it = Bench()
    it.pass_time(20.0)
    while it.core.expiry == AT_ONCE:
        it.pass_time(0.5)
    it.hear(C, b"", b"cup")
    it.finish()
    did = it.pass_time(DEAD + 1.0)
    assert did[-3:-2] == [(did[-1][0] - 1.0, Close("queue"))]
    assert [effect for _, effect in did[-2:]] == BEGINS


@pytest.mark.parametrize("late", [0.5, 50.0])
def test_a_worker_whose_queue_is_gone_finishes_drops_the_result_and_begins_anew(late: float) -> None:
    it = Bench(busy=True)
    did = it.pass_time(DEAD + late)
    assert did[-1] == (100.0 + DEAD, Close("queue"))
    assert it.finish() == []
    assert [effect for _, effect in it.pass_time(INTERVAL - min(late, 0.5))] == BEGINS
    assert it.hear(D, b"", b"2") == [Work([b"2"])]
    assert it.finish() == [Send("queue", [D, b"", b"done"])]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Queue("f", "b", interval=0), "^interval: "),
        (lambda: Queue("f", "b", liveness=0), "^liveness: "),
        (lambda: Queue("f", "b", expiry=NEVER), "^expiry: "),
        (lambda: Worker("b", interval=-1.0), "^interval: "),
        (lambda: Worker("b", longest=float("nan")), "^longest: "),
        (lambda: Bench(busy=True).core.receive(WORK, [], 101.0).__next__(), "^work: "),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# -- bad hours ----------------------------------------------------------------------------------------------------

BEAT = 0.2  # seconds between heartbeats in a bad hour
SILENT = BEAT * LIVENESS
TRY, TRIES = 1.0, 3  # of its clients
TROUBLE, CALM, LATE = 6.0, 14.0, 40.0  # seconds: troubles end; all have found together again; the last job is done
NAMES = ("worker 1", "worker 2", "worker 3")


class Lazy:
    """A Lazy Pirate as a core: DEALER "queue", which plays a REQ; its results are its replies, or a TimeoutError."""

    def __init__(self, name: bytes, count: int) -> None:
        self.bodies, self.left, self.deadline = [b"%s %d" % (name, n) for n in range(count)], TRIES, AT_ONCE

    def tick(self, now: float) -> Iterator[Any]:
        yield Close("queue")
        self.left, self.deadline = self.left - 1, now + TRY
        if self.left < 0:
            self.deadline = NEVER
            yield Result(TimeoutError())
        else:
            yield Open("queue", zmq.DEALER, "front")
            yield Send("queue", [b"", self.bodies[0]])

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Any]:
        yield Result((self.bodies.pop(0), frames))
        self.left, self.deadline = TRIES, NEVER
        if self.bodies:
            yield from self.tick(now)


class Watched:
    """A core, and all that goes in and out of it."""

    def __init__(self, core: Any, seen: list[tuple[float, str, str, Any]]) -> None:
        self.core, self.seen = core, seen

    @property
    def deadline(self) -> float:
        return float(self.core.deadline)

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Any]:
        self.seen.append((now, "in", socket, frames))
        return self._did(self.core.receive(socket, frames, now), now)

    def tick(self, now: float) -> list[Any]:
        self.seen.append((now, "tick", "", None))
        return self._did(self.core.tick(now), now)

    def _did(self, effects: Iterator[Any], now: float) -> list[Any]:
        did = list(effects)
        for each in did:
            of = WORK if isinstance(each, Work) else getattr(each, "socket", "")
            self.seen.append((now, type(each).__name__, of, getattr(each, "frames", None)))
        return did


class Hour:
    """A queue, three workers and five Lazy Pirates; what befalls them is up to the seed."""

    def __init__(
        self, seed: int, recipe: Any = paranoid_pirate, write: Callable[..., object] = lambda *event: None
    ) -> None:
        self.recipe, self.chance, self.wrong, self.calm = recipe, random.Random(f"ppp {seed}"), list[str](), False
        self.net = Network(f"ppp {seed}", write=write)
        self.lives: dict[str, list[list[tuple[float, str, str, Any]]]] = {}
        self.began: dict[str, float] = {}

    def live(self) -> list[str]:
        net, chance, recipe = self.net, self.chance, self.recipe
        self.play("queue", lambda: recipe.Queue("front", "back", BEAT, LIVENESS, TRY))
        for name in NAMES:
            seconds = chance.choice([0.01, 0.1, 0.3, 2 * SILENT])
            self.play(name, lambda: recipe.Worker("back", BEAT, LIVENESS, 4 * BEAT), seconds)
        for n in range(5):
            net.at(chance.uniform(0, TROUBLE), partial(self.ask, f"client {n}", 3))
        net.trouble(["queue", *NAMES], until=TROUBLE, every=chance.choice([0.5, 1.0, 3.0]))
        net.run(CALM)
        while net.now < LATE and not self.quiet():
            net.run(net.now + 0.5)
        for name in NAMES:
            net.nodes[name].seconds = 0.01
        self.ask("late", 6)  # each worker must get two of the six
        net.run(net.now + 2.0)
        self.judge()
        return self.wrong

    def quiet(self) -> bool:
        core = self.net.nodes["queue"].core.core  # type: ignore[attr-defined]
        return len(core.idle) == len(NAMES) and not core.requests

    def play(self, name: str, make: Callable[[], Any], seconds: float = 0.01) -> None:
        self.lives[name] = []

        def watched() -> Watched:
            self.lives[name].append([])
            return Watched(make(), self.lives[name][-1])

        self.net.play(name, watched, lambda body: [b"done", *body], seconds)

    def ask(self, name: str, count: int) -> None:
        self.began[name] = self.net.now
        self.play(name, lambda: Lazy(name.encode(), count))

    def judge(self) -> None:
        for life in self.lives["queue"]:
            self.judge_queue(life)
        for name in NAMES:
            for life in self.lives[name]:
                self.judge_worker(name, life)
        for name, at in self.began.items():
            self.judge_client(name, at)
        jobs = [
            sum(s == WORK and f and f[1].startswith(b"late") for _, k, s, f in self.lives[n][-1] if k == "in")
            for n in NAMES
        ]
        if jobs != [2, 2, 2] or self.net.results["late"] != [
            (b"late %d" % n, [b"", b"done", b"late %d" % n]) for n in range(6)
        ]:
            self.wrong.append(f"in calm weather {jobs} jobs, replies {self.net.results['late']}")

    def judge_queue(self, life: list[tuple[float, str, str, Any]]) -> None:
        """A book of its own: who is idle since when, who owes what, which requests wait."""
        heard, idle, owes = dict[bytes, float](), dict[bytes, int](), dict[bytes, list[bytes]]()
        waits, reply = list[tuple[float, list[bytes]]](), list[bytes]()
        for count, (at, kind, socket, frames) in enumerate(life):
            match kind, socket, frames:
                case "in", "clients", _:
                    waits.append((at + TRY, frames))
                case "in", "workers", [name, b"\x01"]:
                    heard[name] = at + SILENT
                    owes.pop(name, None)
                    idle.setdefault(name, count)
                case "in", "workers", [name, b"\x02"] if name in heard:
                    heard[name] = at + SILENT
                case "tick", _, _:
                    for name in [name for name, expiry in heard.items() if expiry <= at]:
                        del heard[name]
                        idle.pop(name, None)
                        owes.pop(name, None)
                case "in", "workers", [name, *reply] if owes.get(name) == reply[:2]:
                    heard[name], idle[name] = at + SILENT, count
                    del owes[name]
                case "Send", "clients", _:
                    if frames != reply:
                        self.wrong.append(f"{at:.3f} the queue replied {frames}, which nobody gave it")
                    reply = []
                case "Send", "workers", [name, b"\x02"]:
                    if name not in heard:
                        self.wrong.append(f"{at:.3f} the queue still beats for {name!r}")
                case "Send", "workers", [name, *request]:
                    order = sorted(idle, key=idle.__getitem__)
                    while order and heard[order[0]] <= at:
                        del idle[order[0]], heard[order.pop(0)]
                    first = order[0] if order else b""
                    waits = [each for each in waits if each[0] > at]
                    if name != first or not waits or waits.pop(0)[1] != request:
                        self.wrong.append(f"{at:.3f} the queue gave {request} to {name!r}, not to {first!r}")
                    idle.pop(name, None)
                    owes[name] = request[:2]
            if kind == "in" and idle and any(expiry > at for expiry, _ in waits) and count + 1 < len(life):
                alive = [who for who in idle if heard[who] > at]
                given = life[count + 1][1:3] == ("Send", "workers") or life[count + 1][1:3] == ("Send", "clients")
                if alive and not given:
                    self.wrong.append(f"{at:.3f} {alive} are idle and a request waits")

    def judge_worker(self, name: str, life: list[tuple[float, str, str, Any]]) -> None:
        """READY first and once on each socket; one job at a time; a word in every interval."""
        said, busy, last = list[bytes](), False, 0.0
        for at, kind, socket, frames in life:
            match kind, socket:
                case "Open", _:
                    said = []
                case "Work", _:
                    if busy:
                        self.wrong.append(f"{at:.3f} {name} began a second job before it had done the first")
                    busy = True
                case "in", "work":
                    busy = False
                case "in", _:
                    last = at
                case "Send", _:
                    if (frames == [READY]) != (not said):
                        self.wrong.append(f"{at:.3f} {name} said {frames} after {said}")
                    if said and at - last > SILENT and frames == [HEARTBEAT] and len(said) > LIVENESS:
                        self.wrong.append(f"{at:.3f} {name} beats for a queue that is silent since {last:.3f}")
                    said += frames

    def judge_client(self, name: str, began: float) -> None:
        """Each request is answered by its own reply, or a TimeoutError comes, within the bound."""
        results = self.net.results[name]
        for each in results:
            if not isinstance(each, TimeoutError) and each[1] != [b"", b"done", each[0]]:
                self.wrong.append(f"{name} got {each}")
        gave_up = bool(results) and isinstance(results[-1], TimeoutError)
        if not gave_up and len(results) != (6 if name == "late" else 3):
            self.wrong.append(f"{name} got {results}, and no error")


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


def test_each_request_is_answered_or_given_up_and_goes_to_who_is_idle() -> None:
    for seed in range(SEEDS):
        assert not (wrong := hostile(seed)), f"seed {seed}: {wrong[:3]}"


MUTANTS = {
    "takes a busy worker's heartbeat for READY": ("(S.BUSY, E.HEARTBEAT): S.BUSY", "(S.BUSY, E.HEARTBEAT): S.IDLE"),
    "takes a stranger's heartbeat for READY": ('b"\\x02"] if worker := self.workers.get(name)', 'b"\\x02"] if True'),
    "forgets nobody": ("if worker.expiry <= now]", "if False]"),
    "gives requests to the dead": ("if self.workers[name].expiry <= now:", "if False:"),
    "takes the newest of the idle": ("next(iter(self.idle))", "next(reversed(self.idle))"),
    "serves the newest request first": ("_, request = self.requests.popleft()", "_, request = self.requests.pop()"),
    "never says that it lives": ('yield Send("workers", [name, HEARTBEAT])', "pass"),
    "keeps requests for ever": ("append((now + self.expiry,", "append((now + 1000.0,"),
    "has a worker that never gives up": ("elif self.expiry <= now:", "elif False:"),
    "has a worker that begins anew while it is busy": ("if self.expiry == AT_ONCE and self.busy:", "if False:"),
    "has a worker that pays an old debt": ("AT_ONCE, None\n", "AT_ONCE, self.owes\n"),
}


@pytest.mark.parametrize("mutant", [pytest.param(m, id=f"a recipe that {name}") for name, m in MUTANTS.items()])
def test_bad_hours_tell(mutant: tuple[str, str]) -> None:
    recipe = broken(paranoid_pirate, *mutant)
    assert any(trouble(seed, recipe) for seed in range(SEEDS))


def trouble(seed: int, recipe: Any) -> bool:
    try:
        return bool(Hour(seed, recipe).live())
    except (KeyError, RuntimeError):  # it would spin, or sends where no socket is open
        return True


# -- over sockets -------------------------------------------------------------------------------------------------

SHORT = 0.2  # seconds between heartbeats here


def asks(stage: Stage, *words: str, endpoint: str = "", name: str = "", **limits: Any) -> Any:
    """Play a Lazy Pirate. A machine that pauses for a liveness costs a request, so it asks again."""
    limits = {"timeout": 1.0, "tries": 15, **limits}
    role = partial(lazy_pirate.client, endpoint=endpoint or stage.endpoint("front"), **limits)
    return stage.play(role, *words, name=name or "client")


def opened(stage: Stage, **limits: Any) -> None:
    stage.play(partial(queue, **limits), stage.endpoint("front"), stage.endpoint("back"), SHORT, name="queue")


def telling_worker(ctx: Any, backend: str, told: str, holds: bool) -> None:
    """A worker that tells each request, and if it `holds` is never done with one."""
    with ctx.socket(zmq.DEALER) as tell:
        tell.connect(told)

        def work(body: list[bytes]) -> list[bytes]:
            tell.send_multipart(body)
            return [b"done", *body] if not holds else list(tell.recv_multipart())

        worker(ctx, backend, SHORT, work)


@pytest.fixture
def told(stage: Stage) -> Any:
    it = stage.socket(zmq.DEALER, rcvtimeo=MS)
    it.bind(stage.endpoint("told"))
    return it


def test_a_request_finds_a_worker_and_the_reply_its_client(stage: Stage) -> None:
    opened(stage)
    stage.play(worker, stage.endpoint("back"), SHORT)
    assert asks(stage, "one", "two", "three").result(WAIT) == ["one", "two", "three"]


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def spawn(stage: Stage, name: str, holds: bool) -> Any:
    return stage.spawn(telling_worker, stage.endpoint("back"), stage.endpoint("told"), holds, name=name)


def test_a_dead_workers_request_is_asked_again_and_goes_to_another(stage: Stage, told: Any) -> None:
    opened(stage)
    first = spawn(stage, "first", True)
    asking = asks(stage, "green")
    assert told.recv() == b"green"
    first.kill()
    spawn(stage, "second", False)
    assert told.recv() == b"green", "the work is done a second time"
    assert asking.result(WAIT) == ["done"]


@signals
def test_a_frozen_worker_gets_no_more_requests(stage: Stage, told: Any) -> None:
    opened(stage)
    first = spawn(stage, "first", False)
    assert asks(stage, "one", name="one").result(WAIT) == ["done"]
    assert told.recv() == b"one"
    first.freeze()  # while it is idle, so that the next request is its turn
    spawn(stage, "second", False)
    assert asks(stage, *"abc", name="others").result(WAIT) == ["done"] * 3
    heard = itertools.groupby(iter(told.recv, b"c"))
    assert [word for word, _ in heard if word != b"one"] == [b"a", b"b"], "and then the last"


def test_a_worker_behind_a_cut_begins_anew_when_it_is_healed() -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage:
        opened(stage, expiry=WAIT)
        with Wire(stage.endpoint("back")) as wire:
            stage.play(worker, wire.endpoint, SHORT, name="worker")
            recording.wait("receive", "queue", timeout=WAIT)
            wire.cut()
            asking = asks(stage, "green")
            recording.wait("close", "worker", timeout=WAIT)
            wire.heal()
            assert asking.result(WAIT) == ["green"]


def test_a_job_longer_than_the_liveness_keeps_its_worker_and_is_asked_for_again() -> None:
    recording, work = Recording(), Service()
    with Stage(trace.Context(recording)) as stage:
        opened(stage, expiry=WAIT)
        work.go.clear()
        stage.play(partial(worker, work=lambda body: [work(body[0])]), stage.endpoint("back"), SHORT, name="worker")
        asking = asks(stage, "green", timeout=0.4, tries=50)
        assert work.got.get(timeout=WAIT) == b"green"
        heard = sum((e.kind, e.actor, e.socket) == ("receive", "queue", "ROUTER") for e in recording)
        recording.wait("receive", "queue", socket="ROUTER", count=heard + 3 * LIVENESS, timeout=WAIT)
        assert work.seen == [b"green"], "its heartbeats do not make it ready"
        work.go.set()
        assert asking.result(WAIT) == ["GREEN"]
        assert len(work.seen) > 1


def test_workers_register_again_with_a_queue_that_was_restarted(stage: Stage, told: Any) -> None:
    ends = stage.endpoint("front"), stage.endpoint("back"), SHORT
    old = stage.spawn(queue, *ends, name="old queue")
    spawn(stage, "worker", False)
    assert asks(stage, "one", name="one").result(WAIT) == ["done"]
    old.kill()
    stage.spawn(queue, *ends, name="new queue")
    assert asks(stage, "two", name="two").result(WAIT) == ["done"]


@curve
def test_under_curve_only_who_has_the_keys_is_served() -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        home.play(queue, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*")
        back, front = bound_at(recording, "queue", 2)
        abroad.play(worker, back)
        with turned_away(street, zmq.DEALER, back, [READY]), turned_away(street, zmq.DEALER, front, [b"", b"cup"]):
            assert asks(abroad, "hello", endpoint=front).result(WAIT) == ["hello"]
        assert not any(b"cup" in e.frames for e in recording if e.kind == "receive")


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_three_terminals_and_ctrl_c() -> None:
    ends = "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0"
    with shell("paranoid_pirate", "queue", *ends) as serving:
        back, front = bound_to(serving, 2)
        with shell("paranoid_pirate", "worker", "--backend", back) as working:
            with shell("lazy_pirate", "client", "hello", "--endpoint", front, "--timeout", f"{WAIT}") as asking:
                assert ended(asking) == (0, "hello\n", "")
            ends_on_ctrl_c(serving, working)
