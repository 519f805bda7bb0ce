# SPDX-License-Identifier: BSD-3-Clause
"""Shared queue: envelopes that come back as they went, requests dealt in turn, services that come and go, and faults.

Which services the broker knows is seen by asking until each has answered; from then on it deals in turn.
"""

import random
import threading
import time
from functools import partial
from typing import Any

import pytest
import zmq
from sockets import (
    MS,
    STUCK,
    WAIT,
    address,
    bound_at,
    bound_to,
    caught_up,
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
from patterns.process import Process
from patterns.shared_queue import GUARANTEES, broker, client, service, unwrap, wrap
from patterns.stage import Actor, Stage


def ends(stage: Stage) -> tuple[str, str]:
    return stage.endpoint("clients"), stage.endpoint("services")


def sign(request: bytes) -> bytes:
    """Work that says who has done it."""
    return request + b" by " + threading.current_thread().name.encode()


def signed(ctx: zmq.Context[Any], backend: str, name: str) -> None:
    """A service that signs what it does, for a process."""
    service(ctx, backend, lambda request: request + b" by " + name.encode())


def ask(stage: Stage, *requests: str, name: str = "client") -> Actor:
    return stage.play(partial(client, frontend=stage.endpoint("clients")), *requests, name=name)


def dealer(stage: Stage, end: str = "clients") -> Any:
    """A socket of the test's that can ask and hear several things at a time; the envelope is its own business."""
    socket = stage.socket(zmq.DEALER, rcvtimeo=MS, sndtimeo=MS, linger=0)
    socket.connect(stage.endpoint(end))
    return socket


def known(socket: Any, *services: bytes) -> None:
    """Ask until each of these has answered, so that the broker knows them all."""
    missing, until = set(services), time.monotonic() + WAIT
    while missing and time.monotonic() < until:
        socket.send_multipart([b"", b"who"])
        missing.discard(socket.recv_multipart()[1].removeprefix(b"who by "))
    assert not missing


def answers(socket: Any, count: int) -> list[bytes]:
    return sorted(socket.recv_multipart()[-1] for _ in range(count))


# -- envelopes ----------------------------------------------------------------------------------------------------


def some(seed: int, hops: int) -> tuple[list[bytes], list[bytes]]:
    """Ids of so many hops, none of them empty, and a body of one to four frames, empty ones among them."""
    dice = random.Random(f"{seed} {hops}")
    ids = [dice.randbytes(dice.randint(1, 6)) for _ in range(hops)]
    return ids, [dice.randbytes(dice.choice((0, 0, 1, 5))) for _ in range(dice.randint(1, 4))]


@pytest.mark.parametrize("hops", range(5))
def test_what_was_wrapped_is_unwrapped_as_it_was(hops: int) -> None:
    for seed in range(200):
        ids, body = some(seed, hops)
        frames = wrap(ids, body)
        assert unwrap(frames) == (ids, body)
        assert frames[hops] == b""
        assert len(frames) == hops + 1 + len(body)


@pytest.mark.parametrize("hops", range(5))
def test_a_rep_takes_off_the_same_envelope_and_puts_it_on_again(stage: Stage, hops: int) -> None:
    stage.play(broker, *ends(stage))
    stage.play(service, stage.endpoint("services"))
    socket = dealer(stage)
    for seed in range(20):
        ids, body = some(seed, hops)
        socket.send_multipart(wrap(ids, body))
        assert unwrap(socket.recv_multipart()) == (ids, [frame.upper() for frame in body])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(partial(wrap, [b"ann", b""], [b"tea"]), "ids: expected none that is empty", id="an empty id"),
        pytest.param(partial(wrap, [b"ann"], []), "body: expected at least one frame", id="nothing to wrap"),
        pytest.param(partial(unwrap, [b"ann", b"tea"]), "frames: expected an empty one", id="no delimiter"),
        pytest.param(partial(unwrap, [b"ann", b""]), "frames: expected an empty one in front", id="no body"),
        pytest.param(partial(unwrap, []), "frames: expected an empty one", id="no frames"),
    ],
)
def test_what_is_no_envelope_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("reply", [[b"HELLO"], [b"ann", b"", b"HELLO"], [b""]], ids=["none", "an id", "no body"])
def test_a_req_hangs_up_on_a_reply_that_does_not_begin_with_a_delimiter_and_a_body(reply: list[bytes]) -> None:
    with Stage() as stage:
        router, req = (stage.socket(kind, rcvtimeo=MS, linger=0) for kind in (zmq.ROUTER, zmq.REQ))
        router.bind(stage.endpoint("server"))
        with req.get_monitor_socket(zmq.EVENT_DISCONNECTED) as hung_up:
            req.connect(stage.endpoint("server"))
            req.send(b"hello")
            routing_id, *_ = router.recv_multipart()
            for frames in (reply, [b"", b"HELLO"]):
                router.send_multipart([routing_id, *frames])
            assert hung_up.poll(MS)
            req.disable_monitor()
        assert not req.poll(STUCK * 1000)


