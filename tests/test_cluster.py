# SPDX-License-Identifier: BSD-3-Clause
"""Cluster: the core as tables of cases, bad hours in the simulation, and clusters of processes, one of them killed.

Times in the first part are numbers; nothing there waits. `hostile(seed)` is one bad hour of three brokers, with their
workers and clients; `make soak` lives through ten thousand of them.
"""

import contextlib
import itertools
import os
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import zmq
from cores import broken
from sockets import (
    WAIT,
    Service,
    bound_to,
    curve,
    ended,
    ends_on_ctrl_c,
    guarantees_hold,
    shell,
    signals,
    turned_away,
    with_one_key,
)

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import cluster, load_balancing
from patterns.cluster import GUARANTEES, HOME, Cluster, broker, client, local_first
from patterns.inter_broker import address
from patterns.shell import AT_ONCE, NEVER, Close, Effect, Open, Send
from patterns.simulation import Network
from patterns.stage import Stage

SEEDS = 60  # bad hours in this file


def test_the_guarantees_name_tests_that_exist() -> None:
    guarantees_hold(GUARANTEES, globals())


def at(broker: str, socket: str) -> str:
    return f"{broker}-{socket}"


# -- where a task goes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("home", "away", "where"),
    [
        (1, {"B": 9}, HOME),
        (0, {"B": 1, "C": 2}, "C"),
        (0, {"B": 2, "C": 2}, "B"),
        (0, {}, None),
        (1, {}, HOME),
    ],
)
def test_a_task_stays_at_home_as_long_as_somebody_is_free_there(
    home: int, away: dict[str, int], where: str | None
) -> None:
    assert local_first(home, away) == where


def spread(home: int, away: dict[str, int]) -> str | None:
    """Wherever the most are free."""
    best = max(away, key=away.__getitem__, default=HOME)
    return best if away.get(best, 0) > home else HOME if home else None


# -- the core, without sockets and without waiting ----------------------------------------------------------------


class Desk:
    """A core of broker A among B and C, and the time of day. What it says of its own state is left out."""

    def __init__(self, *ready: bytes, design: Any = local_first, patience: float = 20.0) -> None:
        self.core = Cluster("A", ("B", "C"), at, design, patience, beat=1.0, stale=3.0, gone=6.0)
        self.core.life, self.now = b"A", 0.0
        self.opened = [effect for effect in self.pass_time(0) if isinstance(effect, Open)]
        for worker in ready:
            assert self.hear("localbe", worker, b"", b"READY") == []

    def hear(self, socket: str, *frames: bytes) -> list[tuple[str, ...]]:
        return told(self.core.receive(socket, [*frames], self.now))

    def ask(self, *body: bytes, how: bytes = b"AGAIN", who: bytes = b"ann") -> list[tuple[str, ...]]:
        return self.hear("localfe", who, b"", how, *(body or (b"tea",)))

    def free(self, peer: str, capacity: int, linked: bool = True) -> list[tuple[str, ...]]:
        """This peer says so, and its connection stands."""
        did = self.hear("cloudbe", peer.encode(), b"") if linked and peer not in self.core.linked else []
        return did + self.hear("statefe", peer.encode(), b"%d" % capacity)

    def pass_time(self, seconds: float) -> list[Effect]:
        did, until = list[Effect](), self.now + seconds
        while self.core.deadline <= until:
            self.now = max(self.now, self.core.deadline)
            did += self.core.tick(self.now)
            assert self.core.deadline > self.now, "a shell would spin"
        self.now = until
        return did

    def wait(self, seconds: float) -> list[tuple[str, ...]]:
        return told(self.pass_time(seconds))


def told(effects: Any) -> list[tuple[str, ...]]:
    """Each message but those of the state flow: (socket, frame, ...)."""
    sends = [effect for effect in effects if isinstance(effect, Send) and effect.socket != "statebe"]
    return [(effect.socket, *(frame.decode() for frame in effect.frames)) for effect in sends]


def held(who: str, number: int, *body: str, socket: str = "localbe") -> tuple[str, ...]:
    return (socket, who, "", f"A-{number}", "", *(body or ("tea",)))


