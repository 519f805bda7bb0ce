# SPDX-License-Identifier: BSD-3-Clause
"""Majordomo: MDP 0.1 (RFC 7) and MMI (RFC 8), core by core, in thousands of bad hours, over sockets and from the shell.

`hostile(seed)` is one bad hour; `make soak` lives through ten thousand of them.
"""

import itertools
import random
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zmq
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

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import majordomo
from patterns.majordomo import (
    CLIENT,
    DISCONNECT,
    GUARANTEES,
    HEARTBEAT,
    READY,
    REPLY,
    REQUEST,
    WORKER,
    Broker,
    Client,
    Worker,
    broker,
    client,
    echo,
    worker,
)
from patterns.shell import AT_ONCE, NEVER, WORK, Close, Open, Result, Send, Work
from patterns.simulation import Network
from patterns.stage import Stage

SEEDS = 300  # bad hours in this file


# -- the broker ---------------------------------------------------------------------------------------------------

INTERVAL, LIVENESS, EXPIRY = 1.0, 3, 10.0
DEAD = INTERVAL * LIVENESS
W, X, C, D = b"W", b"X", b"C", b"D"  # routing ids of two workers and two clients


def ready(peer: bytes, service: bytes = b"tea") -> list[bytes]:
    return [peer, b"", WORKER, READY, service]


def reply(peer: bytes, to: bytes = C, *body: bytes) -> list[bytes]:
    return [peer, b"", WORKER, REPLY, to, b"", *(body or (b"done",))]


def heartbeat(peer: bytes) -> list[bytes]:
    return [peer, b"", WORKER, HEARTBEAT]


def disconnect(peer: bytes) -> list[bytes]:
    return [peer, b"", WORKER, DISCONNECT]


def job(peer: bytes, of: bytes = C, *body: bytes) -> list[bytes]:
    return [peer, b"", WORKER, REQUEST, of, b"", *(body or (b"cup",))]


def ask(peer: bytes = C, service: bytes = b"tea", *body: bytes) -> list[bytes]:
    return [peer, b"", CLIENT, service, *(body or (b"cup",))]


def answer(peer: bytes = C, service: bytes = b"tea", *body: bytes) -> list[bytes]:
    return ask(peer, service, *(body or (b"done",)))


class Desk:
    """A broker's core and the time of day: what is said to it, what it says."""

    def __init__(self) -> None:
        self.core, self.now = Broker("here", INTERVAL, LIVENESS, EXPIRY), 0.0
        self.pass_time(0)

    def hear(self, *messages: list[bytes]) -> list[list[bytes]]:
        return [e.frames for m in messages for e in self.core.receive("peers", m, self.now) if isinstance(e, Send)]

    def pass_time(self, seconds: float, *alive: bytes) -> list[list[bytes]]:
        """Let time pass, tick by tick; those who are `alive` send heartbeats all the while."""
        said, until = [], self.now + seconds
        while self.core.deadline <= until:
            self.now = max(self.now, self.core.deadline)
            for peer in alive:
                said += self.hear(heartbeat(peer))
            said += [e.frames for e in self.core.tick(self.now) if isinstance(e, Send)]
            assert self.core.deadline > self.now, "it would spin"
        self.now = until
        return said

    def state(self, peer: bytes) -> str:
        return "unknown" if peer not in self.core.workers else "busy" if peer in self.core.jobs else "idle"

    def waiting(self, service: bytes = b"tea") -> list[list[bytes]]:
        """The jobs that wait for a worker, first to go first."""
        return [job for _, job in self.core.services[service].requests] if service in self.core.services else []


def desk(state: str = "unknown") -> Desk:
    """One where worker W is unknown, idle, or busy with the request of client C."""
    it = Desk()
    if state != "unknown":
        it.hear(ready(W))
    if state == "busy":
        assert it.hear(ask(C)) == [job(W, C)]
    assert it.state(W) == state
    return it


COMMANDS = {
    "READY": ready(W),
    "READY for another service": ready(W, b"coffee"),
    "READY for a service of the broker's own": ready(W, b"mmi.service"),
    "REQUEST": job(W),
    "REPLY to the right client": reply(W, C),
    "REPLY to the wrong client": reply(W, D),
    "HEARTBEAT": heartbeat(W),
    "DISCONNECT": disconnect(W),
    "something malformed": [W, b"", WORKER, b"\x09"],
}
HANGS_UP = [disconnect(W)]

# (what W is, what it sends): (what the broker says, what W is then)
RULES: dict[tuple[str, str], tuple[list[list[bytes]], str]] = {
    ("unknown", "READY"): ([], "idle"),
    ("unknown", "READY for another service"): ([], "idle"),
    ("unknown", "READY for a service of the broker's own"): (HANGS_UP, "unknown"),
    ("unknown", "REQUEST"): (HANGS_UP, "unknown"),
    ("unknown", "REPLY to the right client"): (HANGS_UP, "unknown"),
    ("unknown", "REPLY to the wrong client"): (HANGS_UP, "unknown"),
    ("unknown", "HEARTBEAT"): (HANGS_UP, "unknown"),
    ("unknown", "DISCONNECT"): ([], "unknown"),
    ("unknown", "something malformed"): ([], "unknown"),
    ("idle", "READY"): (HANGS_UP, "unknown"),
    ("idle", "READY for another service"): (HANGS_UP, "unknown"),
    ("idle", "READY for a service of the broker's own"): (HANGS_UP, "unknown"),
    ("idle", "REQUEST"): (HANGS_UP, "unknown"),
    ("idle", "REPLY to the right client"): (HANGS_UP, "unknown"),
    ("idle", "REPLY to the wrong client"): (HANGS_UP, "unknown"),
    ("idle", "HEARTBEAT"): ([], "idle"),
    ("idle", "DISCONNECT"): ([], "unknown"),
    ("idle", "something malformed"): ([], "unknown"),
    ("busy", "READY"): (HANGS_UP, "unknown"),
    ("busy", "READY for another service"): (HANGS_UP, "unknown"),
    ("busy", "READY for a service of the broker's own"): (HANGS_UP, "unknown"),
    ("busy", "REQUEST"): (HANGS_UP, "unknown"),
    ("busy", "REPLY to the right client"): ([answer(C)], "idle"),
    ("busy", "REPLY to the wrong client"): (HANGS_UP, "unknown"),
    ("busy", "HEARTBEAT"): ([], "busy"),
    ("busy", "DISCONNECT"): ([], "unknown"),
    ("busy", "something malformed"): ([], "unknown"),
}


def test_the_rules_cover_every_command_in_every_state() -> None:
    assert set(RULES) == set(itertools.product(("unknown", "idle", "busy"), COMMANDS))


