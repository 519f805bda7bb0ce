# SPDX-License-Identifier: BSD-3-Clause
"""Threaded server: who works at the same time, what one slow or failing request costs, and how the threads end."""

import threading
from functools import partial
from typing import Any

import pytest
import zmq
from sockets import (
    MS,
    STUCK,
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
    transports,
    turned_away,
    under_curve,
)
from test_odd_peers import is_asked_by_odd_clients

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns.request_reply import client
from patterns.stage import Stage
from patterns.threaded_server import GUARANTEES, server


def asking(stage: Stage, kind: int = zmq.REQ, end: str = "") -> Any:
    socket = stage.socket(kind, rcvtimeo=MS, sndtimeo=MS, linger=0)
    socket.connect(end or stage.endpoint("server"))
    return socket


class Meeting:
    """Work that is done when so many threads are at it at once."""

    def __init__(self, threads: int) -> None:
        self.barrier = threading.Barrier(threads, timeout=WAIT)

    def __call__(self, request: bytes) -> bytes:
        self.barrier.wait()
        return request.upper()


# -- in fair weather ----------------------------------------------------------------------------------------------


@transports
@pytest.mark.parametrize("traced", [False, True], ids=["plain context", "tracing context"])
def test_a_client_sees_an_ordinary_server(transport: str, traced: bool) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as home, Stage(trace.Context(recording) if traced else None) as abroad:
        home.play(server, address(home, transport, "server"))
        [front] = bound_at(recording, "server")
        for name in "Ann", "Ben":
            assert abroad.play(partial(client, endpoint=front), "tea", "milk", name=name).result(WAIT) == [
                "TEA",
                "MILK",
            ]


