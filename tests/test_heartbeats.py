# SPDX-License-Identifier: BSD-3-Clause
"""Heartbeats: both cores as tables of cases, hundreds of bad hours in the simulation, real sockets, real SIGSTOP.

Times in the first part are numbers; nothing there waits. On sockets a beat is short and the silences are long, so that
a busy machine raises no false alarm. `hostile(seed)` is one bad hour; `make soak` lives through ten thousand of them.
"""

import contextlib
import itertools
import logging
import os
import queue
import random
import signal
import threading
import time
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
    ends_on_ctrl_c,
    guarantees_hold,
    shell,
    signals,
    transports,
    turned_away,
    under_curve,
)

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import heartbeats
from patterns.heartbeats import (
    GUARANTEES,
    HEARTBEAT,
    NEWS,
    TABLE,
    Event,
    Peer,
    State,
    Watcher,
    log,
    peer,
    watcher,
)
from patterns.shell import AT_ONCE, NEVER, WORK, Open, Result, Send, Work
from patterns.simulation import Network
from patterns.stage import Stage

SEEDS = 300  # bad hours in this file
ALIVE, SUSPECTED, GONE = State

# -- the table ----------------------------------------------------------------------------------------------------


def test_the_table_is_total() -> None:
    assert set(TABLE) == set(itertools.product(State, Event))


@pytest.mark.parametrize("state", State)
def test_a_word_makes_anybody_alive(state: State) -> None:
    assert TABLE[state, Event.HEARD] is ALIVE


@pytest.mark.parametrize("state", State)
def test_the_last_silent_interval_makes_anybody_gone(state: State) -> None:
    assert TABLE[state, Event.OVER] is GONE


def test_only_a_word_brings_anybody_back() -> None:
    order = [ALIVE, SUSPECTED, GONE]
    for (state, event), after in TABLE.items():
        assert event is Event.HEARD or order.index(after) >= order.index(state)


# -- the watcher, without sockets and without waiting -------------------------------------------------------------

Report = tuple[float, str, Any]


def word(message: str) -> tuple[float, list[bytes]]:
    """`0.5 kitchen` is a heartbeat at 0.5 s, `0.5 kitchen smoke` news."""
    when, name, *news = message.encode().split()
    return float(when), [name, NEWS, *news] if news else [name, HEARTBEAT]


def reports(core: Watcher, *words: str, until: float = 60.0, late: float = 0.0) -> list[Report]:
    """What a watcher has to report, and when, if it hears this and is ticked when it wants to be, or so much later."""
    told: list[Report] = []
    now = 0.0

    def note(effects: Iterator[Any]) -> None:
        told.extend((now, *effect.value) for effect in effects if isinstance(effect, Result))

    for when, frames in [*map(word, words), (until, [])]:
        while core.deadline + late <= when:
            now = max(now, core.deadline + late)
            note(core.tick(now))
            assert core.deadline > now, "a shell would spin"
        now = when
        if frames:
            note(core.receive("peers", frames, now))
    return told


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([], [], id="of nobody there is nothing to report"),
        pytest.param(
            ["0.5 kitchen"],
            [(0.5, "kitchen", ALIVE), (1.5, "kitchen", SUSPECTED), (3.5, "kitchen", GONE)],
            id="who comes and says no more is suspected, then gone, and that once",
        ),
        pytest.param(
            ["0 kitchen", "0.75 kitchen", "1.5 kitchen"],
            [(0.0, "kitchen", ALIVE), (2.5, "kitchen", SUSPECTED), (4.5, "kitchen", GONE)],
            id="the silence counts from the last word",
        ),
        pytest.param(
            ["0 kitchen", "0.75 kitchen smoke", "1.5 kitchen flames"],
            [
                (0.0, "kitchen", ALIVE),
                (0.75, "kitchen", [b"smoke"]),
                (1.5, "kitchen", [b"flames"]),
                (2.5, "kitchen", SUSPECTED),
                (4.5, "kitchen", GONE),
            ],
            id="news is a sign of life, too",
        ),
        pytest.param(
            ["0 kitchen smoke"],
            [
                (0.0, "kitchen", ALIVE),
                (0.0, "kitchen", [b"smoke"]),
                (1.0, "kitchen", SUSPECTED),
                (3.0, "kitchen", GONE),
            ],
            id="who comes with news is alive first",
        ),
        pytest.param(
            ["0 kitchen", "2.75 kitchen", "5.5 kitchen"],
            [
                (0.0, "kitchen", ALIVE),
                (1.0, "kitchen", SUSPECTED),
                (2.75, "kitchen", ALIVE),
                (3.75, "kitchen", SUSPECTED),
                (5.5, "kitchen", ALIVE),
                (6.5, "kitchen", SUSPECTED),
                (8.5, "kitchen", GONE),
            ],
            id="a word gives back the whole liveness",
        ),
        pytest.param(
            ["0 kitchen", "10 kitchen"],
            [
                (0.0, "kitchen", ALIVE),
                (1.0, "kitchen", SUSPECTED),
                (3.0, "kitchen", GONE),
                (10.0, "kitchen", ALIVE),
                (11.0, "kitchen", SUSPECTED),
                (13.0, "kitchen", GONE),
            ],
            id="who is gone may come back",
        ),
        pytest.param(
            ["0 kitchen", "0.5 cellar", "0.75 kitchen", "1.25 kitchen", "2 kitchen", "2.75 kitchen", "3.5 kitchen"],
            [
                (0.0, "kitchen", ALIVE),
                (0.5, "cellar", ALIVE),
                (1.5, "cellar", SUSPECTED),
                (3.5, "cellar", GONE),
                (4.5, "kitchen", SUSPECTED),
                (6.5, "kitchen", GONE),
            ],
            id="the words of one are no life of another",
        ),
    ],
)
def test_the_watcher(words: list[str], expected: list[Report]) -> None:
    core = Watcher("panel", interval=1.0, liveness=3)
    assert reports(core, *words) == expected
    assert not core.peers, "whoever is gone is forgotten"
    assert core.deadline == NEVER