@pytest.mark.parametrize(
    ("state", "command"), [pytest.param(*rule, id=f"{rule[1]} from a worker that is {rule[0]}") for rule in RULES]
)
def test_the_broker_keeps_to_the_rules(state: str, command: str) -> None:
    it = desk(state)
    says, becomes = RULES[state, command]
    assert it.hear(COMMANDS[command]) == says
    assert it.state(W) == becomes
    if state == "busy" and becomes == "unknown":
        assert it.waiting() == [[C, b"", b"cup"]], "the job is not lost"
    if becomes == "unknown":
        assert not any(frames[0] == W for frames in it.pass_time(10 * DEAD)), "no further command goes to that worker"
        assert not it.core.workers
        assert not it.core.jobs
        assert not it.core.services


@pytest.mark.parametrize("command", ["READY", "REQUEST", "REPLY to the wrong client", "something malformed"])
def test_the_job_of_a_worker_that_misbehaves_goes_to_the_next(command: str) -> None:
    it = desk("busy")
    it.hear(ready(X))
    assert job(X, C) in it.hear(COMMANDS[command])


def test_a_worker_may_come_back_after_disconnect_by_a_new_ready() -> None:
    it = desk("idle")
    it.hear(disconnect(W), ready(W))
    assert it.hear(ask(C)) == [job(W, C)]


def test_it_binds_one_router_and_waits() -> None:
    core = Broker("here", INTERVAL)
    assert core.deadline == AT_ONCE
    assert list(core.tick(5.0)) == [Open("peers", zmq.ROUTER, "here", bind=True)]
    assert core.deadline == 5.0 + INTERVAL


@pytest.mark.parametrize("body", [[b"cup"], [b""], [b"two", b"frames"], [b"", b"", b""], [CLIENT, WORKER, READY]])
def test_a_body_crosses_as_it_is(body: list[bytes]) -> None:
    it = desk("idle")
    assert it.hear(ask(C, b"tea", *body)) == [job(W, C, *body)]
    assert it.hear(reply(W, C, *body)) == [answer(C, b"tea", *body)]


def test_the_worker_that_has_waited_longest_gets_the_next_job() -> None:
    it = Desk()
    it.hear(ready(W), ready(X))
    for first, second in [(W, X), (X, W), (W, X)]:
        assert it.hear(ask(C), ask(D)) == [job(first, C), job(second, D)]
        it.hear(reply(second, D), reply(first, C))


def test_requests_are_served_in_the_order_in_which_they_came() -> None:
    it = desk("busy")
    assert it.hear(ask(D, b"tea", b"2"), ask(C, b"tea", b"3")) == []
    assert it.hear(reply(W, C)) == [answer(C), job(W, D, b"2")]
    assert it.hear(reply(W, D)) == [answer(D), job(W, C, b"3")]


def test_a_service_has_its_own_workers() -> None:
    it = desk("idle")
    assert it.hear(ask(C, b"coffee")) == []
    assert it.hear(ready(X, b"coffee")) == [job(X, C)]
    assert it.hear(reply(X, C)) == [answer(C, b"coffee")]


def test_a_client_that_asks_again_on_a_new_socket_is_served_twice() -> None:
    it = desk("busy")  # at least once: the broker cannot know that C and D are one
    it.hear(ask(D))
    assert it.hear(reply(W, C)) == [answer(C), job(W, D)]


# -- time at the broker -------------------------------------------------------------------------------------------


def test_a_request_for_an_absent_service_waits_for_its_worker() -> None:
    it = Desk()
    assert it.hear(ask(C)) == []
    assert it.pass_time(EXPIRY - 0.1) == []
    assert it.hear(ready(W)) == [job(W, C)]


def test_a_request_expires_although_nothing_else_happens() -> None:
    it = Desk()
    it.hear(ask(C))
    assert it.pass_time(EXPIRY + INTERVAL) == []
    assert not it.core.services
    assert it.hear(ready(W)) == []


def test_an_expired_request_is_not_handed_out_even_between_two_ticks() -> None:
    it = Desk()
    it.hear(ask(C))
    it.now += EXPIRY
    assert it.hear(ready(W)) == []


def test_a_tick_looks_at_what_has_expired_and_not_at_all_that_waits() -> None:
    class Clock(float):
        """A time that counts what it is compared with."""

        looks = 0

        def __ge__(self, other: float) -> bool:
            Clock.looks += 1
            return float(self) >= other

        def __lt__(self, other: float) -> bool:
            Clock.looks += 1
            return float(self) < other

    it = desk()
    for _ in range(1000):
        it.hear(ask())
    list(it.core.tick(Clock(EXPIRY / 2)))
    assert len(it.waiting()) == 1000
    assert Clock.looks < 10
    list(it.core.tick(Clock(EXPIRY)))
    assert not it.waiting()


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_silent_worker_is_taken_for_dead_and_hears_nothing_more(state: str) -> None:
    it = desk(state)
    it.pass_time(DEAD - 0.1)
    assert it.state(W) == state
    it.pass_time(INTERVAL)
    assert it.state(W) == "unknown"
    assert it.pass_time(10 * DEAD) == []


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_worker_whose_heart_beats_is_kept_for_ever(state: str) -> None:
    it = desk(state)
    it.pass_time(20 * DEAD, W)
    assert it.state(W) == state


def test_a_reply_counts_as_a_heartbeat() -> None:
    it = desk("busy")
    it.pass_time(DEAD - 0.5)
    it.hear(reply(W, C))
    it.pass_time(DEAD - 0.5)
    assert it.state(W) == "idle"


def test_the_job_of_a_worker_that_died_goes_to_the_next() -> None:
    it = desk("busy")
    it.hear(ready(X))
    assert job(X, C) in it.pass_time(DEAD + INTERVAL, X)


def test_no_job_goes_to_one_of_two_workers_that_died_together() -> None:
    it = desk("busy")
    it.hear(ready(X))
    assert not [said for said in it.pass_time(DEAD + INTERVAL) if said[3] == REQUEST]
    assert it.waiting() == [[C, b"", b"cup"]]


def test_a_lost_job_stands_before_those_that_came_later() -> None:
    it = desk("busy")
    it.hear(ask(D, b"tea", b"later"), disconnect(W))
    assert it.waiting() == [[C, b"", b"cup"], [D, b"", b"later"]]


def test_a_job_that_was_lost_late_has_its_time_to_wait_anew() -> None:
    it = desk("busy")
    it.pass_time(EXPIRY + 5, W)
    it.hear(disconnect(W))
    assert it.hear(ready(X)) == [job(X, C)]


def test_a_result_that_comes_after_its_worker_was_given_up_is_dropped() -> None:
    it = desk("busy")
    it.hear(ready(X))
    assert job(X, C) in it.pass_time(DEAD + INTERVAL, X)
    assert it.hear(reply(W, C, b"too late")) == HANGS_UP
    assert it.hear(reply(X, C)) == [answer(C)]


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_worker_hears_a_heartbeat_in_every_interval(state: str) -> None:
    it = desk(state)
    it.now = 0.3  # out of step with the first tick
    beats = []
    while it.now < 10:
        if it.pass_time(0.05, W) == [heartbeat(W)]:
            beats.append(it.now)
    gaps = [b - a for a, b in itertools.pairwise(beats)]
    assert len(beats) in (9, 10)
    assert all(INTERVAL * 0.9 <= gap <= INTERVAL * 1.1 for gap in gaps), gaps


