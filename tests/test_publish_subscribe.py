# SPDX-License-Identifier: BSD-3-Clause
"""Publish-subscribe: prefixes, the filter at the publisher, many subscribers, and what is lost under each fault.

Where it matters when a subscription arrives the test publishes on an XPUB, which receives it. What must never come is
followed by something that does come, on the same connection: what was there to come would have come before.
"""

import math
import time
from functools import partial
from typing import Any

import pytest
import zmq
from sockets import (
    MS,
    STUCK,
    WAIT,
    bound_at,
    bound_to,
    curve,
    ended,
    ends_on_ctrl_c,
    guarantees_hold,
    shell,
    signals,
    transports,
    turned_away,
    under_curve,
)

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns.publish_subscribe import GUARANTEES, publisher, subscriber
from patterns.stage import Actor, Stage

EVER = 600.0  # seconds that no test waits


def listening(stage: Stage, name: str = "board", **options: Any) -> Any:
    """A publisher of the test's own: an XPUB that receives each subscription, and hears who leaves."""
    socket = stage.socket(zmq.XPUB, rcvtimeo=MS, xpub_verbose=1, **options)
    socket.bind(stage.endpoint(name))
    return socket


def listener(stage: Stage, *prefixes: bytes, **options: Any) -> Any:
    """A subscriber of the test's own, connected to the board."""
    socket = stage.socket(zmq.SUB, rcvtimeo=MS, **options)
    for prefix in prefixes:
        socket.subscribe(prefix)
    socket.connect(stage.endpoint("board"))
    return socket


def subscribe(stage: Stage, endpoint: str, *prefixes: bytes, count: int, name: str = "subscriber") -> Actor:
    return stage.play(partial(subscriber, endpoint=endpoint, count=count), *prefixes, name=name)


# -- in fair weather ----------------------------------------------------------------------------------------------


def play_publisher(home: Stage, recording: Recording, transport: str) -> str:
    """Play a publisher whose tracing Context makes known where it is bound."""
    endpoint = "tcp://127.0.0.1:*" if transport == "tcp" else home.endpoint("board")
    home.play(partial(publisher, endpoint=endpoint, interval=0.01), b"S1 tea", b"S2 milk", name="publisher")
    return bound_at(recording, "publisher")[0]


@transports
@pytest.mark.parametrize("traced", [False, True], ids=["plain context", "tracing context"])
def test_a_subscriber_gets_what_begins_with_its_prefix(transport: str, traced: bool) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as home, Stage(trace.Context(recording) if traced else None) as elsewhere:
        endpoint = play_publisher(home, recording, transport)
        assert subscribe(elsewhere, endpoint, b"S1", count=3).result(WAIT) == [b"S1 tea"] * 3


