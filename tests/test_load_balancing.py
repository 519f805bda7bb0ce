# SPDX-License-Identifier: BSD-3-Clause
"""Load balancing: who is free gets the next request, who is not gets none, and what each fault costs.

Where the order of events matters the test plays clients and workers itself, or waits for what the broker recorded.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
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
    curve,
    ended,
    ends_on_ctrl_c,
    guarantees_hold,
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
from patterns.load_balancing import GUARANTEES, broker, client, worker
from patterns.stage import Actor, Stage

FRONT, BACK = "ROUTER", "ROUTER 2"  # the broker's sockets in a recording


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
def watched(recording: Recording) -> Iterator[Stage]:
    """A stage whose broker can be waited for: `heard(recording, BACK, 2)`."""
    with Stage(trace.Context(recording)) as it:
        yield it


def heard(recording: Recording, socket: str, count: int) -> None:
    """Return once the broker has received so many messages on this socket."""
    recording.wait("receive", "broker", socket=socket, count=count, timeout=WAIT)


def ends(stage: Stage) -> tuple[str, str]:
    return stage.endpoint("frontend"), stage.endpoint("backend")


def start(stage: Stage) -> Actor:
    return stage.play(broker, *ends(stage))


def peer(stage: Stage, kind: int, end: str, **options: Any) -> Any:
    """A client or a worker that the test plays itself."""
    socket = stage.socket(kind, rcvtimeo=MS, sndtimeo=MS, **options)
    socket.connect(stage.endpoint(end))
    return socket


def guest(stage: Stage, request: bytes = b"tea") -> Any:
    """A client that has asked."""
    socket = peer(stage, zmq.REQ, "frontend")
    socket.send(request)
    return socket


def ready(stage: Stage) -> Any:
    """A worker with a DEALER that has said READY and says and does nothing by itself."""
    socket = peer(stage, zmq.DEALER, "backend")
    socket.send_multipart([b"", b"READY"])
    return socket


def sign(request: bytes) -> bytes:
    return threading.current_thread().name.encode()


# -- in fair weather ----------------------------------------------------------------------------------------------


def play_all(home: Stage, recording: Recording, abroad: Stage, transport: str) -> Actor:
    """A broker on a tracing Context that makes known where it is bound; client and worker are elsewhere."""
    home.play(broker, address(home, transport, "frontend"), address(home, transport, "backend"))
    front, back = bound_at(recording, "broker", 2)
    abroad.play(worker, back)
    return abroad.play(client, "tea", "milk", frontend=front)


@transports
@pytest.mark.parametrize("traced", [False, True], ids=["plain context", "tracing context"])
def test_requests_are_answered(recording: Recording, transport: str, traced: bool) -> None:
    with Stage(trace.Context(recording)) as home, Stage(trace.Context(Recording()) if traced else None) as elsewhere:
        assert play_all(home, recording, elsewhere, transport).result(WAIT) == ["TEA", "MILK"]


@transports
@curve
def test_under_curve_only_who_has_the_keys_is_served(recording: Recording, transport: str) -> None:
    with under_curve(recording) as (home, abroad, street):
        asking = play_all(home, recording, abroad, transport)
        front, back = bound_at(recording, "broker", 2)
        with turned_away(street, zmq.REQ, front, [b"let me in"]), turned_away(street, zmq.REQ, back, [b"READY"]):
            assert asking.result(WAIT) == ["TEA", "MILK"]
        assert not any(b"let me in" in e.frames for e in recording if e.kind == "receive")


@pytest.mark.parametrize("order", ["broker worker client", "client worker broker", "worker client broker"])
def test_the_roles_may_start_in_any_order(stage: Stage, order: str) -> None:
    for role in order.split():
        if role == "broker":
            start(stage)
        elif role == "worker":
            stage.play(worker, stage.endpoint("backend"))
        else:
            asking = stage.play(client, "one", "two", frontend=stage.endpoint("frontend"))
    assert asking.result(WAIT) == ["ONE", "TWO"]


def test_broker_and_worker_stay_until_their_stage_ends(stage: Stage) -> None:
    serving, working = start(stage), stage.play(worker, stage.endpoint("backend"))
    assert stage.play(client, "one", frontend=stage.endpoint("frontend")).result(WAIT) == ["ONE"]
    assert not serving.done
    assert not working.done


def test_the_frames_at_every_hop(stage: Stage) -> None:
    start(stage)
    asks, works = peer(stage, zmq.DEALER, "frontend", routing_id=b"Ann"), ready(stage)
    asks.send_multipart([b"", b"tea", b"", b"milk"])
    assert works.recv_multipart() == [b"", b"Ann", b"", b"tea", b"", b"milk"]
    works.send_multipart([b"", b"Ann", b"", b"hot", b"", b"white"])
    assert asks.recv_multipart() == [b"", b"hot", b"", b"white"]


def test_all_that_stands_before_the_delimiter_comes_back_before_it(stage: Stage) -> None:
    start(stage)
    asks, works = peer(stage, zmq.DEALER, "frontend", routing_id=b"Ann"), ready(stage)
    asks.send_multipart([b"Bob", b"17", b"", b"tea", b"", b"milk"])
    assert works.recv_multipart() == [b"", b"Ann", b"Bob", b"17", b"", b"tea", b"", b"milk"]
    stage.play(worker, stage.endpoint("backend"))
    asks.send_multipart([b"Bob", b"18", b"", b"tea", b"", b"milk"])
    assert asks.recv_multipart() == [b"Bob", b"18", b"", b"TEA", b"", b"MILK"]


def test_a_worker_does_its_work_on_each_frame_of_a_request(stage: Stage) -> None:
    start(stage)
    stage.play(worker, stage.endpoint("backend"))
    asks = peer(stage, zmq.REQ, "frontend")
    asks.send_multipart([b"tea", b"", b"milk"])
    assert asks.recv_multipart() == [b"TEA", b"", b"MILK"]


def test_many_clients_at_once_get_each_its_own_replies(stage: Stage) -> None:
    start(stage)
    for _ in range(3):
        stage.play(worker, stage.endpoint("backend"))
    front = stage.endpoint("frontend")
    asking = [stage.play(client, *(f"{c}{n}" for n in range(20)), frontend=front) for c in "abcdefgh"]
    for letter, actor in zip("ABCDEFGH", asking, strict=True):
        assert actor.result(WAIT) == [f"{letter}{n}" for n in range(20)]


def test_simulated_work_takes_its_time(stage: Stage) -> None:
    start(stage)
    stage.play(worker, stage.endpoint("backend"), seconds=0.05)
    since = time.monotonic()
    assert stage.play(client, "a", "b", frontend=stage.endpoint("frontend")).result(WAIT) == ["A", "B"]
    assert time.monotonic() - since >= 0.1


def test_a_worker_that_would_work_backwards_in_time_is_refused(stage: Stage) -> None:
    with pytest.raises(ValueError, match=r"seconds: expected 0 or more, got -1"):
        stage.play(worker, stage.endpoint("backend"), seconds=-1).result(WAIT)


# -- whose turn it is ---------------------------------------------------------------------------------------------


def test_the_worker_that_has_been_free_for_longest_is_next(watched: Stage, recording: Recording) -> None:
    start(watched)
    for number, name in enumerate("ABC", 1):
        watched.play(worker, watched.endpoint("backend"), sign, name=name)
        heard(recording, BACK, number)
    replies = watched.play(client, *["?"] * 30, frontend=watched.endpoint("frontend")).result(WAIT)
    assert replies == list("ABC") * 10


def test_workers_get_equal_shares_whoever_asks(watched: Stage, recording: Recording) -> None:
    start(watched)
    for number in range(1, 4):
        watched.play(worker, watched.endpoint("backend"), sign)
        heard(recording, BACK, number)
    front = watched.endpoint("frontend")
    said: Counter[str] = Counter()
    for _ in range(5):
        said.update(watched.play(client, *"abcdef", frontend=front).result(WAIT))
    assert sorted(said.values()) == [10, 10, 10]


def test_the_order_is_that_of_the_replies_and_not_of_the_requests(watched: Stage, recording: Recording) -> None:
    start(watched)
    first, second = guest(watched), guest(watched)
    a = ready(watched)
    client_of_a = a.recv_multipart()[1]
    b = ready(watched)
    client_of_b = b.recv_multipart()[1]
    for number, (works, whose) in enumerate([(b, client_of_b), (a, client_of_a)], 3):
        works.send_multipart([b"", whose, b"", b"done"])
        heard(recording, BACK, number)
    assert first.recv() == second.recv() == b"done"
    third = guest(watched, b"third")
    assert b.recv_multipart()[3] == b"third"
    assert not a.poll(STUCK * 1000)
    assert not third.poll(0)


def test_a_worker_gets_one_request_at_a_time(stage: Stage) -> None:
    start(stage)
    works, asks = ready(stage), [guest(stage), guest(stage)]
    _, whose, _, _ = works.recv_multipart()
    assert not works.poll(STUCK * 1000)
    works.send_multipart([b"", whose, b"", b"done"])
    assert works.recv_multipart()[1] != whose
    assert sum(bool(each.poll(STUCK * 1000)) for each in asks) == 1


def test_who_says_ready_twice_stands_in_the_line_once(watched: Stage, recording: Recording) -> None:
    start(watched)
    works = ready(watched)
    works.send_multipart([b"", b"READY"])
    heard(recording, BACK, 2)
    _ = guest(watched), guest(watched)
    assert works.recv_multipart()[3] == b"tea"
    assert not works.poll(STUCK * 1000)


def test_who_replies_twice_stands_in_the_line_once(watched: Stage, recording: Recording) -> None:
    start(watched)
    works, asks = ready(watched), guest(watched)
    _, whose, _, _ = works.recv_multipart()
    for _ in range(2):
        works.send_multipart([b"", whose, b"", b"done"])
    heard(recording, BACK, 3)
    assert asks.recv() == b"done"
    _ = guest(watched), guest(watched)
    assert works.recv_multipart()[3] == b"tea"
    assert not works.poll(STUCK * 1000)


# -- nobody is free -----------------------------------------------------------------------------------------------


def test_without_a_free_worker_no_request_is_read(watched: Stage, recording: Recording) -> None:
    start(watched)
    works = ready(watched)
    heard(recording, BACK, 1)
    _ = [guest(watched) for _ in range(5)]
    _, whose, _, _ = works.recv_multipart()
    assert not works.poll(STUCK * 1000)
    assert sum((e.actor, e.kind, e.socket) == ("broker", "receive", FRONT) for e in recording) == 1
    works.send_multipart([b"", whose, b"", b"done"])
    assert works.recv_multipart()[3] == b"tea"


def test_without_a_worker_a_client_may_send_as_much_as_the_queues_hold_and_no_more() -> None:
    context = zmq.Context()
    context.sndhwm = context.rcvhwm = 10
    with Stage(context) as stage:
        stage.play(broker, "inproc://frontend", "inproc://backend")
        floods, taken = stage.socket(zmq.DEALER, linger=0), 0
        floods.connect("inproc://frontend")
        while taken < 100 and floods.poll(STUCK * 1000, zmq.POLLOUT):
            floods.send_multipart([b"", b"tea"])
            taken += 1
        assert taken == 20


def test_requests_that_came_before_the_first_worker_are_served(stage: Stage) -> None:
    start(stage)
    asks = [guest(stage, b"%d" % number) for number in range(5)]
    assert not any(each.poll(STUCK * 200) for each in asks)
    stage.play(worker, stage.endpoint("backend"))
    assert [each.recv() for each in asks] == [b"0", b"1", b"2", b"3", b"4"]


# -- what strangers say -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frames",
    [
        [b"READY"],
        [b"", b"STEADY"],
        [b"", b"READY", b""],
        [b"", b"Ann", b"done"],
        [b"", b"Ann", b""],
        [b"Ann", b"", b"done"],
        [b"", b""],
        [b""],
    ],
    ids=str,
)
def test_a_worker_that_speaks_otherwise_gets_nothing(watched: Stage, recording: Recording, frames: list[bytes]) -> None:
    start(watched)
    odd = peer(watched, zmq.DEALER, "backend")
    odd.send_multipart(frames)
    heard(recording, BACK, 1)
    asks = guest(watched)
    assert not odd.poll(STUCK * 1000)
    watched.play(worker, watched.endpoint("backend"))
    assert asks.recv() == b"TEA"


@pytest.mark.parametrize("frames", [[b"tea"], [b""], [b"tea", b""], [b"Ann", b"tea"], [b"Ann", b"tea", b""]], ids=str)
def test_a_request_in_another_form_is_dropped(watched: Stage, recording: Recording, frames: list[bytes]) -> None:
    start(watched)
    works, odd = ready(watched), peer(watched, zmq.DEALER, "frontend")
    heard(recording, BACK, 1)
    odd.send_multipart(frames)
    heard(recording, FRONT, 1)
    guest(watched, b"after it")
    assert works.recv_multipart()[3] == b"after it"


def test_a_reply_to_a_client_that_has_gone_is_dropped(stage: Stage) -> None:
    start(stage)
    works, asks = ready(stage), guest(stage)
    _, whose, _, _ = works.recv_multipart()
    asks.close(linger=0)
    works.send_multipart([b"", whose, b"", b"too late"])
    guest(stage, b"next")
    assert works.recv_multipart()[3] == b"next"


def test_a_worker_passes_over_what_is_no_request_and_says_ready_again(stage: Stage) -> None:
    router = stage.socket(zmq.ROUTER, rcvtimeo=MS)
    router.bind(stage.endpoint("backend"))
    stage.play(worker, stage.endpoint("backend"))
    for odd in ([b"tea"], [b"Ann", b"tea"], [b"Ann", b""], [b"Ann", b"tea", b""]):
        who, *said = router.recv_multipart()
        assert said == [b"", b"READY"]
        router.send_multipart([who, b"", *odd])
    assert router.recv_multipart() == [who, b"", b"READY"]
    router.send_multipart([who, b"", b"Ann", b"", b"tea"])
    assert router.recv_multipart() == [who, b"", b"Ann", b"", b"TEA"]


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def test_a_slow_worker_delays_one_request_and_no_other(
    watched: Stage, recording: Recording, gate: threading.Event
) -> None:
    start(watched)
    watched.play(worker, watched.endpoint("backend"), lambda request: gate.wait(WAIT) and b"slow", name="slow")
    watched.play(worker, watched.endpoint("backend"), sign, name="quick")
    heard(recording, BACK, 2)
    asks = [guest(watched) for _ in range(10)]
    said: list[bytes] = []
    while len(said) < 9:
        answered = zmq.select(asks, [], [], WAIT)[0]
        assert answered, f"only {len(said)} were answered"
        said += [each.recv() for each in answered]
        asks = [each for each in asks if each not in answered]
    assert said == [b"quick"] * 9
    assert not asks[0].poll(STUCK * 1000)
    gate.set()
    assert asks[0].recv() == b"slow"


def play_thinker(stage: Stage) -> tuple[Any, Any, Any]:
    """A worker in a process, with a request in its hands; the client that waits; and what it hears of the worker."""
    told = stage.socket(zmq.DEALER, rcvtimeo=MS)
    told.bind(stage.endpoint("told"))
    victim = stage.spawn(thinker, stage.endpoint("told"), worker, stage.endpoint("backend"))
    asks = guest(stage)
    assert told.recv() == b"tea"
    return victim, asks, told


def test_a_worker_that_dies_takes_the_request_in_its_hands_with_it(stage: Stage) -> None:
    start(stage)
    victim, asks, _ = play_thinker(stage)
    stage.play(worker, stage.endpoint("backend"))
    victim.kill()
    assert guest(stage, b"milk").recv() == b"MILK"
    assert not asks.poll(STUCK * 1000)


def test_a_restarted_worker_gets_new_requests_and_not_the_old_one(stage: Stage) -> None:
    start(stage)
    victim, asks, told = play_thinker(stage)
    victim.kill()
    stage.spawn(thinker, stage.endpoint("told"), worker, stage.endpoint("backend"), name="restarted")
    guest(stage, b"milk")
    assert told.recv() == b"milk"
    assert not told.poll(STUCK * 1000)
    assert not asks.poll(0)


def test_a_worker_that_dies_while_it_is_free_costs_the_request_whose_turn_it_is(
    watched: Stage, recording: Recording
) -> None:
    start(watched)
    victim = watched.spawn(worker, watched.endpoint("backend"), name="victim")
    heard(recording, BACK, 1)
    watched.play(worker, watched.endpoint("backend"))
    heard(recording, BACK, 2)
    victim.kill()
    asks = guest(watched, b"lost")
    heard(recording, FRONT, 1)
    assert guest(watched, b"next").recv() == b"NEXT"
    assert not asks.poll(STUCK * 1000)


@signals
def test_only_the_request_of_a_frozen_worker_waits_until_it_thaws(watched: Stage, recording: Recording) -> None:
    start(watched)
    frozen = watched.spawn(worker, watched.endpoint("backend"), name="frozen")
    heard(recording, BACK, 1)
    frozen.freeze()
    asks = guest(watched)
    heard(recording, FRONT, 1)
    watched.play(worker, watched.endpoint("backend"))
    assert [guest(watched, b"%d" % number).recv() for number in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
    assert not asks.poll(STUCK * 1000)
    frozen.thaw()
    assert asks.recv() == b"TEA"


def test_a_reply_on_a_connection_that_is_cut_is_lost(watched: Stage, recording: Recording) -> None:
    start(watched)
    with Wire(watched.endpoint("backend")) as wire:
        wire.delay("forward", 2, seconds=60)  # READY passes, the reply is on its way when the wire is cut
        watched.play(worker, wire.endpoint, name="far")
        heard(recording, BACK, 1)
        asks = guest(watched)
        wire.wait("forward", 2, timeout=WAIT)
        wire.cut()
        wire.heal()
        watched.play(worker, watched.endpoint("backend"), sign, name="near")
        assert [guest(watched).recv() for _ in range(3)] == [b"near"] * 3
        assert not asks.poll(STUCK * 1000)


def test_when_the_broker_is_restarted_workers_that_were_ready_wait_for_ever(stage: Stage) -> None:
    first = stage.spawn(broker, *ends(stage), name="first broker")
    stage.play(worker, stage.endpoint("backend"), sign, name="old")
    assert guest(stage).recv() == b"old"
    first.kill()
    start(stage)
    asks = guest(stage)
    assert not asks.poll(STUCK * 1000)
    stage.play(worker, stage.endpoint("backend"), sign, name="new")
    assert asks.recv() == b"new"
    assert [guest(stage).recv() for _ in range(3)] == [b"new"] * 3


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_requests_are_answered_and_ctrl_c_ends_the_rest() -> None:
    free = "tcp://127.0.0.1:0"
    with shell("load_balancing", "broker", "--frontend", free, "--backend", free) as serving:
        front, back = bound_to(serving, 2)
        with (
            shell("load_balancing", "worker", "--backend", back, "--seconds", "0.01") as working,
            shell("load_balancing", "client", "tea", "milk", "--frontend", front) as asking,
        ):
            assert ended(asking) == (0, "TEA\nMILK\n", "")
            ends_on_ctrl_c(working, serving)