def test_who_is_given_a_job_needs_no_heartbeat_beside_it() -> None:
    it = Desk()
    it.hear(ready(W), ready(X))
    for _ in range(6):
        said = it.pass_time(INTERVAL / 2, W, X) + it.hear(ask(C))
        busy = said[-1][0]
        assert heartbeat(busy) not in said or said.index(heartbeat(busy)) < len(said) - 1
        it.hear(reply(busy, C))
    it.hear(ask(C))
    assert heartbeat(W) not in it.pass_time(INTERVAL * 0.8, W, X)


def test_many_workers_out_of_step_do_not_cost_a_tick_each() -> None:
    it, ticks = Desk(), 0
    for n in range(100):
        it.now = n / 100
        it.hear(ready(b"W%d" % n))
    while it.core.deadline < 10:
        it.now, ticks = it.core.deadline, ticks + 1
        it.hear(*(heartbeat(b"W%d" % n) for n in range(100)))
        list(it.core.tick(it.now))
    assert ticks <= 10 * 9


# -- asking the broker itself -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "asked", "code"),
    [
        pytest.param([], b"tea", b"404", id="nobody offers it"),
        pytest.param([ask(D)], b"tea", b"404", id="somebody has only asked for it"),
        pytest.param([ready(W)], b"tea", b"200", id="a worker waits"),
        pytest.param([ready(W), ask(D)], b"tea", b"200", id="the only worker is busy"),
        pytest.param([ready(W), disconnect(W)], b"tea", b"404", id="the only worker has left"),
        pytest.param([ready(W), ask(D), disconnect(W)], b"tea", b"404", id="the only worker has left its job"),
        pytest.param([ready(W), ready(X), disconnect(W)], b"tea", b"200", id="one of two workers has left"),
        pytest.param([ready(W)], b"coffee", b"404", id="a worker offers something else"),
        pytest.param([ready(W)], b"", b"404", id="no name at all"),
        pytest.param([ready(W)], b"mmi.service", b"404", id="the broker's own service has no worker"),
    ],
)
def test_mmi_service_tells_whether_a_worker_is_there(before: list[list[bytes]], asked: bytes, code: bytes) -> None:
    it = Desk()
    it.hear(*before)
    assert it.hear(ask(C, b"mmi.service", asked)) == [answer(C, b"mmi.service", code)]


def test_mmi_service_forgets_a_worker_that_died() -> None:
    it = desk("idle")
    it.pass_time(DEAD + INTERVAL)
    assert it.hear(ask(C, b"mmi.service", b"tea")) == [answer(C, b"mmi.service", b"404")]


@pytest.mark.parametrize("name", [b"mmi.", b"mmi.workers", b"mmi.service2"])
def test_any_other_mmi_service_is_not_implemented(name: bytes) -> None:
    assert Desk().hear(ask(C, name, b"tea")) == [answer(C, name, b"501")]


# -- hostile messages ---------------------------------------------------------------------------------------------

S = b"stranger"
VALID = {
    "request": ask(S),
    "request to mmi": ask(S, b"mmi.service", b"tea"),
    "READY": ready(S),
    "REQUEST": job(S),
    "REPLY": reply(S, C),
    "HEARTBEAT": heartbeat(S),
    "DISCONNECT": disconnect(S),
}


def hostile_messages() -> Iterator[tuple[str, list[bytes]]]:
    for name, frames in VALID.items():
        for n in range(len(frames)):
            yield f"{name} cut off after {n} frames", frames[:n]
            if n:
                yield f"{name} without frame {n}", frames[:n] + frames[n + 1 :]
                for bad in (b"", b"\0", b"MDPC02", b"MDPW02", b"\x01\x01", b"\xff" * 300, b"x" * 2**20):
                    yield f"{name} with frame {n} as {bad[:4]!r}", [*frames[:n], bad, *frames[n + 1 :]]
        yield f"{name} with a frame too many", [*frames, b"more"]
        yield f"{name} by both protocols", [*frames[:2], CLIENT if frames[2] == WORKER else WORKER, *frames[3:]]
    chance = random.Random(7)
    for n in range(600):
        pool = [
            b"",
            b"tea",
            S,
            C,
            CLIENT,
            WORKER,
            READY,
            REQUEST,
            REPLY,
            HEARTBEAT,
            DISCONNECT,
            b"mmi.",
            b"mmi.service",
        ]
        words = [chance.choice([*pool, chance.randbytes(chance.randrange(8))]) for _ in range(chance.randrange(10))]
        yield f"random message {n}", [S, *words]
        if n % 3 == 0:
            yield f"random message {n} with a header", [S, b"", chance.choice((CLIENT, WORKER)), *words]


def test_whatever_a_stranger_sends_nobody_else_loses_anything() -> None:
    for name, frames in hostile_messages():
        it = Desk()
        it.hear(ready(W, b"own"), ask(C, b"own"), ready(X, b"own"), ask(D, b"absent"))
        for message in (frames, frames, ready(S), frames):
            for said in it.hear(message):
                assert said[0] in (S, *((C,) if message[-3:-1] == [C, b""] else ())), (name, said)
        assert it.state(W) == "busy", name
        assert it.state(X) == "idle", name
        assert it.waiting(b"absent") == [[D, b"", b"cup"]], name
        assert it.hear(ask(D, b"own")) == [job(X, D)], name
        assert it.hear(reply(W, C)) == [answer(C, b"own")], name
        it.pass_time(2 * EXPIRY, W, X)
        assert sorted(it.core.workers) == [W, X], name
        assert list(it.core.services) == [b"own"], name
        it.pass_time(2 * DEAD + EXPIRY + INTERVAL)
        assert (it.core.workers, it.core.jobs, it.core.services) == ({}, {}, {}), name


@pytest.mark.parametrize("name", [b"", b"\0", b"new\nline", b"\x7f"])
def test_a_name_that_cannot_be_printed_is_no_service(name: bytes) -> None:
    it = Desk()
    assert it.hear(ask(C, name), ready(W, name)) == []
    assert not it.core.services
    assert not it.core.workers


def test_a_stranger_cannot_answer_for_a_worker() -> None:
    it = desk("busy")
    assert it.hear(reply(X, C, b"forged")) == [disconnect(X)]
    assert it.hear(reply(W, C)) == [answer(C)]


def test_another_worker_cannot_answer_for_a_worker() -> None:
    it = desk("busy")
    it.hear(ready(X))
    assert it.hear(reply(X, C, b"forged")) == [disconnect(X)]
    assert it.hear(reply(W, C)) == [answer(C)]