@pytest.mark.parametrize(("liveness", "gone"), [(1, 2.0), (2, 4.0), (5, 10.0), (2.5, 6.0)])
def test_gone_is_who_was_silent_for_interval_times_liveness(liveness: Any, gone: float) -> None:
    told = reports(Watcher("panel", interval=2.0, liveness=liveness), "0 kitchen")
    assert told[-1] == (gone, "kitchen", GONE)
    assert [what for _, _, what in told] == [ALIVE, *[SUSPECTED] * (liveness > 1), GONE]


def test_a_tick_that_comes_late_counts_once() -> None:
    core = Watcher("panel", interval=1.0, liveness=3)
    reports(core, "0 kitchen", until=0.5)
    [effect] = list(core.tick(100.0))  # the watcher stood still
    assert effect == Result(("kitchen", SUSPECTED))
    assert reports(core, "100.5 kitchen", until=101.0) == [(100.5, "kitchen", ALIVE)]


def test_the_watcher_binds_one_router_that_hands_a_name_over() -> None:
    core = Watcher("panel")
    assert core.deadline == AT_ONCE
    assert list(core.tick(5.0)) == [Open("peers", zmq.ROUTER, "panel", bind=True, options={"router_handover": 1})]
    assert core.deadline == NEVER


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([], id="nothing"),
        pytest.param([b"kitchen"], id="a name alone"),
        pytest.param([b"kitchen", b""], id="an empty frame"),
        pytest.param([b"kitchen", b"HEARTBEAT", b"more"], id="a heartbeat with a frame too many"),
        pytest.param([b"kitchen", b"heartbeat"], id="a heartbeat in small letters"),
        pytest.param([b"kitchen", b"", b"HEARTBEAT"], id="the empty frame of a REQ"),
        pytest.param([b"kitchen", b"smoke"], id="news that does not say so"),
        pytest.param([b"\0abcd", b"HEARTBEAT"], id="a peer without a name"),
        pytest.param([b"", b"HEARTBEAT"], id="a name that is empty"),
        pytest.param([b"kit\nchen", b"HEARTBEAT"], id="a name that cannot be printed"),
        pytest.param([b"kitchen\n", b"HEARTBEAT"], id="a name with a newline behind it"),
        pytest.param([b"\xffkitchen", b"HEARTBEAT"], id="a name that is no text"),
        pytest.param([b"x" * 65, b"HEARTBEAT"], id="a name that is too long"),
    ],
)
def test_what_is_no_word_of_a_named_peer_is_dropped(frames: list[bytes]) -> None:
    core = Watcher("panel", interval=1.0, liveness=3)
    reports(core, "0 kitchen", until=0.5)
    before = dict(core.peers)
    assert list(core.receive("peers", frames, 0.75)) == []
    assert core.peers == before
    assert core.peers["kitchen"].due == 1.0, "and it is no sign of life"


