# SPDX-License-Identifier: BSD-3-Clause
"""Zero copy: arrays arrive as they were, in nobody's memory but their own, and hostile headers cost nothing.

What is on its way lies in ZeroMQ's hands until its tracker is done; each fault is met by an array that fits into no
buffer of the system.
"""

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
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
    ipc,
    shell,
    signals,
    transports,
    turned_away,
    under_curve,
)
from zmq.utils.garbage import gc as collector

from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns.stage import Stage
from patterns.zero_copy import GUARANTEES, Refused, recv_array, send_array, sink, source, wave


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


def pair(stage: Stage, endpoint: str = "inproc://arrays") -> tuple[Any, Any]:
    """A PUSH and a PULL that are connected."""
    pull = stage.socket(zmq.PULL, rcvtimeo=MS)
    pull.bind(endpoint)
    return sender(stage, pull.last_endpoint.decode()), pull


def sender(stage: Stage, endpoint: str) -> Any:
    push = stage.socket(zmq.PUSH, linger=0, sndtimeo=MS)
    push.connect(endpoint)
    return push


def large() -> Any:
    """40 MB: more than the system keeps for a connection."""
    return np.arange(5_000_000, dtype=np.float64)


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


ENDS = {"ipc": "", "tcp": "tcp://127.0.0.1:*", "inproc": "inproc://arrays"}


@pytest.mark.parametrize("transport", [pytest.param("ipc", marks=ipc), "tcp", "inproc"])
def test_a_large_array_arrives_over_every_transport(stage: Stage, transport: str) -> None:
    push, pull = pair(stage, ENDS[transport] or stage.endpoint("arrays"))
    array = large()
    tracker = send_array(push, array)
    assert np.array_equal(recv_array(pull), array)
    tracker.wait(WAIT)


@transports
@pytest.mark.parametrize("kind", ["<i2", "<f8", "<c16", np.dtype(np.longdouble).str])
@pytest.mark.parametrize("order", ["C", "F"])
def test_each_array_is_aligned_and_read_only(transport: str, kind: str, order: Any) -> None:
    sizes = [1, 2, 3, 7, 10, 100, 500, 1000, 5000, 100_000]
    with Stage() as stage:
        push, pull = pair(stage, ENDS[transport] or stage.endpoint("arrays"))
        arrays = [np.ones((n, 2), dtype=kind, order=order) for n in sizes * 5]
        for array in arrays:
            send_array(push, array)
        for array in arrays:
            got = recv_array(pull)
            assert (got.flags.aligned, got.flags.writeable) == (True, False), len(array)
            assert got.flags.f_contiguous == array.flags.f_contiguous
            assert np.array_equal(got, array)


def test_of_five_thousand_small_arrays_none_is_lost_although_their_source_closes_at_once() -> None:
    with Stage() as stage:
        collecting = stage.play(sink, 5000, stage.endpoint("arrays"))
        push = sender(stage, stage.endpoint("arrays"))
        for number in range(5000):
            send_array(push, np.array([number]))
        push.close(linger=1000)
        assert [int(array[0]) for array in collecting.result(WAIT)] == list(range(5000))


@pytest.mark.parametrize("order", [["source", "sink"], ["sink", "source"]], ids=" ".join)
def test_roles_may_start_in_any_order(stage: Stage, order: list[str]) -> None:
    roles: dict[str, Any] = {"source": source, "sink": sink}
    playing = {name: stage.play(roles[name], endpoint=stage.endpoint("arrays")) for name in order}
    arrays = playing["sink"].result(WAIT)
    assert playing["source"].result(WAIT) is None
    assert [np.array_equal(array, wave(400, time)) for time, array in enumerate(arrays)] == [True] * 3


@pytest.mark.parametrize("width", [2, 400], ids=["small arrays", "large arrays"])
def test_a_source_without_a_sink_stays_until_its_stage_ends(stage: Stage, width: int) -> None:
    sending = stage.play(source, width, endpoint=stage.endpoint("arrays"))
    with pytest.raises(TimeoutError):
        sending.result(STUCK)


@curve
def test_under_curve_only_who_has_the_keys_sends_arrays() -> None:
    with under_curve(Recording()) as (home, abroad, street):
        collecting = home.play(sink, endpoint=home.endpoint("arrays"))
        with turned_away(street, zmq.PUSH, home.endpoint("arrays"), [b"no array"]):
            abroad.play(source, endpoint=home.endpoint("arrays"))
            assert [array.shape for array in collecting.result(WAIT)] == [(400, 400)] * 3


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
    pull = stage.socket(zmq.PULL, rcvtimeo=MS)
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
    pull = stage.socket(zmq.PULL, rcvtimeo=MS)
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
    guarantees_hold(GUARANTEES, globals())


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
    with event(push, zmq.EVENT_DISCONNECTED):
        victim.kill()
    collecting = stage.play(sink, 1, endpoint)
    send_array(push, np.ones(3))
    assert collecting.result(WAIT)[0].tolist() == [1, 1, 1]


def test_a_restarted_sink_gets_what_comes_next(stage: Stage) -> None:
    endpoint = stage.endpoint("arrays")
    victim = stage.spawn(sink, 2, endpoint)
    push = sender(stage, endpoint)
    send_array(push, np.full((400, 400), 7)).wait(WAIT)
    with event(push, zmq.EVENT_DISCONNECTED):
        victim.kill()
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
    pull = stage.socket(zmq.PULL, rcvtimeo=MS)
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
@pytest.mark.parametrize("count", [1, 2], ids=["it has all", "it waits for more"])
def test_from_the_shell_an_array_arrives_and_ctrl_c_ends_a_sink(count: int) -> None:
    with shell("zero_copy", "sink", "--count", str(count), "--endpoint", "tcp://127.0.0.1:0") as collecting:
        with shell("zero_copy", "source", "--width=2", "--count=1", "--endpoint", *bound_to(collecting)) as sending:
            assert ended(sending) == (0, "", "")
        if count == 2:
            ends_on_ctrl_c(collecting)
        else:
            code, said, complaint = ended(collecting)
            assert (code, said[:2], complaint) == (0, "[[", "")