def test_a_worker_may_be_a_client_too() -> None:
    it = desk("idle")
    it.hear(ready(X, b"milk"))
    assert it.hear(ask(C)) == [job(W, C)]
    assert it.hear(ask(W, b"milk")) == [job(X, W)]
    assert it.hear(reply(X, W)) == [answer(W, b"milk")]
    assert it.hear(reply(W, C)) == [answer(C)]


# -- the worker ---------------------------------------------------------------------------------------------------


class Bench:
    """A worker's core and the time of day."""

    def __init__(self, state: str = "idle") -> None:
        self.core, self.now = Worker("there", b"tea", INTERVAL, LIVENESS), 100.0
        assert self.tick() == OPENS
        self.now += INTERVAL
        if state == "busy":
            assert self.hear(REQUEST, C, b"", b"cup") == [Work([b"cup"])]

    def tick(self) -> list[Any]:
        return list(self.core.tick(self.now))

    def hear(self, *frames: bytes) -> list[Any]:
        return list(self.core.receive("broker", [b"", WORKER, *frames], self.now))

    def finish(self, *result: bytes) -> list[Any]:
        return list(self.core.receive(WORK, list(result or (b"done",)), self.now))

    def pass_time(self, seconds: float) -> list[Any]:
        did, until = [], self.now + seconds
        while self.core.deadline <= until:
            self.now = self.core.deadline
            did += self.tick()
            assert self.core.deadline > self.now, "it would spin"
        self.now = until
        return did


def to_broker(*frames: bytes) -> Send:
    return Send("broker", [b"", WORKER, *frames])


OPENS = [Close("broker"), Open("broker", zmq.DEALER, "there"), to_broker(READY, b"tea")]
CLOSES = [Close("broker")]


@pytest.mark.parametrize(
    ("state", "command", "does"),
    [
        pytest.param("idle", [REQUEST, C, b"", b"cup"], [Work([b"cup"])], id="REQUEST to one that is idle"),
        pytest.param("idle", [REQUEST, C, b"", b"", b"2"], [Work([b"", b"2"])], id="REQUEST of several frames"),
        pytest.param("idle", [HEARTBEAT], [], id="HEARTBEAT to one that is idle"),
        pytest.param("idle", [DISCONNECT], OPENS, id="DISCONNECT to one that is idle"),
        pytest.param("idle", [READY, b"tea"], [], id="READY, which is not for a worker"),
        pytest.param("idle", [REPLY, C, b"", b"done"], [], id="REPLY, which is not for a worker"),
        pytest.param("idle", [REQUEST, C, b"cup"], [], id="REQUEST without the empty frame"),
        pytest.param("idle", [REQUEST, C, D, b"", b"cup"], [], id="REQUEST with two addresses"),
        pytest.param("idle", [REQUEST, C, b""], [], id="REQUEST without a body"),
        pytest.param("idle", [], [], id="a header and no command"),
        pytest.param("idle", [b"\x09"], [], id="an unknown command"),
        pytest.param("busy", [REQUEST, D, b"", b"2"], [], id="REQUEST to one that is busy"),
        pytest.param("busy", [HEARTBEAT], [], id="HEARTBEAT to one that is busy"),
        pytest.param("busy", [DISCONNECT], CLOSES, id="DISCONNECT to one that is busy"),
        pytest.param("busy", [b"\x09"], [], id="an unknown command to one that is busy"),
    ],
)
def test_a_worker_does(state: str, command: list[bytes], does: list[Any]) -> None:
    it = Bench(state)
    assert it.hear(*command) == does
    if state == "busy" and does != CLOSES:
        assert it.finish() == [to_broker(REPLY, C, b"", b"done")], "its job is still the first"


@pytest.mark.parametrize(
    "frames", [[], [b""], [b"", b"MDPW02", HEARTBEAT], [b"", CLIENT, b"tea", b"x"], [WORKER, HEARTBEAT]]
)
def test_a_worker_drops_what_is_not_from_a_broker(frames: list[bytes]) -> None:
    it = Bench()
    assert list(it.core.receive("broker", frames, it.now)) == []
    it.now += DEAD - 1.5 * INTERVAL
    assert list(it.core.receive("broker", frames, it.now)) == []
    assert OPENS[1] in it.pass_time(2 * INTERVAL), "it is no sign of life"


@pytest.mark.parametrize("command", [[HEARTBEAT], [REQUEST, C, b"", b"cup"]], ids=["HEARTBEAT", "REQUEST"])
def test_a_command_of_the_broker_counts_as_a_heartbeat(command: list[bytes]) -> None:
    it = Bench()
    for _ in range(5):
        it.pass_time(DEAD - 2 * INTERVAL)
        it.hear(*command)
    assert OPENS[1] not in it.pass_time(DEAD - INTERVAL)


def test_a_worker_begins_anew_when_the_broker_is_silent() -> None:
    it = Bench()
    did = it.pass_time(2 * DEAD)
    assert did[:LIVENESS] == [to_broker(HEARTBEAT)] * (LIVENESS - 1) + OPENS[:1]
    assert did[LIVENESS - 1 :][:3] == OPENS


def test_a_worker_says_something_in_every_interval_and_heartbeat_only_where_it_says_nothing_else() -> None:
    it = Bench("busy")
    it.now += INTERVAL * 0.75
    it.hear(HEARTBEAT)
    assert it.finish() == [to_broker(REPLY, C, b"", b"done")]
    assert it.pass_time(INTERVAL * 0.9) == []
    assert it.pass_time(INTERVAL * 0.2) == [to_broker(HEARTBEAT)]


def test_heartbeats_go_on_while_a_job_runs() -> None:
    it, did = Bench("busy"), []
    for _ in range(10 * LIVENESS):
        it.hear(HEARTBEAT)
        did += it.pass_time(INTERVAL)
    assert did[1:] == [to_broker(HEARTBEAT)] * (len(did) - 1)
    assert it.finish() == [to_broker(REPLY, C, b"", b"done")]


@pytest.mark.parametrize("how", ["the broker hangs up", "the broker is silent"])
def test_a_worker_that_is_busy_when_its_connection_ends_finishes_drops_the_result_and_begins_anew(how: str) -> None:
    it = Bench("busy")
    did = it.hear(DISCONNECT) if how == "the broker hangs up" else it.pass_time(2 * DEAD)
    assert did[-1:] == CLOSES
    assert it.core.deadline == NEVER, "it registers nowhere while it is busy: it would be given a second job"
    it.now += 100
    assert it.finish() == OPENS
    assert it.hear(REQUEST, D, b"", b"2") == [Work([b"2"])]
    assert it.finish() == [to_broker(REPLY, D, b"", b"done")]


def test_a_broker_that_always_hangs_up_does_not_make_a_worker_spin() -> None:
    it = Bench()
    opened = 0
    for _ in range(1000):
        it.now += INTERVAL / 100
        did = it.hear(DISCONNECT) if it.core.expiry > it.now else []
        did += it.tick() if it.core.deadline <= it.now else []
        opened += OPENS[1] in did
    assert 9 <= opened <= 11


# -- the client ---------------------------------------------------------------------------------------------------


