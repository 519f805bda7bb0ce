# SPDX-License-Identifier: BSD-3-Clause
"""The simulation: each promise of its docstrings, the cores on which the contract was tried, and a seed that fails.

`test_scenes` in here plays the same scenes on sockets and in the simulation: their transcripts are equal.
"""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import zmq
from cores import FreeClient, FreeServer, Script, Star, StarClient, State, replay, survive

from diagrams import draw, trace
from diagrams.recording import Recording
from patterns import majordomo
from patterns._memory import DELAY, RETRY
from patterns.shell import (
    AT_ONCE,
    BATCH,
    NEVER,
    WORK,
    Close,
    Core,
    Effect,
    Open,
    Result,
    Send,
    Subscribe,
    Work,
    arun,
    serve,
)
from patterns.simulation import Network
from patterns.stage import Stage

WAIT = 20.0  # seconds: the bound of every wait
HOUR = 3600.0
SERVER = "tcp://server"
SEEDS = range(20)


def said(recording: Recording, actor: str, kind: str = "receive") -> list[tuple[Any, ...]]:
    return [e.frames for e in recording if (e.actor, e.kind) == (actor, kind)]


def opened(kind: int, *, bind: bool = False, endpoint: str = SERVER, **options: Any) -> Open:
    return Open("socket", kind, endpoint, bind, options)


def say(*words: str) -> list[Effect]:
    return [Send("socket", [w.encode()]) for w in words]


def echo(socket: str, frames: list[bytes]) -> list[Effect]:
    return [Send(socket, frames)]


def tell(socket: str, frames: list[bytes]) -> list[Effect]:
    return [Result(frames)]


def listener(kind: int = zmq.PULL, *more: Effect, bind: bool = True, **options: Any) -> Callable[[], Script]:
    """Gives all that it hears as results."""
    return lambda: Script(opened(kind, bind=bind, **options), *more, hear=tell)


def speaker(
    *words: str,
    kind: int = zmq.DEALER,
    bind: bool = False,
    later: dict[float, list[Effect]] | None = None,
    **options: Any,
) -> Callable[[], Script]:
    """Says this at once and the rest later, and gives all that it hears as results."""
    return lambda: Script(opened(kind, bind=bind, **options), *say(*words), hear=tell, later=later)


def echoer() -> Script:
    return Script(opened(zmq.ROUTER, bind=True), hear=echo)


def heard(network: Network, name: str) -> list[str]:
    """The last frame of each message that this node gave as a result."""
    return [frames[-1].decode() for frames in network.results[name]]


# -- a connection that stands -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_sent_arrives_once_and_in_order(seed: int) -> None:
    network, words = Network(seed), [str(n) for n in range(200)]
    network.play("server", echoer)
    network.play("client", speaker(*words))
    network.run(HOUR)
    assert heard(network, "client") == words


def test_a_message_is_under_way_for_a_while() -> None:
    recording = Recording()
    network = Network(write=recording.write)
    network.play("server", listener())
    network.play("client", speaker(kind=zmq.PUSH, later={float(n): say(str(n)) for n in range(1, 100)}))
    network.run(HOUR)
    events = [e for e in recording if e.kind in ("send", "receive")]
    times = [b.at - a.at for a, b in zip(events[::2], events[1::2], strict=True)]
    assert DELAY[0] <= min(times) < max(times) <= DELAY[1]


def test_between_two_nodes_that_are_far_from_each_other_a_message_takes_longer() -> None:
    recording = Recording()
    network = Network(write=recording.write)
    network.far("server", "client", 2.0, 3.0)
    network.play("server", listener())
    for name in ("client", "other"):
        network.play(name, speaker(kind=zmq.PUSH, later={1.0: say(name)}))
    network.run(HOUR)
    near, far = (e.at for e in recording if e.kind == "receive")
    assert near <= 1.0 + DELAY[1]
    assert 3.0 <= far <= 4.0


def test_a_dealer_deals_in_turn_also_to_those_who_are_not_there_yet() -> None:
    network, servers = Network(), [f"tcp://{n}" for n in range(3)]
    network.play("client", lambda: Script(*[opened(zmq.DEALER, endpoint=s) for s in servers], *say(*"abcdef")))
    network.at(1.0, lambda: network.play("0", listener(zmq.DEALER, endpoint=servers[0])))
    network.at(2.0, lambda: network.play("1", listener(zmq.DEALER, endpoint=servers[1])))
    network.run(HOUR)
    assert heard(network, "0"), heard(network, "1") == (["a", "d"], ["b", "e"])


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.REP], ids=["REQ", "REP"])
def test_a_socket_with_lock_step_is_refused(kind: int) -> None:
    network = Network()
    network.play("client", speaker(kind=kind))
    with pytest.raises(ValueError, match="lock-step"):
        network.run(1.0)