@curve
@transports
def test_under_curve_only_who_has_the_keys_is_served(transport: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        home.play(server, address(home, transport, "server"))
        [front] = bound_at(recording, "server")
        with turned_away(street, zmq.REQ, front, [b"hello"]):
            assert abroad.play(partial(client, endpoint=front), "hello").result(WAIT) == ["HELLO"]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_so_many_requests_are_worked_on_at_once(stage: Stage, threads: int) -> None:
    stage.play(server, stage.endpoint("server"), threads, Meeting(threads))
    asks = [asking(stage) for _ in range(threads)]
    for _ in range(3):  # each waits for all others
        for socket in asks:
            socket.send(b"tea")
        assert [socket.recv() for socket in asks] == [b"TEA"] * threads


def test_one_client_has_all_threads_if_it_asks_for_several_things_at_once(stage: Stage) -> None:
    stage.play(server, stage.endpoint("server"), 3, Meeting(3))
    asks = asking(stage, zmq.DEALER)
    for number in range(9):
        asks.send_multipart([b"", b"a%d" % number, b""])
        if number % 3 == 2:
            replies = sorted(asks.recv_multipart()[1] for _ in range(3))
            assert replies == [b"A%d" % each for each in range(number - 2, number + 1)]


def test_every_reply_finds_who_has_asked(stage: Stage) -> None:
    stage.play(server, stage.endpoint("server"), 4)
    asks = [asking(stage, zmq.DEALER) for _ in range(5)]
    for number in range(100):
        for name, socket in enumerate(asks):
            socket.send_multipart([b"", b"ask %d %d" % (name, number)])
    for name, socket in enumerate(asks):
        got = sorted(socket.recv_multipart()[1] for _ in range(100))
        assert got == sorted(b"ASK %d %d" % (name, number) for number in range(100))


def test_two_servers_in_one_context_do_not_meet(stage: Stage) -> None:
    for name, work in ("server", bytes.upper), ("other", bytes.swapcase):
        stage.play(server, stage.endpoint(name), 2, work, name=name)
    here, there = asking(stage), asking(stage, end=stage.endpoint("other"))
    for _ in range(4):
        here.send(b"Tea")
        there.send(b"Tea")
        assert (here.recv(), there.recv()) == (b"TEA", b"tEA")


@pytest.mark.parametrize("threads", [0, -1])
def test_without_threads_there_is_no_server(stage: Stage, threads: int) -> None:
    with pytest.raises(ValueError, match=f"threads: expected at least 1, got {threads}"):
        stage.play(server, stage.endpoint("server"), threads).result(WAIT)


def test_an_address_that_is_taken_is_said_before_a_thread_starts(stage: Stage) -> None:
    taken = stage.socket(zmq.PULL)
    taken.bind("tcp://127.0.0.1:*")
    before = threading.active_count()
    with pytest.raises(zmq.ZMQError) as told:
        stage.play(server, taken.last_endpoint.decode()).result(WAIT)
    assert told.value.errno == zmq.EADDRINUSE
    assert threading.active_count() <= before


# -- work that fails, and peers that are odd ----------------------------------------------------------------------


def test_work_that_fails_is_logged_and_its_thread_goes_on(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    def work(request: bytes) -> bytes:
        return b"%d" % (10 // int(request))

    stage.play(server, stage.endpoint("server"), 2, work)
    asks = asking(stage)
    for request, reply in ((b"0", b""), (b"tea", b""), (b"", b""), (b"5", b"2"), (b"10", b"1")):
        asks.send(request)
        assert asks.recv_multipart() == [reply]
    assert [record.exc_info[0].__name__ for record in caplog.records if record.exc_info and record.exc_info[0]] == [
        "ZeroDivisionError",
        "ValueError",
        "ValueError",
    ]
    assert "the work on [b'0'] failed" in caplog.text


def test_whatever_a_client_sends_the_server_goes_on(stage: Stage) -> None:
    stage.play(server, stage.endpoint("server"), 2)
    is_asked_by_odd_clients(stage, "server")


# -- the end ------------------------------------------------------------------------------------------------------


def test_with_its_context_the_server_ends_and_so_do_its_threads() -> None:
    before = set(threading.enumerate())
    with Stage() as stage:
        role = stage.play(server, stage.endpoint("server"), 3)
        asks = asking(stage)
        asks.send(b"tea")
        assert asks.recv() == b"TEA"
        ours = [each for each in threading.enumerate() if each not in before and each.name.startswith("thread ")]
        assert len(ours) == 3
    assert role.done
    for each in ours:
        each.join(WAIT)
        assert not each.is_alive()


def test_the_end_waits_for_the_work_at_hand() -> None:
    service, over = Service(), threading.Event()
    with Stage(deadline=WAIT) as stage:
        service.go.clear()
        stage.play(server, stage.endpoint("server"), 2, service)
        asks = asking(stage)
        asks.send(b"tea")
        assert service.got.get(timeout=WAIT) == b"tea"

        def close() -> None:
            stage.close()
            over.set()

        closing = threading.Thread(target=close)
        closing.start()
        assert not over.wait(STUCK)
        service.go.set()
        closing.join(WAIT)
        assert over.is_set()


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


@signals
def test_all_clients_of_a_server_that_dies_wait_for_ever(stage: Stage) -> None:
    dies = stage.spawn(server, stage.endpoint("server"))
    asks = asking(stage)
    asks.send(b"once")
    assert asks.recv() == b"ONCE"
    dies.freeze()
    waits = [stage.play(client, "tea", endpoint=stage.endpoint("server"), name=name) for name in ("Ann", "Ben")]
    asks.send(b"lost")
    dies.kill()
    assert dies.join(WAIT)
    assert not asks.poll(STUCK * 1000)
    assert all(is_stuck(each, 0) for each in waits)


@signals
def test_all_clients_of_a_frozen_server_wait_until_it_thaws(stage: Stage) -> None:
    role = stage.spawn(server, stage.endpoint("server"))
    asks = asking(stage)
    asks.send(b"once")
    assert asks.recv() == b"ONCE"
    role.freeze()
    waits = [stage.play(client, "tea", endpoint=stage.endpoint("server"), name=name) for name in ("Ann", "Ben")]
    assert all(is_stuck(each) for each in waits)
    role.thaw()
    assert [each.result(WAIT) for each in waits] == [["TEA"], ["TEA"]]


def test_a_client_whose_reply_is_cut_off_waits_for_ever_and_the_others_do_not(stage: Stage) -> None:
    service = Service()
    service.go.clear()
    stage.play(server, stage.endpoint("server"), 2, service)
    with Wire(stage.endpoint("server")) as wire:
        asks, other = asking(stage, end=wire.endpoint), asking(stage)
        asks.send(b"lost")
        assert service.got.get(timeout=WAIT) == b"lost"
        wire.cut()
        service.go.set()
        other.send(b"tea")
        assert other.recv() == b"TEA"
        wire.heal()
        assert not asks.poll(STUCK * 1000)


def test_slow_work_holds_up_its_own_thread_and_what_was_dealt_to_it(stage: Stage) -> None:
    slow = threading.Event()

    def work(request: bytes) -> bytes:
        if request == b"slow":
            assert slow.wait(WAIT)
        return request.upper()

    stage.play(server, stage.endpoint("server"), 2, work)
    asks = asking(stage, zmq.DEALER)
    for request in b"slow", b"second", b"third", b"fourth":
        asks.send_multipart([b"", request])
    assert [asks.recv_multipart()[1] for _ in range(2)] == [b"SECOND", b"FOURTH"]
    assert not asks.poll(STUCK * 1000)  # the third has been dealt to the slow thread, and the other one is idle
    slow.set()
    assert [asks.recv_multipart()[1] for _ in range(2)] == [b"SLOW", b"THIRD"]


@signals
def test_a_restarted_server_does_not_know_the_old_request(stage: Stage) -> None:
    dies = stage.spawn(server, stage.endpoint("server"))
    recording = Recording()
    with Wire(stage.endpoint("server"), recording=recording) as wire:
        asks = asking(stage, end=wire.endpoint)
        asks.send(b"once")
        assert asks.recv() == b"ONCE"
        dies.freeze()
        asks.send(b"old")
        recording.wait("passed", count=3, timeout=WAIT)  # the first request, its reply, and this
        dies.kill()
        assert dies.join(WAIT)
        stage.spawn(server, stage.endpoint("server"))
        new = asking(stage)
        new.send(b"new")
        assert new.recv() == b"NEW"
        assert not asks.poll(STUCK * 1000)


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_a_client_is_served_and_ctrl_c_ends_the_server() -> None:
    with shell("threaded_server", "server", "--threads", "2", "--endpoint", "tcp://127.0.0.1:0") as role:
        [front] = bound_to(role)
        with shell("request_reply", "client", "hello", "--endpoint", front) as asks:
            assert ended(asks) == (0, "HELLO\n", "")
        ends_on_ctrl_c(role)