def asking(*bodies: list[bytes], tries: int = 3) -> tuple[Client, list[Any]]:
    core = Client("there", b"tea", list(bodies) or [[b"cup"]], 2.0, tries)
    assert core.deadline == AT_ONCE
    return core, list(core.tick(0.0))


def question(*body: bytes) -> Send:
    return Send("broker", [b"", CLIENT, b"tea", *body])


ASKS = [Close("broker"), Open("broker", zmq.DEALER, "there"), question(b"cup")]


def test_a_client_asks_and_hands_on_the_reply() -> None:
    core, did = asking()
    assert did == ASKS
    assert core.deadline == 2.0
    assert list(core.receive("broker", [b"", CLIENT, b"tea", b"a", b"b"], 1.0)) == [
        Close("broker"),
        Result([b"a", b"b"]),
    ]
    assert core.deadline == NEVER


def test_a_client_asks_one_after_the_other_on_one_socket_and_each_has_all_its_tries() -> None:
    core, _ = asking([b"1"], [b"2", b"3"])
    list(core.tick(2.0))
    assert list(core.receive("broker", [b"", CLIENT, b"tea", b"a"], 3.0)) == [question(b"2", b"3"), Result([b"a"])]
    assert core.deadline == 5.0
    assert [len(list(core.tick(t))) for t in (5.0, 7.0)] == [3, 3]
    assert isinstance(list(core.tick(9.0))[-1], Result)


def test_a_client_asks_again_on_a_new_socket_and_gives_up_within_its_bound() -> None:
    core, _ = asking()
    assert list(core.tick(2.0)) == ASKS
    assert list(core.tick(4.0)) == ASKS
    close, gives_up = core.tick(6.0)
    assert close == Close("broker")
    assert isinstance(gives_up.value, TimeoutError)
    assert str(gives_up.value) == "tea did not answer 3 times, 2 s each"
    assert core.deadline == NEVER


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([], id="nothing"),
        pytest.param([b"", CLIENT], id="a header"),
        pytest.param([b"", CLIENT, b"tea"], id="no body"),
        pytest.param([b"", CLIENT, b"coffee", b"done"], id="another service"),
        pytest.param([b"", b"MDPC02", b"tea", b"done"], id="another version"),
        pytest.param([b"", WORKER, DISCONNECT], id="what is said to workers"),
        pytest.param([CLIENT, b"tea", b"done"], id="no empty frame"),
    ],
)
def test_a_client_drops_what_is_no_reply_and_goes_on_waiting(frames: list[bytes]) -> None:
    core, _ = asking()
    assert list(core.receive("broker", frames, 1.0)) == []
    assert core.deadline == 2.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: Worker("e", b""), "^service: ", id="a worker without a service"),
        pytest.param(lambda: Worker("e", b"tea\n"), "^service: ", id="a worker whose service cannot be printed"),
        pytest.param(lambda: Worker("e", b"tea", 0), "^interval: ", id="a worker without an interval"),
        pytest.param(lambda: Worker("e", b"tea", liveness=0), "^liveness: ", id="a worker that trusts nobody"),
        pytest.param(lambda: Broker("e", -1.0), "^interval: ", id="a broker with a negative interval"),
        pytest.param(lambda: Broker("e", expiry=float("nan")), "^expiry: ", id="an expiry that is no number"),
        pytest.param(lambda: Client("e", b"", [[b"x"]]), "^service: ", id="a client that asks nobody"),
        pytest.param(lambda: Client("e", b"tea", []), "^frames: ", id="a client that asks nothing"),
        pytest.param(lambda: Client("e", b"tea", [[b"x"], []]), "^frames: ", id="a request without a body"),
        pytest.param(lambda: Client("e", b"tea", [[b"x"]], 0), "^timeout: ", id="a try that takes no time"),
        pytest.param(lambda: Client("e", b"tea", [[b"x"]], NEVER), "^timeout: ", id="a try that never ends"),
        pytest.param(lambda: Client("e", b"tea", [[b"x"]], tries=0), "^tries: ", id="not to ask at all"),
        pytest.param(lambda: list(Bench("busy").core.receive(WORK, [], 101.0)), "^work: ", id="a result of no frames"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# -- bad hours ----------------------------------------------------------------------------------------------------

BEAT, LIVES = 0.2, 3  # seconds between heartbeats in a bad hour, and how many may be missed
TRY, TRIES = 1.2, 3  # of its clients
TROUBLE = 6.0  # seconds in which things begin to go wrong
CALM = 11.0  # seconds after which all has been mended and everybody has found together again
LATE = 40.0  # seconds after which the last job must be done


class Watched:
    """A core, and all that goes in and out of it: what a node of the network does and sees."""

    def __init__(self, core: Any, seen: list[tuple[float, str, Any]], works: Callable[[], None]) -> None:
        self.core, self.seen, self.works = core, seen, works

    @property
    def deadline(self) -> float:
        return float(self.core.deadline)

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Any]:
        self.seen.append((now, WORK if socket == WORK else "in", frames))
        return self._did(self.core.receive(socket, frames, now), now)

    def tick(self, now: float) -> list[Any]:
        self.seen.append((now, "tick", None))
        return self._did(self.core.tick(now), now)

    def _did(self, effects: Any, now: float) -> list[Any]:
        did = list(effects)
        if any(isinstance(e, Work) for e in did):
            self.works()
        self.seen += [(now, "out", e.frames) if isinstance(e, Send) else (now, type(e).__name__, e) for e in did]
        return did