def test_random_messages_harm_nobody() -> None:
    chance, words = random.Random(42), [b"kitchen", HEARTBEAT, NEWS, b"", b"\0abcd"]
    core = Watcher("panel")
    list(core.tick(0.0))
    for _ in range(2000):
        frames = [chance.choice([*words, chance.randbytes(3)]) for _ in range(chance.randrange(5))]
        for effect in core.receive("peers", frames, 0.0):
            name, what = effect.value  # type: ignore[union-attr]
            assert frames[0] == name.encode()
            assert what is ALIVE or frames[1] == NEWS


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
def test_bad_limits_are_named(bad: float) -> None:
    with pytest.raises(ValueError, match="interval: expected a finite number"):
        Watcher("panel", interval=bad)
    with pytest.raises(ValueError, match="liveness: expected a finite number"):
        Watcher("panel", liveness=bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="beat: expected a finite number"):
        Peer("panel", "kitchen", beat=bad)


@pytest.mark.parametrize("name", ["", "küche", "kit\nchen", "x" * 65, "\0abcd"])
def test_a_bad_name_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="name: expected 1 to 64 printable"):
        Peer("panel", name)


# -- the peer -----------------------------------------------------------------------------------------------------

OPTIONS = {"routing_id": b"kitchen", "immediate": 1, "sndhwm": 0, "heartbeat_ivl": 5000, "rcvhwm": 0}
OPENS = Open("watcher", zmq.DEALER, "panel", options=OPTIONS)


def test_a_peer_beats() -> None:
    core = Peer("panel", "kitchen", beat=0.5)
    assert list(core.tick(10.0)) == [OPENS]
    for now in (10.5, 11.0, 11.5):
        assert core.deadline == now
        assert list(core.tick(now)) == [Send("watcher", [HEARTBEAT])]


def test_a_peer_that_has_news_needs_no_heartbeat_beside_it() -> None:
    core = Peer("panel", "kitchen", beat=0.5, works=True)
    assert list(core.tick(0.0)) == [OPENS, Work([])]
    assert list(core.receive(WORK, [b"smoke"], 0.25)) == [Send("watcher", [NEWS, b"smoke"]), Work([])]
    assert core.deadline == 0.75
    assert list(core.tick(0.75)) == [Send("watcher", [HEARTBEAT])]


def test_a_peer_whose_job_takes_long_goes_on_beating() -> None:
    core = Peer("panel", "kitchen", beat=0.5, works=True)
    list(core.tick(0.0))
    assert [list(core.tick(n / 2)) for n in range(1, 100)] == [[Send("watcher", [HEARTBEAT])]] * 99


@pytest.mark.parametrize("frames", [[], [b""], [HEARTBEAT], [NEWS, b"x"]])
def test_a_peer_is_not_moved_by_what_it_is_told(frames: list[bytes]) -> None:
    core = Peer("panel", "kitchen", beat=0.5, works=True)
    list(core.tick(0.0))
    assert list(core.receive("watcher", frames, 0.25)) == []
    assert core.deadline == 0.5


# -- in the simulation --------------------------------------------------------------------------------------------

BEAT, INTERVAL, LIVENESS = 0.5, 1.0, 3
PATIENCE = INTERVAL * LIVENESS
SLACK = 0.2  # seconds in which a connection is made again and a message arrives
NAMES = ("attic", "cellar", "kitchen", "shed")
END = 50.0  # seconds of an hour; from 30 s on all troubles are over


def reported(network: Network, name: str = "kitchen") -> list[State]:
    return [what for who, what in network.results["panel"] if who == name and isinstance(what, State)]


def hour(*troubles: tuple[float, str], seconds: float | None = None, until: float = 20.0) -> Network:
    """A watcher and one peer, whose jobs take so many seconds, and what befalls them: (when, "crash kitchen")."""
    network, works = Network(42), seconds is not None
    network.play("panel", lambda: Watcher("panel", INTERVAL, LIVENESS))
    network.play("kitchen", lambda: Peer("panel", "kitchen", BEAT, works), (lambda job: [b"smoke"]), seconds or 0.01)
    for when, trouble in troubles:
        what, *whom = trouble.split()
        network.at(when, partial(getattr(network, what), *whom))
    network.run(until)
    return network