def test_an_endpoint_is_bound_once() -> None:
    network = Network()
    network.play("a", listener())
    network.play("b", listener())
    with pytest.raises(ValueError, match="bound already"):
        network.run(1.0)


def test_with_immediate_nothing_waits_for_a_peer_that_is_not_there() -> None:
    recording = Recording()
    network = Network(write=recording.write)
    network.play("client", speaker("at once", later={1.0: say("early"), 3.0: say("in time")}, immediate=1))
    network.at(2.0, lambda: network.play("server", listener(zmq.DEALER)))
    network.run(HOUR)
    assert heard(network, "server") == ["in time"]
    assert recording.count("refused", "client") == 2


# -- cut and heal -------------------------------------------------------------------------------------------------


def cut_between(network: Network, begin: float, end: float) -> None:
    network.at(begin, partial(network.cut, "client", "server"))
    network.at(end, partial(network.heal, "client", "server"))


def test_a_cut_loses_what_is_on_its_way_and_nothing_else() -> None:
    network = Network()
    network.play("server", listener())
    network.play("client", speaker(kind=zmq.PUSH, later={1.0: say("before"), 2.0: say("under way"), 4.0: say("after")}))
    cut_between(network, 2.0 + DELAY[0] / 2, 3.0)
    network.run(HOUR)
    assert heard(network, "server") == ["before", "after"]


def test_what_the_other_side_has_on_its_way_is_lost_too() -> None:
    network = Network()
    network.play("server", speaker(kind=zmq.PUSH, bind=True, later={2.0: say("under way"), 4.0: say("after")}))
    network.play("client", listener(bind=False))
    cut_between(network, 2.0 + DELAY[0] / 2, 3.0)
    network.run(HOUR)
    assert heard(network, "client") == ["after"]


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.PUSH], ids=["DEALER", "PUSH"])
def test_what_the_connecting_side_could_not_send_survives_a_cut(kind: int) -> None:
    network = Network()
    network.play("server", listener(zmq.DEALER if kind == zmq.DEALER else zmq.PULL))
    network.play("client", speaker(kind=kind, later={2.0: say("unsent", "this, too")}))
    cut_between(network, 1.0, 3.0)
    network.run(HOUR)
    assert heard(network, "server") == ["unsent", "this, too"]


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.PUSH], ids=["DEALER", "PUSH"])
def test_what_the_bound_side_could_not_send_does_not(kind: int) -> None:
    recording = Recording()
    network = Network(write=recording.write)
    network.play("server", speaker(kind=kind, bind=True, later={2.0: say("lost"), 4.0: say("after")}))
    network.play("client", listener(zmq.DEALER if kind == zmq.DEALER else zmq.PULL, bind=False))
    cut_between(network, 1.0, 3.0)
    network.run(HOUR)
    assert heard(network, "client") == ["after"]
    assert [e.detail for e in recording if e.kind == "refused"] == ["EAGAIN"]


def test_a_cut_parts_two_nodes_and_no_others() -> None:
    network = Network()
    network.play("server", echoer)
    for name in ("client", "other"):
        network.play(name, speaker(later={2.0: say("hello")}))
    network.at(1.0, partial(network.cut, "client", "server"))
    network.run(HOUR)
    assert heard(network, "client") == []
    assert heard(network, "other") == ["hello"]


def test_who_connects_again_has_a_fresh_routing_id() -> None:
    network = Network()
    network.play("server", listener(zmq.ROUTER))
    network.play("client", speaker("one", later={2.0: say("two")}))
    network.play("named", speaker("one", routing_id=b"anna", later={2.0: say("two")}))
    cut_between(network, 1.0, 1.5)
    network.at(1.0, partial(network.cut, "named", "server"))
    network.at(1.5, partial(network.heal, "named", "server"))
    network.run(HOUR)
    ids = [i for i, _ in network.results["server"]]
    assert len(ids) == 4
    assert len(set(ids)) == 3
    assert ids.count(b"anna") == 2
    assert all(len(i) == 5 and i.startswith(b"\0") for i in ids if i != b"anna")


def test_an_answer_to_the_former_routing_id_is_dropped() -> None:
    network = Network()
    answers = {2.0: [Send("socket", [b"", b""])]}
    network.play("server", lambda: Script(opened(zmq.ROUTER, bind=True), hear=tell, later=answers))
    network.play("client", speaker("hello"))
    network.at(1.0, lambda: answers[2.0].append(Send("socket", [network.results["server"][0][0], b"late"])))
    cut_between(network, 1.2, 1.4)
    network.run(HOUR)
    assert network.results["client"] == []


def test_a_probe_comes_first_by_each_connection_that_is_made() -> None:
    network = Network()
    network.play("server", lambda: Script(opened(zmq.ROUTER, bind=True, probe_router=1), hear=echo))
    network.play("client", speaker("hello"))
    cut_between(network, 1.0, 1.5)
    network.run(HOUR)
    assert heard(network, "client") == ["", "hello", ""]