class Hour:
    """A broker, three workers of "tea", one of "milk" that comes late, none of "honey", and clients who want all of it.

    What befalls them is up to the seed. What they hear and say is watched; `wrong` is what they should not have done.
    """

    def __init__(self, seed: int, recipe: Any = majordomo, write: Callable[..., object] = lambda *event: None) -> None:
        self.recipe, self.chance = recipe, random.Random(f"majordomo {seed}")
        self.net = Network(f"majordomo {seed}", write=write)
        self.expiry = self.chance.choice([1.0, 1000.0])  # either much expires, or nothing may get lost
        self.lives: dict[str, list[list[tuple[float, str, Any]]]] = {}
        self.asked: dict[str, tuple[float, list[list[bytes]]]] = {}
        self.calm = False
        self.wrong: list[str] = []

    def live(self) -> list[str]:
        """Let the hour pass, and tell what was wrong."""
        net, chance, recipe = self.net, self.chance, self.recipe
        self.play("broker", lambda: recipe.Broker("b", BEAT, LIVES, self.expiry))
        workers = ["worker 1", "worker 2", "worker 3"]
        for name in workers:
            self.play(name, lambda: recipe.Worker("b", b"tea", BEAT, LIVES))
        net.at(TROUBLE + 1, lambda: self.play("milk", lambda: recipe.Worker("b", b"milk", BEAT, LIVES)))
        for n in range(4):
            net.at(chance.uniform(0, TROUBLE), partial(self.ask, f"client {n}", b"tea", 3))
        for service in (b"milk", b"honey"):
            net.at(chance.uniform(0, TROUBLE), partial(self.ask, f"client of {service.decode()}", service, 1))
        for _ in range(chance.randrange(2, 9)):
            self.trouble(workers)
        net.run(CALM)
        while self.working() and net.now < LATE:
            net.run(net.now + 0.5)
        self.calm = True
        self.ask("late client", b"tea", 6)  # each worker must get two of the six
        net.run(net.now + 2)
        self.judge(workers)
        return self.wrong

    def working(self) -> bool:
        core = self.net.nodes["broker"].core.core  # type: ignore[attr-defined]
        return bool(core.jobs or core.services[b"tea"].requests)

    def play(self, name: str, make: Callable[[], Any]) -> None:
        self.lives[name] = []

        def watched() -> Watched:
            self.lives[name].append([])
            return Watched(make(), self.lives[name][-1], works)

        def works() -> None:  # some jobs are longer than a broker's patience with a silent worker
            self.net.nodes[name].seconds = 0.01 if self.calm else self.chance.choice([0.01, 0.1, 0.3, 2 * BEAT * LIVES])

        self.net.play(name, watched, work=lambda body: [b"done", *body])

    def ask(self, name: str, service: bytes, count: int) -> None:
        bodies = [[name.encode(), b"%d" % n] for n in range(count)]
        self.asked[name] = (self.net.now, bodies)
        self.play(name, lambda: self.recipe.Client("b", service, bodies, TRY, TRIES))

    def trouble(self, workers: list[str]) -> None:
        """One thing that goes wrong, and is mended later."""
        net, chance = self.net, self.chance
        who = chance.choice(["broker", *workers])
        start = chance.uniform(0, TROUBLE)
        end = start + chance.choice([0.05, 0.4, 1.0, 2.0]) * chance.uniform(0.5, 1)
        kind = chance.choice(["crash", "freeze", "cut"])
        if kind == "crash":
            net.at(start, lambda: net.crash(who))
            net.at(end, lambda: net.restart(who))
        elif kind == "freeze":
            net.at(start, lambda: net.freeze(who))
            net.at(end, lambda: net.thaw(who))
        else:
            others = [n for n in ("broker", *workers, *(f"client {i}" for i in range(4))) if n in net.nodes]
            a, b = ("broker", chance.choice(others[1:])) if who == "broker" else (who, "broker")
            net.at(start, lambda: net.cut(a, b))
            net.at(end, lambda: net.heal(a, b))

    # what must hold

    def judge(self, workers: list[str]) -> None:
        for name, (start, bodies) in self.asked.items():
            self.judge_client(name, start, bodies)
        for n, life in enumerate(self.lives["broker"]):
            BrokersBook(self, life, last=n == len(self.lives["broker"]) - 1)
        for name in [*workers, "milk"]:
            for life in self.lives[name]:
                self.judge_worker(name, life)
        late = [frames[2:4] for _, how, frames in self.lives["late client"][0] if how == "in"]
        if len(late) != 6:
            self.wrong.append(f"in calm weather {len(late)} of 6 requests were answered at once")
        jobs = [sum(how == "Work" and b"late client" in e.job for _, how, e in self.lives[w][-1]) for w in workers]
        if jobs != [2, 2, 2]:
            self.wrong.append(f"six jobs were dealt to three workers as {jobs}")
        core = self.net.nodes["broker"].core.core  # type: ignore[attr-defined]
        kept = sorted(set(core.services) - ({b"honey"} if self.expiry > CALM else set()))
        if kept != [b"milk", b"tea"] or len(core.workers) != 4 or core.jobs:
            self.wrong.append(
                f"the broker keeps {sorted(core.services)}, {len(core.workers)} workers, jobs {core.jobs}"
            )

    def judge_client(self, name: str, start: float, bodies: list[list[bytes]]) -> None:
        """Each request is answered with its own reply, or the client raises TimeoutError, within its bound."""
        results = [(at, e.value) for at, how, e in self.lives[name][0] if how == "Result"]
        for (at, value), body in zip(results, bodies, strict=False):
            if at - start > TRY * TRIES + 1e-6:
                self.wrong.append(f"{name} waited {at - start:.3f} s for {value}")
            if not isinstance(value, TimeoutError) and value != [b"done", *body]:
                self.wrong.append(f"{name} asked {body} and got {value}")
            start = at
        gave_up = results and isinstance(results[-1][1], TimeoutError)
        if not gave_up and len(results) != len(bodies):
            self.wrong.append(f"{name} got {len(results)} of {len(bodies)} replies and no error")

    def judge_worker(self, name: str, life: list[tuple[float, str, Any]]) -> None:
        """One job at a time, over all its connections; READY first and once; a reply to whom it is due."""
        busy, client, said, heard = False, None, list[bytes](), 0.0
        for at, how, what in life:
            heard = at if how in ("in", "Open") else heard
            match how, what:
                case "in", [b"", b"MDPW01", b"\x02", of, b"", *_]:
                    if busy:
                        self.wrong.append(f"{at:.3f} {name} was given a second job before it had done the first")
                    client = of
                case "in", [b"", b"MDPW01", b"\x05"]:
                    said.append(DISCONNECT)
                case "Work", _:
                    busy = True
                case "work", _:
                    busy = False
                case "Open", _:
                    said, client = [], None
                case "out", [b"", b"MDPW01", command, *rest]:
                    if (command == READY) != (not said) or DISCONNECT in said:
                        self.wrong.append(f"{at:.3f} {name} said {command!r} after {said}")
                    if command == REPLY and rest[0] != client:
                        self.wrong.append(f"{at:.3f} {name} replied to {rest[0]!r}, not to {client!r}")
                    if command == HEARTBEAT and at - heard >= BEAT * LIVES:
                        self.wrong.append(
                            f"{at:.3f} {name} has heard nothing since {heard:.3f} and does not begin anew"
                        )
                    client = None if command == REPLY else client
                    said.append(command)