def test_in_fair_weather_a_peer_is_alive_once_and_for_all() -> None:
    assert reported(hour()) == [ALIVE]


def test_a_job_longer_than_the_liveness_is_no_false_alarm() -> None:
    network = hour(seconds=3 * PATIENCE)
    assert reported(network) == [ALIVE]
    assert [what for _, what in network.results["panel"]].count([b"smoke"]) == 2


def test_a_restart_quicker_than_an_interval_leaves_no_trace() -> None:
    assert reported(hour((5.1, "crash kitchen"), (5.2, "restart kitchen"))) == [ALIVE]


def test_a_watcher_that_stood_still_takes_nobody_for_gone() -> None:
    assert reported(hour((5.0, "freeze panel"), (15.0, "thaw panel"))) == [ALIVE]


def test_a_watcher_that_was_restarted_knows_everybody_again() -> None:
    assert reported(hour((5.0, "restart panel"))) == [ALIVE, ALIVE]


def test_heartbeats_do_not_pile_up_behind_a_cut() -> None:
    recording = Recording()
    network = Network(42, write=recording.write)
    network.play("panel", lambda: Watcher("panel", INTERVAL, LIVENESS))
    network.play("kitchen", lambda: Peer("panel", "kitchen", BEAT))
    network.at(5.0, lambda: network.cut("kitchen", "panel"))
    network.at(15.0, lambda: network.heal("kitchen", "panel"))
    network.run(20.0)
    heard = [e.at for e in recording if (e.actor, e.kind) == ("panel", "receive")]
    assert all(b - a > BEAT / 2 for a, b in itertools.pairwise(heard))
    assert max(b - a for a, b in itertools.pairwise(heard)) > 10.0
    assert recording.count("refused", "kitchen") in range(18, 22)


class Hour:
    """A watcher, four peers with or without work, and troubles by chance; what is undisturbed must be known as such."""

    def __init__(self, seed: int, recipe: Any = heartbeats, write: Callable[..., object] = lambda *event: None) -> None:
        chance, self.write, self.wrong, self.done = random.Random(seed), write, list[str](), 0
        self.since = dict.fromkeys(["panel", *NAMES], 0.0)  # since when nothing has befallen it
        self.network = network = Network(seed, write=self.note)
        network.play("panel", lambda: recipe.Watcher("panel", INTERVAL, LIVENESS))
        for name in NAMES:
            works, seconds = chance.random() < 0.5, chance.choice([0.3, 0.7, 2 * PATIENCE])
            make = partial(recipe.Peer, "panel", name, chance.uniform(BEAT / 2, BEAT), works)
            network.play(name, make, self.work, seconds)
        network.trouble(["panel", *NAMES], until=30.0, every=chance.choice([1.0, 3.0, 8.0]))

    def note(self, actor: str, kind: str, *rest: Any) -> None:
        self.write(actor, kind, *rest)
        if kind in ("open", "killed", "frozen", "thawed"):
            self.since[actor] = self.network.now
        elif kind in ("cut", "healed"):
            self.since |= {name: self.network.now for name in NAMES if name in rest[-2]}

    def work(self, job: list[bytes]) -> list[bytes]:
        self.done += 1
        return [b"%d" % self.done]

    def live(self) -> list[str]:
        for step in range(int(END * 4)):
            self.network.run(step / 4)
            for name in NAMES if self.well("panel") else ():
                self.look(name)
        self.wrong += [f"at the end {name} is {self.state(name)}" for name in NAMES if self.state(name) != ALIVE]
        self.judge()
        return self.wrong

    def well(self, name: str) -> bool:
        """It is up, goes on, and can reach the watcher."""
        node = self.network.nodes[name]
        return node.up and not node.frozen and frozenset((name, "panel")) not in self.network.cuts

    def state(self, name: str) -> State:
        return State(self.core.peers[name].state) if name in self.core.peers else GONE

    @property
    def core(self) -> Any:
        return self.network.nodes["panel"].core

    def look(self, name: str) -> None:
        """Compare what the watcher believes with how things are, where they have been so for long enough."""
        well, state = self.well(name), self.state(name)
        calm = self.network.now - max(self.since["panel"], self.since[name])
        if calm > (BEAT if well else PATIENCE) + SLACK and state != (ALIVE if well else GONE):
            self.wrong.append(f"{self.network.now:g} s: {name} has been {well=} for {calm:g} s and is {state}")
        if state == GONE and name in self.core.peers:
            self.wrong.append(f"{self.network.now:g} s: {name} is gone and not forgotten")

    def judge(self) -> None:
        """Each report says something new, and nobody is gone who was not suspected; no news comes twice."""
        last: dict[str, State] = {}
        news: list[bytes] = []
        for name, what in self.network.results["panel"]:
            if isinstance(what, list):
                news += what
                continue
            before, last[name] = last.get(name, GONE), State(what)
            if what == before != ALIVE:  # a watcher that was restarted says alive once more
                self.wrong.append(f"{name} was reported {what} twice")
            if (before, what) == (ALIVE, GONE):
                self.wrong.append(f"{name} was reported gone out of nothing")
        if len(news) != len(set(news)):
            self.wrong.append("some news came twice")


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


