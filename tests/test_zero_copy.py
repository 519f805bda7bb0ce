# SPDX-License-Identifier: BSD-3-Clause
"""Zero copy: arrays arrive as they were, in nobody's memory but their own, and hostile headers cost nothing.

What is on its way lies in ZeroMQ's hands until its tracker is done; each fault is met by an array that fits into no
buffer of the system.
"""

import json
import select
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from zmq.utils.garbage import gc as collector

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns.stage import Stage
from patterns.zero_copy import GUARANTEES, Refused, recv_array, send_array, sink, source, wave

WAIT = 10.0  # seconds for what has to come
STUCK = 0.2  # seconds after which what never comes is given up

ipc = pytest.mark.skipif(not zmq.has("ipc"), reason="no ipc on this system")
signals = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP and SIGINT for processes here")


@pytest.fixture(autouse=True, scope="module")
def collecting() -> Iterator[None]:
    """pyzmq starts a thread for memory that it does not copy, and keeps it: it is there before any test begins."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as one, context.socket(zmq.PAIR) as other:
        one.bind("inproc://warm")
        other.connect("inproc://warm")
        one.send(bytes(1 << 17), copy=False)
        other.recv()
    yield
    collector.stop()


@pytest.fixture(params=["plain context", "tracing context"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with Stage(zmq.Context() if request.param == "plain context" else trace.Context(Recording())) as it:
        yield it


def pair(stage: Stage, endpoint: str = "inproc://arrays") -> tuple[Any, Any]:
    """A PUSH and a PULL that are connected."""
    push = stage.socket(zmq.PUSH, linger=0, sndtimeo=int(WAIT * 1000))
    pull = stage.socket(zmq.PULL, rcvtimeo=int(WAIT * 1000))
    pull.bind(endpoint)
    push.connect(endpoint)
    return push, pull


def sender(stage: Stage, endpoint: str) -> Any:
    push = stage.socket(zmq.PUSH, linger=0, sndtimeo=int(WAIT * 1000))
    push.connect(endpoint)
    return push


def large() -> Any:
    """40 MB: more than the system keeps for a connection."""
    return np.arange(5_000_000, dtype=np.float64)


def free_port() -> str:
    with zmq.Context() as context, context.socket(zmq.PULL) as probe:
        return f"tcp://127.0.0.1:{probe.bind_to_random_port('tcp://127.0.0.1')}"


# -- arrays arrive as they were -----------------------------------------------------------------------------------

KINDS = ["|b1", "|i1", "|u1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f8", "<c8", "<c16"]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (3, 0), (4, 6), (2, 3, 4), (200, 300)])
@pytest.mark.parametrize("kind", KINDS)
def test_an_array_arrives_as_it_was(kind: str, shape: tuple[int, ...], order: Any) -> None:
    with Stage() as stage:
        push, pull = pair(stage)
        array = np.asarray(np.arange(np.prod(shape)).reshape(shape) % 7, dtype=kind, order=order)
        send_array(push, array)
        got = recv_array(pull)
        assert got.dtype == array.dtype
        assert got.shape == array.shape
        assert got.flags.f_contiguous == array.flags.f_contiguous
        assert np.array_equal(got, array)


@pytest.mark.parametrize("transport", [pytest.param("ipc", marks=ipc), "tcp", "inproc"])
def test_a_large_array_arrives_over_every_transport(stage: Stage, transport: str) -> None:
    ends = {"ipc": stage.endpoint("arrays"), "tcp": free_port(), "inproc": "inproc://arrays"}
    push, pull = pair(stage, ends[transport])
    array = large()
    tracker = send_array(push, array)
    assert np.array_equal(recv_array(pull), array)
    tracker.wait(WAIT)


@pytest.mark.parametrize("order", [["source", "sink"], ["sink", "source"]], ids=" ".join)
def test_roles_may_start_in_any_order(stage: Stage, order: list[str]) -> None:
    roles: dict[str, Any] = {"source": source, "sink": sink}
    playing = {name: stage.play(roles[name], endpoint=stage.endpoint("arrays")) for name in order}
    arrays = playing["sink"].result(WAIT)
    assert playing["source"].result(WAIT) is None
    assert [np.array_equal(array, wave(400, time)) for time, array in enumerate(arrays)] == [True] * 3


def test_a_source_without_a_sink_stays_until_its_stage_ends(stage: Stage) -> None:
    sending = stage.play(source, endpoint=stage.endpoint("arrays"))
    with pytest.raises(TimeoutError):
        sending.result(STUCK)


@pytest.mark.skipif(not zmq.has("curve"), reason="no CURVE in this libzmq")
def test_under_curve_arrays_arrive() -> None:
    public, secret = zmq.curve_keypair()
    theirs, ours = zmq.Context(), zmq.Context()
    theirs.curve_publickey, theirs.curve_secretkey, theirs.curve_server = public, secret, True
    ours.curve_publickey, ours.curve_secretkey = zmq.curve_keypair()
    ours.curve_serverkey = public
    with Stage(theirs) as home, Stage(ours) as abroad, Stage() as street:
        collecting = home.play(sink, endpoint=home.endpoint("arrays"))
        stranger = sender(street, home.endpoint("arrays"))
        tracker = send_array(stranger, np.zeros(100_000))
        abroad.play(source, endpoint=home.endpoint("arrays"))
        assert [array.shape for array in collecting.result(WAIT)] == [(400, 400)] * 3
        assert not tracker.done


def test_an_array_is_one_message_with_a_header_that_others_can_read(stage: Stage) -> None:
    push, pull = pair(stage)
    send_array(push, np.arange(6, dtype="<i2").reshape(2, 3))
    header, elements = pull.recv_multipart()
    assert json.loads(header) == {"dtype": "<i2", "shape": [2, 3], "order": "C"}
    assert elements == bytes([0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0])


# -- in nobody's memory but their own -----------------------------------------------------------------------------


def test_nothing_is_copied_on_the_way_in_or_out() -> None:
    with Stage() as stage:
        push, pull = pair(stage)
        array = large()
        tracemalloc.start()
        try:
            send_array(push, array)
            got = recv_array(pull)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert np.shares_memory(got, array)
        assert peak < 1_000_000


def test_what_has_come_is_read_only(stage: Stage) -> None:
    push, pull = pair(stage)
    send_array(push, np.zeros((400, 400)))
    with pytest.raises(ValueError, match="read-only"):
        recv_array(pull)[0, 0] = 1


def test_an_array_that_is_held_keeps_its_memory() -> None:
    with Stage() as stage:
        push, pull = pair(stage)
        tracker = send_array(push, large())  # nobody holds it but the message
        got = recv_array(pull)
        with pytest.raises(zmq.NotDone):
            tracker.wait(STUCK)
        assert got[-1] == 4_999_999
        del got
        tracker.wait(WAIT)


def test_a_small_array_is_copied_and_its_tracker_is_done_at_once(stage: Stage) -> None:
    push = sender(stage, stage.endpoint("arrays"))
    below, at = np.zeros(65_535, np.uint8), np.zeros(65_536, np.uint8)
    assert send_array(push, below).done
    assert not send_array(push, at).done
    below[:] = 1
    at[:] = 1
    pull = stage.socket(zmq.PULL, rcvtimeo=int(WAIT * 1000))
    pull.bind(stage.endpoint("arrays"))
    assert recv_array(pull).max() == 0
    assert recv_array(pull).min() == 1  # changed too early


# -- what the caller does wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        np.array([object(), None]),
        np.array(["tea"]),
        np.array([b"tea"]),
        np.array(["2026-01-01"], dtype="M8[D]"),
        np.zeros(3, dtype=[("x", "f8"), ("y", "f8")]),
        [1, 2, 3],
    ],
    ids=lambda array: str(getattr(array, "dtype", "a list")),
)
def test_what_is_no_array_of_numbers_is_refused(stage: Stage, array: Any) -> None:
    push, pull = pair(stage)
    with pytest.raises(ValueError, match="array: expected an array of numbers"):
        send_array(push, array)
    send_array(push, np.zeros(3))
    assert recv_array(pull).shape == (3,)  # nothing of it has gone


@pytest.mark.parametrize("array", [np.arange(10)[::2], np.zeros((300, 300))[:, 10:20]], ids=["steps", "a window"])
def test_an_array_in_several_pieces_is_refused(stage: Stage, array: Any) -> None:
    push, pull = pair(stage)
    with pytest.raises(ValueError, match="array: expected one that lies in memory in one piece"):
        send_array(push, array)
    send_array(push, np.ascontiguousarray(array))
    assert np.array_equal(recv_array(pull), array)


def test_a_send_that_would_block_raises_and_leaves_nothing_half_sent(stage: Stage) -> None:
    push = stage.socket(zmq.PUSH, linger=0)
    push.bind(stage.endpoint("arrays"))
    with pytest.raises(zmq.Again):
        send_array(push, np.zeros(3), zmq.DONTWAIT)
    pull = stage.socket(zmq.PULL, rcvtimeo=int(WAIT * 1000))
    pull.connect(stage.endpoint("arrays"))
    assert push.poll(WAIT * 1000, zmq.POLLOUT)
    send_array(push, np.ones(3))
    assert recv_array(pull).tolist() == [1, 1, 1]


@pytest.mark.parametrize("call", [lambda ctx: source(ctx, 0), lambda ctx: source(ctx, 1, 0), lambda ctx: sink(ctx, 0)])
def test_numbers_below_one_are_refused(stage: Stage, call: Any) -> None:
    with pytest.raises(ValueError, match="count: expected at least 1, got"):
        call(stage.context)


# -- what a peer does wrong ---------------------------------------------------------------------------------------


def header(dtype: Any = "<f8", shape: Any = (2,), order: Any = "C") -> bytes:
    return json.dumps({"dtype": dtype, "shape": shape, "order": order}).encode()


HOSTILE = {
    "one frame": [header()],
    "three frames": [header(), bytes(16), b""],
    "empty": [b""],
    "no JSON": [b"<f8 2 C", bytes(16)],
    "no UTF-8": [b'{"dtype": "\xff"}', bytes(16)],
    "no object": [b"[1]", bytes(16)],
    "nothing in it": [b"{}", bytes(16)],
    "too deep": [b"[" * 999, bytes(16)],
    "too long": [header() + b" " * 1000, bytes(16)],
    "an object as element": [header("|O"), bytes(16)],
    "text": [header("<U2"), bytes(16)],
    "nothing as element": [header("|V0"), bytes(16)],
    "a huge element": [header("|V9999999999"), bytes(16)],
    "an array as element": [header("(9999,9999)<f8"), bytes(16)],
    "records": [header("f8,f8"), bytes(16)],
    "no such number": [header("<f7"), bytes(16)],
    "a list for a dtype": [header([["x", "<f8"]]), bytes(16)],
    "a negative shape": [header(shape=[-2]), bytes(16)],
    "two negatives": [header(shape=[-1, -2]), bytes(16)],
    "a fraction": [header(shape=[2.0]), bytes(16)],
    "true for one": [header(shape=[True, 2]), bytes(16)],
    "text as shape": [header(shape="2"), bytes(16)],
    "a number as shape": [header(shape=2), bytes(16)],
    "no order": [header(order="K"), bytes(16)],
    "too many dimensions": [header(shape=[1] * 100), bytes(8)],
    "a byte too few": [header(), bytes(15)],
    "a byte too many": [header(), bytes(17)],
    "no bytes": [header(), b""],
    "huge": [header(shape=[1 << 38]), bytes(16)],
    "huger": [header(shape=[10**300]), bytes(16)],
    "huge and empty": [header(shape=[1 << 62, 1 << 62, 0]), b""],
    "overflowing to what came": [header(shape=[1 << 62, 4]), b""],
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_array_is_refused_without_a_place_for_it(stage: Stage, message: list[bytes]) -> None:
    push, pull = pair(stage)
    push.send_multipart(message)
    send_array(push, np.ones(3))
    assert pull.poll(WAIT * 1000)
    tracemalloc.start()
    try:
        with pytest.raises(Refused):
            recv_array(pull)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert recv_array(pull).tolist() == [1, 1, 1]


def test_a_header_may_say_more_than_we_know(stage: Stage) -> None:
    push, pull = pair(stage)
    push.send_multipart([b'{"dtype": "<f8", "shape": [2], "order": "C", "unit": "m"}', bytes(16)])
    assert recv_array(pull).tolist() == [0, 0]


def test_a_sink_drops_what_is_no_array(stage: Stage) -> None:
    collecting = stage.play(sink, 2, stage.endpoint("arrays"))
    push = sender(stage, stage.endpoint("arrays"))
    send_array(push, np.zeros(1))
    for message in HOSTILE.values():
        push.send_multipart(message)
    send_array(push, np.zeros(2))
    assert [array.shape for array in collecting.result(WAIT)] == [(1,), (2,)]


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    assert list(GUARANTEES) == ["crash", "freeze", "cut", "slow", "restart"]
    for word, test in GUARANTEES.values():
        assert word in ("safe", "lost", "duplicated", "reordered", "blocked")
        assert callable(globals().get(test)), f"there is no {test}"
        assert test.startswith("test_")


def hoarder(ctx: zmq.Context[Any], endpoint: str) -> None:
    """A sink whose socket takes everything and whose program reads nothing."""
    with ctx.socket(zmq.PULL) as pull:
        pull.bind(endpoint)
        with ctx.socket(zmq.PULL) as never:
            never.recv()


def test_what_a_sink_had_not_read_dies_with_it(stage: Stage) -> None:
    endpoint = stage.endpoint("arrays")
    victim = stage.spawn(hoarder, endpoint)
    push = sender(stage, endpoint)
    send_array(push, large()).wait(WAIT)  # it has left this process
    victim.kill()
    assert victim.join(WAIT)
    collecting = stage.play(sink, 1, endpoint)
    send_array(push, np.ones(3))
    assert collecting.result(WAIT)[0].tolist() == [1, 1, 1]


def test_a_restarted_sink_gets_what_comes_next(stage: Stage) -> None:
    endpoint = stage.endpoint("arrays")
    victim = stage.spawn(sink, 2, endpoint)
    push = sender(stage, endpoint)
    send_array(push, np.full((400, 400), 7)).wait(WAIT)
    victim.kill()
    assert victim.join(WAIT)
    restarted = stage.play(sink, 2, endpoint, name="restarted sink")
    for number in (8, 9):
        send_array(push, np.full((400, 400), number))
    assert [array.max() for array in restarted.result(WAIT)] == [8, 9]


@signals
def test_memory_is_not_free_while_the_sink_is_frozen(stage: Stage) -> None:
    endpoint = stage.endpoint("arrays")
    frozen = stage.spawn(sink, 2, endpoint)
    push = sender(stage, endpoint)
    send_array(push, np.zeros(10_000)).wait(WAIT)  # it is connected
    frozen.freeze()
    array = large()
    tracker = send_array(push, array)
    with pytest.raises(zmq.NotDone):
        tracker.wait(STUCK)
    frozen.thaw()
    tracker.wait(WAIT)
    assert np.array_equal(frozen.result(WAIT)[1], array)


def test_a_tracker_is_done_with_an_array_that_was_lost_in_a_cut(stage: Stage) -> None:
    pull = stage.socket(zmq.PULL, rcvtimeo=int(WAIT * 1000))
    pull.bind(stage.endpoint("arrays"))
    with Wire(stage.endpoint("arrays")) as wire:
        push = sender(stage, wire.endpoint)
        send_array(push, np.zeros(3))
        assert recv_array(pull).shape == (3,)
        wire.freeze()
        tracker = send_array(push, large())
        with pytest.raises(zmq.NotDone):
            tracker.wait(STUCK)
        wire.cut()
        tracker.wait(WAIT)
        wire.heal()
        send_array(push, np.ones(3))
        assert recv_array(pull).tolist() == [1, 1, 1]
        assert not pull.poll(STUCK * 1000)


def test_a_slow_sink_gets_every_array_as_it_was(stage: Stage) -> None:
    push, pull = pair(stage, stage.endpoint("arrays"))
    trackers = [send_array(push, np.full((400, 400), number)) for number in range(20)]
    for tracker in trackers:  # all have left before the first is read
        tracker.wait(WAIT)
    for number in range(20):
        array = recv_array(pull)
        assert array.min() == array.max() == number


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_an_array_arrives_and_ctrl_c_ends_a_sink() -> None:
    def start(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "patterns.zero_copy", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )

    def played(*words: str) -> str:
        """What a sink says that gets one picture from a source and, if it still runs then, Ctrl-C."""
        with start("sink", *words, "--endpoint", "tcp://127.0.0.1:0") as collecting:
            try:
                assert collecting.stderr
                assert select.select([collecting.stderr], [], [], WAIT)[0]
                endpoint = collecting.stderr.readline().removeprefix("bound to ").strip()
                with start("source", "--width", "2", "--count", "1", "--endpoint", endpoint) as sending:
                    try:
                        assert sending.communicate(timeout=WAIT) == ("", "")
                        assert sending.returncode == 0
                    finally:
                        sending.kill()
                since = time.monotonic()
                if "2" in words:
                    collecting.send_signal(signal.SIGINT)
                said, complaint = collecting.communicate(timeout=WAIT)
                assert time.monotonic() - since < 2
                assert (collecting.returncode, complaint) == (0, "")
                return said
            finally:
                collecting.kill()

    assert played("--count", "1").startswith("[[")
    assert played("--count", "2") == ""