class BrokersBook:
    """What a broker accepted, gave away and answered in one life, kept from what it heard and said."""

    def __init__(self, hour: Hour, life: list[tuple[float, str, Any]], last: bool) -> None:
        self.hour, self.now = hour, 0.0
        self.waits: dict[tuple[bytes, ...], float] = {}  # (client, *body) of what nobody does -> since when
        self.service: dict[tuple[bytes, ...], bytes] = {}
        self.lost: set[tuple[bytes, ...]] = set()  # what has been in hands before
        self.hands: dict[bytes, tuple[bytes, ...]] = {}  # worker -> the job it has
        self.alive: dict[bytes, float] = {}  # worker -> when it last gave a sign of life
        self.replied = b""
        for self.now, how, frames in life:
            if how == "in":
                self.hears(frames)
            elif how == "out":
                self.says(frames)
            elif how == "tick":
                for worker in [w for w, at in self.alive.items() if at + BEAT * LIVES <= self.now]:
                    self.leaves(worker)
        for job, at in self.waits.items():
            if last and self.now - at < hour.expiry and self.service[job] != b"honey":
                self.wrong(f"{job[1:]} has waited since {at:.3f}")
        for worker, job in self.hands.items():
            if last:
                self.wrong(f"{job[1:]} stayed in the hands of {worker!r}")

    def wrong(self, what: str) -> None:
        self.hour.wrong.append(f"{self.now:.3f} the broker: {what}")

    def hears(self, frames: list[bytes]) -> None:
        self.replied = b""
        match frames:
            case [client, b"", b"MDPC01", service, *body]:
                self.waits[client, *body], self.service[client, *body] = self.now, service
            case [worker, b"", b"MDPW01", b"\x01", _] if worker not in self.alive:
                self.alive[worker] = self.now
            case [worker, b"", b"MDPW01", b"\x03", client, b"", b"done", *body]:
                if self.hands.get(worker) == (client, *body):
                    self.replied, self.alive[worker] = self.hands.pop(worker) and worker, self.now
            case [worker, b"", b"MDPW01", b"\x04"] if worker in self.alive:
                self.alive[worker] = self.now
            case [worker, b"", b"MDPW01", b"\x05"]:
                self.leaves(worker)

    def leaves(self, worker: bytes) -> None:
        self.alive.pop(worker, None)
        if job := self.hands.pop(worker, None):
            self.waits[job] = self.now
            self.lost.add(job)

    def says(self, frames: list[bytes]) -> None:
        match frames:
            case [worker, b"", b"MDPW01", b"\x05"]:
                self.leaves(worker)
            case [worker, b"", b"MDPW01", command, *rest]:
                if worker not in self.alive:
                    self.wrong(f"said {command!r} to {worker!r}, which is no worker")
                if command == REQUEST:
                    self.gives(worker, (rest[0], *rest[2:]))
            case [_, b"", b"MDPC01", *_]:
                if not self.replied:
                    self.wrong(f"said {frames[3:]}, which nobody told it")
                self.replied = b""

    def gives(self, worker: bytes, job: tuple[bytes, ...]) -> None:
        if worker in self.hands:
            self.wrong(f"gave {job[1:]} to a worker that has {self.hands[worker][1:]}")
        if job not in self.waits:
            self.wrong(f"gave away {job[1:]}, which nobody waits for")
            return
        since = self.waits.pop(job)
        if self.now - since >= self.hour.expiry:
            self.wrong(f"gave away {job[1:]} after {self.now - since:.3f} s, when it had expired")
        for other, at in self.waits.items():
            first = other in self.lost or (at < since and job not in self.lost)
            if first and self.service[other] == self.service[job] and self.now - at < self.hour.expiry:
                self.wrong(f"gave away {job[1:]} before {other[1:]}") if job not in self.lost else None
        self.hands[worker] = job


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


MUTANTS = {
    "loses the job of a worker that died": ("service.requests.appendleft((now + self.expiry, job))", "pass"),
    "puts that job behind the others": ("service.requests.appendleft((", "service.requests.append(("),
    "serves the newest request first": ("service.requests.popleft()", "service.requests.pop()"),
    "gives all jobs to the worker that was the last to finish": ("service.waiting.popleft()", "service.waiting.pop()"),
    "gives a second job to one that is busy": (
        "worker = service.waiting.popleft()",
        "worker = next((w for w in service.workers if w in self.jobs), None) or service.waiting.popleft()",
    ),
    "keeps dead workers": ("if w.expiry <= now)", "if False)"),
    "keeps dead workers that are busy": ("if w.expiry <= now)", "if w.expiry <= now and n not in self.jobs)"),
    "keeps requests for ever": ("service.requests[0][0] <= now", "False"),
    "keeps services for ever": ("            del self.services[name]", "            pass"),
    "never says that it lives": ('yield Send("peers", [name, b"", WORKER, HEARTBEAT])', "pass"),
}


@pytest.mark.parametrize("mutant", [pytest.param(m, id=f"a broker that {name}") for name, m in MUTANTS.items()])
def test_bad_hours_tell(mutant: tuple[str, str]) -> None:
    source = Path(majordomo.__file__).read_text(encoding="utf-8")
    assert mutant[0] in source
    broken: Any = types.ModuleType("patterns.broken")
    broken.__package__ = "patterns"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "patterns.broken", broken)  # dataclasses look there
        exec(compile(source.replace(*mutant), "broken", "exec"), broken.__dict__)
        assert any(trouble(seed, broken) for seed in range(SEEDS))


def trouble(seed: int, recipe: Any) -> bool:
    try:
        return bool(Hour(seed, recipe).live())
    except (KeyError, ValueError, IndexError):
        return True


@pytest.mark.parametrize("first", range(0, SEEDS, 100))
def test_every_request_is_answered_or_given_up_and_no_worker_has_two_jobs(first: int) -> None:
    for seed in range(first, first + 100):
        assert not hostile(seed), f"seed {seed}: python tests/soak.py majordomo --seed {seed} draws it"


# -- over sockets -------------------------------------------------------------------------------------------------

SHORT = 0.1  # seconds between heartbeats here