# -- freeze, crash, restart ---------------------------------------------------------------------------------------


def test_what_has_reached_a_frozen_node_waits_for_it() -> None:
    network, words = Network(), [str(n) for n in range(3 * BATCH)]
    network.play("server", echoer)
    network.play("client", speaker(later={2.0: say(*words)}))
    network.at(1.0, partial(network.freeze, "server"))
    network.run(5.0)
    assert heard(network, "client") == []
    network.thaw("server")
    network.run(6.0)
    assert heard(network, "client") == words


def test_what_has_reached_a_frozen_node_survives_a_cut() -> None:
    network = Network()
    network.play("server", listener())
    network.play("client", speaker(kind=zmq.PUSH, later={2.0: say("hello")}))
    network.at(1.0, partial(network.freeze, "server"))
    cut_between(network, 3.0, 3.5)
    network.at(4.0, partial(network.thaw, "server"))
    network.run(HOUR)
    assert heard(network, "server") == ["hello"]


def test_a_frozen_node_does_not_tick_and_then_hears_before_it_ticks() -> None:
    order = []

    class Watch(Script):
        def tick(self, now: float) -> list[Effect]:
            order.append(("tick", now))
            return super().tick(now)

        def receive(self, socket: str, frames: list[bytes], now: float) -> Iterable[Effect]:
            order.append(("receive", now))
            return ()

    network = Network()
    network.play("server", lambda: Watch(opened(zmq.PULL, bind=True), later={2.0: [], 9.0: []}))
    network.play("client", speaker(kind=zmq.PUSH, later={3.0: say("hello")}))
    network.at(1.0, partial(network.freeze, "server"))
    network.at(5.0, partial(network.thaw, "server"))
    network.run(HOUR)
    assert order == [("tick", 0.0), ("receive", 5.0), ("tick", 5.0), ("tick", 9.0)]


def test_nobody_can_connect_to_a_frozen_node() -> None:
    recording = Recording()
    network = Network(write=recording.write)
    network.play("server", listener())
    network.at(1.0, partial(network.freeze, "server"))
    network.at(2.0, lambda: network.play("client", speaker("hello", kind=zmq.PUSH)))
    network.at(5.0, partial(network.thaw, "server"))
    network.run(HOUR)
    (at,) = [e.at for e in recording if e.kind == "receive"]
    assert 5.0 < at <= 5.0 + RETRY + 2 * DELAY[1]


def test_a_crash_forgets_everything_and_a_restart_makes_a_new_core() -> None:
    made = []

    def make() -> Script:
        made.append(Script(opened(zmq.ROUTER, bind=True), hear=echo, later={100.0: []}))
        return made[-1]

    recording = Recording()
    network = Network(write=recording.write)
    network.play("server", make)
    network.play("client", speaker("before", later={2.0: say("unsent"), 4.0: say("after")}))
    network.at(1.0, partial(network.crash, "server"))
    network.at(3.0, partial(network.restart, "server"))
    network.run(50.0)
    assert heard(network, "client") == ["before", "unsent", "after"]
    assert len(made) == 2
    assert [e.kind for e in recording if e.actor == "server" and e.kind in ("killed", "close", "bind")] == [
        "bind", "killed", "close", "bind",
    ]  # fmt: skip


def test_a_crashed_nodes_unsent_messages_die_with_it() -> None:
    network = Network()
    network.play("client", speaker("lost"))
    network.at(1.0, partial(network.crash, "client"))
    network.at(2.0, partial(network.play, "server", listener(zmq.DEALER)))
    network.run(HOUR)
    assert heard(network, "server") == []


def test_a_restart_of_a_node_that_runs_is_a_crash_first() -> None:
    network = Network()
    network.play("server", listener())
    network.play("client", speaker("hello", kind=zmq.PUSH))
    network.at(1.0, partial(network.restart, "client"))
    network.run(HOUR)
    assert heard(network, "server") == ["hello", "hello"]


def test_a_crashed_node_is_neither_frozen_nor_thawed_nor_killed_again() -> None:
    recording = Recording()
    network = Network(write=recording.write)
    network.play("server", listener())
    network.run(1.0)
    for act in (network.crash, network.freeze, network.thaw, network.crash):
        act("server")
    assert [e.kind for e in recording if e.kind in ("killed", "frozen", "thawed")] == ["killed"]


# -- publishing ---------------------------------------------------------------------------------------------------


def subscriber(*prefixes: bytes, kind: int = zmq.SUB) -> Callable[[], Script]:
    return lambda: Script(opened(kind), *[Subscribe("socket", p) for p in prefixes], hear=tell)


def publisher(*words: str, **options: Any) -> Callable[[], Script]:
    return speaker(kind=zmq.PUB, bind=True, later={2.0: say(*words)}, **options)


