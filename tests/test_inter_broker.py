# SPDX-License-Identifier: BSD-3-Clause
"""Inter-broker state: the core as tables of cases, bad hours in the simulation, real sockets, real SIGKILL and SIGSTOP.

Times in the first part are numbers; nothing there waits. On sockets the beats are short and the ages long, so that a
busy machine makes nobody stale. `hostile(seed)` is one bad hour; `make soak` lives through ten thousand of them.
"""

import contextlib
import itertools
import queue
import random
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import pytest
import zmq
from cores import broken
from sockets import (
    MS,
    WAIT,
    bound_to,
    curve,
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
from patterns import inter_broker
from patterns.inter_broker import GUARANTEES, SOCKETS, TABLE, Belief, Event, StateFlow, address, broker, wiring
from patterns.shell import AT_ONCE, Open, Result, Send, Subscribe
from patterns.simulation import Network
from patterns.stage import Stage

SEEDS = 100  # bad hours in this file
FRESH, STALE, GONE = Belief


def test_the_guarantees_name_tests_that_exist() -> None:
    guarantees_hold(GUARANTEES, globals())


# -- names --------------------------------------------------------------------------------------------------------


def at(broker: str, socket: str) -> str:
    return f"{broker}-{socket}"


def test_no_two_sockets_of_all_brokers_have_one_address() -> None:
    brokers = [chr(ord("A") + n) for n in range(26)]
    assert len({address(b, s) for b in brokers for s in SOCKETS}) == 26 * len(SOCKETS)


@pytest.mark.parametrize("name", ["", "a", "AB", "Ä", "1"])
def test_an_address_is_for_a_letter(name: str) -> None:
    with pytest.raises(ValueError, match="broker: expected a letter"):
        address(name, "statebe")


def test_every_broker_hears_every_other_and_nobody_itself() -> None:
    for me in "ABC":
        peers = tuple(set("ABC") - {me})
        wires = [(w.socket, w.endpoint, w.bind) for w in wiring("state", me, peers, at)]
        heard = [("statefe", f"{peer}-statebe", False) for peer in peers]
        assert wires == [*heard, ("statebe", f"{me}-statebe", True)]


def test_a_name_that_is_connected_leads_to_one_that_is_bound_and_talks_to_it() -> None:
    talk = {(zmq.ROUTER, zmq.ROUTER), (zmq.SUB, zmq.XPUB)}
    for kind, other in SOCKETS.values():
        assert not other or (not SOCKETS[other][1] and (kind, SOCKETS[other][0]) in talk)


def test_all_flows_together_are_six_sockets() -> None:
    assert {wire.socket for wire in wiring("", "A", ("B",), at)} == set(SOCKETS)


# -- the table ----------------------------------------------------------------------------------------------------


def test_the_table_is_total() -> None:
    assert set(TABLE) == set(itertools.product(Belief, Event))


@pytest.mark.parametrize("belief", Belief)
def test_a_word_is_believed_and_a_long_silence_ends_any_belief(belief: Belief) -> None:
    assert TABLE[belief, Event.HEARD] is FRESH
    assert TABLE[belief, Event.OVER] is GONE


def test_only_a_word_makes_anybody_fresh() -> None:
    order = [FRESH, STALE, GONE]
    for (belief, event), after in TABLE.items():
        assert event is Event.HEARD or order.index(after) >= order.index(belief)


# -- the core, without sockets and without waiting ----------------------------------------------------------------

Fact = tuple[float, Any]


def played(core: StateFlow, *words: str, until: float = 60.0) -> list[Fact]:
    """What a core said and reported, and when. `0.5 B 3` is a word of B, `0.5 +` a subscription, `0.5 = 3` an offer."""
    did: list[Fact] = []
    now = 0.0

    def note(effects: Iterable[Any]) -> None:
        for effect in effects:
            if isinstance(effect, Result):
                did.append((now, effect.value))
            elif isinstance(effect, Send):
                assert effect.socket == "statebe"
                did.append((now, b" ".join(effect.frames)))

    for when, *word in [*(w.split() for w in words), (until,)]:
        while core.deadline <= float(when):
            now = max(now, core.deadline)
            note(core.tick(now))
            assert core.deadline > now, "a shell would spin"
        now = float(when)
        match word:
            case ["+"]:
                note(core.receive("statebe", [b"\1"], now))
            case ["=", capacity]:
                note(core.offer(int(capacity), now))
            case [_, _]:
                note(core.receive("statefe", [each.encode() for each in word], now))
    return did


def flow(*peers: str, capacity: int = 3, beat: float = 1.0) -> StateFlow:
    return StateFlow("A", peers or ("B", "C"), capacity, at, beat, stale=2.0, gone=5.0)


def reports(*words: str) -> list[Fact]:
    return [fact for fact in played(flow(), *words) if isinstance(fact[1], tuple)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([], [], id="of whom nothing was heard there is nothing to report"),
        pytest.param(
            ["0.5 B 4"],
            [(0.5, ("B", FRESH, 4)), (2.5, ("B", STALE, 4)), (5.5, ("B", GONE, 0))],
            id="a word ages: fresh, stale, gone, each reported once",
        ),
        pytest.param(
            ["0.5 B 4", "1.5 B 4", "2.5 B 4"],
            [(0.5, ("B", FRESH, 4)), (4.5, ("B", STALE, 4)), (7.5, ("B", GONE, 0))],
            id="the same word again is no news, but it is young",
        ),
        pytest.param(
            ["0.5 B 4", "1.0 B 0"],
            [(0.5, ("B", FRESH, 4)), (1.0, ("B", FRESH, 0)), (3.0, ("B", STALE, 0)), (6.0, ("B", GONE, 0))],
            id="a broker that has nobody free is believed, too",
        ),
        pytest.param(
            ["0.5 B 4", "4.0 B 4"],
            [
                (0.5, ("B", FRESH, 4)),
                (2.5, ("B", STALE, 4)),
                (4.0, ("B", FRESH, 4)),
                (6.0, ("B", STALE, 4)),
                (9.0, ("B", GONE, 0)),
            ],
            id="what is stale is fresh with the next word",
        ),
        pytest.param(
            ["0.5 B 4", "20 B 1"],
            [
                (0.5, ("B", FRESH, 4)),
                (2.5, ("B", STALE, 4)),
                (5.5, ("B", GONE, 0)),
                (20.0, ("B", FRESH, 1)),
                (22.0, ("B", STALE, 1)),
                (25.0, ("B", GONE, 0)),
            ],
            id="who is gone may come back",
        ),
        pytest.param(
            ["0.5 B 4", "1 C 1", "2 C 1"],
            [
                (0.5, ("B", FRESH, 4)),
                (1.0, ("C", FRESH, 1)),
                (2.5, ("B", STALE, 4)),
                (4.0, ("C", STALE, 1)),
                (5.5, ("B", GONE, 0)),
                (7.0, ("C", GONE, 0)),
            ],
            id="the words of one do not make another younger",
        ),
    ],
)
def test_what_is_believed(words: list[str], expected: list[Fact]) -> None:
    assert reports(*words) == expected


