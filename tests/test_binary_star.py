# SPDX-License-Identifier: BSD-3-Clause
"""Binary Star: the table, the pair around a core, hundreds of bad hours in the simulation, real processes.

`hostile(seed)` is one bad hour, in which everything happens but a cut between the two servers; `make soak` lives
through ten thousand of them. On sockets nothing rests on which of two servers a busy machine lets be active.
"""

import itertools
import random
from collections.abc import Callable
from functools import partial
from queue import Queue
from typing import Any

import pytest
import zmq
from cores import broken
from sockets import (
    MS,
    WAIT,
    bound_to,
    curve,
    ended,
    free_port,
    guarantees_hold,
    shell,
    signals,
    turned_away,
    with_one_key,
)

from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import binary_star
from patterns.binary_star import GUARANTEES, IN, OUT, SAYS, TABLE, Event, Pair, Server, State, ask, backup, primary
from patterns.shell import AT_ONCE, NEVER, WORK, Close, Open, Result, Send, Subscribe, Work
from patterns.simulation import Network
from patterns.stage import Stage

SEEDS = 100  # bad hours in this file
S, E = State, Event
T = 1.0  # seconds of an interval; a peer is silent after two
CLIENTS = ("Ann", "Bob")
OTHER = {"primary": "backup", "backup": "primary"}


def test_the_guarantees_name_tests_that_exist() -> None:
    guarantees_hold(GUARANTEES, globals())


# -- the table ----------------------------------------------------------------------------------------------------


def test_the_table_is_total() -> None:
    assert set(TABLE) == set(itertools.product(State, Event))


@pytest.mark.parametrize(
    ("state", "events"),
    [
        pytest.param(S.PRIMARY, {E.PEER_BACKUP, E.VOTE}, id="a primary that has begun"),
        pytest.param(S.BACKUP, set(), id="a backup that has begun never becomes active before it was passive"),
        pytest.param(S.ACTIVE, set(Event) - {E.PEER_ACTIVE}, id="an active stays it unless it meets another"),
        pytest.param(S.PASSIVE, {E.PEER_PRIMARY, E.PEER_BACKUP, E.VOTE}, id="a passive whose peer is not active"),
        pytest.param(S.HALTED, set(), id="a halted one never"),
    ],
)
def test_what_makes_active(state: State, events: set[Event]) -> None:
    assert {event for event in Event if TABLE[state, event] is S.ACTIVE} == events


@pytest.mark.parametrize("state", State)
def test_a_request_alone_moves_nobody(state: State) -> None:
    assert TABLE[state, E.REQUEST] is state


@pytest.mark.parametrize("one", SAYS)
@pytest.mark.parametrize("two", SAYS)
def test_two_that_hear_each_other_are_never_both_active_and_still(one: State, two: State) -> None:
    """From any two states, whoever is heard first: at most one becomes active, and two actives do not last."""
    for first in (True, False):
        a, b = one, two
        for turn in range(8):
            if (turn % 2 == 0) == first:
                a = TABLE[a, E[f"PEER_{b.name}"]] if b in SAYS else a
            else:
                b = TABLE[b, E[f"PEER_{a.name}"]] if a in SAYS else b
        assert (a, b) != (S.ACTIVE, S.ACTIVE)
        if (one, two) not in [(s, s) for s in (S.PRIMARY, S.BACKUP, S.PASSIVE)]:
            assert S.ACTIVE in (a, b)


# -- a pair around a core, without sockets and without waiting ----------------------------------------------------


class Inner:
    """A core that gives back what comes, wants a tick when it is told, and notes what it was given."""

    def __init__(self, deadline: float = NEVER) -> None:
        self.deadline, self.seen = deadline, list[Any]()

    def tick(self, now: float) -> list[Any]:
        self.deadline = NEVER
        return [Send("clients", [b"news"]), Send("other", [b"tick"])]

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Any]:
        self.seen.append((socket, frames))
        return [Send("clients", frames), Send("other", frames), Result("seen")]


def began(first: State = S.PRIMARY, core: Any = None, now: float = 0.0, **how: Any) -> Pair:
    pair = Pair(core or Inner(), first, "mine", "peer", **how)
    pair.tick(now)
    return pair


