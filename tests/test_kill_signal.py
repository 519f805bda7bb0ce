# SPDX-License-Identifier: BSD-3-Clause
"""Kill signal: what is accepted is done, whatever ends the pipeline and whenever; and everybody goes home."""

import os
import signal
import threading
import time
from contextlib import suppress
from queue import Empty
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

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns.kill_signal import GUARANTEES, client, foreman, stop, told, worker
from patterns.stage import Stage

ENDS = "intake", "tasks", "results", "control"
LETTERS = [*"abcdef"]


def ends(stage: Stage) -> list[str]:
    return [stage.endpoint(name) for name in ENDS]


def hand_in(stage: Stage, *todo: str) -> Any:
    return stage.play(client, *todo, intake=stage.endpoint("intake")).result(WAIT)


def asked_to_stop(stage: Stage) -> Any:
    return stage.play(stop, stage.endpoint("intake")).result(WAIT)


def by_hand(stage: Stage, kind: int, end: str) -> Any:
    socket = stage.socket(kind, rcvtimeo=MS, sndtimeo=MS, linger=0)
    socket.connect(stage.endpoint(end))
    return socket


def waiting_for_kill(stage: Stage) -> Any:
    sub = stage.socket(zmq.SUB, rcvtimeo=MS)
    sub.subscribe(b"KILL")
    sub.connect(stage.endpoint("control"))
    return sub


# -- in fair weather ----------------------------------------------------------------------------------------------


@transports
@pytest.mark.parametrize("traced", [False, True], ids=["plain context", "tracing context"])
def test_a_pipeline_ends_with_all_that_was_accepted(transport: str, traced: bool) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as home, Stage(trace.Context(recording) if traced else None) as abroad:
        role = home.play(foreman, *(address(home, transport, name) for name in ENDS))
        results, control, tasks, intake = bound_at(recording, "foreman", 4)
        works = abroad.play(worker, tasks, results, control)
        accepted = abroad.play(client, *LETTERS, intake=intake).result(WAIT)
        assert accepted == [f"ACCEPTED {n}" for n in range(1, 7)]
        assert abroad.play(stop, intake).result(WAIT) == "ACCEPTED 6"
        assert role.result(WAIT) == [*"ABCDEF"]
        assert works.result(WAIT) == 6