def test_only_what_is_fresh_is_counted_on() -> None:
    core = flow()
    free = []
    for until, words in (1.0, ["0.5 B 4", "0.75 C 2"]), (2.6, []), (6.0, []):
        played(core, *words, until=until)
        free.append(core.free())
    assert free == [{"B": 4, "C": 2}, {"C": 2}, {}]


def said(core: StateFlow, *words: str, until: float) -> list[Fact]:
    return [fact for fact in played(core, *words, until=until) if isinstance(fact[1], bytes)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([], [(0.0, b"A 3"), (1.0, b"A 3"), (2.0, b"A 3")], id="every beat"),
        pytest.param(
            ["0.5 +"],
            [(0.0, b"A 3"), (0.5, b"A 3"), (1.5, b"A 3"), (2.5, b"A 3")],
            id="at once to whoever subscribes, and a beat later again",
        ),
        pytest.param(
            ["0.5 = 2", "0.75 = 2", "0.75 = 0"],
            [(0.0, b"A 3"), (0.5, b"A 2"), (0.75, b"A 0"), (1.75, b"A 0"), (2.75, b"A 0")],
            id="at once when it changes, and only then",
        ),
    ],
)
def test_what_is_said(words: list[str], expected: list[Fact]) -> None:
    assert said(flow(), *words, until=2.9) == expected


def test_an_offer_before_the_start_is_said_at_the_start() -> None:
    core = flow()
    assert list(core.offer(7, 0.0)) == []
    assert core.deadline == AT_ONCE
    assert said(core, until=0.5) == [(0.0, b"A 7")]