@pytest.mark.parametrize("message", [[b"hello"], [b"ann", b"hello"], [b""]], ids=["none", "an id", "no body"])
def test_a_rep_says_that_it_has_something_and_has_nothing_when_the_delimiter_is_lost(message: list[bytes]) -> None:
    with Stage() as stage:
        rep, socket = stage.socket(zmq.REP), stage.socket(zmq.DEALER)
        rep.bind(stage.endpoint("server"))
        socket.connect(stage.endpoint("server"))
        socket.send_multipart(message)
        assert rep.poll(MS)
        with pytest.raises(zmq.Again):
            rep.recv(zmq.DONTWAIT)
        assert not rep.poll(0)


# -- in fair weather ----------------------------------------------------------------------------------------------


def bound_broker(home: Stage, recording: Recording, transport: str) -> list[str]:
    home.play(broker, address(home, transport, "clients"), address(home, transport, "services"))
    return bound_at(recording, "broker", 2)


@transports
@pytest.mark.parametrize("traced", [False, True], ids=["plain context", "tracing context"])
def test_a_client_is_answered_through_the_broker(transport: str, traced: bool) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as home, Stage(trace.Context(recording) if traced else None) as elsewhere:
        frontend, backend = bound_broker(home, recording, transport)
        elsewhere.play(service, backend)
        asking = elsewhere.play(partial(client, frontend=frontend), "one", "two", "three", name="client")
        assert asking.result(WAIT) == ["ONE", "TWO", "THREE"]


