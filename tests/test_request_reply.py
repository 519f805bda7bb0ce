# SPDX-License-Identifier: BSD-3-Clause
"""Request-reply: replies in their order, lock-step, fairness, and what each fault does to an exchange.

That a client waits for ever is shown by a deadline that passes while everybody else is served.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import zmq
from sockets import (
    MS,
    WAIT,
    Service,
    address,
    bound_at,
    bound_to,
    curve,
    ended,
    ends_on_ctrl_c,
    guarantees_hold,
    is_stuck,
    shell,
    signals,
    thinker,
    transports,
    turned_away,
    under_curve,
)

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns.request_reply import GUARANTEES, client, server
from patterns.stage import Actor, Stage


@pytest.fixture
def held(stage: Stage) -> Iterator[Service]:
    service = Service()
    service.go.clear()
    yield service
    service.go.set()


def ask(stage: Stage, endpoint: str, *requests: str, name: str = "client") -> Actor:
    return stage.play(partial(client, endpoint=endpoint), *requests, name=name)


# -- in fair weather ----------------------------------------------------------------------------------------------


@transports
@pytest.mark.parametrize("traced", [False, True], ids=["plain context", "tracing context"])
def test_replies_come_back_in_the_order_of_the_requests(transport: str, traced: bool) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as home, Stage(trace.Context(recording) if traced else None) as elsewhere:
        endpoint = play_server(home, recording, transport)
        assert ask(elsewhere, endpoint, "one", "two", "three").result(WAIT) == ["ONE", "TWO", "THREE"]


def play_server(stage: Stage, recording: Recording, transport: str) -> str:
    stage.play(server, address(stage, transport, "server"))
    return bound_at(recording, "server")[0]


def test_a_plain_server_answers_until_its_stage_ends(stage: Stage) -> None:
    endpoint = stage.endpoint("server")
    actor = stage.play(server, endpoint)
    assert ask(stage, endpoint, "hello").result(WAIT) == ["HELLO"]
    assert not actor.done


@transports
@curve
def test_under_curve_only_who_has_the_keys_is_answered(transport: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        endpoint = play_server(home, recording, transport)
        with turned_away(street, zmq.REQ, endpoint, [b"let me in"]):
            assert ask(abroad, endpoint, "hello").result(WAIT) == ["HELLO"]
        assert [e.frames for e in recording if (e.kind, e.actor) == ("receive", "server")] == [(b"hello",)]


@pytest.mark.parametrize("first", ["server", "client"])
def test_either_side_may_start_first(first: str) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage:
        endpoint = stage.endpoint("server")
        if first == "server":
            stage.play(server, endpoint)
            recording.wait("bind", "server")
            asking = ask(stage, endpoint, "hello")
        else:
            asking = ask(stage, endpoint, "hello")
            recording.wait("sent", "client")
            stage.play(server, endpoint)
        assert asking.result(WAIT) == ["HELLO"]


def test_each_of_several_clients_gets_the_replies_to_its_own_requests(stage: Stage) -> None:
    endpoint = stage.endpoint("server")
    asking = {n: ask(stage, endpoint, *(f"{n} {i}" for i in range(5)), name=n) for n in ("ann", "bob", "cleo")}
    stage.play(server, endpoint)
    for name, actor in asking.items():
        assert actor.result(WAIT) == [f"{name.upper()} {i}" for i in range(5)]


def test_a_flooding_client_cannot_starve_another(stage: Stage) -> None:
    # over inproc what was sent before the bind is there at the bind, so the order is no race
    service, endpoint = Service(), "inproc://server"
    flooding, modest = (stage.socket(zmq.DEALER, rcvtimeo=MS) for _ in range(2))
    for socket, requests in ((flooding, (b"f1", b"f2", b"f3", b"f4", b"f5")), (modest, (b"m1", b"m2"))):
        socket.connect(endpoint)
        for request in requests:
            socket.send_multipart([b"", request])
    stage.play(server, endpoint, service)
    assert [flooding.recv_multipart()[1] for _ in range(5)] == [b"F1", b"F2", b"F3", b"F4", b"F5"]
    assert [modest.recv_multipart()[1] for _ in range(2)] == [b"M1", b"M2"]
    assert service.seen == [b"f1", b"m1", b"f2", b"m2", b"f3", b"f4", b"f5"]


def test_on_the_wire_an_empty_delimiter_stands_in_front(stage: Stage) -> None:
    stage.play(server, stage.endpoint("server"))
    with Wire(stage.endpoint("server")) as wire:
        assert ask(stage, wire.endpoint, "hello").result(WAIT) == ["HELLO"]
        assert [(c.direction, c.frames) for c in wire.log] == [("forward", (b"", b"hello")), ("back", (b"", b"HELLO"))]


@pytest.mark.parametrize(
    ("who", "turns"),
    [
        pytest.param("REQ", ["REQ sends", "REQ sends"], id="a REQ may not ask twice in a row"),
        pytest.param("REQ", ["REQ receives"], id="a REQ may not receive before it has asked"),
        pytest.param("REP", ["REP sends"], id="a REP may not answer before it is asked"),
        pytest.param("REP", ["REQ sends", "REP receives", "REP receives"], id="a REP may not receive twice in a row"),
    ],
)
def test_out_of_turn_is_refused_and_the_exchange_goes_on(stage: Stage, who: str, turns: list[str]) -> None:
    rep, req = (stage.socket(kind, rcvtimeo=MS) for kind in (zmq.REP, zmq.REQ))
    rep.bind("inproc://server")
    req.connect("inproc://server")
    acts: dict[str, Callable[[], Any]] = {
        "REQ sends": lambda: req.send(b"hello"),
        "REP receives": rep.recv,
        "REP sends": lambda: rep.send(b"HELLO"),
        "REQ receives": req.recv,
    }
    *before, last = turns
    for turn in before:
        acts[turn]()
    with pytest.raises(zmq.ZMQError) as refused:
        acts[last]()
    assert refused.value.errno == zmq.EFSM
    assert last.startswith(who)
    for turn in acts:
        if turn not in before:
            assert acts[turn]() in (None, b"hello", b"HELLO")


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def crash(stage: Stage) -> Actor:
    """Kill a server while it has a client's request, and return that client."""
    told = stage.socket(zmq.DEALER, rcvtimeo=MS)
    told.bind(stage.endpoint("told"))
    process = stage.spawn(thinker, stage.endpoint("told"), server, stage.endpoint("server"))
    asking = ask(stage, stage.endpoint("server"), "hello")
    assert told.recv() == b"hello"
    process.kill()
    return asking