def hears(pair: Pair, state: State | bytes, now: float) -> list[Any]:
    return pair.receive(IN, [SAYS[state] if isinstance(state, State) else state], now)


def beating(pair: Pair, until: float, *, of: State | None = None) -> Pair:
    """Let it tick when it wants to, and hear its peer halfway between."""
    while pair.deadline <= until:
        now = pair.deadline
        pair.tick(now)
        if of and now + T / 2 <= until:
            hears(pair, of, now + T / 2)
    return pair


def test_it_begins_with_its_sockets_and_its_first_word() -> None:
    pair = Pair(Inner(AT_ONCE), S.BACKUP, "mine", "peer")
    beats = {"heartbeat_ivl": 2000, "rcvhwm": 0}
    assert pair.tick(5.0) == [
        Open(OUT, zmq.PUB, "mine", bind=True),
        Open(IN, zmq.SUB, "peer", options=beats),
        Subscribe(IN, b""),
        Send(OUT, [b"2"]),
        Result(S.BACKUP),
        Send("other", [b"tick"]),  # the core's own tick, without what it says to clients
    ]
    assert pair.deadline == 6.0
    assert pair.tick(6.0) == [Send(OUT, [b"2"])]


def test_a_change_is_told_at_once_and_then_in_every_interval() -> None:
    pair = began()
    assert hears(pair, S.BACKUP, 0.5) == [Send(OUT, [b"3"]), Result(S.ACTIVE)]
    assert pair.deadline == 1.5
    assert pair.tick(1.5) == [Send(OUT, [b"3"])]


@pytest.mark.parametrize(
    ("first", "heard", "when", "becomes"),
    [
        pytest.param(S.PRIMARY, [], 0.5, S.PRIMARY, id="a primary at once: its peer may be active"),
        pytest.param(S.PRIMARY, [], 3.9, S.PRIMARY, id="a primary before twice the patience"),
        pytest.param(S.PRIMARY, [], 4.0, S.ACTIVE, id="a primary after twice the patience"),
        pytest.param(S.BACKUP, [], 60.0, S.BACKUP, id="a backup that has never heard its primary"),
        pytest.param(S.BACKUP, [S.ACTIVE], 2.4, S.PASSIVE, id="a passive whose peer was heard just now"),
        pytest.param(S.BACKUP, [S.ACTIVE], 2.5, S.ACTIVE, id="a passive whose peer is silent"),
        pytest.param(S.PRIMARY, [S.PASSIVE], 2.5, S.ACTIVE, id="a primary whose passive peer is silent"),
    ],
)
def test_a_request_is_a_vote_when_the_peer_is_silent(
    first: State, heard: list[State], when: float, becomes: State
) -> None:
    core = Inner()
    pair = began(first, core)
    for state in heard:
        hears(pair, state, 0.5)
    beating(pair, when)
    effects = pair.receive("clients", [b"Ann", b"", b"tea"], when)
    assert pair.state is becomes
    assert bool(core.seen) == (becomes is S.ACTIVE), "and it gets no request unless it is active"
    assert (Send("clients", [b"Ann", b"", b"tea"]) in effects) == (becomes is S.ACTIVE)


def test_silence_alone_makes_nobody_active() -> None:
    pair = began(S.BACKUP)
    hears(pair, S.ACTIVE, 0.5)
    assert beating(pair, 1000.0).state is S.PASSIVE


@pytest.mark.parametrize("state", State)
def test_only_the_active_says_anything_to_clients(state: State) -> None:
    core = Inner()
    pair = began(core=core)
    pair.state = state
    here = state is S.ACTIVE
    for socket in (WORK, "other"):
        effects = pair.receive(socket, [b"x"], 0.1)
        assert (Send("clients", [b"x"]) in effects) == here
        assert Send("other", [b"x"]) in effects
        assert Result("seen") in effects
    core.deadline = 0.2
    assert (Send("clients", [b"news"]) in pair.tick(0.2)) == here


def test_the_core_is_ticked_when_it_wants_to_be() -> None:
    core = Inner()
    pair = began(core=core)
    core.deadline = 0.25
    pair.receive("other", [b"x"], 0.1)
    assert pair.deadline == 0.25
    assert Send("other", [b"tick"]) in pair.tick(0.25)
    assert pair.deadline == 1.0