@curve
@transports
def test_under_curve_only_who_has_the_keys_gets_anything(transport: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        endpoint = play_publisher(home, recording, transport)
        with turned_away(street, zmq.SUB, endpoint):
            assert subscribe(abroad, endpoint, b"S2", count=3).result(WAIT) == [b"S2 milk"] * 3


@pytest.mark.parametrize("order", ["publisher subscriber", "subscriber publisher"])
def test_the_roles_may_start_in_any_order(stage: Stage, order: str) -> None:
    board = stage.endpoint("board")
    for role in order.split():
        if role == "publisher":
            stage.play(partial(publisher, endpoint=board, interval=0.01), b"S1 tea", name=role)
        else:
            waiting = subscribe(stage, board, b"S1", count=3)
    assert waiting.result(WAIT) == [b"S1 tea"] * 3


def test_messages_are_published_in_turn_and_over_again(stage: Stage) -> None:
    board = stage.endpoint("board")
    stage.play(partial(publisher, endpoint=board, interval=0.01), b"a", b"b", b"c", name="publisher")
    got = subscribe(stage, board, b"", count=7).result(WAIT)
    turns = [b"a", b"b", b"c"] * 4
    start = turns.index(got[0])
    assert got == turns[start : start + 7]


def test_the_interval_is_kept(stage: Stage) -> None:
    board, since = stage.endpoint("board"), time.monotonic()
    stage.play(partial(publisher, endpoint=board, interval=0.05), b"tea", name="publisher")
    subscribe(stage, board, b"tea", count=5).result(WAIT)
    assert time.monotonic() - since >= 0.19  # four pauses at least; a poll counts in whole milliseconds


def test_a_publisher_that_pauses_ends_with_its_stage(stage: Stage) -> None:
    board = stage.endpoint("board")
    pausing = stage.play(partial(publisher, endpoint=board, interval=EVER), b"tea", name="publisher")
    with pytest.raises(TimeoutError):
        pausing.result(STUCK)
    since = time.monotonic()
    stage.close()
    assert pausing.done
    assert time.monotonic() - since < 2


def test_a_subscriber_that_waits_ends_with_its_stage(stage: Stage) -> None:
    board = listening(stage)
    waiting = subscribe(stage, stage.endpoint("board"), b"S1", count=1)
    assert board.recv() == b"\x01S1"
    assert not waiting.done
    stage.close()
    assert waiting.done


def test_everybody_gets_a_copy(stage: Stage) -> None:
    board = listening(stage)
    many = [subscribe(stage, stage.endpoint("board"), b"S1", count=2, name=f"subscriber {n}") for n in range(30)]
    assert [board.recv() for _ in many] == [b"\x01S1"] * 30
    board.send(b"S1 tea")
    board.send(b"S1 milk")
    assert [each.result(WAIT) for each in many] == [[b"S1 tea", b"S1 milk"]] * 30


def test_one_subscriber_hears_several_publishers(stage: Stage) -> None:
    north, south = listening(stage, "north"), listening(stage, "south")
    sub = stage.socket(zmq.SUB, rcvtimeo=MS)
    sub.subscribe(b"S1")
    for name, board in (("north", north), ("south", south)):
        sub.connect(stage.endpoint(name))
        assert board.recv() == b"\x01S1"
    north.send(b"S1 north")
    south.send(b"S1 south")
    assert {sub.recv(), sub.recv()} == {b"S1 north", b"S1 south"}


@pytest.mark.parametrize("kind", [zmq.PUB, zmq.SUB], ids=["a PUB does not receive", "a SUB does not send"])
def test_it_is_a_one_way_street(stage: Stage, kind: int) -> None:
    socket = stage.socket(kind)
    with pytest.raises(zmq.ZMQError) as refused:
        socket.recv() if kind == zmq.PUB else socket.send(b"")
    assert refused.value.errno == zmq.ENOTSUP


# -- subscriptions ------------------------------------------------------------------------------------------------

LINES = [b"S1 tea", b"S10 milk", b"S2 tea", b"s1 tea", b"XS1 tea", b"S", b""]


@pytest.mark.parametrize(
    ("prefixes", "got"),
    [
        ([b"S1"], [b"S1 tea", b"S10 milk"]),
        ([b"S1 "], [b"S1 tea"]),
        ([b"S1 tea"], [b"S1 tea"]),
        ([b"S1 tea and more"], []),
        ([b"S"], [b"S1 tea", b"S10 milk", b"S2 tea", b"S"]),
        ([b"s1", b"S2"], [b"S2 tea", b"s1 tea"]),
        ([b"S1", b"S10"], [b"S1 tea", b"S10 milk"]),
        ([b"S1", b"S1"], [b"S1 tea", b"S10 milk"]),
        ([b""], LINES),
        ([b"", b"S1"], LINES),
    ],
    ids=repr,
)
def test_the_filter_compares_the_first_bytes(stage: Stage, prefixes: list[bytes], got: list[bytes]) -> None:
    board, sub, wanted = listening(stage), listener(stage, *prefixes, b"end"), {*prefixes, b"end"}
    assert {board.recv() for _ in wanted} == {b"\x01" + prefix for prefix in wanted}
    for line in (*LINES, b"end"):
        board.send(line)
    assert [sub.recv() for _ in range(len(got) + 1)] == [*got, b"end"]


def test_without_a_subscription_nothing_comes(stage: Stage) -> None:
    board, sub = listening(stage), listener(stage, b"S1")
    assert board.recv() == b"\x01S1"
    sub.unsubscribe(b"S1")
    assert board.recv() == b"\x00S1"
    for line in LINES:
        board.send(line)
    sub.subscribe(b"end")
    assert board.recv() == b"\x01end"
    board.send(b"end")
    assert sub.recv() == b"end"


def test_who_has_subscribed_twice_must_cancel_twice(stage: Stage) -> None:
    board, sub = listening(stage), listener(stage, b"end")
    assert board.recv() == b"\x01end"
    for _ in range(2):
        sub.subscribe(b"S1")
        assert board.recv() == b"\x01S1"
    sub.unsubscribe(b"S1")
    assert not board.poll(STUCK * 1000)
    board.send(b"S1 tea")
    assert sub.recv() == b"S1 tea"
    sub.unsubscribe(b"S1")
    assert board.recv() == b"\x00S1"
    board.send(b"S1 milk")
    board.send(b"end")
    assert sub.recv() == b"end"


@pytest.mark.parametrize(
    ("prefix", "crossed"), [(b"S1", 10), (b"S", 20), (b"", 100), (b"S3", 0)], ids=["one line", "two", "all", "none"]
)
def test_what_nobody_has_subscribed_to_does_not_leave_the_publisher(stage: Stage, prefix: bytes, crossed: int) -> None:
    board = listening(stage)
    with Wire(stage.endpoint("board")) as wire:
        waiting = subscribe(stage, wire.endpoint, prefix, b"end", count=crossed + 1)
        assert {board.recv(), board.recv()} == {b"\x01" + prefix, b"\x01end"}
        for number in range(100):
            board.send([b"S1", b"S2", *[b"tram"] * 8][number % 10] + b" %d" % number)
        board.send(b"end")
        assert len(waiting.result(WAIT)) == wire.count("back") == crossed + 1


# -- what strangers say, and callers ------------------------------------------------------------------------------


def test_a_subscriber_passes_over_what_is_not_one_frame(stage: Stage) -> None:
    board = listening(stage)
    waiting = subscribe(stage, stage.endpoint("board"), b"S1", count=2)
    assert board.recv() == b"\x01S1"
    for frames in ([b"S1", b"S1 tea"], [b"S1 milk"], [b"S1", b"", b""], [b"S1\xff\x00"]):
        board.send_multipart(frames)
    assert waiting.result(WAIT) == [b"S1 milk", b"S1\xff\x00"]


def test_a_publisher_passes_over_what_subscribers_make_up(stage: Stage) -> None:
    board = stage.endpoint("board")
    stage.play(partial(publisher, endpoint=board, interval=0.01), b"S1 tea", name="publisher")
    stranger = stage.socket(zmq.XSUB, rcvtimeo=MS)
    stranger.connect(board)
    for made_up in (b"hello", b"", b"\x02S1", b"\x00never subscribed", b"\x01" + b"x" * 100_000):
        stranger.send(made_up)
    stranger.send_multipart([b"hello", b"\x01S1"])
    assert subscribe(stage, board, b"S1", count=2).result(WAIT) == [b"S1 tea"] * 2


@pytest.mark.parametrize(
    ("role", "args", "options", "complaint"),
    [
        (publisher, [], {}, "messages: expected at least one"),
        (publisher, [b"tea"], {"interval": -1.0}, "interval: expected seconds from 0, got -1.0"),
        (publisher, [b"tea"], {"interval": math.nan}, "interval: expected seconds from 0, got nan"),
        (publisher, [b"tea"], {"interval": math.inf}, "interval: expected seconds from 0, got inf"),
        (subscriber, [], {}, "prefixes: expected at least one; b'' stands for everything"),
        (subscriber, [b"S1"], {"count": 0}, "count: expected at least 1, got 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unusable_arguments_are_refused(stage: Stage, role: Any, args: Any, options: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}$"):
        stage.play(partial(role, **options), *args, name="role").result(WAIT)


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def test_what_is_published_before_the_subscription_arrives_is_lost(stage: Stage) -> None:
    board = listening(stage)
    with Wire(stage.endpoint("board")) as wire:
        wire.freeze()
        waiting = subscribe(stage, wire.endpoint, b"", count=1)
        for number in range(1000):
            board.send(b"%d" % number)
        wire.heal()
        assert board.recv() == b"\x01"
        board.send(b"late")
        assert waiting.result(WAIT) == [b"late"]


def test_what_is_published_while_a_subscriber_is_dead_is_lost(stage: Stage) -> None:
    board = listening(stage)
    role = partial(stage.spawn, subscriber, b"S1", endpoint=stage.endpoint("board"))
    victim = role(count=100, name="victim")
    assert board.recv() == b"\x01S1"
    board.send(b"S1 before")
    victim.kill()
    assert board.recv() == b"\x00S1"
    board.send(b"S1 meanwhile")
    again = role(count=1, name="another")
    assert board.recv() == b"\x01S1"
    board.send(b"S1 after")
    assert again.result(WAIT) == [b"S1 after"]


@signals
def test_a_frozen_subscriber_loses_what_no_longer_fits_into_its_queues() -> None:
    with Stage() as stage:
        stage.context.sndhwm = stage.context.rcvhwm = 2
        board, many = listening(stage), 200  # of 100 kB each: far more than two queues and a connection hold
        frozen = stage.spawn(subscriber, b"", endpoint=stage.endpoint("board"), count=2)
        assert board.recv() == b"\x01"
        frozen.freeze()
        for number in range(many):
            board.send(b"%d" % number + b" " * 100_000)
        frozen.thaw()
        assert [int(message) for message in frozen.result(WAIT)] == [0, 1]  # what fits waits for it
        assert board.recv() == b"\x00"
        # and once more, to the end: a message that is published when there is room again
        frozen = stage.spawn(counter, stage.endpoint("board"))
        assert board.recv() == b"\x01"
        frozen.freeze()
        for number in range(many):
            board.send(b"%d" % number + b" " * 100_000)
        frozen.thaw()
        while not frozen.told:
            board.send(b"end")
            board.poll(10)
        assert 0 < frozen.result(WAIT) < many


def counter(ctx: zmq.Context[Any], endpoint: str) -> int:
    """A subscriber that counts what it hears before the end."""
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(b"")
        sub.connect(endpoint)
        count = 0
        while sub.recv() != b"end":
            count += 1
        return count


def test_what_is_published_while_the_connection_is_cut_is_lost(stage: Stage) -> None:
    board = listening(stage)
    with Wire(stage.endpoint("board")) as wire:
        waiting = subscribe(stage, wire.endpoint, b"S1", count=2)
        assert board.recv() == b"\x01S1"
        board.send(b"S1 before")
        wire.wait("back", timeout=WAIT)
        got_through = wire.log[0].frames
        wire.cut()
        assert board.recv() == b"\x00S1"
        board.send(b"S1 meanwhile")
        wire.heal()
        assert board.recv() == b"\x01S1"  # nobody asked the subscriber to subscribe again: its socket does
        board.send(b"S1 after")
        board.send(b"S1 long after")
        got = waiting.result(WAIT)
    assert got_through == (b"S1 before",)
    assert got in ([b"S1 before", b"S1 after"], [b"S1 after", b"S1 long after"])  # it was on its way when it was cut


@pytest.mark.parametrize("mark", [1, 10, 1000])
def test_a_slow_subscriber_loses_the_newest_when_its_queues_are_full(stage: Stage, mark: int) -> None:
    board = stage.socket(zmq.XPUB, sndhwm=mark, rcvtimeo=MS)
    board.bind("inproc://board")
    slow, quick = (stage.socket(zmq.SUB, rcvhwm=mark, rcvtimeo=MS) for _ in range(2))
    for sub, prefix in ((slow, b""), (quick, b"S")):
        sub.subscribe(prefix)
        sub.connect("inproc://board")
        assert board.recv() == b"\x01" + prefix
    for number in range(3 * mark):
        board.send(b"S%d" % number)
        assert quick.recv() == b"S%d" % number  # a slow subscriber does not hold up another
        assert not board.poll(0)  # it looks at once where there is room again, as a send need not
    assert [slow.recv() for _ in range(2 * mark)] == [b"S%d" % number for number in range(2 * mark)]
    assert not slow.poll(STUCK * 1000)


def something_new(ctx: zmq.Context[Any], endpoint: str, known: bytes) -> bytes:
    """A subscriber that waits for another message than this."""
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(b"S1")
        sub.connect(endpoint)
        while (message := bytes(sub.recv())) == known:
            pass
        return message


def test_a_restarted_publisher_is_found_again_and_what_it_said_before_is_lost(stage: Stage) -> None:
    first = stage.spawn(publisher, b"S1 old", endpoint=stage.endpoint("board"), interval=0.01)
    with Wire(stage.endpoint("board")) as wire:
        waiting = stage.play(something_new, wire.endpoint, b"S1 old")
        wire.wait("back", timeout=WAIT)
        wire.cut()  # until the second has said something
        first.kill()
        second = listening(stage)
        second.send(b"S1 meanwhile")
        wire.heal()
        assert second.recv() == b"\x01S1"  # nobody asked the subscriber to come back: its socket does
        second.send(b"S1 new")
        assert waiting.result(WAIT) == b"S1 new"


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_subscribers_hear_a_publisher_and_ctrl_c_ends_it() -> None:
    lines = ("publisher", "S1 tea", "S10 milk", "S2 tea")
    with shell("publish_subscribe", *lines, "--interval=0.02", "--endpoint=tcp://127.0.0.1:0") as publishing:
        subscriber = ("publish_subscribe", "subscriber", "--endpoint", *bound_to(publishing))
        with (
            shell(*subscriber, "S2", "--count=2") as one,
            shell(*subscriber, "S10", "S2", "--count=4") as other,
            shell(*subscriber, "S3") as deaf,
        ):
            assert ended(one) == (0, "S2 tea\nS2 tea\n", "")
            code, said, complaint = ended(other)
            assert (code, sorted(said.splitlines()), complaint) == (0, ["S10 milk"] * 2 + ["S2 tea"] * 2, "")
            ends_on_ctrl_c(deaf, publishing)