def test_a_sub_receives_what_begins_with_its_prefixes() -> None:
    network = Network()
    network.play("pub", publisher("apple", "banana", "avocado", "cherry"))
    for name, prefixes in {"all": (b"",), "a": (b"a",), "two": (b"b", b"ch"), "none": ()}.items():
        network.play(name, subscriber(*prefixes))
    network.run(HOUR)
    assert heard(network, "all") == ["apple", "banana", "avocado", "cherry"]
    assert heard(network, "a") == ["apple", "avocado"]
    assert heard(network, "two") == ["banana", "cherry"]
    assert heard(network, "none") == []


def test_a_subscription_travels_and_what_is_published_before_it_arrives_is_lost() -> None:
    network = Network(3)
    times = [n / 1000 for n in range(1, 100)]
    network.play("sub", subscriber(b""))
    network.play("pub", speaker(kind=zmq.PUB, bind=True, later={t: say(f"{t}") for t in times}))
    network.run(HOUR)
    missed = len(times) - len(network.results["sub"])
    assert DELAY[0] <= missed / 1000 <= 2 * (DELAY[1] + RETRY)
    assert heard(network, "sub") == [str(t) for t in times[missed:]]


def test_of_two_equal_messages_the_recording_pairs_the_one_that_arrived() -> None:
    recording = Recording()
    network = Network(3, write=recording.write)
    network.play("sub", subscriber(b""))
    network.play("pub", speaker("again", kind=zmq.PUB, bind=True, later={5.0: say("again")}))
    network.run(HOUR)
    assert [m.arrived for m in recording.messages()] == [False, True]  # the first one went out to nobody


def test_a_subscription_made_later_and_one_after_a_cut_travel_too() -> None:
    network = Network()
    network.play(
        "pub", speaker(kind=zmq.PUB, bind=True, later={t: say(f"a{t}", f"b{t}") for t in (1.0, 3.0, 5.0, 7.0)})
    )
    later: dict[float, list[Effect]] = {2.0: [Subscribe("socket", b"b")]}
    network.play("sub", lambda: Script(opened(zmq.SUB), Subscribe("socket", b"a"), hear=tell, later=later))
    network.at(4.0, partial(network.cut, "sub", "pub"))
    network.at(6.0, partial(network.heal, "pub", "sub"))
    network.run(HOUR)
    assert heard(network, "sub") == ["a1.0", "a3.0", "b3.0", "a7.0", "b7.0"]


def test_an_xpub_receives_subscriptions_as_messages_and_a_pub_does_not() -> None:
    network = Network()
    network.play("xpub", listener(zmq.XPUB))
    network.play("sub", subscriber(b"apple"))
    network.run(1.0)
    assert network.results["xpub"] == [[b"\1apple"]]
    network = Network()
    network.play("pub", listener(zmq.PUB))
    network.play("sub", subscriber(b"apple"))
    network.run(1.0)
    assert network.results["pub"] == []


def test_a_pub_drops_the_newest_at_its_high_water_mark() -> None:
    network, words = Network(), [str(n) for n in range(20)]
    network.play("pub", publisher(*words, sndhwm=5))
    network.play("slow", subscriber(b""))
    network.play("quick", subscriber(b""))
    network.at(1.0, partial(network.freeze, "slow"))
    network.at(3.0, lambda: network.nodes["pub"].core.later.append((3.5, say("20"))))  # type: ignore[attr-defined]
    network.at(5.0, partial(network.thaw, "slow"))
    network.run(HOUR)
    assert heard(network, "slow") == heard(network, "quick") == words[:5]


# -- routing ------------------------------------------------------------------------------------------------------


def test_a_router_drops_what_it_cannot_route_and_goes_on() -> None:
    def hear(socket: str, frames: list[bytes]) -> list[Effect]:
        return [Send(socket, [b"nobody", b"lost"]), Send(socket, frames)]

    network = Network()
    network.play("server", lambda: Script(opened(zmq.ROUTER, bind=True), hear=hear))
    network.play("client", speaker("hello"))
    network.run(HOUR)
    assert heard(network, "client") == ["hello"]


def test_a_router_drops_what_is_beyond_the_high_water_mark() -> None:
    network = Network()
    network.play("server", lambda: Script(opened(zmq.ROUTER, bind=True, sndhwm=5), hear=lambda s, f: echo(s, f) * 20))
    network.play("client", speaker("hello"))
    network.run(HOUR)
    assert heard(network, "client") == ["hello"] * 5


def test_a_dealer_whose_peer_does_not_take_is_refused_at_its_high_water_mark() -> None:
    recording = Recording()
    network = Network(write=recording.write)
    network.play("client", speaker(*"abcdefg", sndhwm=5))
    network.run(1.0)
    network.play("server", listener(zmq.DEALER))
    network.run(2.0)
    assert heard(network, "server") == list("abcde")
    assert recording.count("refused") == 2