@transports
@curve
def test_under_curve_only_who_has_the_keys_is_let_in(transport: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        frontend, backend = bound_broker(home, recording, transport)
        with turned_away(street, zmq.REQ, frontend, [b"let me in"]), turned_away(street, zmq.REP, backend):
            abroad.play(service, backend)
            assert abroad.play(partial(client, frontend=frontend), "hello", name="client").result(WAIT) == ["HELLO"]
        assert not any(b"let me in" in e.frames for e in recording if e.kind == "receive")


@pytest.mark.parametrize("order", ["broker service client", "client service broker", "service client broker"])
def test_the_roles_may_start_in_any_order(stage: Stage, order: str) -> None:
    for role in order.split():
        if role == "client":
            asking = ask(stage, "one", "two")
        elif role == "service":
            stage.play(service, stage.endpoint("services"))
        else:
            stage.play(broker, *ends(stage))
    assert asking.result(WAIT) == ["ONE", "TWO"]


def test_each_client_gets_the_replies_to_its_own_requests(stage: Stage) -> None:
    stage.play(broker, *ends(stage))
    for _ in range(3):
        stage.play(service, stage.endpoint("services"))
    names = [f"client {n}" for n in range(8)]
    asking = {name: ask(stage, *(f"{name}: {i}" for i in range(20)), name=name) for name in names}
    for name, actor in asking.items():
        assert actor.result(WAIT) == [f"{name}: {i}".upper() for i in range(20)]


def test_requests_are_dealt_to_the_services_in_turn(stage: Stage) -> None:
    stage.play(broker, *ends(stage))
    for name in ("A", "B", "C"):
        stage.play(service, stage.endpoint("services"), sign, name=name)
    socket = dealer(stage)
    known(socket, b"A", b"B", b"C")
    for number in range(9):
        socket.send_multipart([b"", b"%d" % number])
    shares = [answer.rpartition(b" ")[2] for answer in answers(socket, 9)]
    assert shares[:3] * 3 == shares
    assert sorted(shares) == [b"A"] * 3 + [b"B"] * 3 + [b"C"] * 3


def test_a_quick_reply_overtakes_a_slow_one(stage: Stage, gate: threading.Event) -> None:
    stage.play(broker, *ends(stage))
    for name in ("A", "B"):
        stage.play(service, stage.endpoint("services"), lambda r: sign(r) if r == b"who" else held(gate, r), name=name)
    known(dealer(stage), b"A", b"B")
    slow = ask(stage, "slow", name="slow client")
    assert is_stuck(slow)
    assert ask(stage, "quick").result(WAIT) == ["quick"]
    gate.set()
    assert slow.result(WAIT) == ["slow"]


def held(gate: threading.Event, request: bytes) -> bytes:
    """Work that is done at once, but for a slow request, which takes until the gate is open."""
    assert request != b"slow" or gate.wait(WAIT)
    return request


def bridge(ctx: zmq.Context[Any], backend: str, frontend: str) -> None:
    """Hand the requests of one broker to another broker, frames unchanged."""
    with ctx.socket(zmq.DEALER) as here, ctx.socket(zmq.DEALER) as there:
        here.connect(backend)
        there.connect(frontend)
        zmq.proxy(here, there)


def test_two_brokers_in_a_row_give_two_ids_in_front_of_one_delimiter(stage: Stage) -> None:
    stage.play(broker, *ends(stage))
    stage.play(broker, stage.endpoint("inner"), stage.endpoint("last"), name="inner broker")
    stage.play(bridge, stage.endpoint("services"), stage.endpoint("inner"))
    last = dealer(stage, "last")
    asking = ask(stage, "hello")
    ids, body = unwrap(last.recv_multipart())
    assert ([len(i) for i in ids], body) == ([5, 5], [b"hello"])
    last.send_multipart(wrap(ids, [b"HELLO"]))
    assert asking.result(WAIT) == ["HELLO"]


# -- services come and go -----------------------------------------------------------------------------------------


def test_requests_wait_in_the_broker_until_a_service_comes(stage: Stage) -> None:
    stage.play(broker, *ends(stage))
    asking = [ask(stage, "hello", name=f"client {n}") for n in range(3)]
    assert all(map(is_stuck, asking))
    stage.play(service, stage.endpoint("services"))
    assert [actor.result(WAIT) for actor in asking] == [["HELLO"]] * 3


@signals
def test_a_client_does_not_notice_that_another_service_has_taken_over(stage: Stage) -> None:
    stage.play(broker, *ends(stage))
    asking = stage.socket(zmq.REQ, rcvtimeo=MS)
    asking.connect(stage.endpoint("clients"))
    for name in ("A", "B", "C"):
        asking.send(b"hello")
        process = stage.spawn(signed, stage.endpoint("services"), name)
        assert asking.recv() == b"hello by " + name.encode()
        process.kill()
        caught_up(stage)


def test_a_service_that_joins_gets_its_turn(stage: Stage) -> None:
    stage.play(broker, *ends(stage))
    stage.play(service, stage.endpoint("services"), sign, name="A")
    socket = dealer(stage)
    known(socket, b"A")
    stage.play(service, stage.endpoint("services"), sign, name="B")
    known(socket, b"A", b"B")


def test_replies_are_passed_on_while_no_service_has_room() -> None:
    context = zmq.Context()
    context.sndhwm = 1
    with Stage(context) as stage:
        stage.play(broker, "inproc://clients", "inproc://services")
        rep = stage.socket(zmq.REP, rcvhwm=1, sndhwm=1000, rcvtimeo=MS)
        rep.connect("inproc://services")
        asking = []
        for number in range(5):  # one in the service's hands, two on the way to it, one with the broker, one before it
            asking.append(stage.socket(zmq.REQ, rcvtimeo=MS, linger=0))
            asking[-1].connect("inproc://clients")
            asking[-1].send(b"%d" % number)
            if number == 0:
                assert rep.recv() == b"0"
        assert not asking[4].poll(STUCK * 1000)  # time for a broker to get stuck
        rep.send(b"zero")
        assert asking[0].recv() == b"zero"
        for _ in range(4):
            request = rep.recv()
            rep.send(request + b"!")
            assert asking[int(request)].recv() == request + b"!"


# -- what strangers say -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        pytest.param([b"hello"], id="no delimiter"),
        pytest.param([b"ann", b"hello"], id="an id and no delimiter"),
        pytest.param([b""], id="a delimiter and no body"),
        pytest.param([b"ann", b""], id="an id, a delimiter and no body"),
    ],
)
def test_a_request_that_is_none_is_lost_and_the_next_is_answered(stage: Stage, message: list[bytes]) -> None:
    stage.play(broker, *ends(stage))
    stage.play(service, stage.endpoint("services"))
    socket = dealer(stage)
    socket.send_multipart(message)
    socket.send_multipart([b"", b"hello"])
    assert socket.recv_multipart() == [b"", b"HELLO"]
    assert not socket.poll(STUCK * 1000)