def answer(word: str, *result: str, who: str = "ann") -> tuple[str, ...]:
    return ("localfe", who, "", word, *result)


def test_six_sockets_are_opened_and_in_the_cloud_they_have_the_brokers_name() -> None:
    opened = Desk().opened
    assert [(o.socket, o.endpoint) for o in opened if o.bind] == [
        (name, f"A-{name}") for name in ("localfe", "localbe", "cloudfe", "statebe")
    ]
    assert {o.socket: [p.endpoint for p in opened if p.socket == o.socket] for o in opened if not o.bind} == {
        "cloudbe": ["B-cloudfe", "C-cloudfe"],
        "statefe": ["B-statebe", "C-statebe"],
    }
    assert {o.socket for o in opened if o.options.get("routing_id") == b"A"} == {"cloudfe", "cloudbe"}
    assert all(o.options["probe_router"] and o.options["router_handover"] for o in opened if o.socket == "cloudfe")


def test_a_task_goes_to_the_worker_that_has_been_free_for_longest_and_its_result_to_its_client() -> None:
    desk = Desk(b"ada", b"bea")
    assert desk.ask(b"tea", b"milk") == [held("ada", 1, "tea", "milk")]
    assert desk.ask(b"rum", who=b"bob") == [held("bea", 2, "rum")]
    assert desk.hear("localbe", b"bea", b"", b"A-2", b"", b"RUM") == [answer("DONE", "RUM", who="bob")]
    assert desk.hear("localbe", b"ada", b"", b"A-1", b"", b"TEA", b"MILK") == [answer("DONE", "TEA", "MILK")]
    assert desk.ask() == [held("bea", 3)]


def test_tasks_wait_in_their_order_until_somebody_is_free() -> None:
    desk = Desk()
    assert desk.ask(b"tea") + desk.ask(b"rum") == []
    assert desk.hear("localbe", b"ada", b"", b"READY") == [held("ada", 1, "tea")]
    assert desk.free("B", 1) == [held("B", 2, "rum", socket="cloudbe")]


def test_what_a_peer_is_sent_is_counted_until_its_next_word() -> None:
    desk = Desk()
    assert desk.free("B", 2) == []
    assert [bool(desk.ask()) for _ in range(3)] == [True, True, False]
    assert desk.free("B", 1) == [held("B", 3, socket="cloudbe")]


def test_nothing_is_sent_before_there_is_a_connection() -> None:
    desk = Desk()
    assert desk.ask() + desk.free("B", 1, linked=False) == []
    assert desk.hear("cloudbe", b"B", b"") == [held("B", 1, socket="cloudbe")]


@pytest.mark.parametrize("word", [("DONE", "TEA"), ("DONE",), ("LOST",)])
def test_what_a_peer_makes_of_a_task_is_passed_on(word: tuple[str, ...]) -> None:
    desk = Desk()
    desk.free("B", 1)
    desk.ask()
    assert desk.hear("cloudbe", b"B", b"", b"A-1", b"", *(w.encode() for w in word)) == [answer(*word)]


def test_a_task_that_was_not_taken_goes_to_somebody_else_whatever_it_is() -> None:
    desk = Desk()
    desk.free("B", 2)
    desk.free("C", 1)
    for number, how in enumerate((b"AGAIN", b"ONCE"), 1):
        assert desk.ask(how=how) == [held("B", number, socket="cloudbe")]
    assert desk.hear("cloudbe", b"B", b"", b"A-2", b"", b"BUSY") == [held("C", 2, socket="cloudbe")]
    assert desk.hear("cloudbe", b"B", b"", b"A-1", b"", b"BUSY") == []
    assert desk.hear("localbe", b"ada", b"", b"READY") == [held("ada", 1)]


def test_who_is_busy_is_not_asked_until_its_next_word() -> None:
    desk = Desk()
    desk.free("B", 5)
    desk.ask()
    assert desk.hear("cloudbe", b"B", b"", b"A-1", b"", b"BUSY") == []
    assert desk.free("B", 1) == [held("B", 1, socket="cloudbe")]