# -- effects and the clock ----------------------------------------------------------------------------------------


def test_with_linger_what_is_under_way_when_a_socket_closes_arrives_and_without_it_does_not() -> None:
    for linger, arrives in ((0.0, []), (1.0, ["goodbye"])):
        network = Network()
        network.play("server", listener())
        network.play("client", speaker(kind=zmq.PUSH, later={1.0: [*say("goodbye"), Close("socket", linger)]}))
        network.run(HOUR)
        assert heard(network, "server") == arrives


def test_a_closed_socket_hears_no_more_and_one_of_its_name_begins_anew() -> None:
    network = Network()
    network.play("server", echoer)
    again = [*say("lost"), Close("socket"), opened(zmq.DEALER), *say("two")]
    network.play("client", speaker("one", later={1.0: [*say("late")], 1.0 + DELAY[0] / 2: again}))
    network.run(HOUR)
    assert heard(network, "client") == ["one", "two"]


class Foreman(Script):
    """Gives a job for each of these words at once, and each result as a result, with its time."""

    def __init__(self, *words: bytes) -> None:
        super().__init__(*[Work([word]) for word in words], later={100.0: []})

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
        assert socket == WORK
        return [Result((now, frames))]


def test_jobs_are_done_one_after_the_other() -> None:
    network = Network()
    network.play("foreman", lambda: Foreman(b"a", b"b"), lambda job: [*job, b"done"], seconds=2.0)
    network.run(HOUR)
    assert network.results["foreman"] == [(2.0, [b"a", b"done"]), (4.0, [b"b", b"done"])]


def test_a_job_dies_with_its_node() -> None:
    network = Network()
    network.play("foreman", lambda: Foreman(b"a"), lambda job: job, seconds=2.0)
    network.at(1.0, partial(network.restart, "foreman"))
    network.run(HOUR)
    assert network.results["foreman"] == [(3.0, [b"a"])]


def test_a_job_that_nobody_does_is_a_mistake() -> None:
    network = Network()
    network.play("foreman", lambda: Foreman(b"a"))
    with pytest.raises(ValueError, match="work"):
        network.run(1.0)


class Lazy:
    """A core whose effects come from a generator, which sets the deadline last."""

    def __init__(self) -> None:
        self.deadline, self.times = AT_ONCE, 0

    def tick(self, now: float) -> Iterable[Effect]:
        yield Result(now)
        self.times += 1
        self.deadline = now + 1.0 if self.times < 4 else NEVER

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterable[Effect]:
        yield Result(frames)


def test_a_core_may_be_a_generator_that_sets_its_deadline_last() -> None:
    network = Network()
    network.play("lazy", Lazy)
    network.run(HOUR)
    assert network.results["lazy"] == [0.0, 1.0, 2.0, 3.0]


def test_a_core_whose_tick_leaves_its_deadline_behind_is_named() -> None:
    network = Network()
    network.play("stuck", lambda: type("Stuck", (Script,), {"tick": lambda self, now: ()})())
    with pytest.raises(RuntimeError, match="stuck: after its tick"):
        network.run(1.0)


def test_a_send_on_a_socket_that_was_never_opened_is_a_mistake() -> None:
    network = Network()
    network.play("client", lambda: Script(*say("hello")))
    with pytest.raises(KeyError, match="socket"):
        network.run(1.0)


# -- chance -------------------------------------------------------------------------------------------------------


def crowd(network: Network) -> None:
    names = ["server", *(f"client {n}" for n in range(4))]
    network.play("server", echoer)
    for name in names[1:]:
        network.play(name, speaker(later={float(n): say(str(n)) for n in range(1, 30)}))
    network.trouble(names, 25.0)
    network.run(100.0)


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    runs = []
    for seed in (1, 1, 2):
        recording = Recording()
        crowd(Network(seed, write=recording.write))
        runs.append([(e.at, e.line()) for e in recording])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_trouble_is_of_each_kind_and_over_in_time() -> None:
    recording = Recording()
    crowd(Network(1, write=recording.write))
    trouble = [e for e in recording if e.kind in ("killed", "frozen", "thawed", "cut", "healed")]
    assert {e.kind for e in trouble} == {"killed", "frozen", "thawed", "cut", "healed"}
    assert max(e.at for e in trouble) < 25.0
    for name in ("server", *(f"client {n}" for n in range(4))):
        assert max(e.at for e in recording if e.actor == name) > 25.0


def test_it_is_quick() -> None:
    """Ten thousand events in a second at the least: then thousands of seeds are a matter of minutes."""
    recording = Recording()
    network = Network(write=recording.write)
    network.play("server", echoer)
    network.play("client", lambda: Script(opened(zmq.DEALER), *say("x"), hear=echo))
    start = time.process_time()
    network.run(100.0)
    assert len(recording) / (time.process_time() - start) > 10_000