def test_became_is_told_of_each_state_and_says_nothing_to_clients_unless_active() -> None:
    told = list[tuple[State, float]]()

    def became(state: State, now: float) -> list[Any]:
        told.append((state, now))
        return [Send("clients", [b"hello"]), Send("other", [b"hello"])]

    pair = began(became=became)
    effects = hears(pair, S.ACTIVE, 0.5)
    assert Send("clients", [b"hello"]) not in effects
    assert Send("other", [b"hello"]) in effects
    assert Send("clients", [b"hello"]) in hears(pair, S.PRIMARY, 1.0)
    assert told == [(S.PRIMARY, 0.0), (S.PASSIVE, 0.5), (S.ACTIVE, 1.0)]


ANEW = [Close(IN), Open(IN, zmq.SUB, "peer", options={"heartbeat_ivl": 2000, "rcvhwm": 0}), Subscribe(IN, b"")]


@pytest.mark.parametrize("socket", ["clients", IN, "tick"])
def test_who_has_stood_still_for_an_interval_and_a_half_begins_anew(socket: str) -> None:
    core = Inner()
    pair = began(core=core)
    hears(pair, S.BACKUP, 0.5)
    late = 0.5 + 1.5 * T
    effects = pair.tick(late) if socket == "tick" else pair.receive(socket, [b"2"], late)
    assert effects == [*ANEW, Send(OUT, [b"1"]), Result(S.PRIMARY)]
    beating(pair, late + 3.9)
    pair.receive("clients", [b"Ann", b"", b"tea"], late + 3.9)
    assert not core.seen, "its peer has twice the patience"
    pair.receive("clients", [b"Ann", b"", b"tea"], late + 4.0)
    assert core.seen


def test_a_tick_that_is_a_little_late_changes_nothing() -> None:
    pair = began()
    hears(pair, S.BACKUP, 0.5)
    assert pair.tick(0.5 + 1.49 * T) == [Send(OUT, [b"3"])]


def test_who_is_halted_says_nothing_hears_nothing_and_stays_so() -> None:
    core = Inner()
    pair = began(core=core)
    hears(pair, S.BACKUP, 0.5)
    assert hears(pair, S.ACTIVE, 1.0) == [Result(S.HALTED)]
    assert pair.deadline == NEVER
    for state in SAYS:
        assert hears(pair, state, 500.0) == []
    assert pair.receive("clients", [b"Ann", b"", b"tea"], 1000.0) == []


@pytest.mark.parametrize(
    "frames", [[b""], [b"0"], [b"5"], [b"3", b""], [b"33"], [b" 3"], [b"\xff"], [b"active"]], ids=repr
)
def test_what_is_no_word_of_a_peer_is_dropped_and_is_no_sign_of_life(frames: list[bytes]) -> None:
    pair = began(S.BACKUP)
    hears(pair, S.ACTIVE, 0.5)
    before = pair.expiry
    assert pair.receive(IN, frames, 1.0) == []
    assert pair.expiry == before


@pytest.mark.parametrize("bad", [0, -1, 0.0001, float("nan"), float("inf")])
def test_bad_limits_are_named(bad: float) -> None:
    with pytest.raises(ValueError, match="interval: expected a finite number from"):
        began(interval=bad)
    with pytest.raises(ValueError, match="liveness: expected a finite number from 2 on"):
        began(liveness=bad)


@pytest.mark.parametrize("bad", [S.ACTIVE, S.HALTED, "primary boss", None])
def test_a_first_state_that_is_none_is_named(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"first: expected State.PRIMARY or State.BACKUP"):
        began(bad)


def test_the_server_has_a_job_for_each_request_and_drops_what_is_none() -> None:
    core = Server("front")
    assert core.tick(0.0) == [Open("clients", zmq.ROUTER, "front", bind=True)]
    assert core.receive("clients", [b"Ann", b"", b"tea"], 0.0) == [Work([b"Ann", b"", b"tea"])]
    assert core.receive(WORK, [b"Ann", b"", b"TEA"], 0.0) == [Send("clients", [b"Ann", b"", b"TEA"])]
    for frames in ([b"Ann"], [b"Ann", b"tea"], [b"Ann", b"tea", b""]):
        assert core.receive("clients", frames, 0.0) == []