class Kettle:
    """What a worker does: it notes each request, and while it is held it is not done with any."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.got, self.go = threading.Semaphore(0), threading.Event()

    def __call__(self, body: list[bytes]) -> list[bytes]:
        self.seen += body
        self.got.release()
        assert self.go.wait(WAIT)
        return [b"done", *body]


@pytest.fixture
def held() -> Iterator[Kettle]:
    it = Kettle()
    yield it
    it.go.set()


def telling_worker(ctx: Any, endpoint: str, told: str, holds: bool) -> None:
    """A worker that tells each job, and if it `holds` is never done with one."""
    with ctx.socket(zmq.DEALER) as tell:
        tell.connect(told)

        def work(body: list[bytes]) -> list[bytes]:
            tell.send_multipart(body)
            return [b"done", *body] if not holds else list(tell.recv_multipart())

        worker(ctx, "tea", endpoint, SHORT, work)


@pytest.fixture
def told(stage: Stage) -> Any:
    it = stage.socket(zmq.DEALER, rcvtimeo=MS)
    it.bind(stage.endpoint("told"))
    return it


def serve_tea(stage: Stage, *, name: str = "worker", work: Any = echo) -> None:
    stage.play(partial(worker, endpoint=stage.endpoint("broker"), interval=SHORT, work=work), "tea", name=name)


def drink(stage: Stage, *asked: str, service: str = "tea", name: str = "", endpoint: str = "", **limits: Any) -> Any:
    """Play a client that waits for long and asks once, unless told otherwise."""
    role = partial(client, endpoint=endpoint or stage.endpoint("broker"), **{"timeout": WAIT, "tries": 1, **limits})
    return stage.play(role, service, *asked, name=name)


def until(stage: Stage, code: bytes, service: str = "tea") -> None:
    """Ask the broker until it says whether there is a worker."""
    deadline = time.monotonic() + WAIT
    while stage.play(partial(client, endpoint=stage.endpoint("broker")), "mmi.service", service).result(WAIT) != [code]:
        assert time.monotonic() < deadline


def test_a_request_finds_its_worker_and_the_reply_its_client(stage: Stage) -> None:
    stage.play(broker, stage.endpoint("broker"))
    serve_tea(stage)
    assert drink(stage, "one", "two", "three").result(WAIT) == [b"one", b"two", b"three"]
    assert drink(stage, "tea", "coffee", service="mmi.service", name="asks").result(WAIT) == [b"200", b"404"]
    assert drink(stage, "x", service="mmi.other", name="asks more").result(WAIT) == [b"501"]


def test_nobody_there_costs_a_timeout_error_within_the_bound(stage: Stage) -> None:
    since = time.monotonic()
    with pytest.raises(TimeoutError, match=r"^tea did not answer 3 times, 0\.1 s each$"):
        drink(stage, "one", timeout=0.1, tries=3).result(WAIT)
    assert 0.3 <= time.monotonic() - since < 0.3 + 2


@curve
def test_under_curve_only_who_has_the_keys_is_served() -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        home.play(broker, "tcp://127.0.0.1:*")
        [endpoint] = bound_at(recording, "broker")
        abroad.play(partial(worker, endpoint=endpoint), "tea")
        with turned_away(street, zmq.DEALER, endpoint, ask()[1:]):
            assert drink(abroad, "hello", endpoint=endpoint).result(WAIT) == [b"hello"]
        assert not any(b"cup" in e.frames for e in recording if e.kind == "receive")


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def test_a_dead_workers_job_goes_to_the_next(stage: Stage, told: Any) -> None:
    endpoint = stage.endpoint("broker")
    stage.play(broker, endpoint, SHORT)
    first = stage.spawn(telling_worker, endpoint, stage.endpoint("told"), True, name="first")
    asking = drink(stage, "green")
    assert told.recv() == b"green"
    stage.spawn(telling_worker, endpoint, stage.endpoint("told"), False, name="second")
    first.kill()
    assert told.recv() == b"green", "the work is done a second time"
    assert asking.result(WAIT) == [b"done", b"green"]


@signals
def test_a_frozen_workers_job_goes_to_the_next(stage: Stage, told: Any) -> None:
    endpoint = stage.endpoint("broker")
    stage.play(broker, endpoint, SHORT)
    first = stage.spawn(telling_worker, endpoint, stage.endpoint("told"), True, name="first")
    asking = drink(stage, "green")
    assert told.recv() == b"green"
    first.freeze()
    stage.spawn(telling_worker, endpoint, stage.endpoint("told"), False, name="second")
    assert told.recv() == b"green", "the work is done a second time"
    assert asking.result(WAIT) == [b"done", b"green"]


def test_a_lost_reply_is_asked_for_again(stage: Stage) -> None:
    work = Kettle()
    work.go.set()
    stage.play(broker, stage.endpoint("broker"))
    serve_tea(stage, work=work)
    until(stage, b"200")
    with Wire(stage.endpoint("broker")) as wire:
        wire.drop("back", 1)
        asking = drink(stage, "green", endpoint=wire.endpoint, timeout=0.2, tries=50)
        assert asking.result(WAIT) == [b"done", b"green"]
    assert len(work.seen) >= 2, "the work was done again"


def test_a_job_longer_than_the_clients_timeout_is_done_again(stage: Stage, held: Kettle) -> None:
    stage.play(broker, stage.endpoint("broker"))
    serve_tea(stage, work=held)
    with Wire(stage.endpoint("broker")) as wire:
        asking = drink(stage, "green", endpoint=wire.endpoint, timeout=0.2, tries=50)
        assert held.got.acquire(timeout=WAIT)
        wire.wait("forward", 2, timeout=WAIT)  # the client asks again, and the worker is still busy
        assert held.seen == [b"green"]
        held.go.set()
        assert asking.result(WAIT) == [b"done", b"green"]
    assert len(held.seen) >= 2


def test_a_job_longer_than_the_liveness_keeps_its_worker() -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage:
        held = Kettle()
        stage.play(broker, stage.endpoint("broker"), SHORT)
        serve_tea(stage, work=held)
        asking = drink(stage, "green")
        assert held.got.acquire(timeout=WAIT)
        heard = recording.count("receive", "broker")
        # three times as many heartbeats as a silent worker would be granted
        recording.wait("receive", "broker", count=heard + 3 * majordomo.LIVENESS, timeout=WAIT)
        held.go.set()
        assert asking.result(WAIT) == [b"done", b"green"]
        assert held.seen == [b"green"]


def test_a_job_in_hand_when_the_broker_restarts_is_done_again(stage: Stage, held: Kettle) -> None:
    endpoint = stage.endpoint("broker")
    old = stage.spawn(broker, endpoint, SHORT, name="old broker")
    serve_tea(stage, work=held)
    asking = drink(stage, "green", timeout=0.5, tries=30)
    assert held.got.acquire(timeout=WAIT)
    old.kill()
    stage.spawn(broker, endpoint, SHORT, name="new broker")
    held.go.set()
    assert asking.result(WAIT) == [b"done", b"green"]
    assert len(held.seen) >= 2, "its first result had nobody to go to"


def test_workers_register_again_with_a_broker_that_was_restarted(stage: Stage) -> None:
    endpoint = stage.endpoint("broker")
    old = stage.spawn(broker, endpoint, SHORT, name="old broker")
    serve_tea(stage)
    until(stage, b"200")
    old.kill()
    stage.spawn(broker, endpoint, SHORT, name="new broker")
    until(stage, b"200")
    assert drink(stage, "green").result(WAIT) == [b"green"]


def test_a_request_for_an_absent_service_waits_and_expires(stage: Stage) -> None:
    stage.play(partial(broker, interval=SHORT, expiry=0.2), stage.endpoint("broker"))
    with pytest.raises(TimeoutError):
        drink(stage, "cold", name="too early", timeout=1.0).result(WAIT)
    work = Kettle()
    work.go.set()
    serve_tea(stage, work=work)
    until(stage, b"200")
    assert drink(stage, "green").result(WAIT) == [b"done", b"green"]
    assert work.seen == [b"green"]


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_three_terminals_and_ctrl_c() -> None:
    with shell("majordomo", "broker", "--endpoint", "tcp://127.0.0.1:0") as serving:
        [endpoint] = bound_to(serving)
        with shell("majordomo", "worker", "echo", "--endpoint", endpoint) as working:
            way = "--endpoint", endpoint, "--timeout"
            with shell("majordomo", "client", "echo", "hello", *way, f"{WAIT}") as asking:
                assert ended(asking) == (0, "hello\n", "")
            with shell("majordomo", "client", "tea", "hello", *way, "0.1") as asking:
                assert ended(asking) == (1, "", "client: tea did not answer 3 times, 0.1 s each\n")
            ends_on_ctrl_c(serving, working)