# -- the cores on which the contract was tried --------------------------------------------------------------------

P, B = "tcp://primary", "tcp://backup"


def pair(network: Network) -> None:
    network.play("primary", lambda: Star(State.PRIMARY, P, f"{P}/state", f"{B}/state"))
    network.play("backup", lambda: Star(State.BACKUP, B, f"{B}/state", f"{P}/state"))


def test_binary_star_goes_to_the_backup_when_the_primary_dies_and_a_client_asks() -> None:
    network = Network()
    pair(network)
    network.at(4.0, lambda: network.play("client", lambda: StarClient([P, B], 100)))
    network.at(6.0, partial(network.crash, "primary"))
    network.run(60.0)
    assert network.results["primary"] == [State.ACTIVE]
    assert network.results["backup"] == [State.PASSIVE, State.ACTIVE]
    assert network.results["client"] == list(range(100))


def test_binary_star_does_not_split_when_only_the_link_between_the_servers_is_cut() -> None:
    network = Network()
    pair(network)
    network.play("client", lambda: StarClient([P, B], 100))
    network.at(4.0, partial(network.cut, "primary", "backup"))
    network.run(60.0)
    assert network.results["backup"] == [State.PASSIVE]
    assert network.results["client"] == list(range(100))


def test_binary_star_gives_the_service_back_when_the_backup_dies() -> None:
    network = Network()
    pair(network)
    network.play("client", lambda: StarClient([P, B], 400))
    for when, act, name in ((4.0, "crash", "primary"), (10.0, "restart", "primary"), (20.0, "crash", "backup")):
        network.at(when, partial(getattr(network, act), name))
    network.run(90.0)
    assert network.results["primary"] == [State.ACTIVE, State.PASSIVE, State.ACTIVE]
    assert network.results["client"] == list(range(400))


def one_serves(network: Network) -> None:
    """A pair and a client, one of the servers dies by chance and stays dead: all questions are answered."""
    pair(network)
    network.play("client", lambda: StarClient([P, B], 50))
    victim = network.random.choice(["primary", "backup"])
    network.at(network.random.uniform(4.0, 12.0), partial(network.crash, victim))
    network.run(60.0)
    assert network.results["client"] == list(range(50))


def test_binary_star_serves_whichever_server_dies() -> None:
    survive(range(40), one_serves)


def test_freelance_connects_while_it_runs_and_outlives_its_servers() -> None:
    network, servers = Network(), ["tcp://one", "tcp://two"]
    for server in servers:
        network.play(server, lambda server=server: FreeServer(server))
    orders: dict[float, list[Effect]] = {
        when: [Send("socket", order)]
        for when, order in {
            0.5: [b"ask", b"a"],  # nobody is known yet
            1.0: [b"connect", b"tcp://one"],
            2.0: [b"ask", b"b"],
            2.5: [b"connect", b"tcp://two"],
            4.0: [b"ask", b"c"],
            12.0: [b"ask", b"d"],
        }.items()
    }
    network.play("agent", lambda: FreeClient("inproc://orders"))
    network.play("app", lambda: Script(opened(zmq.DEALER, endpoint="inproc://orders"), hear=tell, later=orders))
    network.at(3.0, partial(network.crash, "tcp://one"))
    network.at(8.0, partial(network.crash, "tcp://two"))
    network.run(60.0)
    one, two = ([b"OK", server.encode()] for server in servers)
    assert network.results["app"] == [one, one, two, [b"FAILED"]]


# -- the same on sockets and in the simulation ----------------------------------------------------------------------


class OnSockets:
    """Plays nodes as actors of a stage."""

    def __init__(self, recording: Recording, shell: str) -> None:
        self.recording, self.shell = recording, shell
        context = trace.Context(recording)
        context.linger = 0  # all that matters has been received when a scene is over
        self.stage = Stage(context)
        self.at = self.stage.endpoint
        self.at("first")  # makes the folder before actors ask for it, all at once

    def play(self, name: str, make: Callable[[], Core], work: Any = None) -> None:
        def blocking(ctx: zmq.Context[Any]) -> None:
            serve(ctx, make(), work)

        async def asynchronous(ctx: zmq.Context[Any]) -> None:
            async for _ in arun(ctx, make(), work):
                pass

        self.stage.play(blocking if self.shell == "blocking" else asynchronous, name=name)

    def wait(self, kind: Any, actor: str, count: int) -> None:
        self.recording.wait(kind, actor, count=count, timeout=WAIT)


class InMemory:
    """Plays nodes on a network."""

    def __init__(self, recording: Recording, seed: int) -> None:
        self.recording = recording
        self.network = Network(seed, write=recording.write)
        self.play = self.network.play

    def at(self, name: str) -> str:
        return f"tcp://{name}"

    def wait(self, kind: Any, actor: str, count: int) -> None:
        until = self.network.now + HOUR
        while self.recording.count(kind, actor) < count:
            assert self.network.now < until
            self.network.run(self.network.now + DELAY[0])