def test_random_messages_harm_nobody() -> None:
    chance, now = random.Random(47), 0.0
    pair = began(core=Server("front"))
    for _ in range(5000):
        now += chance.choice([0.0, 0.1, 1.0, 2.0])
        frames = [
            chance.choice([b"", b"1", b"2", b"4", b"Ann", chance.randbytes(2)]) for _ in range(chance.randint(1, 4))
        ]
        socket = chance.choice([IN, "clients"])
        assert all(getattr(e, "socket", "") != "clients" for e in pair.receive(socket, frames, now))
        if now >= pair.deadline:
            pair.tick(now)
            assert pair.deadline > now


# -- in the simulation --------------------------------------------------------------------------------------------

TROUBLE, CALM, END = 20.0, 35.0, 65.0  # when troubles are over; the pair has found itself, and the active dies; the end


class Asker:
    """A client that asks without an end, and turns to the other server when it has waited in vain."""

    def __init__(self, timeout: float, pause: float) -> None:
        self.servers, self.timeout, self.pause = ["primary", "backup"], timeout, pause
        self.waits, self.deadline = False, AT_ONCE

    def tick(self, now: float) -> list[Any]:
        if self.waits:
            self.servers.reverse()
        self.waits, self.deadline = True, now + self.timeout
        return [Close("it"), Open("it", zmq.DEALER, self.servers[0]), Send("it", [b"", b"tea"])]

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Any]:
        self.waits, self.deadline = False, now + self.pause
        return [Close("it"), Result((now, frames[1].decode()))]


class Hour:
    """Two servers and two clients, and what befalls them by chance. Never do two answer as active.

    parted  the two servers may be parted as well: then all bets are off
    """

    def __init__(
        self, seed: int, recipe: Any = binary_star, write: Callable[..., object] = lambda *event: None,
        parted: bool = False,
    ) -> None:  # fmt: skip
        self.chance, self.recipe, self.write, self.parted = random.Random(f"star {seed}"), recipe, write, parted
        self.wrong, self.served = list[str](), list[str]()
        self.net = net = Network(f"star {seed}", write=self.note)
        seconds = self.chance.choice([0.01, 0.3, 2.5 * T])
        for name, peer in OTHER.items():
            make = partial(self.pair, name, peer)
            net.play(name, make, lambda job, name=name: [*job[:2], name.encode()], seconds)  # type: ignore[misc]
        for name in CLIENTS:
            timeout, pause = self.chance.choice([0.5, 1.0, 4.0]), self.chance.choice([0.1, 0.3, 3.0])
            net.play(name, partial(Asker, max(timeout, 3 * seconds), pause))

    def pair(self, name: str, peer: str) -> Any:
        first = self.recipe.State(name)
        return self.recipe.Pair(self.recipe.Server(name), first, f"{name} says", f"{peer} says", interval=T)

    def trouble(self) -> None:
        chance, net, when = self.chance, self.net, 0.0
        every = chance.choice([0.5, 1.0, 3.0, 8.0])
        while (when := when + chance.expovariate(1 / every)) < TROUBLE:
            name, client = chance.choice([*OTHER]), chance.choice(CLIENTS)
            begin, end = chance.choice(
                [
                    (partial(net.crash, name), partial(net.restart, name)),
                    (partial(net.freeze, name), partial(net.thaw, name)),
                    (partial(net.cut, name, client), partial(net.heal, name, client)),
                    *[(partial(net.cut, *OTHER), partial(net.heal, *OTHER))] * self.parted,
                ]
            )
            net.at(when, begin)
            net.at(chance.uniform(when, min(TROUBLE, when + 2 * every)), end)

    def note(self, actor: str, kind: str, socket: str = "", *rest: Any) -> None:
        """A reply leaves: who else is in office, and awake?"""
        self.write(actor, kind, socket, *rest)
        if actor in OTHER and (kind, socket) == ("sent", "ROUTER"):
            now, other = self.net.now, self.net.nodes[OTHER[actor]]
            self.served.append(actor)
            core: Any = other.core
            if other.up and not other.frozen and core.state == "active" and now < core.lease:
                self.wrong.append(f"{now:.3f} s: {actor} answers, and {OTHER[actor]} is active")

    def live(self) -> list[str]:
        self.trouble()
        self.net.run(CALM)
        states = {name: str(self.net.nodes[name].core.state) for name in OTHER}  # type: ignore[attr-defined]
        if sorted(states.values()) != ["active", "passive"]:
            self.wrong.append(f"in calm weather the two are {states}")
        if any("halted" in self.net.results[name] for name in OTHER):
            self.wrong.append("somebody is halted")
        for name in [name for name, state in states.items() if state == "active"][:1]:
            self.net.crash(name)
        self.net.run(END)
        self.judge()
        return self.wrong

    def judge(self) -> None:
        """In the end one answers everybody; and who has answered again after the other has come to it anew."""
        for client in CLIENTS:
            if not any(when > CALM + 5 * T for when, _ in self.net.results[client]):
                self.wrong.append(f"in the end nobody answers {client}")
        turns = [name for name, _ in itertools.groupby(self.served)]
        for name in OTHER:
            if turns.count(name) > self.net.results[name].count("active"):
                self.wrong.append(f"{name} has answered again, and was not active anew")


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