def test_busy_counts_only_from_who_has_the_task() -> None:
    desk = Desk()
    desk.free("B", 1)
    desk.free("C", 1)
    desk.ask()
    assert desk.hear("cloudbe", b"C", b"", b"A-1", b"", b"BUSY") == []


def test_a_peers_task_goes_to_a_worker_and_no_further() -> None:
    desk = Desk(b"ada", design=spread)
    desk.free("C", 9)
    assert desk.hear("cloudfe", b"B", b"", b"B-7", b"", b"tea") == [held("ada", 1)]
    assert desk.hear("localbe", b"ada", b"", b"A-1", b"", b"TEA") == [("cloudfe", "B", "", "B-7", "", "DONE", "TEA")]


def test_a_peers_task_is_refused_when_nobody_is_free() -> None:
    desk = Desk()
    assert desk.hear("cloudfe", b"B", b"", b"B-7", b"", b"tea") == [("cloudfe", "B", "", "B-7", "", "BUSY")]


def test_a_broker_with_too_much_to_do_says_so() -> None:
    desk = Desk()
    for _ in range(cluster.ROOM):
        assert desk.ask() == []
    assert desk.ask() == [answer("BUSY")]


def test_of_a_peer_that_is_gone_again_is_sent_again_first_and_once_is_lost() -> None:
    desk = Desk()
    desk.free("B", 3)
    desk.ask(b"tea")
    desk.ask(b"rum", how=b"ONCE", who=b"bob")
    desk.ask(b"ale")
    assert desk.ask(b"gin") == []
    assert desk.wait(5.9) == []
    assert desk.free("C", 0) == []
    assert desk.wait(0.2) == [answer("LOST", who="bob")]
    assert desk.free("C", 3) == [held("C", n, b, socket="cloudbe") for n, b in ((1, "tea"), (3, "ale"), (4, "gin"))]
    assert desk.hear("cloudbe", b"B", b"", b"A-2", b"", b"DONE", b"RUM") == []


def test_nothing_is_sent_to_a_peer_that_is_stale_and_what_it_has_is_waited_for() -> None:
    desk = Desk()
    desk.free("B", 3)
    desk.ask()
    assert desk.wait(3.0) + desk.ask(b"rum") == []
    assert desk.hear("cloudbe", b"B", b"", b"A-1", b"", b"DONE", b"TEA") == [answer("DONE", "TEA")]


def test_a_new_connection_may_be_to_another_life_of_the_peer() -> None:
    desk = Desk()
    desk.free("B", 2)
    desk.ask(b"tea")
    desk.ask(b"rum", how=b"ONCE", who=b"bob")
    desk.free("B", 0)
    assert desk.hear("cloudbe", b"B", b"") == [answer("LOST", who="bob")]
    assert desk.free("B", 1) == [held("B", 1, "tea", socket="cloudbe")]


def test_the_first_of_two_results_is_the_answer() -> None:
    desk = Desk()
    desk.free("B", 1)
    desk.ask()
    desk.wait(6.1)
    assert desk.free("C", 1) == [held("C", 1, socket="cloudbe")]
    assert desk.hear("cloudbe", b"B", b"", b"A-1", b"", b"DONE", b"TEA") == [answer("DONE", "TEA")]
    assert desk.hear("cloudbe", b"C", b"", b"A-1", b"", b"DONE", b"TEA") == []


@pytest.mark.parametrize("ready", [(), (b"ada",)], ids=["nobody was free", "its worker is silent"])
def test_what_takes_too_long_is_lost_and_stays_so(ready: tuple[bytes, ...]) -> None:
    desk = Desk(*ready, patience=2.5)
    desk.ask()
    desk.wait(1.0)
    desk.ask(who=b"bob")
    assert desk.wait(1.4) == []
    assert desk.wait(0.2) == [answer("LOST")]
    assert desk.wait(1.0) == [answer("LOST", who="bob")]
    assert desk.hear("localbe", b"ada", b"", b"A-1", b"", b"TEA") == []
    assert desk.core.tasks == desk.core.held == {}