@pytest.mark.parametrize("first", range(0, SEEDS, 100))
def test_who_is_well_is_known_as_alive_and_who_is_not_as_gone(first: int) -> None:
    for seed in range(first, first + 100):
        wrong = hostile(seed)
        assert not wrong, f"seed {seed}: {wrong[:3]}"


FILLS = "peer.left, peer.due = self.liveness, now"
TELLS = "yield Result((name.decode(), frames[2:]))"
NEXT = "self.deadline = self.deadline == AT_ONCE, now + self.beat"
MUTANTS = {
    "never counts down": ("peer.left - 1, now + self.interval", "peer.left, now + self.interval"),
    "counts down for one peer only": ("list(self.peers.items())", "list(self.peers.items())[:1]"),
    "takes only heartbeats for life": (FILLS, f"if frames[1] != NEWS: {FILLS}"),
    "sleeps too long": ("= min((peer.due for", "= max((peer.due for"),
    "does not give back the whole liveness": (FILLS, "peer.left, peer.due = max(peer.left, 1), now"),
    "does not forget": ("            del self.peers[name]\n", "            pass\n"),
    "never says a second heartbeat": (NEXT, NEXT.replace("beat", "beat * (1 if self.deadline == AT_ONCE else 1e9)")),
    "beats too seldom": (NEXT, NEXT.replace("beat", "beat * 3")),
    "reports at every word": ("if peer.state is not before:", "if True:"),
    "tells all news twice": (TELLS, f"{TELLS}; {TELLS}"),
}


@pytest.mark.parametrize("mutant", [pytest.param(m, id=f"a recipe that {name}") for name, m in MUTANTS.items()])
def test_bad_hours_tell(mutant: tuple[str, str]) -> None:
    recipe = broken(heartbeats, *mutant)
    assert any(trouble(seed, recipe) for seed in range(50))


def trouble(seed: int, recipe: Any) -> bool:
    try:
        return bool(Hour(seed, recipe).live())
    except (KeyError, RuntimeError):  # it would spin
        return True


# -- over sockets -------------------------------------------------------------------------------------------------

QUICK = 0.05  # seconds from one heartbeat to the next here
CALM = 0.25  # seconds of an interval here: four of them without a word are hardly an accident of a busy machine
LIVES = 4


class Desk:
    """Where a watcher's reports arrive."""

    def __init__(self, stage: Stage, endpoint: str = "", interval: float = CALM) -> None:
        self.endpoint = endpoint or stage.endpoint("watcher")
        self.told: queue.Queue[tuple[str, Any]] = queue.Queue()
        stage.play(watcher, self.endpoint, interval, LIVES, lambda *report: self.told.put(report), name="watcher")

    def until(self, name: str, what: Any) -> None:
        """Wait for this report. Others may come before it."""
        deadline = time.monotonic() + WAIT
        while self.told.get(timeout=max(0.0, deadline - time.monotonic())) != (name, what):
            pass