def test_a_reply_to_nobody_is_lost_and_the_next_is_passed_on(stage: Stage) -> None:
    stage.play(broker, *ends(stage))
    stranger = dealer(stage, "services")
    asking = ask(stage, "hello")
    ids, body = unwrap(stranger.recv_multipart())
    for message in ([b"nobody", b"", b"x"], [b""], [b"x"], [*ids], [b"", *ids, b"", b"x"]):
        stranger.send_multipart(message)
    stranger.send_multipart(wrap(ids, [b"HELLO"]))
    assert body == [b"hello"]
    assert asking.result(WAIT) == ["HELLO"]


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def crash(stage: Stage) -> Actor:
    """Kill the only service while it has a client's request, and return that client."""
    told = stage.socket(zmq.DEALER, rcvtimeo=MS)
    told.bind(stage.endpoint("told"))
    stage.play(broker, *ends(stage))
    process: Process = stage.spawn(thinker, stage.endpoint("told"), service, stage.endpoint("services"))
    asking = ask(stage, "hello")
    assert told.recv() == b"hello"
    process.kill()
    caught_up(stage)
    return asking


@signals
def test_a_client_whose_service_dies_with_the_request_waits_for_ever(stage: Stage) -> None:
    asking = crash(stage)
    stage.play(service, stage.endpoint("services"), name="another service")
    assert ask(stage, "anyone", name="another client").result(WAIT) == ["ANYONE"]
    assert is_stuck(asking)


@signals
def test_a_restarted_service_gets_new_requests_and_not_the_old_one(stage: Stage) -> None:
    asking, seen = crash(stage), list[bytes]()
    stage.play(service, stage.endpoint("services"), lambda request: seen.append(request) or request, name="restarted")
    assert ask(stage, "anyone", name="another client").result(WAIT) == ["anyone"]
    assert is_stuck(asking)
    assert seen == [b"anyone"]