def test_a_result_of_a_former_life_is_nobodys_and_its_worker_is_free() -> None:
    desk = Desk()
    assert desk.hear("localbe", b"ada", b"", b"Z-1", b"", b"TEA") == []
    assert desk.ask() == [held("ada", 1)]


def test_each_life_numbers_its_tasks_anew() -> None:
    assert Cluster("A", ("B",), at).life != Cluster("A", ("B",), at).life


def test_peers_are_told_how_many_are_free() -> None:
    core = Cluster("A", ("B",), at)
    list(core.tick(0.0))
    said = [e.frames for e in core.receive("localbe", [b"ada", b"", b"READY"], 0.1) if isinstance(e, Send)]
    said += [e.frames for e in core.receive("localfe", [b"ann", b"", b"ONCE", b"x"], 0.2) if e.socket == "statebe"]  # type: ignore[union-attr]
    assert said == [[b"A", b"1"], [b"A", b"0"]]


@pytest.mark.parametrize(
    ("socket", "frames"),
    [
        ("localfe", [b"ann"]),
        ("localfe", [b"ann", b"", b"AGAIN"]),
        ("localfe", [b"ann", b"", b"TWICE", b"tea"]),
        ("localfe", [b"ann", b"AGAIN", b"tea"]),
        ("localbe", [b"ada", b"", b"ready"]),
        ("localbe", [b"ada", b"READY"]),
        ("cloudfe", [b"B", b"", b"B-1", b""]),
        ("cloudfe", [b"D", b"", b"D-1", b"", b"tea"]),
        ("cloudfe", [b"\xff", b"", b"D-1", b"", b"tea"]),
        ("cloudfe", [b"B", b""]),
        ("cloudbe", [b"B", b"", b"A-1", b"", b"SOON"]),
        ("cloudbe", [b"B", b"", b"A-9", b"", b"BUSY"]),
        ("cloudbe", [b"B", b"", b"A-9", b"", b"DONE"]),
        ("statefe", [b"B", b"many"]),
        ("statebe", [b"\0"]),
    ],
)
def test_what_is_not_ours_is_dropped(socket: str, frames: list[bytes]) -> None:
    desk = Desk()
    desk.free("B", 1)
    desk.ask()
    deadline = desk.core.deadline
    assert desk.hear(socket, *frames) == []
    assert (len(desk.core.tasks), dict(desk.core.ready), desk.core.deadline) == (1, {}, deadline)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"patience": 0.0}, "patience: expected"),
        ({"patience": float("inf")}, "patience: expected"),
        ({"patience": float("nan")}, "patience: expected"),
        ({"peers": ("A",)}, "peers: expected each once"),
        ({"gone": 0.1}, "expected 0 < beat < stale < gone"),
    ],
)
def test_a_bad_argument_is_named(how: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Cluster(**{"name": "A", "peers": ("B",), "place": at} | how)


# -- in the simulation --------------------------------------------------------------------------------------------

BROKERS = ("A", "B", "C")
HOURS = {"beat": 0.5, "stale": 1.2, "gone": 2.5}
PATIENCE = 6.0
SLACK = 1.5  # seconds in which connections are made again, workers are known again, and messages arrive
TROUBLED, END = 12.0, 22.0  # seconds of an hour in which there are troubles, and in all; nobody asks at its end


class Cook:
    """A worker that says READY every second until it has a task; several wait with it. It takes its time by chance."""

    def __init__(self, home: str, hour: "Hour") -> None:
        self.home, self.hour, self.jobs, self.deadline = home, hour, list[list[bytes]](), AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        if self.deadline == AT_ONCE:
            yield Open("broker", zmq.DEALER, at(self.home, "localbe"))
        if self.jobs:
            _, number, _, body = self.jobs.pop(0)
            yield Send("broker", [b"", number, b"", b"did " + body])
        else:
            yield Send("broker", [b"", b"READY"])
        self.deadline = now + (self.hour.takes() if self.jobs else 1.0)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        self.hour.carried[frames[-1]] += 1
        self.jobs.append(frames)
        if len(self.jobs) == 1:
            self.deadline = now + self.hour.takes()
        yield from ()


class Guest:
    """A client that has one task after the other, AGAIN or ONCE, and waits for each as long as a broker may take."""

    def __init__(self, home: str, hour: "Hour") -> None:
        self.home, self.hour, self.task, self.deadline = home, hour, list[Any](), AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        if self.task:
            self.hour.tell(self.home, *self.task, b"nothing", now)
        if self.task or self.deadline == AT_ONCE:
            yield Close("broker")
            yield Open("broker", zmq.DEALER, at(self.home, "localfe"))
        self.task, self.deadline = [], NEVER
        if now < END - PATIENCE - SLACK:
            how, body = self.hour.chance.choice([b"AGAIN", b"ONCE"]), b"%d" % next(self.hour.numbers)
            self.task, self.deadline = [how, body, now], now + PATIENCE + SLACK
            yield Send("broker", [b"", how, body])

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        if not self.task:
            self.hour.wrong.append(f"{now:g} s: an answer to nothing: {frames!r}")
        elif frames not in ([b"", b"LOST"], [b"", b"DONE", b"did " + self.task[1]]):
            self.hour.wrong.append(f"{now:g} s: {frames!r} in answer to {self.task}")
        else:
            self.hour.tell(self.home, *self.task, frames[1], now)
            self.task, self.deadline = [], now + self.hour.chance.expovariate(2.0) + 0.01
        yield from ()


class Hour:
    """Three brokers with three clients each, two of them with two workers, and troubles by chance. A worker may die."""

    def __init__(self, seed: int, recipe: Any = cluster, write: Callable[..., object] = lambda *event: None) -> None:
        self.chance, self.write, self.wrong = random.Random(seed), write, list[str]()
        self.numbers, self.lives, self.carried = itertools.count(), Counter[str](), Counter[bytes]()
        self.troubles: list[list[Any]] = []  # from when until when what was wrong, and with whom
        self.once: set[bytes] = set()
        self.slow = self.chance.choice([0.05, 0.2, 0.5])
        self.network = network = Network(seed, write=self.note)
        design = self.chance.choice([recipe.local_first, spread])
        for name, cooks in zip(BROKERS, self.chance.sample([0, 2, 2], 3), strict=True):
            network.play(name, partial(self.core, recipe, name, design))
            for number in range(3):
                network.play(f"guest {number} of {name}", partial(Guest, name, self))
            for number in range(cooks):
                network.play(f"cook {number} of {name}", partial(Cook, name, self))
                if self.chance.random() < 0.1:
                    network.at(self.chance.uniform(1.0, TROUBLED), partial(network.restart, f"cook {number} of {name}"))
        network.trouble(BROKERS, until=TROUBLED, every=self.chance.choice([1.0, 4.0, 10.0]))

    def core(self, recipe: Any, name: str, design: Any) -> Any:
        self.lives[name] += 1
        peers = tuple(sorted({*BROKERS} - {name}))
        core = recipe.Cluster(name, peers, at, design, PATIENCE, **HOURS)
        core.life = f"{name}{self.lives[name]}".encode()
        return core

    def note(self, actor: str, kind: str, *rest: Any) -> None:
        self.write(actor, kind, *rest)
        who = {name for name in BROKERS if name in rest[-2].split()} if kind in ("cut", "healed") else {actor}
        over = {"killed": {"frozen"}, "open": {"killed"}, "thawed": {"frozen"}, "healed": {"cut"}}.get(kind, set())
        for trouble in self.troubles:
            if trouble[2] in over and trouble[3] == who:
                trouble[1] = min(trouble[1], self.network.now)
        if kind in ("killed", "frozen", "cut"):
            self.troubles.append([self.network.now, NEVER, kind, who])

    def takes(self) -> float:
        return min(self.chance.expovariate(1 / self.slow), 1.0) + 0.01  # or a job outlasts all patience

    def live(self) -> list[str]:
        self.network.run(END)
        twice = [body for body in self.once if self.carried[body] > 1]
        return [*self.wrong, *(f"task {body!r} was to be carried out ONCE" for body in twice)]

    def tell(self, home: str, how: bytes, body: bytes, since: float, word: bytes, now: float) -> None:
        """What a client heard of a task of its own, and whether that may be, after what has happened meanwhile."""
        self.once |= {body} if how == b"ONCE" else set()
        lately = [(kind, who) for _, end, kind, who in self.troubles if since - SLACK < end]
        begun = [who for _, who in lately]
        dead = {name for _, _, kind, who in self.troubles for name in who if kind == "killed"}
        cooks = any("cook" in name for name in dead)  # nobody notices: a task may be given to it long afterwards
        what = f"{now:g} s: {how!r} {body!r} of {home} at {since:g} s: {word!r} after {lately}"
        if word == b"nothing" and not any(home in who for kind, who in lately if kind != "cut"):
            self.wrong.append(f"{what}, though its broker was well")
        if word == b"DONE" and not self.carried[body]:
            self.wrong.append(f"{what}, though nobody did it")
        if not lately and not cooks and (word != b"DONE" or self.carried[body] != 1):
            self.wrong.append(f"{what}, in fair weather, {self.carried[body]} times")
        if word == b"LOST" and how == b"AGAIN" and now < since + PATIENCE:
            self.wrong.append(f"{what}, too early")
        if (
            word == b"LOST"
            and how == b"AGAIN"
            and len(begun) < 2
            and not cooks
            and not any(home in who for who in begun)
        ):
            self.wrong.append(f"{what}, though it could be sent again")


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_every_task_is_answered_once_or_its_client_is_told(first: int) -> None:
    for seed in range(first, first + 20):
        wrong = hostile(seed)
        assert not wrong, f"seed {seed}: {wrong[:3]}"


MUTANTS = {
    "sends ONCE again": ("if self.tasks[number].again:", "if self.tasks[number]:"),
    "sends nothing again": ("if self.tasks[number].again:", "if not self.tasks[number]:"),
    "sends before there is a connection": (" and peer in self.linked", ""),
    "forgets a worker": ("self.ready[worker] = None\n                yield", "yield"),
    "has endless patience": ("if task.until <= now]", "if task.until < -1]"),
    "takes any task of a peer": ("bool(self.ready))", "True)"),
    "keeps what was not taken": ("self._free(number)\n        yield", "pass\n        yield"),
    "answers what was answered": ("self.tasks.pop(number, None)", "self.tasks.get(number)"),
}  # fmt: skip


@pytest.mark.parametrize("mutant", [pytest.param(m, id=f"a recipe that {name}") for name, m in MUTANTS.items()])
def test_bad_hours_tell(mutant: tuple[str, str]) -> None:
    recipe = broken(cluster, *mutant)
    assert any(trouble(seed, recipe) for seed in range(30))


def trouble(seed: int, recipe: Any) -> bool:
    try:
        return bool(Hour(seed, recipe).live())
    except (KeyError, RuntimeError):  # it broke, or it would spin
        return True


# -- over sockets -------------------------------------------------------------------------------------------------

QUICK, CALM, LONG = 0.05, 1.0, 2.0  # seconds of a beat, and until a peer is stale, and gone
AGES: dict[str, Any] = {"beat": QUICK, "stale": CALM, "gone": LONG}
NEVER_GONE: dict[str, Any] = {"beat": QUICK, "stale": WAIT, "gone": 2 * WAIT}
SLOW: dict[str, Any] = {"beat": WAIT / 2, "stale": WAIT, "gone": 2 * WAIT}  # a word when something changes


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as it:
        yield it


class Site:
    """Brokers on a stage, and who works and asks there. A held worker is not done with anything until the end."""

    def __init__(self, stage: Stage, **other: str) -> None:
        self.stage, self.other, self.services = stage, other, list[Service]()

    def place(self, who: str, socket: str) -> str:
        return self.other.get(f"{who}-{socket}") or self.stage.endpoint(f"{who}-{socket}")

    def broker(self, me: str, *peers: str, **how: Any) -> None:
        role = partial(broker, place=self.place, core=partial(Cluster, **AGES | how))
        self.stage.play(role, me, *peers, name=me)

    def process(self, me: str, *peers: str, name: str = "", **how: Any) -> Any:
        prefix = self.stage.endpoint("x")[:-1]
        return self.stage.spawn(a_broker, prefix, me, *peers, name=name or me, **AGES | how)

    def worker(self, at: str, held: bool = False) -> Service:
        service = Service()
        self.services.append(service)
        if held:
            service.go.clear()
        self.stage.play(load_balancing.worker, self.place(at, "localbe"), service, name=f"worker {len(self.services)}")
        return service

    def ask(self, at: str, task: str, **how: Any) -> Any:
        return self.stage.play(partial(client, endpoint=self.place(at, "localfe"), timeout=WAIT, **how), task)


def a_broker(ctx: zmq.Context[Any], prefix: str, me: str, *peers: str, **how: Any) -> None:
    """A broker as a role for a process."""
    broker(ctx, me, *peers, place=lambda who, socket: f"{prefix}{who}-{socket}", core=partial(Cluster, **how))


@pytest.fixture
def site(stage: Stage) -> Iterator[Site]:
    it = Site(stage)
    yield it
    for service in it.services:
        service.go.set()


@pytest.mark.parametrize("context", [zmq.Context, lambda: trace.Context(Recording())], ids=["plain", "traced"])
def test_three_brokers_share_what_comes_to_one(context: Callable[[], Any]) -> None:
    with Stage(context()) as stage:
        site = Site(stage)
        for me in "ABC":
            site.broker(me, *sorted({*"ABC"} - {me}), **NEVER_GONE)
        workers = [site.worker(at) for at in "BC"]
        words = [f"word {n}" for n in range(20)]
        asked = [site.ask("A", word, once=n % 2 == 0) for n, word in enumerate(words)]
        assert [each.result(WAIT) for each in asked] == [[f"DONE {word.upper()}"] for word in words]
        assert sorted(workers[0].seen + workers[1].seen) == sorted(word.encode() for word in words)


@signals
def test_tasks_of_a_broker_that_is_killed_are_carried_out_elsewhere(site: Site) -> None:
    process = [site.process(me, *sorted({*"ABC"} - {me})) for me in "ABC"][1]
    first, second = site.worker("B", held=True), site.worker("B", held=True)
    again = site.ask("A", "tea")
    once = site.ask("A", "rum", once=True)
    assert {first.got.get(timeout=WAIT), second.got.get(timeout=WAIT)} == {b"tea", b"rum"}
    process.kill()
    assert once.result(WAIT) == ["LOST"]
    third = site.worker("C")
    assert again.result(WAIT) == ["DONE TEA"]
    assert third.seen == [b"tea"], "and what may be done once alone was not done twice"


@signals
def test_a_frozen_broker_carries_out_once_more_what_was_taken_from_it(site: Site) -> None:
    site.broker("A", "B")
    process = site.process("B", "A")
    late = site.worker("B", held=True)
    asked = site.ask("A", "tea")
    assert late.got.get(timeout=WAIT) == b"tea"
    process.freeze()
    quick = site.worker("A", held=True)
    assert quick.got.get(timeout=WAIT) == b"tea"
    process.thaw()
    late.go.set()
    assert asked.result(WAIT) == ["DONE TEA"], "whichever of the two comes first"


def test_a_task_behind_a_cut_is_carried_out_on_both_sides_of_it(site: Site) -> None:
    with Wire(site.place("B", "statebe")) as states, Wire(site.place("B", "cloudfe")) as tasks:
        site.broker("B", "A")
        site.other |= {"B-statebe": states.endpoint, "B-cloudfe": tasks.endpoint}  # for A
        site.broker("A", "B")
        there = site.worker("B", held=True)
        asked = site.ask("A", "tea")
        assert there.got.get(timeout=WAIT) == b"tea"
        states.cut()
        tasks.cut()
        here = site.worker("A")
        assert asked.result(WAIT) == ["DONE TEA"]
        assert (here.seen, there.seen) == ([b"tea"], [b"tea"])


def test_who_is_not_free_any_more_gives_the_task_back() -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage, Wire(stage.endpoint("B-statebe"), recording=recording) as wire:
        site = Site(stage)
        site.broker("B", "A", **SLOW)
        busy = site.worker("B", held=True)
        recording.wait("receive", "B", socket="ROUTER 2", timeout=WAIT)  # READY: from now on one is free
        site.other = {"B-statebe": wire.endpoint}  # for A
        site.broker("A", "B", **SLOW)
        recording.wait("receive", "A", socket="SUB", timeout=WAIT)
        wire.freeze()
        rum = site.ask("B", "rum")
        assert busy.got.get(timeout=WAIT) == b"rum"
        tea = site.ask("A", "tea")
        recording.wait("receive", "A", socket="ROUTER 4", count=2, timeout=WAIT)  # B's probe, and BUSY
        free = site.worker("A")
        assert tea.result(WAIT) == ["DONE TEA"]
        assert free.seen == [b"tea"]
        busy.go.set()
        assert rum.result(WAIT) == ["DONE RUM"]


@signals
def test_a_task_of_a_broker_that_was_started_again_is_sent_again(site: Site) -> None:
    site.broker("A", "B", **NEVER_GONE)
    process = site.process("B", "A", **NEVER_GONE)
    first = site.worker("B", held=True)
    asked = site.ask("A", "tea")
    assert first.got.get(timeout=WAIT) == b"tea"
    process.kill()
    site.process("B", "A", name="B again", **NEVER_GONE)
    second = site.worker("B")
    assert asked.result(WAIT) == ["DONE TEA"]
    assert second.seen == [b"tea"]


def test_a_client_that_hears_nothing_is_told_by_its_timeout(stage: Stage) -> None:
    nowhere = stage.endpoint("nowhere")
    with pytest.raises(TimeoutError, match=r"nowhere said nothing for 0\.05 s after task 1 of 2"):
        stage.play(client, "tea", "rum", endpoint=nowhere, timeout=0.05).result(WAIT)


def test_what_strangers_say_harms_nobody(site: Site) -> None:
    site.broker("A", "B")
    result = [b"", b"1", b"", b"DONE"]  # where workers are, who returns one is a worker, and would have the next task
    for name, more in ("localfe", [result]), ("cloudfe", [result]), ("localbe", [[b"READY"], [b"", b"READY", b"1"]]):
        stranger = site.stage.socket(zmq.DEALER, routing_id=b"B")
        stranger.connect(site.place("A", name))
        for frames in [b""], [b"x" * 2**20], [b"", b"AGAIN"], *more:
            stranger.send_multipart(frames)
    site.worker("A")
    assert site.ask("A", "tea").result(WAIT) == ["DONE TEA"]


@curve
def test_under_curve_a_task_goes_to_another_broker_and_strangers_nowhere() -> None:
    with with_one_key(Recording()) as (home, street):
        for me, peer in "AB", "BA":
            home.play(partial(broker, place=lambda who, socket: home.endpoint(at(who, socket))), me, peer, name=me)
        home.play(load_balancing.worker, home.endpoint(at("B", "localbe")))
        front = home.endpoint(at("A", "localfe"))
        with turned_away(street, zmq.DEALER, front, [b"", b"AGAIN", b"rum"]):
            assert home.play(client, "tea", endpoint=front).result(WAIT) == ["DONE TEA"]


def free_ports() -> int:
    """A port from which on those of A and B are free, below those that the system gives to whoever asks for any."""
    for first in range(20000 + os.getpid() % 500 * 20, 32000, 20):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + 20):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    pytest.fail("no ports are free")


@signals
def test_from_the_shell() -> None:
    base = free_ports()
    front, back = address("A", "localfe", base), address("B", "localbe", base)
    with (
        shell("cluster", "broker", "A", "B", "--port", str(base)) as one,
        shell("cluster", "broker", "B", "A", "--port", str(base)) as two,
        shell("load_balancing", "worker", "--backend", back) as three,
        shell("cluster", "client", "tea", "--once", "--endpoint", front) as four,
    ):
        assert ended(four) == (0, "DONE TEA\n", "")
        for name, process in ("A", one), ("B", two):
            bound = [address(name, each, base) for each in ("localfe", "localbe", "cloudfe", "statebe")]
            assert bound_to(process, 4) == bound
        ends_on_ctrl_c(one, two, three)