@curve
@transports
def test_under_curve_only_who_has_the_keys_is_accepted(transport: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        role = home.play(foreman, *(address(home, transport, name) for name in ENDS))
        results, control, tasks, intake = bound_at(recording, "foreman", 4)
        with turned_away(street, zmq.REQ, intake, [b"STOP"]), turned_away(street, zmq.PULL, tasks):
            works = abroad.play(worker, tasks, results, control)
            assert abroad.play(client, "tea", intake=intake).result(WAIT) == ["ACCEPTED 1"]
            assert abroad.play(stop, intake).result(WAIT) == "ACCEPTED 1"
            assert (role.result(WAIT), works.result(WAIT)) == (["TEA"], 1)


def test_before_there_are_workers_tasks_are_accepted_and_the_end_waits_for_them(stage: Stage) -> None:
    role = stage.play(foreman, *ends(stage))
    hand_in(stage, *LETTERS)
    assert asked_to_stop(stage) == "ACCEPTED 6"
    assert hand_in(stage, "late") == ["REFUSED"]
    assert is_stuck(role)
    assert stage.play(worker, *ends(stage)[1:]).result(WAIT) == 6
    assert role.result(WAIT) == [*"ABCDEF"]


def test_a_pipeline_without_a_task_ends_at_once(stage: Stage) -> None:
    role = stage.play(foreman, *ends(stage))
    assert asked_to_stop(stage) == "ACCEPTED 0"
    assert role.result(WAIT) == []


def test_no_worker_is_sent_home_before_the_last_result_and_then_all_are(stage: Stage) -> None:
    role, kills = stage.play(foreman, *ends(stage)), [waiting_for_kill(stage) for _ in range(3)]
    pull, push = by_hand(stage, zmq.PULL, "tasks"), by_hand(stage, zmq.PUSH, "results")
    hand_in(stage, "tea")
    task = pull.recv_multipart()
    asked_to_stop(stage)
    assert not any(kill.poll(STUCK * 1000) for kill in kills)
    push.send_multipart(task)
    assert [kill.recv() for kill in kills] == [b"KILL"] * 3
    kills.append(waiting_for_kill(stage))  # it comes when the others have been told
    assert kills[-1].recv() == b"KILL"
    for kill in kills:
        assert is_stuck(role, 0)
        kill.close()
    assert role.result(WAIT) == ["tea"]


def test_whatever_is_handed_in_or_brought_the_foreman_goes_on(stage: Stage) -> None:
    role = stage.play(foreman, *ends(stage))
    req, push = by_hand(stage, zmq.REQ, "intake"), by_hand(stage, zmq.PUSH, "results")
    for odd in ([b""], [b"TASK"], [b"TASK", b"a", b"b"], [b"STOP", b""], [b"\xff"], [b"ACCEPTED", b"1"]):
        req.send_multipart(odd)
        assert req.recv_multipart() == [b"REFUSED"]
    for odd in ([b""], [b"9", b"early"], [b"0", b"x"], [b"-1", b"x"], [b"9" * 30, b"x"], [b"1"], [b"1", b"a", b"b"]):
        push.send_multipart(odd)
    pull = by_hand(stage, zmq.PULL, "tasks")
    hand_in(stage, "tea", "milk")
    assert [pull.recv_multipart() for _ in range(2)] == [[b"1", b"tea"], [b"2", b"milk"]]
    for brought in ([b"3", b"none"], [b"2", b"MI\xff"], [b"2", b"again"], [b"1", b""]):
        push.send_multipart(brought)
    kill = waiting_for_kill(stage)
    asked_to_stop(stage)
    assert kill.recv() == b"KILL"
    kill.close()
    assert role.result(WAIT) == ["", "MI\\xff"]


def test_a_worker_passes_over_what_is_no_task_and_no_kill(stage: Stage) -> None:
    push, control, pull = (stage.socket(kind, rcvtimeo=MS, linger=0) for kind in (zmq.PUSH, zmq.XPUB, zmq.PULL))
    for socket, end in ((push, "tasks"), (control, "control"), (pull, "results")):
        socket.bind(stage.endpoint(end))
    role = stage.play(worker, *ends(stage)[1:])
    assert control.recv() == b"\1KILL"
    for odd in ([b""], [b"1"], [b"1", b"a", b"b"]):
        push.send_multipart(odd)
    for odd in ([b"KILLER"], [b"KILL", b""]):
        control.send_multipart(odd)
    push.send_multipart([b"1", b"tea"])
    assert pull.recv_multipart() == [b"1", b"TEA"]
    control.send(b"KILL")
    assert role.result(WAIT) == 1


def test_who_hands_in_nothing_is_told(stage: Stage) -> None:
    with pytest.raises(ValueError, match="todo: expected at least one task"):
        stage.play(client).result(WAIT)


# -- signals ------------------------------------------------------------------------------------------------------


@signals
def test_sigterm_ends_a_pipeline_as_stop_does_and_the_second_one_breaks_nothing(stage: Stage) -> None:
    role = stage.spawn(foreman, *ends(stage))
    todo = [*LETTERS]
    hand_in(stage, *todo)
    for _ in range(2):
        os.kill(role.pid, signal.SIGTERM)
    since = time.monotonic()
    while hand_in(stage, "late") != ["REFUSED"]:  # until the signal has been seen, what comes is accepted
        todo.append("late")
        assert time.monotonic() - since < WAIT
    assert stage.play(worker, *ends(stage)[1:]).result(WAIT) == len(todo)
    assert role.result(WAIT) == [each.upper() for each in todo]


@signals
def test_a_signal_that_came_before_the_wait_began_is_told() -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        pull.bind("inproc://nothing")
        before = signal.getsignal(signal.SIGTERM)
        with told(signal.SIGTERM) as ending:
            poller = zmq.Poller()
            poller.register(ending, zmq.POLLIN)
            poller.register(pull, zmq.POLLIN)
            assert poller.poll(0) == []
            signal.raise_signal(signal.SIGTERM)
            assert poller.poll(MS) == [(ending.fileno(), zmq.POLLIN)]
        assert signal.getsignal(signal.SIGTERM) is before
        assert signal.set_wakeup_fd(-1) == -1


def test_another_thread_is_told_of_no_signal(stage: Stage) -> None:
    def listens(ctx: zmq.Context[Any]) -> bool:
        with told(signal.SIGTERM) as ending:
            return bool(zmq.select([ending], [], [], 0)[0])

    assert stage.play(listens).result(WAIT) is False


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def thinks(ctx: zmq.Context[Any], told: str, *where: str) -> None:
    """A worker, for a process, that tells that it has its first task and thinks about it for ever."""
    with ctx.socket(zmq.PUSH) as tell:
        tell.connect(told)

        def think(task: bytes) -> bytes:
            tell.send(task)
            threading.Event().wait()
            return task

        worker(ctx, *where, think)


def dying(stage: Stage) -> Any:
    """A worker that is at work on its first task, in a process of its own."""
    news = stage.socket(zmq.PULL, rcvtimeo=MS)
    news.bind(stage.endpoint("news"))
    dies = stage.spawn(thinks, stage.endpoint("news"), *ends(stage)[1:])
    hand_in(stage, "a", "b")
    news.recv()
    return dies


@signals
def test_what_a_dead_worker_had_is_named_at_the_end(stage: Stage) -> None:
    role = stage.play(foreman, *ends(stage), patience=STUCK)
    dying(stage).kill()
    asked_to_stop(stage)
    with pytest.raises(TimeoutError, match="2 of 2 tasks have no result: 1, 2"):
        role.result(WAIT)


@signals
def test_a_restarted_worker_has_not_what_the_old_one_had(stage: Stage) -> None:
    role = stage.play(foreman, *ends(stage), patience=STUCK)
    dying(stage).kill()
    service = Service()
    again = stage.play(worker, *ends(stage)[1:], service)
    while not service.seen:  # what is dealt to the old one's connection meanwhile is lost, too
        hand_in(stage, "c")
        with suppress(Empty):
            service.got.get(timeout=STUCK)
    asked_to_stop(stage)
    with pytest.raises(TimeoutError, match=r"tasks have no result: 1, 2\b"):
        role.result(WAIT)
    assert again.result(WAIT) == len(service.seen)
    assert {*service.seen} == {b"c"}


@signals
def test_the_end_waits_for_a_frozen_worker_until_it_thaws(stage: Stage) -> None:
    role = stage.play(foreman, *ends(stage), patience=WAIT)
    works = stage.spawn(worker, *ends(stage)[1:])
    hand_in(stage, "a")
    works.freeze()
    hand_in(stage, "b")
    asked_to_stop(stage)
    assert is_stuck(role)
    works.thaw()
    assert (role.result(WAIT), works.result(WAIT)) == (["A", "B"], 2)


def test_tasks_on_a_connection_that_is_cut_are_named_at_the_end(stage: Stage) -> None:
    role, service = stage.play(foreman, *ends(stage), patience=STUCK), Service()
    service.go.clear()
    with Wire(stage.endpoint("results")) as wire:
        _, tasks, _, control = ends(stage)
        works = stage.play(worker, tasks, wire.endpoint, control, service)
        hand_in(stage, "a")
        assert service.got.get(timeout=WAIT) == b"a"
        wire.cut()
        asked_to_stop(stage)
        with pytest.raises(TimeoutError, match="1 of 1 tasks have no result: 1"):
            role.result(WAIT)
        service.go.set()
        assert works.result(WAIT) == 1


def test_the_end_waits_for_a_slow_worker(stage: Stage) -> None:
    role, service = stage.play(foreman, *ends(stage), patience=WAIT), Service()
    service.go.clear()
    slow = stage.play(worker, *ends(stage)[1:], service)
    hand_in(stage, *LETTERS)
    assert service.got.get(timeout=WAIT) == b"a"
    asked_to_stop(stage)
    assert is_stuck(role)
    service.go.set()
    assert (role.result(WAIT), slow.result(WAIT)) == ([*"ABCDEF"], 6)


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_stop_ends_everybody() -> None:
    words = [word for name in ENDS for word in (f"--{name}", "tcp://127.0.0.1:0")]
    with shell("kill_signal", "foreman", *words) as role:
        results, control, tasks, intake = bound_to(role, 4)
        where = ["--tasks", tasks, "--results", results, "--control", control]
        with shell("kill_signal", "worker", *where) as works:
            with shell("kill_signal", "client", "tea", "milk", "--intake", intake) as asks:
                assert ended(asks) == (0, "ACCEPTED 1\nACCEPTED 2\n", "")
            with shell("kill_signal", "stop", "--intake", intake) as asks:
                assert ended(asks) == (0, "ACCEPTED 2\n", "")
            assert ended(role) == (0, "TEA\nMILK\n", "")
            assert ended(works) == (0, "2\n", "")


@signals
def test_from_the_shell_sigterm_drains_and_ctrl_c_does_not() -> None:
    words = [word for name in ENDS for word in (f"--{name}", "tcp://127.0.0.1:0")]
    with shell("kill_signal", "foreman", *words) as role, shell("kill_signal", "foreman", *words) as other:
        results, control, tasks, intake = bound_to(role, 4)
        other_intake = bound_to(other, 4)[-1]
        for door in intake, other_intake:
            with shell("kill_signal", "client", "tea", "--intake", door) as asks:
                assert ended(asks) == (0, "ACCEPTED 1\n", "")
        role.terminate()
        where = ["--tasks", tasks, "--results", results, "--control", control]
        with shell("kill_signal", "worker", *where) as works:
            assert ended(works) == (0, "1\n", "")
        assert ended(role) == (0, "TEA\n", "")
        other.terminate()
        said, since = "", time.monotonic()
        while said != "REFUSED\n":  # it has heard of that
            assert time.monotonic() - since < WAIT
            with shell("kill_signal", "client", "tea", "--intake", other_intake) as asks:
                said = ended(asks)[1]
        ends_on_ctrl_c(other)