def test_never_do_two_answer_as_long_as_the_servers_hear_each_other() -> None:
    for seed in range(SEEDS):
        assert not (wrong := hostile(seed)), f"seed {seed}: {wrong[:3]}"


def test_where_the_servers_may_be_parted_two_may_answer() -> None:
    assert " answers, and " in " ".join(Hour(19, parted=True).live())


def test_where_the_servers_may_be_parted_none_may_answer_in_the_end() -> None:
    assert "nobody answers" in " ".join(Hour(47, parted=True).live())


TELLING = (0, 1, 2, 6, 30, 44, 57)  # hours in which mistakes show
MUTANTS = {
    "takes over while the peer is heard": ("E.VOTE if now >= self.expiry else E.REQUEST", "E.VOTE"),
    "does not know that it has stood still": ("if now < self.lease:", "if now < self.lease or self.lease > 0:"),
    "keeps what its peer said while it stood still": (" else Close(IN)", " else Send(OUT, [b'0'])"),
    "answers before it has heard its peer": ("S.PRIMARY, S.PRIMARY, S.ACTIVE)", "S.PRIMARY, S.ACTIVE, S.ACTIVE)"),
    "has little patience at first": ("self.expiry = now + 2 * self.patience", "self.expiry = now + self.patience / 4"),
    "sends late replies out of office": ("if self.state is S.ACTIVE or not", "if True or not"),
    "never tells its state": ("return [Send(OUT, [SAYS[self.state]])]", "return []"),
    "tells it too seldom": ("lease = now + self.interval", "lease = now + 1.6 * self.interval"),
    "never takes over": ("S.HALTED, S.PASSIVE, S.ACTIVE)", "S.HALTED, S.PASSIVE, S.PASSIVE)"),
    "has a passive that waits for its peer": ("S.PASSIVE: (S.ACTIVE, S.ACTIVE", "S.PASSIVE: (S.PASSIVE, S.ACTIVE"),
}  # fmt: skip


@pytest.mark.parametrize("mutant", [pytest.param(m, id=f"a recipe that {name}") for name, m in MUTANTS.items()])
def test_bad_hours_tell(mutant: tuple[str, str]) -> None:
    recipe = broken(binary_star, *mutant)
    assert any(trouble(seed, recipe) for seed in TELLING)


def trouble(seed: int, recipe: Any) -> bool:
    try:
        return bool(Hour(seed, recipe).live())
    except (KeyError, RuntimeError):  # it would spin, or sends where no socket is open
        return True


def scene(*troubles: tuple[float, str], seconds: float = 0.01, until: float = 20.0) -> Network:
    """Two servers and Ann, and what befalls them: (when, "crash primary")."""
    network = Network(47)
    for name, peer in OTHER.items():
        make = partial(lambda name, peer: Pair(Server(name), State(name), f"{name} says", f"{peer} says"), name, peer)
        network.play(name, make, lambda job, name=name: [*job[:2], name.encode()], seconds)  # type: ignore[misc]
    network.play("Ann", partial(Asker, max(1.0, 2 * seconds), 0.5))
    for when, trouble in troubles:
        what, *whom = trouble.split()
        network.at(when, partial(getattr(network, what), *whom))
    network.run(until)
    return network