Place = OnSockets | InMemory


def greeter(to: bytes, *greetings: bytes) -> Callable[[str, list[bytes]], list[Effect]]:
    """Whoever speaks: these greetings go to that routing id, and then an answer to who spoke."""
    return lambda socket, frames: [*(Send(socket, [to, g]) for g in greetings), Send(socket, [frames[0], b"ok"])]


def an_echo(place: Place) -> None:
    place.play("server", lambda: Script(opened(zmq.ROUTER, bind=True, endpoint=place.at("s")), hear=echo))
    place.wait("bind", "server", 1)
    place.play("client", speaker("hello", endpoint=place.at("s")))
    place.wait("receive", "client", 1)


def two_clients_one_after_the_other(place: Place) -> None:
    place.play("server", lambda: Script(opened(zmq.ROUTER, bind=True, endpoint=place.at("s")), hear=echo))
    for name in ("anna", "bert"):
        place.play(name, speaker("hello", endpoint=place.at("s")))
        place.wait("receive", name, 1)


def a_dealer_that_speaks_before_the_router_is_there(place: Place) -> None:
    place.play("client", speaker("one", "two", endpoint=place.at("s")))
    place.wait("sent", "client", 2)
    place.play("server", lambda: Script(opened(zmq.ROUTER, bind=True, endpoint=place.at("s")), hear=tell))
    place.wait("receive", "server", 2)


def routing_ids_that_were_set(place: Place) -> None:
    hear = greeter(b"anna", b"bert is here")
    place.play("server", lambda: Script(opened(zmq.ROUTER, bind=True, endpoint=place.at("s")), hear=hear))
    place.play("a", speaker("hello", endpoint=place.at("s"), routing_id=b"anna"))
    place.wait("receive", "a", 2)
    place.play("b", speaker("hello", endpoint=place.at("s"), routing_id=b"bert"))
    place.wait("receive", "a", 3)
    place.wait("receive", "b", 1)


def an_id_that_a_router_does_not_know(place: Place) -> None:
    hear = greeter(b"nobody", b"lost")
    place.play("server", lambda: Script(opened(zmq.ROUTER, bind=True, endpoint=place.at("s")), hear=hear))
    place.play("client", speaker("hello", endpoint=place.at("s")))
    place.wait("receive", "client", 1)


def prefixes(place: Place) -> None:
    def hear(socket: str, frames: list[bytes]) -> list[Effect]:
        return say("apple", "banana", "avocado")

    place.play("publisher", lambda: Script(opened(zmq.XPUB, bind=True, endpoint=place.at("p")), hear=hear))
    place.play("subscriber", lambda: Script(opened(zmq.SUB, endpoint=place.at("p")), Subscribe("socket", b"a")))
    place.wait("receive", "subscriber", 2)


def a_publisher_that_reads_who_subscribes(place: Place) -> None:
    def hear(socket: str, frames: list[bytes]) -> list[Effect]:
        return [Send(socket, [frames[0][1:], b"welcome"])]

    place.play("publisher", lambda: Script(opened(zmq.XPUB, bind=True, endpoint=place.at("p")), hear=hear))
    for name, prefix in (("anna", b"apple"), ("bert", b"banana")):
        subscribe = Subscribe("socket", prefix)
        place.play(name, lambda subscribe=subscribe: Script(opened(zmq.SUB, endpoint=place.at("p")), subscribe))
        place.wait("receive", name, 1)


def tasks_dealt_in_turn(place: Place) -> None:
    workers = ("anna", "bert")
    connects = [opened(zmq.PUSH, endpoint=place.at(name)) for name in workers]
    place.play("ventilator", lambda: Script(*connects, *say("1", "2", "3", "4")))
    place.wait("sent", "ventilator", 4)
    for name in workers:
        place.play(name, listener(endpoint=place.at(name)))
        place.wait("receive", name, 2)


def a_message_for_which_nobody_is_there(place: Place) -> None:
    def hear(socket: str, frames: list[bytes]) -> list[Effect]:
        return [Send("tasks", [b"task"]), Send("socket", [frames[0], b"nobody works"])]

    bound = opened(zmq.ROUTER, bind=True, endpoint=place.at("s"))
    tasks = Open("tasks", zmq.PUSH, place.at("t"), bind=True)
    place.play("server", lambda: Script(bound, tasks, hear=hear))
    place.play("client", speaker("hello", endpoint=place.at("s")))
    place.wait("receive", "client", 1)


