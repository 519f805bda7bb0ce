# SPDX-License-Identifier: BSD-3-Clause
"""Pipeline: dealt in turn, taken in turn, a batch that starts when its workers are there, and what each fault costs.

Where the order of connections matters the test plays the ventilator itself, or holds a worker at a task.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import zmq
from sockets import (
    MS,
    STUCK,
    WAIT,
    bound_to,
    curve,
    ended,
    ends_on_ctrl_c,
    event,
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
from patterns import pipeline
from patterns.pipeline import GUARANTEES, sink, ventilator, worker
from patterns.process import Process
from patterns.stage import Actor, Stage


def ends(stage: Stage) -> tuple[str, str, str]:
    return stage.endpoint("tasks"), stage.endpoint("results"), stage.endpoint("ready")


def ventilate(stage: Stage, *todo: str, workers: int = 1) -> Actor:
    role = partial(ventilator, workers=workers, tasks=stage.endpoint("tasks"), ready=stage.endpoint("ready"))
    return stage.play(role, *todo, name="ventilator")


def sign(task: bytes) -> bytes:
    return threading.current_thread().name.encode()


def bound(stage: Stage, kind: int, name: str) -> Any:
    socket = stage.socket(kind, rcvtimeo=MS, sndtimeo=MS)
    socket.bind(stage.endpoint(name))
    return socket


def around_a_worker(stage: Stage) -> tuple[Any, Any, Any]:
    """What the test binds where it plays ventilator and sink itself: PUSH, and PULLs of results and READYs."""
    return bound(stage, zmq.PUSH, "tasks"), bound(stage, zmq.PULL, "results"), bound(stage, zmq.PULL, "ready")


@contextmanager
def joining(push: Any) -> Iterator[None]:
    """What is done inside makes somebody connect to this PUSH; afterwards the PUSH knows it."""
    with event(push, zmq.EVENT_HANDSHAKE_SUCCEEDED):
        yield
    assert push.poll(0, zmq.POLLOUT)  # it looks at once who has come and gone, as a send need not


# -- in fair weather ----------------------------------------------------------------------------------------------


def play_all(home: Stage, recording: Recording, abroad: Stage, transport: str) -> Actor:
    """A batch of three on tracing Contexts that make known where they are bound; the worker is elsewhere."""
    tasks, results, ready = ["tcp://127.0.0.1:*"] * 3 if transport == "tcp" else ends(home)
    collecting = home.play(sink, results)
    role = partial(ventilator, tasks=tasks, ready=ready)
    home.play(role, "one", "two", "three", name="ventilator")
    recording.wait("bind", "sink", timeout=WAIT)
    recording.wait("bind", "ventilator", count=2, timeout=WAIT)
    where = {(e.actor, e.socket): e.detail for e in recording if e.kind == "bind"}
    abroad.play(worker, where["ventilator", "PUSH"], where["sink", "PULL"], where["ventilator", "PULL"])
    return collecting


@transports
@pytest.mark.parametrize("traced", [False, True], ids=["plain context", "tracing context"])
def test_a_batch_is_carried_out(transport: str, traced: bool) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as home, Stage(trace.Context(recording) if traced else None) as elsewhere:
        assert play_all(home, recording, elsewhere, transport).result(WAIT) == ["ONE", "TWO", "THREE"]


@transports
@curve
def test_under_curve_only_who_has_the_keys_gets_tasks(transport: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        collecting = play_all(home, recording, abroad, transport)
        tasks = next(e.detail for e in recording if (e.kind, e.socket) == ("bind", "PUSH"))
        with turned_away(street, zmq.PULL, tasks):
            assert collecting.result(WAIT) == ["ONE", "TWO", "THREE"]


@pytest.mark.parametrize("order", ["ventilator worker sink", "sink worker ventilator", "worker sink ventilator"])
def test_the_roles_may_start_in_any_order(stage: Stage, order: str) -> None:
    for role in order.split():
        if role == "sink":
            collecting = stage.play(sink, stage.endpoint("results"))
        elif role == "worker":
            stage.play(worker, *ends(stage))
        else:
            ventilate(stage, "one", "two")
    assert collecting.result(WAIT) == ["ONE", "TWO"]


def test_results_come_in_the_order_of_the_tasks_whoever_was_quicker(stage: Stage, gate: threading.Event) -> None:
    def held(task: bytes) -> bytes:
        assert gate.wait(WAIT)
        return task.upper()

    def opens(task: bytes) -> bytes:
        if task in (b"i", b"j"):  # its last: the other worker has not begun
            gate.set()
        return task.upper()

    collecting = stage.play(sink, stage.endpoint("results"))
    stage.play(worker, *ends(stage), held, name="held")
    stage.play(worker, *ends(stage), opens, name="quick")
    ventilate(stage, *"abcdefghij", workers=2)
    assert collecting.result(WAIT) == list("ABCDEFGHIJ")


def test_ventilator_and_worker_stay_until_their_stage_ends(stage: Stage) -> None:
    collecting = stage.play(sink, stage.endpoint("results"))
    working, giving = stage.play(worker, *ends(stage)), ventilate(stage, "one")
    assert collecting.result(WAIT) == ["ONE"]
    assert not working.done
    assert not giving.done


def test_tasks_are_carried_out_side_by_side(stage: Stage) -> None:
    meeting = threading.Barrier(2)

    def meet(task: bytes) -> bytes:
        meeting.wait(WAIT)
        return task

    collecting = stage.play(sink, stage.endpoint("results"))
    for _ in range(2):
        stage.play(worker, *ends(stage), meet)
    ventilate(stage, *"abcdef", workers=2)
    assert collecting.result(WAIT) == list("abcdef")


def test_simulated_work_takes_its_time(stage: Stage) -> None:
    push, results, ready = around_a_worker(stage)
    stage.play(partial(worker, seconds=0.05), *ends(stage), name="worker")
    push.send(b"CALL")
    assert ready.recv() == b"READY"
    since = time.monotonic()
    for number in (b"1/2", b"2/2"):
        push.send_multipart([number, b"tea"])
    assert [results.recv_multipart()[0] for _ in range(2)] == [b"1/2", b"2/2"]
    assert time.monotonic() - since >= 0.1


def test_a_pull_takes_from_each_sender_in_turn(stage: Stage) -> None:
    for name, count in (("R", 3), ("G", 1), ("B", 2)):
        sender = stage.socket(zmq.PUSH)
        sender.connect("inproc://sink")
        for number in range(count):
            sender.send_string(f"{name}{number}")
    pull = stage.socket(zmq.PULL, rcvtimeo=MS)
    pull.bind("inproc://sink")
    assert [pull.recv_string() for _ in range(6)] == ["R0", "G0", "B0", "R1", "B1", "R2"]


def test_push_and_pull_are_one_way(stage: Stage) -> None:
    with pytest.raises(zmq.ZMQError) as refused:
        stage.socket(zmq.PUSH).recv()
    assert refused.value.errno == zmq.ENOTSUP
    with pytest.raises(zmq.ZMQError) as refused:
        stage.socket(zmq.PULL).send(b"")
    assert refused.value.errno == zmq.ENOTSUP


# -- the start of a batch -----------------------------------------------------------------------------------------


def test_a_batch_that_starts_too_early_goes_to_one_worker(stage: Stage) -> None:
    push = bound(stage, zmq.PUSH, "tasks")
    first, second = (stage.socket(zmq.PULL, rcvtimeo=MS) for _ in range(2))
    first.connect(stage.endpoint("tasks"))
    for _ in range(100):
        push.send(b"task")
    with joining(push):
        second.connect(stage.endpoint("tasks"))
    assert [first.recv() for _ in range(100)] == [b"task"] * 100
    assert not second.poll(STUCK * 1000)


@pytest.mark.parametrize("first", ["workers", "ventilator"])
def test_a_batch_that_waits_for_ready_is_shared_evenly(stage: Stage, first: str) -> None:
    collecting, todo = stage.play(sink, stage.endpoint("results")), [str(n) for n in range(100)]
    if first == "ventilator":
        ventilate(stage, *todo, workers=4)
    for _ in range(4):
        stage.play(worker, *ends(stage), sign)
    if first == "workers":
        ventilate(stage, *todo, workers=4)
    shares = Counter(collecting.result(WAIT)).values()
    assert len(shares) == 4
    assert max(shares) / min(shares) <= 1.2


def test_ready_comes_only_from_a_worker_that_tasks_can_reach(stage: Stage) -> None:
    tasks, results, ready = ends(stage)
    collecting = stage.play(sink, results)
    with Wire(tasks) as wire:
        wire.cut()
        ventilate(stage, *map(str, range(10)), workers=2)
        stage.play(worker, tasks, results, ready, sign, name="near")
        stage.play(worker, wire.endpoint, results, ready, sign, name="far")
        assert is_stuck(collecting)
        wire.heal()
        assert Counter(collecting.result(WAIT)) == {"near": 5, "far": 5}


def test_a_worker_says_ready_once_however_often_it_is_called(stage: Stage) -> None:
    push, results, ready = around_a_worker(stage)
    stage.play(worker, *ends(stage))
    for message in ([b"CALL"], [b"CALL"], [b"1/1", b"tea"], [b"CALL"], [b"2/2", b"milk"]):
        push.send_multipart(message)
    assert [results.recv_multipart() for _ in range(2)] == [[b"1/1", b"TEA"], [b"2/2", b"MILK"]]
    assert ready.recv() == b"READY"
    assert not ready.poll(STUCK * 1000)


def test_the_ventilator_calls_until_so_many_are_ready(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PAUSE", 0.01)
    pull, tell = (stage.socket(kind, rcvtimeo=MS) for kind in (zmq.PULL, zmq.PUSH))
    pull.connect(stage.endpoint("tasks"))
    tell.connect(stage.endpoint("ready"))
    ventilate(stage, "tea", workers=2)
    assert [pull.recv() for _ in range(3)] == [b"CALL"] * 3
    for said in ([b"READY"], [b"steady"], [b"READY", b"go"], [b"READY"]):
        assert pull.recv() == b"CALL"
        tell.send_multipart(said)
    while (message := pull.recv_multipart()) == [b"CALL"]:
        pass
    assert message == [b"1/1", b"tea"]


def test_a_batch_without_tasks_is_refused(stage: Stage) -> None:
    with pytest.raises(ValueError, match="todo: expected at least one task"):
        ventilate(stage).result(WAIT)


# -- what strangers say -------------------------------------------------------------------------------------------


def test_the_sink_counts_each_number_once_and_passes_over_what_is_no_result(stage: Stage) -> None:
    collecting = stage.play(sink, stage.endpoint("results"))
    push = stage.socket(zmq.PUSH)
    push.connect(stage.endpoint("results"))
    for message in ([b"hello"], [b"2/3", b"TWO"], [b"2/3", b"again"], [b"?", b"?"], [b"3/3", b"", b""], [b"-1/3", b""]):
        push.send_multipart(message)
    push.send_multipart([b"3/3", b"THREE"])
    push.send_multipart([b"1/3", b"ONE"])
    assert collecting.result(WAIT) == ["ONE", "TWO", "THREE"]


def test_a_worker_passes_over_what_is_no_task(stage: Stage) -> None:
    push, results, _ = around_a_worker(stage)
    stage.play(worker, *ends(stage))
    for message in ([b""], [b"hello"], [b"1", b"2", b"3"], [b"1/1", b"tea"]):
        push.send_multipart(message)
    assert results.recv_multipart() == [b"1/1", b"TEA"]


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def play_thinker(stage: Stage) -> tuple[Process, Any]:
    told = bound(stage, zmq.DEALER, "told")
    return stage.spawn(thinker, stage.endpoint("told"), worker, *ends(stage)), told


def test_a_worker_that_dies_takes_its_share_with_it(stage: Stage) -> None:
    results = bound(stage, zmq.PULL, "results")
    victim, told = play_thinker(stage)
    stage.play(worker, *ends(stage))
    ventilate(stage, *map(str, range(100)), workers=2)
    told.recv()
    got = {results.recv_multipart()[0] for _ in range(50)}
    assert not results.poll(STUCK * 1000)
    victim.kill()
    assert not results.poll(STUCK * 1000)
    assert len(got) == 50


def test_a_restarted_worker_does_not_get_the_old_tasks(stage: Stage) -> None:
    push, results, _ = around_a_worker(stage)
    victim, told = play_thinker(stage)
    for task in (b"one", b"two", b"three"):
        push.send_multipart([b"old", task])
    assert told.recv() == b"one"
    with joining(push):
        victim.kill()
        stage.play(worker, *ends(stage), name="restarted worker")
    push.send_multipart([b"new", b"four"])
    assert results.recv_multipart() == [b"new", b"FOUR"]
    assert not results.poll(STUCK * 1000)


@signals
def test_the_share_of_a_frozen_worker_waits_until_it_thaws(stage: Stage) -> None:
    push, results, ready = around_a_worker(stage)
    frozen = stage.spawn(worker, *ends(stage))
    push.send(b"CALL")
    assert ready.recv() == b"READY"
    frozen.freeze()
    push.send_multipart([b"1/1", b"tea"])
    assert not results.poll(STUCK * 1000)
    frozen.thaw()
    assert results.recv_multipart() == [b"1/1", b"TEA"]


def test_tasks_on_a_connection_that_is_cut_are_lost(stage: Stage) -> None:
    push, results, ready = around_a_worker(stage)
    with Wire(stage.endpoint("tasks")) as wire:
        stage.play(worker, wire.endpoint, stage.endpoint("results"), stage.endpoint("ready"))
        push.send(b"CALL")
        assert ready.recv() == b"READY"
        wire.freeze()
        for task in (b"one", b"two", b"three"):
            push.send_multipart([b"old", task])
        with joining(push):
            wire.cut()
            wire.heal()
        push.send_multipart([b"new", b"four"])
        assert results.recv_multipart() == [b"new", b"FOUR"]
        assert not results.poll(STUCK * 1000)


def test_a_slow_worker_keeps_its_share_while_another_is_idle(stage: Stage, gate: threading.Event) -> None:
    results = bound(stage, zmq.PULL, "results")
    stage.play(worker, *ends(stage), lambda task: gate.wait(WAIT) and b"slow", name="slow")
    stage.play(worker, *ends(stage), sign, name="quick")
    ventilate(stage, *map(str, range(10)), workers=2)
    assert [results.recv_multipart()[1] for _ in range(5)] == [b"quick"] * 5
    assert not results.poll(STUCK * 1000)
    gate.set()
    assert [results.recv_multipart()[1] for _ in range(5)] == [b"slow"] * 5


@pytest.mark.parametrize(("mark", "taken"), [(1000, 2000), (10, 20), (1, 2)])
def test_so_many_tasks_can_wait_for_a_worker_that_takes_none(stage: Stage, mark: int, taken: int) -> None:
    push, pull = stage.socket(zmq.PUSH, sndhwm=mark, linger=0), stage.socket(zmq.PULL, rcvhwm=mark)
    push.bind("inproc://tasks")
    pull.connect("inproc://tasks")
    for _ in range(taken):
        assert push.poll(MS, zmq.POLLOUT)
        push.send(b"task")
    assert not push.poll(STUCK * 1000, zmq.POLLOUT)


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_a_batch_is_carried_out_and_ctrl_c_ends_the_rest() -> None:
    free = "tcp://127.0.0.1:0"
    with (
        shell("pipeline", "sink", "--results", free) as collecting,
        shell("pipeline", "ventilator", "tea", "milk", "--tasks", free, "--ready", free) as giving,
    ):
        [results], [tasks, ready] = bound_to(collecting), bound_to(giving, 2)
        ways = ("--tasks", tasks, "--results", results, "--ready", ready)
        with shell("pipeline", "worker", *ways, "--seconds", "0.01") as working:
            assert ended(collecting) == (0, "TEA\nMILK\n", "")
            ends_on_ctrl_c(working, giving)