def test_a_job_longer_than_the_patience_leaves_the_active_in_office() -> None:
    network = scene(seconds=5.0, until=40.0)
    assert network.results["primary"] == [S.PRIMARY, S.ACTIVE]
    assert network.results["backup"] == [S.BACKUP, S.PASSIVE]
    assert {who for _, who in network.results["Ann"]} == {"primary"}


def test_a_restart_quicker_than_the_patience_gives_the_office_away_without_a_vote() -> None:
    network = scene((5.0, "cut Ann backup"), (6.0, "restart primary"), until=10.0)
    assert network.results["backup"] == [S.BACKUP, S.PASSIVE, S.ACTIVE]
    assert network.results["primary"][-1] is S.PASSIVE


def test_a_cut_between_the_servers_alone_changes_nothing() -> None:
    network = scene((5.0, "cut primary backup"), (15.0, "heal primary backup"))
    assert network.results["primary"] == [S.PRIMARY, S.ACTIVE]
    assert network.results["backup"] == [S.BACKUP, S.PASSIVE]


def test_a_backup_that_is_alone_from_the_beginning_answers_nobody() -> None:
    network = scene((0.0, "crash primary"), until=60.0)
    assert network.results["backup"] == [S.BACKUP]
    assert not network.results["Ann"]


def test_a_halted_server_is_passive_when_it_has_been_started_again() -> None:
    """What an operator does after a split brain: start the one whose state is to be forgotten."""
    parted = [(5.0, "cut primary backup"), (6.0, "cut Ann primary"), (12.0, "heal primary backup")]
    network = scene(*parted, until=15.0)
    states = {name: network.results[name][-1] for name in OTHER}
    assert S.HALTED in states.values()
    for name in OTHER:
        network.restart(name)
    network.run(30.0)
    assert sorted(network.results[name][-1] for name in OTHER) == [S.ACTIVE, S.PASSIVE]


# -- on real processes --------------------------------------------------------------------------------------------

SHORT, LIVES = 0.25, 4  # seconds of an interval here, and so many: who stands still for half a second keeps its office


def serving(ctx: Any, told: str, name: str, *ends: str) -> None:
    """A server that answers with its name and tells what it becomes."""
    with ctx.socket(zmq.PUSH) as tell:
        tell.linger = 0  # what is told at the end, nobody hears
        tell.connect(told)
        role: Any = {"primary": primary, "backup": backup}[name.split()[-1]]
        who = name.encode()
        role(ctx, *ends, SHORT, LIVES, lambda body: who, lambda state: tell.send_multipart([who, state.encode()]))