def test_the_first_tick_opens_the_sockets_of_the_state_flow() -> None:
    *opens, subscribe, send = flow().tick(0.0)
    assert opens == list(wiring("state", "A", ("B", "C"), at))
    assert all(isinstance(each, Open) for each in opens)
    assert (subscribe, send) == (Subscribe("statefe", b""), Send("statebe", [b"A", b"3"]))


def test_a_broker_without_peers_listens_to_nobody() -> None:
    core = StateFlow("A", (), 3, at)
    assert [type(effect) for effect in core.tick(0.0)] == [Open, Send]


def test_a_broker_that_stood_still_says_one_word_and_forgets_who_was_silent() -> None:
    core = flow()
    played(core, "0.5 B 4", until=0.6)
    assert list(core.tick(100.0)) == [Send("statebe", [b"A", b"3"]), Result(("B", GONE, 0))]
    assert core.deadline == 101.0


ODD = [
    pytest.param("statefe", frames, id=f"statefe {frames}")
    for frames in (
        [], [b""], [b"B"], [b"B", b""], [b"B", b"4", b""], [b"B", b"-1"], [b"B", b"+4"], [b"B", b" 4"], [b"B", b"4.0"],
        [b"B", b"1234567"], [b"B", "٣".encode()], [b"b", b"4"], [b"", b"4"], [b"A", b"4"], [b"D", b"4"],
        [b"\xff", b"4"], [b"B\n", b"4"], [b"B", b"4\n"], [b"B", b"", b"4"],
    )
] + [
    pytest.param("statebe", frames, id=f"statebe {frames}")
    for frames in ([], [b""], [b"\0"], [b"\2"], [b"A"], [b"\1", b""], [b"", b"\1"])
]  # fmt: skip