@signals
def test_every_second_request_waits_for_a_frozen_service_until_it_thaws(stage: Stage) -> None:
    stage.play(broker, *ends(stage))
    stage.play(service, stage.endpoint("services"), sign, name="A")
    process = stage.spawn(signed, stage.endpoint("services"), "B")
    socket = dealer(stage)
    known(socket, b"A", b"B")
    process.freeze()
    for number in range(6):
        socket.send_multipart([b"", b"%d" % number])
    assert [answer.rpartition(b" ")[2] for answer in answers(socket, 3)] == [b"A"] * 3
    assert not socket.poll(STUCK * 1000)
    process.thaw()
    assert [answer.rpartition(b" ")[2] for answer in answers(socket, 3)] == [b"B"] * 3


def test_a_client_whose_request_is_cut_off_waits_for_ever() -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage, Wire(stage.endpoint("services")) as wire:
        stage.play(broker, *ends(stage))
        stage.play(service, wire.endpoint)
        assert ask(stage, "are you up", name="first client").result(WAIT) == ["ARE YOU UP"]
        wire.freeze()
        asking = ask(stage, "hello")
        recording.wait("sent", "broker", count=3, timeout=WAIT)
        wire.cut()
        caught_up(stage)
        wire.heal()
        assert ask(stage, "anyone", name="another client").result(WAIT) == ["ANYONE"]
        assert is_stuck(asking)


def test_a_reply_is_not_lost_with_a_connection_that_comes_back_in_time(stage: Stage, gate: threading.Event) -> None:
    got, seen = threading.Event(), list[bytes]()

    def held(request: bytes) -> bytes:
        seen.append(request)
        got.set()
        assert gate.wait(WAIT)
        return request.upper()

    stage.play(broker, *ends(stage))
    with Wire(stage.endpoint("services")) as wire:
        stage.play(service, wire.endpoint, held)
        asking = ask(stage, "hello")
        assert got.wait(WAIT)
        wire.cut()
        caught_up(stage)
        gate.set()
        wire.heal()
        assert asking.result(WAIT) == ["HELLO"]
        assert seen == [b"hello"]


def test_a_slow_service_delays_its_own_requests_and_no_others(stage: Stage, gate: threading.Event) -> None:
    def slow(request: bytes) -> bytes:
        assert request == b"who" or gate.wait(WAIT)
        return request + b" by slow"

    stage.play(broker, *ends(stage))
    stage.play(service, stage.endpoint("services"), slow, name="slow")
    stage.play(service, stage.endpoint("services"), sign, name="quick")
    socket = dealer(stage)
    known(socket, b"slow", b"quick")
    for number in range(10):
        socket.send_multipart([b"", b"%d" % number])
    assert [answer.rpartition(b" ")[2] for answer in answers(socket, 5)] == [b"quick"] * 5
    assert not socket.poll(STUCK * 1000)
    gate.set()
    assert [answer.rpartition(b" ")[2] for answer in answers(socket, 5)] == [b"slow"] * 5


@signals
def test_a_restarted_broker_has_lost_who_asked_and_is_found_by_all(stage: Stage, gate: threading.Event) -> None:
    got = threading.Event()

    def work(request: bytes) -> bytes:
        got.set()
        return held(gate, request)

    process = stage.spawn(broker, *ends(stage))
    stage.play(service, stage.endpoint("services"), work)
    asking = ask(stage, "slow")
    assert got.wait(WAIT)
    process.kill()
    stage.play(broker, *ends(stage), name="restarted broker")
    gate.set()
    assert ask(stage, "anyone", name="another client").result(WAIT) == ["anyone"]
    assert is_stuck(asking)


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_a_client_is_answered_and_ctrl_c_ends_the_rest() -> None:
    free = "tcp://127.0.0.1:0"
    with shell("shared_queue", "broker", "--frontend", free, "--backend", free) as queue:
        frontend, backend = bound_to(queue, 2)
        with (
            shell("shared_queue", "service", "--backend", backend) as serving,
            shell("shared_queue", "client", "--frontend", frontend, "hello", "world") as asking,
        ):
            assert ended(asking) == (0, "HELLO\nWORLD\n", "")
            ends_on_ctrl_c(serving, queue)