def test_a_peer_comes_and_its_news_arrives(stage: Stage) -> None:
    desk, told, over = Desk(stage), queue.Queue[list[bytes]](), threading.Event()

    def job(nothing: list[bytes]) -> list[bytes]:
        while not over.is_set():
            with contextlib.suppress(queue.Empty):
                return told.get(timeout=0.05)
        return []

    stage.play(peer, "kitchen", desk.endpoint, QUICK, job, name="kitchen")
    desk.until("kitchen", ALIVE)
    for news in [b"smoke"], [b"flames", b"two frames"], []:
        told.put(news)
        desk.until("kitchen", news)
    over.set()


@signals
def test_a_dead_peer_is_reported_gone(stage: Stage) -> None:
    desk = Desk(stage)
    process = stage.spawn(peer, "kitchen", desk.endpoint, QUICK, name="kitchen")
    desk.until("kitchen", ALIVE)
    process.kill()
    desk.until("kitchen", GONE)


@signals
def test_a_frozen_peer_is_reported_gone_and_comes_back(stage: Stage) -> None:
    desk = Desk(stage)
    process = stage.spawn(peer, "kitchen", desk.endpoint, QUICK, name="kitchen")
    desk.until("kitchen", ALIVE)
    process.freeze()
    desk.until("kitchen", GONE)
    process.thaw()
    desk.until("kitchen", ALIVE)


def test_a_peer_behind_a_cut_is_reported_gone_and_comes_back(stage: Stage) -> None:
    desk = Desk(stage)
    with Wire(desk.endpoint) as wire:
        stage.play(peer, "kitchen", wire.endpoint, QUICK, name="kitchen")
        desk.until("kitchen", ALIVE)
        wire.cut()
        desk.until("kitchen", GONE)
        wire.heal()
        desk.until("kitchen", ALIVE)


def test_a_peer_at_work_is_not_suspected(stage: Stage) -> None:
    desk, begun, end = Desk(stage, interval=2 * CALM), threading.Event(), threading.Event()

    def job(nothing: list[bytes]) -> list[bytes]:
        begun.set()
        assert end.wait(WAIT)
        return [b"done"]

    stage.play(peer, "kitchen", desk.endpoint, QUICK, job, name="kitchen")
    desk.until("kitchen", ALIVE)
    assert begun.wait(WAIT)
    until = time.monotonic() + 1.2 * 2 * CALM * LIVES  # the job is longer than the liveness
    while (left := until - time.monotonic()) > 0:
        with contextlib.suppress(queue.Empty):
            assert desk.told.get(timeout=left)[1] is not GONE
    end.set()
    desk.until("kitchen", [b"done"])


def test_heartbeats_to_nobody_are_lost_and_do_not_pile_up() -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage:
        stage.play(peer, "kitchen", stage.endpoint("watcher"), QUICK, name="kitchen")
        recording.wait("refused", "kitchen", count=20, timeout=WAIT)
        assert recording.count("sent", "kitchen") == 0
        router = stage.socket(zmq.ROUTER, rcvtimeo=MS)
        router.bind(stage.endpoint("watcher"))
        assert router.recv_multipart() == [b"kitchen", HEARTBEAT]
        assert recording.count("sent", "kitchen") <= 2


def test_a_name_is_handed_over_to_a_new_connection_while_the_old_one_stands(stage: Stage) -> None:
    desk = Desk(stage)
    frozen = stage.socket(zmq.DEALER, routing_id=b"kitchen")
    frozen.connect(desk.endpoint)
    frozen.send(HEARTBEAT)
    desk.until("kitchen", ALIVE)
    stage.play(peer, "kitchen", desk.endpoint, QUICK, lambda job: [b"new"], name="kitchen")
    desk.until("kitchen", [b"new"])


def test_what_an_old_connection_had_said_is_lost_when_a_new_one_takes_its_name() -> None:
    """Of a watcher that has not read yet: a ROUTER hands the name over and forgets the old connection's messages."""
    with Stage() as stage:
        router = stage.socket(zmq.ROUTER, router_handover=1, rcvtimeo=MS)
        router.bind("inproc://watcher")
        old, new = (stage.socket(zmq.DEALER, routing_id=b"kitchen") for _ in range(2))
        old.connect("inproc://watcher")
        for number in range(300):
            old.send_multipart([NEWS, b"%d" % number])
        assert router.poll(MS)  # it has seen the first connection
        new.connect("inproc://watcher")
        new.send_multipart([NEWS, b"last"])
        heard = list(iter(router.recv_multipart, [b"kitchen", NEWS, b"last"]))
        assert len(heard) < 300