class Two:
    """Two servers in processes of their own, each behind a wire or not, and what they tell."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.told = stage.socket(zmq.PULL, rcvtimeo=MS)
        self.told.bind(stage.endpoint("told"))
        self.says = {name: stage.endpoint(f"{name}-says") for name in OTHER}  # where the other one hears it
        self.process: dict[str, Any] = {}

    def start(self, name: str, title: str = "") -> None:
        ends = self.stage.endpoint(name), self.stage.endpoint(f"{name}-says"), self.says[OTHER[name]]
        title = title or name
        self.process[name] = self.stage.spawn(serving, self.stage.endpoint("told"), title, *ends, name=title)

    def both(self) -> "Two":
        """Start them, and wait until one is active and the other passive."""
        self.start("primary")
        self.start("backup")
        self.until("backup", S.PASSIVE)
        return self

    def until(self, name: str, state: State) -> None:
        while self.told.recv_multipart() != [name.encode(), state.encode()]:
            pass

    def ask(self, *names: str) -> str:
        """Who answers, of these servers or both."""
        servers = [self.stage.endpoint(name) for name in names or OTHER]
        return ask(self.stage.context, b"who?", servers, timeout=0.5, tries=int(WAIT / 0.5)).decode()


@signals
def test_a_dead_active_is_followed_by_its_peer_when_a_client_asks(stage: Stage) -> None:
    two = Two(stage).both()
    first = two.ask()
    two.process[first].kill()
    assert two.ask() == OTHER[first]


@signals
def test_a_frozen_active_that_thaws_answers_nobody() -> None:
    with Stage() as stage:
        two = Two(stage).both()
        first = two.ask()
        two.process[first].freeze()
        asks = stage.socket(zmq.DEALER)
        asks.connect(stage.endpoint(first))
        asks.send_multipart([b"", b"who?"])  # waits for it in its queue
        assert two.ask() == OTHER[first]
        two.until(OTHER[first], S.ACTIVE)
        two.process[first].thaw()
        two.until(first, State(first))
        two.until(first, S.PASSIVE)
        assert not asks.poll(0)
        assert two.ask() == OTHER[first]


def test_a_primary_that_was_restarted_stands_by() -> None:
    with Stage() as stage:
        two = Two(stage).both()
        two.process["primary"].kill()
        assert two.ask() == "backup"
        two.start("primary", "new primary")
        two.until("new primary", S.PASSIVE)
        assert two.ask() == "backup"


def test_a_cut_between_the_servers_and_a_client_on_either_side_make_two_actives() -> None:
    with Stage() as stage:
        two = Two(stage)
        with Wire(two.says["primary"]) as one, Wire(two.says["backup"]) as other:
            two.says = {"primary": one.endpoint, "backup": other.endpoint}
            two.both()
            one.cut()
            other.cut()
            assert two.ask("primary") == "primary"
            assert two.ask("backup") == "backup"
            assert two.ask("primary") == "primary"
            one.heal()
            other.heal()
            while two.told.recv_multipart()[1] != S.HALTED.encode():
                pass


@curve
def test_under_curve_only_who_has_the_keys_is_answered_and_told() -> None:
    with with_one_key(Recording()) as (home, street):
        front, back, mine, peer = (home.endpoint(name) for name in ("front", "back", "mine", "peer"))
        became = {"primary": Queue[State](), "backup": Queue[State]()}
        home.play(primary, front, mine, peer, 0.05, 100, report=became["primary"].put)
        home.play(backup, back, peer, mine, 0.05, 100, report=became["backup"].put)
        heard = {name: [queue.get(timeout=WAIT) for _ in range(2)] for name, queue in became.items()}
        assert heard == {"primary": [S.PRIMARY, S.ACTIVE], "backup": [S.BACKUP, S.PASSIVE]}
        with turned_away(street, zmq.SUB, mine), turned_away(street, zmq.DEALER, front, [b"", b"tea"]):
            assert ask(home.context, b"hello", [back, front], timeout=0.5, tries=int(WAIT / 0.5)) == b"HELLO"


def test_a_client_says_whom_it_has_asked_and_how_often(stage: Stage) -> None:
    ends = stage.endpoint("nobody"), stage.endpoint("none")
    with pytest.raises(TimeoutError, match=r"nobody and .*none did not answer 3 times, 0.05 s each"):
        ask(stage.context, b"hello", [*ends], timeout=0.05, tries=3)
    with pytest.raises(ValueError, match="tries: expected at least 1"):
        ask(stage.context, b"hello", [*ends], tries=0)


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_four_terminals_and_ctrl_c() -> None:
    front, says, other = (f"tcp://127.0.0.1:{free_port() + n}" for n in range(3))
    with (
        shell("binary_star", "primary", "--endpoint", front, "--mine", says, "--peer", other) as one,
        shell("binary_star", "backup", "--endpoint", "tcp://127.0.0.1:0", "--mine", other, "--peer", says) as two,
    ):
        assert sorted(bound_to(one, 3)) == sorted([says, "primary", front])
        back = next(line for line in bound_to(two, 3) if line.startswith("tcp") and line != other)
        ends = "--primary", front, "--backup", back
        with shell("binary_star", "client", "hello", "you", *ends, "--tries", "30") as asking:
            assert ended(asking) == (0, "HELLO\nYOU\n", "")
        for process in (one, two):
            process.send_signal(2)
        for process in (one, two):
            assert ended(process)[0] == 0