def a_job_and_its_result(place: Place) -> None:
    def hear(socket: str, frames: list[bytes]) -> list[Effect]:
        return [Work(frames)] if socket == "socket" else [Send("socket", frames)]

    bound = opened(zmq.ROUTER, bind=True, endpoint=place.at("s"))
    place.play("server", lambda: Script(bound, hear=hear), lambda job: [job[0], job[1].upper()])
    place.play("client", speaker("hello", endpoint=place.at("s")))
    place.wait("receive", "client", 1)


def another_try_on_a_new_socket(place: Place) -> None:
    """The client's second try is due at the clerk's word, who is told of the first one: no time is measured."""
    asked: list[bytes] = []

    def serve_the_second(socket: str, frames: list[bytes]) -> list[Effect]:
        asked.append(frames[0])
        return [Send("clerk", [b"again"])] if len(asked) == 1 else [Send("socket", frames)]

    def again(socket: str, frames: list[bytes]) -> list[Effect]:
        retry = [Close("socket"), opened(zmq.DEALER, endpoint=place.at("s")), *say("question")]
        return retry if socket == "clerk" else []

    bound = opened(zmq.ROUTER, bind=True, endpoint=place.at("s"))
    tell = Open("clerk", zmq.PUSH, place.at("c"))
    place.play("server", lambda: Script(bound, tell, hear=serve_the_second))
    told = Open("clerk", zmq.PULL, place.at("c"), bind=True)
    place.play("client", lambda: Script(told, opened(zmq.DEALER, endpoint=place.at("s")), *say("question"), hear=again))
    place.wait("receive", "client", 2)


def a_request_to_majordomo(place: Place) -> None:
    there = place.at("b")
    place.play("broker", lambda: majordomo.Broker(there, interval=HOUR))
    place.play("worker", lambda: majordomo.Worker(there, b"echo", interval=HOUR), majordomo.echo)
    place.wait("receive", "broker", 1)
    place.play("client", lambda: majordomo.Client(there, b"echo", [[b"hello"]], timeout=HOUR))
    place.wait("receive", "client", 1)


SCENES = [
    an_echo,
    two_clients_one_after_the_other,
    a_dealer_that_speaks_before_the_router_is_there,
    routing_ids_that_were_set,
    an_id_that_a_router_does_not_know,
    prefixes,
    a_publisher_that_reads_who_subscribes,
    tasks_dealt_in_turn,
    a_message_for_which_nobody_is_there,
    a_job_and_its_result,
    another_try_on_a_new_socket,
    a_request_to_majordomo,
]


@pytest.mark.skipif(not zmq.has("ipc"), reason="no ipc on this system")
@pytest.mark.parametrize("shell", ["blocking", "asyncio"])
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__.replace("_", " "))
def test_a_scene_reads_the_same_on_sockets_and_in_the_simulation(scene: Callable[[Place], None], shell: str) -> None:
    told = []
    for seed in range(3):
        recording = Recording()
        scene(InMemory(recording, seed))
        told.append(draw.sequence(recording).text)
    recording = Recording()
    place = OnSockets(recording, shell)
    with place.stage:
        scene(place)
        text = draw.sequence(recording).text  # before the end, which nobody plays on the network
    assert [text] * 3 == told


# -- a seed that fails --------------------------------------------------------------------------------------------


class Careless(Star):
    """Takes its peer for dead without a client's vote: silence is enough."""

    def tick(self, now: float) -> Iterable[Effect]:
        yield from super().tick(now)
        if self.state is State.PASSIVE and self.expiry <= now:
            self.state = State.ACTIVE
            yield Result(State.ACTIVE)


def never_two(network: Network) -> None:
    """Two careless servers, and by chance the link between them is cut."""
    network.play("primary", lambda: Careless(State.PRIMARY, P, f"{P}/state", f"{B}/state"))
    network.play("backup", lambda: Careless(State.BACKUP, B, f"{B}/state", f"{P}/state"))
    if network.random.random() < 0.2:
        network.at(5.0, partial(network.cut, "primary", "backup"))
    for second in range(3, 20):
        network.run(float(second))
        states = [network.nodes[name].core.state for name in ("primary", "backup")]  # type: ignore[attr-defined]
        assert states.count(State.ACTIVE) == 1, f"at {second} s"


def test_a_seed_that_fails_is_told_with_what_happened() -> None:
    with pytest.raises(AssertionError) as failed:
        survive(range(100), never_two)
    (note,) = failed.value.__notes__
    head, _, told = note.partition("\n")
    seed = int(head.removeprefix("seed ").removesuffix(":"))
    assert told == replay(seed, never_two).text
    assert "the wire is cut between primary and backup" in told
    assert told.index("backup → primary: [4]") < told.index("the wire is cut")
    assert replay(seed, never_two).dot.startswith("digraph")


def test_the_seeds_that_do_not_fail_say_nothing() -> None:
    survive([seed for seed in range(10) if Network(seed).random.random() >= 0.2], never_two)