def test_a_client_whose_server_dies_with_the_request_waits_for_ever(stage: Stage) -> None:
    assert is_stuck(crash(stage))


def test_a_restarted_server_does_not_know_the_old_request(stage: Stage) -> None:
    asking, service = crash(stage), Service()
    stage.play(server, stage.endpoint("server"), service, name="restarted server")
    assert ask(stage, stage.endpoint("server"), "anyone", name="another client").result(WAIT) == ["ANYONE"]
    assert is_stuck(asking)
    assert service.seen == [b"anyone"]


@signals
def test_a_client_whose_server_is_frozen_waits_until_it_thaws(stage: Stage) -> None:
    endpoint = stage.endpoint("server")
    process = stage.spawn(server, endpoint)
    assert ask(stage, endpoint, "are you up").result(WAIT) == ["ARE YOU UP"]
    process.freeze()
    asking = ask(stage, endpoint, "hello", name="patient client")
    assert is_stuck(asking)
    process.thaw()
    assert asking.result(WAIT) == ["HELLO"]


def test_a_client_whose_reply_is_cut_off_waits_for_ever(stage: Stage, held: Service) -> None:
    stage.play(server, stage.endpoint("server"), held)
    with Wire(stage.endpoint("server")) as wire:
        asking = ask(stage, wire.endpoint, "hello")
        assert held.got.get(timeout=WAIT) == b"hello"
        wire.cut()
        held.go.set()
        wire.heal()
        assert ask(stage, wire.endpoint, "anyone", name="another client").result(WAIT) == ["ANYONE"]
        assert is_stuck(asking)
        assert held.seen == [b"hello", b"anyone"]


@pytest.mark.parametrize(
    ("direction", "seen"), [("forward", [b"anyone"]), ("back", [b"hello", b"anyone"])], ids=["request", "reply"]
)
def test_a_client_whose_message_is_lost_waits_for_ever(stage: Stage, direction: Any, seen: list[bytes]) -> None:
    service = Service()
    stage.play(server, stage.endpoint("server"), service)
    with Wire(stage.endpoint("server")) as wire:
        wire.drop(direction, 1)
        asking = ask(stage, wire.endpoint, "hello")
        wire.wait(direction, timeout=WAIT)
        assert ask(stage, wire.endpoint, "anyone", name="another client").result(WAIT) == ["ANYONE"]
        assert is_stuck(asking)
    assert service.seen == seen


def test_a_slow_server_is_waited_for(stage: Stage, held: Service) -> None:
    stage.play(server, stage.endpoint("server"), held)
    asking = ask(stage, stage.endpoint("server"), "hello")
    assert held.got.get(timeout=WAIT) == b"hello"
    assert is_stuck(asking)
    held.go.set()
    assert asking.result(WAIT) == ["HELLO"]
    assert held.seen == [b"hello"]


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_a_client_is_answered_and_ctrl_c_ends_the_server() -> None:
    with shell("request_reply", "server", "--endpoint", "tcp://127.0.0.1:0") as serving:
        [endpoint] = bound_to(serving)
        with shell("request_reply", "client", "--endpoint", endpoint, "hello", "world") as asking:
            assert ended(asking) == (0, "HELLO\nWORLD\n", "")
        ends_on_ctrl_c(serving)