@pytest.mark.parametrize(("socket", "frames"), ODD)
def test_what_is_none_of_ours_is_dropped(socket: str, frames: list[bytes]) -> None:
    core = flow()
    played(core, "0.5 B 2", until=0.6)
    deadline = core.deadline
    assert list(core.receive(socket, frames, 0.75)) == []
    assert (core.free(), core.deadline) == ({"B": 2}, deadline)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"name": ""}, "name: expected"),
        ({"name": "A B"}, "name: expected"),
        ({"peers": ("B", "")}, "name: expected"),
        ({"peers": ("B", "B")}, "peers: expected each once"),
        ({"peers": ("A",)}, "peers: expected each once"),
        ({"capacity": -1}, "capacity: expected a whole number"),
        ({"capacity": 1.5}, "capacity: expected a whole number"),
        ({"capacity": 10**6}, "capacity: expected a whole number"),
        ({"beat": 0}, "expected 0 < beat < stale < gone"),
        ({"stale": 0.1}, "expected 0 < beat < stale < gone"),
        ({"gone": 1.0}, "expected 0 < beat < stale < gone"),
        ({"gone": float("inf")}, "expected 0 < beat < stale < gone"),
        ({"beat": float("nan")}, "expected 0 < beat < stale < gone"),
    ],
)
def test_a_bad_argument_is_named(how: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        StateFlow(**{"name": "A", "peers": ("B",), "place": at} | how)


def test_a_bad_offer_is_named_and_changes_nothing() -> None:
    core = flow()
    with pytest.raises(ValueError, match="capacity: expected a whole number"):
        list(core.offer(-1, 0.0))
    assert core.capacity == 3


# -- in the simulation --------------------------------------------------------------------------------------------

BEAT, OLD, OVER = 0.5, 1.5, 4.0
SLACK = 0.2  # seconds in which a connection is made again and a message arrives
BROKERS = ("A", "B", "C", "D")
END = 27.0  # seconds of an hour; from 20 s on all troubles are over


class Busy:
    """A broker's state flow, as a broker would use it: what it has free changes by chance, several times a second."""

    def __init__(self, recipe: Any, name: str, chance: random.Random, had: list[tuple[float, int]]) -> None:
        peers = tuple(sorted(set(BROKERS) - {name}))
        self.flow = recipe.StateFlow(name, peers, chance.randrange(5), at, BEAT, OLD, OVER)
        self.chance, self.had, self.change, self.deadline = chance, had, AT_ONCE, AT_ONCE

    def tick(self, now: float) -> Iterable[Any]:
        if self.flow.deadline <= now:
            yield from self.flow.tick(now)
        if self.change <= now:
            self.change = now + self.chance.expovariate(2.0) + 0.01
            yield from self.flow.offer(self.chance.randrange(5), now)
            self.had.append((now, self.flow.capacity))
        self.deadline = min(self.change, self.flow.deadline)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterable[Any]:
        yield from self.flow.receive(socket, frames, now)
        self.deadline = min(self.change, self.flow.deadline)


class Hour:
    """Four brokers and troubles by chance. Whoever has been unwell for long is not counted on, who is well is."""

    def __init__(
        self, seed: int, recipe: Any = inter_broker, write: Callable[..., object] = lambda *event: None
    ) -> None:
        chance, self.write, self.wrong = random.Random(seed), write, list[str]()
        self.since = dict.fromkeys(BROKERS, 0.0)  # since when nothing has befallen it
        self.had: dict[str, list[tuple[float, int]]] = {name: [] for name in BROKERS}
        self.network = network = Network(seed, write=self.note)
        for name in BROKERS:
            network.play(name, partial(Busy, recipe, name, chance, self.had[name]))
        network.trouble(BROKERS, until=20.0, every=chance.choice([1.0, 3.0, 8.0]))

    def note(self, actor: str, kind: str, *rest: Any) -> None:
        self.write(actor, kind, *rest)
        if kind in ("open", "killed", "frozen", "thawed"):
            self.since[actor] = self.network.now
        elif kind in ("cut", "healed"):
            self.since |= {name: self.network.now for name in BROKERS if name in rest[-2].split()}

    def live(self) -> list[str]:
        for step in range(int(END * 4)):
            self.network.run(step / 4)
            for me, peer in itertools.permutations(BROKERS, 2):
                if self.up(me):
                    self.look(me, peer)
        return self.wrong

    def up(self, name: str) -> bool:
        return self.network.nodes[name].up and not self.network.nodes[name].frozen

    def flow(self, name: str) -> Any:
        return self.network.nodes[name].core.flow  # type: ignore[attr-defined]

    def look(self, me: str, peer: str) -> None:
        """Compare what is believed with how things are, where they have been so for long enough."""
        well = self.up(peer) and frozenset((me, peer)) not in self.network.cuts
        known, free = self.flow(me).peers[peer], self.flow(me).free().get(peer)
        calm = self.network.now - max(self.since[me], self.since[peer])
        if calm > (BEAT if well else OLD) + SLACK and (free is not None) != well:
            self.wrong.append(f"{self.network.now:g} s: {peer} has been {well=} for {calm:g} s, {me} has {known}")
        if not well and calm > OVER + SLACK and known.belief != "gone":
            self.wrong.append(f"{self.network.now:g} s: {peer} has been away for {calm:g} s, {me} has {known}")
        if well and calm > BEAT + SLACK and free not in self.lately(peer):
            self.wrong.append(f"{self.network.now:g} s: {me} counts on {free} of {peer}, which is out of date")

    def lately(self, name: str) -> set[int]:
        """What this broker has free, and what was true a moment ago: news may be under way."""
        past, recent = list[int](), list[int]()
        for when, capacity in self.had[name]:
            (recent if when > self.network.now - SLACK / 2 else past).append(capacity)
        return {*past[-1:], *recent}


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


@pytest.mark.parametrize("first", range(0, SEEDS, 50))
def test_who_is_well_is_counted_on_and_who_is_not_is_not(first: int) -> None:
    for seed in range(first, first + 50):
        wrong = hostile(seed)
        assert not wrong, f"seed {seed}: {wrong[:3]}"


WIND = "[self.due, *(peer.heard + ages[peer.belief] for peer in known)]"
MUTANTS = {
    "believes for ever": ("(B.FRESH, E.LATE): B.STALE", "(B.FRESH, E.LATE): B.FRESH"),
    "never gives anybody up": ("(B.STALE, E.OVER): B.GONE", "(B.STALE, E.OVER): B.STALE"),
    "counts on what is stale": ("if peer.belief is Belief.FRESH", "if peer.belief is not Belief.GONE"),
    "does not wake for those who grow old": (WIND, "[self.due + 5.0]"),
    "says a change with the next beat": ("yield from self._say(now) if self.due > AT_ONCE else ()", "yield from ()"),
    "says nothing twice": ("if self.due <= now:", "if self.due == AT_ONCE:"),
    "hears one peer alone": ("for owner in peers if other else [me]", "for owner in peers[:1] if other else [me]"),
    "takes the first word for good": ("= peer.capacity, int(capacity),", "= 0, peer.capacity or int(capacity),"),
    "does not make a word young": ("int(capacity), now", "int(capacity), max(peer.heard, 0.0)"),
}  # fmt: skip


@pytest.mark.parametrize("mutant", [pytest.param(m, id=f"a recipe that {name}") for name, m in MUTANTS.items()])
def test_bad_hours_tell(mutant: tuple[str, str]) -> None:
    recipe = broken(inter_broker, *mutant)
    assert any(trouble(seed, recipe) for seed in range(20))


def trouble(seed: int, recipe: Any) -> bool:
    try:
        return bool(Hour(seed, recipe).live())
    except RuntimeError:  # it would spin
        return True


# -- over sockets -------------------------------------------------------------------------------------------------


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as it:
        yield it


QUICK, CALM, LONG = 0.05, 0.7, 1.4  # seconds of a beat, and until a peer is stale, and gone
AGES: dict[str, Any] = {"beat": QUICK, "stale": CALM, "gone": LONG}


class Desk:
    """Where a broker's reports arrive."""

    def __init__(self, stage: Stage, me: str, *peers: str, capacity: int = 0, place: Any = None, **how: Any) -> None:
        self.told: queue.Queue[tuple[str, Any, int]] = queue.Queue()
        role = partial(broker, capacity=capacity, place=place or places(stage), report=self.report, **AGES | how)
        self.actor = stage.play(role, me, *peers, name=me)

    def report(self, *report: Any) -> None:
        self.told.put(report)

    def until(self, *what: Any) -> list[tuple[str, Any, int]]:
        """Wait for this report; it and those that came before it."""
        deadline, came = time.monotonic() + WAIT, [self.told.get(timeout=WAIT)]
        while came[-1] != what:
            came.append(self.told.get(timeout=max(0.0, deadline - time.monotonic())))
        return came


def places(stage: Stage, **other: str) -> Callable[[str, str], str]:
    """Each broker's socket has an address of this stage's own, or the one given: B="tcp://…" is where B is heard."""
    return lambda who, socket: other.get(who) or stage.endpoint(f"{who}-{socket}")


def a_broker(ctx: zmq.Context[Any], me: str, capacity: int, mine: str, beat: float) -> None:
    """A broker without peers, as a role for a process."""
    broker(ctx, me, capacity=capacity, place=lambda who, socket: mine, beat=beat, stale=2 * beat, gone=3 * beat)


def bound(stage: Stage, name: str) -> Any:
    """A peer played by the test."""
    xpub = stage.socket(zmq.XPUB, rcvtimeo=MS, xpub_verbose=1)
    xpub.bind(stage.endpoint(f"{name}-statebe"))
    return xpub


@pytest.mark.parametrize("context", [zmq.Context, lambda: trace.Context(Recording())], ids=["plain", "traced"])
def test_three_brokers_know_each_other(context: Callable[[], Any]) -> None:
    with Stage(context()) as stage:
        desks = {me: Desk(stage, me, *({*"ABC"} - {me}), capacity=ord(me), stale=WAIT, gone=2 * WAIT) for me in "ABC"}
        for me, desk in desks.items():
            came = {desk.told.get(timeout=WAIT) for _ in range(2)}
            assert came == {(peer, FRESH, ord(peer)) for peer in "ABC" if peer != me}


def test_who_subscribes_is_told_at_once_and_waits_for_no_beat(stage: Stage) -> None:
    Desk(stage, "B", capacity=4, beat=WAIT, stale=2 * WAIT, gone=3 * WAIT)
    first = Desk(stage, "A", "B")
    first.until("B", FRESH, 4)
    second = Desk(stage, "C", "B", **AGES)  # somebody has subscribed to the same before
    second.until("B", FRESH, 4)


@signals
def test_a_dead_broker_is_believed_for_a_while_and_no_longer(stage: Stage) -> None:
    desk = Desk(stage, "A", "B")
    process = stage.spawn(a_broker, "B", 4, stage.endpoint("B-statebe"), QUICK, name="B")
    desk.until("B", FRESH, 4)
    process.kill()
    desk.until("B", GONE, 0)


@signals
def test_a_frozen_broker_is_not_counted_on_until_it_thaws(stage: Stage) -> None:
    desk = Desk(stage, "A", "B")
    process = stage.spawn(a_broker, "B", 4, stage.endpoint("B-statebe"), QUICK, name="B")
    desk.until("B", FRESH, 4)
    process.freeze()
    desk.until("B", GONE, 0)
    process.thaw()
    desk.until("B", FRESH, 4)


def test_a_broker_behind_a_cut_is_not_counted_on_until_it_is_healed(stage: Stage) -> None:
    with Wire(stage.endpoint("B-statebe")) as wire:
        Desk(stage, "B", capacity=4)
        desk = Desk(stage, "A", "B", place=places(stage, B=wire.endpoint))
        desk.until("B", FRESH, 4)
        wire.cut()
        desk.until("B", GONE, 0)
        wire.heal()
        desk.until("B", FRESH, 4)


def test_a_word_that_was_long_on_its_way_is_taken_for_new(stage: Stage) -> None:
    with Wire(stage.endpoint("B-statebe")) as wire:
        peer = bound(stage, "B")
        desk = Desk(stage, "A", "B", place=places(stage, B=wire.endpoint))
        peer.recv()
        wire.freeze()
        peer.send_multipart([b"B", b"9"])  # and with that it dies
        assert desk.actor.join(LONG) is False
        wire.heal()
        assert desk.until("B", FRESH, 9) == [("B", FRESH, 9)]


@signals
def test_a_restarted_broker_is_believed_at_its_first_word(stage: Stage) -> None:
    desk = Desk(stage, "A", "B", stale=WAIT, gone=2 * WAIT)
    process = stage.spawn(a_broker, "B", 4, stage.endpoint("B-statebe"), WAIT / 2, name="B")
    desk.until("B", FRESH, 4)
    process.kill()
    stage.spawn(a_broker, "B", 7, stage.endpoint("B-statebe"), WAIT / 2, name="B again")
    assert desk.until("B", FRESH, 7) == [("B", FRESH, 7)], "neither stale nor gone between"


def test_what_strangers_say_harms_nobody(stage: Stage) -> None:
    peer = bound(stage, "B")
    desk = Desk(stage, "A", "B")
    peer.recv()
    stranger = stage.socket(zmq.XSUB, rcvtimeo=MS)
    stranger.connect(stage.endpoint("A-statebe"))
    for frames in [b""], [b"x" * 2**20], [b"\0", b"\1"], [b"\1A"]:
        stranger.send_multipart(frames)
    assert stranger.recv_multipart() == [b"A", b"0"]
    for frames in [b""], [b"B"], [b"B", b"-1"], [b"C", b"4"], [b"A", b"4"], [b"B", b"4", b""], [b"B", b"5"]:
        peer.send_multipart(frames)
    assert desk.told.get(timeout=WAIT) == ("B", FRESH, 5)


@curve
def test_under_curve_only_who_has_keys_is_told() -> None:
    with with_one_key(Recording()) as (home, street):
        Desk(home, "B", capacity=4)
        desk = Desk(home, "A", "B")
        with turned_away(street, zmq.SUB, home.endpoint("B-statebe")):
            desk.until("B", FRESH, 4)


def free_port() -> int:
    """A port from which on the state sockets of A and B are free."""
    with contextlib.ExitStack() as stack:
        while True:
            first = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                stack.enter_context(socket.create_server(("127.0.0.1", first + 10)))
                return int(first) - list(SOCKETS).index("statebe")


@signals
def test_from_the_shell() -> None:
    base = free_port()
    options = ("--port", str(base), "--stale", "30", "--gone", "60")
    with (
        shell("inter_broker", "broker", "A", "B", "--capacity", "3", *options) as one,
        shell("inter_broker", "broker", "B", "A", *options) as two,
    ):
        assert bound_to(one) == [address("A", "statebe", base)]
        assert bound_to(two) == [address("B", "statebe", base)]
        assert two.stderr
        assert two.stderr.readline() == "A: fresh, 3 free\n"
        assert one.stderr
        assert one.stderr.readline() == "B: fresh, 0 free\n"
        ends_on_ctrl_c(one, two)