def test_news_waits_for_a_watcher_that_does_not_read_yet(gate: threading.Event) -> None:
    numbers, sent = iter(range(4000)), threading.Event()

    def job(nothing: list[bytes]) -> list[bytes]:
        if (number := next(numbers, None)) is None:  # what the others gave has been sent
            sent.set()
            gate.wait(WAIT)
        return [b"%d" % (number or 0)]

    with Stage() as stage:
        router = stage.socket(zmq.ROUTER, rcvtimeo=MS)
        router.bind("inproc://watcher")
        stage.play(peer, "kitchen", "inproc://watcher", WAIT, job)
        assert sent.wait(WAIT)
        assert [int(router.recv_multipart()[2]) for _ in range(4000)] == list(range(4000))
        gate.set()


def test_what_is_malformed_is_dropped_and_harms_nobody(stage: Stage) -> None:
    desk = Desk(stage)
    stranger = stage.socket(zmq.DEALER, routing_id=b"stranger")
    stranger.connect(desk.endpoint)
    nameless = stage.socket(zmq.REQ)
    nameless.connect(desk.endpoint)
    nameless.send(HEARTBEAT)
    for frames in [b""], [b"HEARTBEAT", b""], [b"x" * 2**20], [b"", NEWS]:
        stranger.send_multipart(frames)
    stranger.send_multipart([NEWS, b"last"])
    assert desk.told.get(timeout=WAIT) == ("stranger", ALIVE)
    assert desk.told.get(timeout=WAIT) == ("stranger", [b"last"])


@signals
@pytest.mark.parametrize(("how", "noticed"), [("frozen", True), ("hangs", False)])
def test_zmtp_heartbeats_notice_a_frozen_process_and_not_a_thread_that_hangs(how: str, noticed: bool) -> None:
    with Stage() as stage:
        router = stage.socket(zmq.ROUTER, heartbeat_ivl=100, heartbeat_timeout=1000, rcvtimeo=MS)
        with router.get_monitor_socket(zmq.EVENT_DISCONNECTED) as monitor:
            router.bind(stage.endpoint("watcher"))
            process = stage.spawn(hangs, stage.endpoint("watcher"))
            assert router.recv_multipart()[1:] == [HEARTBEAT]
            if how == "frozen":
                process.freeze()
            assert bool(monitor.poll(WAIT * 1000 if noticed else 2500)) is noticed
            router.disable_monitor()
        process.force()


def hangs(ctx: Any, endpoint: str) -> None:
    """Say one word and hang; the I/O thread lives on."""
    with ctx.socket(zmq.DEALER) as socket:
        socket.connect(endpoint)
        socket.send(HEARTBEAT)
        threading.Event().wait()


@curve
@transports
def test_under_curve_only_who_has_the_keys_is_heard(transport: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        desk = Desk(home, "tcp://127.0.0.1:*" if transport == "tcp" else "")
        [endpoint] = bound_at(recording, "watcher")
        with turned_away(street, zmq.DEALER, endpoint, [HEARTBEAT]):
            abroad.play(peer, "kitchen", endpoint, QUICK, name="kitchen")
            assert desk.told.get(timeout=WAIT) == ("kitchen", ALIVE)


def test_a_report_is_logged_unless_it_is_wanted_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        log("kitchen", GONE)
        log("kitchen", [b"smoke"])
    assert caplog.messages == ["kitchen: gone", "kitchen: [b'smoke']"]


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_a_peer_comes_is_frozen_and_comes_back_and_ctrl_c_ends_both() -> None:
    with shell("heartbeats", "watcher", "--endpoint=tcp://127.0.0.1:0", "--interval=0.5") as watching:

        def until(wanted: str) -> str:
            assert watching.stderr
            while not (line := watching.stderr.readline().strip()).startswith(wanted):
                assert line, "it has ended"
            return line

        [endpoint] = bound_to(watching)
        with shell("heartbeats", "peer", "kitchen", "--endpoint", endpoint, "--beat=0.05") as beating:
            until("kitchen: alive")
            os.kill(beating.pid, signal.SIGSTOP)
            until("kitchen: gone")
            os.kill(beating.pid, signal.SIGCONT)
            until("kitchen: alive")
            ends_on_ctrl_c(beating)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(2) == 0
