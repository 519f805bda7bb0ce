# SPDX-License-Identifier: BSD-3-Clause
"""Proxies: subscriptions that travel, messages that nobody wants and that stay where they are, and what faults cost.

The test is a publisher on an XPUB, so it knows when a subscription has come all the way. What must never come is
followed by something that does, on the same connection.
"""

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
    curve,
    ended,
    ends_on_ctrl_c,
    event,
    guarantees_hold,
    shell,
    signals,
    transports,
    turned_away,
    under_curve,
)
from test_half_open import QUICK, relay
from test_odd_peers import ODD, say_all, until

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import proxies
from patterns.proxies import GUARANTEES, bridge, forwarder, publisher, tap
from patterns.stage import Stage

ENDS = "publishers", "subscribers"


def ends(stage: Stage) -> list[str]:
    return [stage.endpoint(name) for name in ENDS]


def sub(stage: Stage, endpoint: str, *prefixes: bytes, **options: Any) -> Any:
    socket = stage.socket(zmq.SUB, rcvtimeo=MS, **options)
    socket.connect(endpoint)
    for prefix in prefixes:
        socket.subscribe(prefix)
    return socket


def pub(stage: Stage, endpoint: str, **options: Any) -> Any:
    socket = stage.socket(zmq.XPUB, rcvtimeo=MS, sndhwm=0, **options)
    socket.connect(endpoint)
    return socket


def asked(says: Any, hears: Any) -> Any:
    """The next subscription. A SUB whose connection is made anew asks only when its program touches it."""
    for _ in range(MS // 20):
        if says.poll(20):
            break
        hears.poll(0)
    return says.recv()


# -- in fair weather ----------------------------------------------------------------------------------------------


@transports
@pytest.mark.parametrize("traced", [False, True], ids=["plain context", "tracing context"])
def test_the_roles_play_together(transport: str, traced: bool) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as home, Stage(trace.Context(recording) if traced else None) as abroad:
        places = [address(home, transport, name) for name in (*ENDS, "capture")]
        home.play(forwarder, *places)
        front, back, capture = bound_at(recording, "forwarder", 3)
        tapped = abroad.play(partial(tap, endpoint=capture, count=3))
        hears = sub(abroad, back, b"tea")
        for number in range(MS // 20):  # until the tap has heard of three
            hears.subscribe(b"%d" % number)
            if tapped.join(0.02):
                break
        says = abroad.play(partial(publisher, endpoint=front), b"tea hot", b"tea cold")
        assert [hears.recv_multipart() for _ in range(2)] == [[b"tea hot"], [b"tea cold"]]
        says.result(WAIT)
        assert all(line.startswith("+ ") for line in tapped.result(WAIT))


@curve
@transports
def test_under_curve_only_who_has_the_keys_may_speak_and_listen(transport: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        home.play(forwarder, *(address(home, transport, name) for name in ENDS))
        front, back = bound_at(recording, "forwarder", 2)
        hears = sub(abroad, back, b"tea")
        with turned_away(street, zmq.SUB, back), turned_away(street, zmq.PUSH, front):
            abroad.play(partial(publisher, endpoint=front), b"tea hot").result(WAIT)
            assert hears.recv() == b"tea hot"


@curve
def test_under_curve_a_bridge_is_a_client_of_its_publisher() -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, _):
        news = home.socket(zmq.XPUB, rcvtimeo=MS)
        news.bind(home.endpoint("news"))
        abroad.context.curve_publickey, abroad.context.curve_secretkey = (
            home.context.curve_publickey,
            (home.context.curve_secretkey),
        )
        abroad.play(bridge, home.endpoint("news"), "inproc://far")
        hears = abroad.socket(zmq.SUB, rcvtimeo=MS)
        hears.subscribe(b"tea")
        hears.connect("inproc://far")
        assert news.recv() == b"\1tea"
        news.send(b"tea hot")
        assert hears.recv() == b"tea hot"


@transports
@pytest.mark.parametrize("kind", [forwarder, bridge])
def test_a_subscription_travels_to_the_publisher_and_only_what_is_wanted_comes_back(transport: str, kind: Any) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage:
        if kind is bridge:
            says = stage.socket(zmq.XPUB, rcvtimeo=MS)
            says.bind(stage.endpoint("news"))
            stage.play(bridge, stage.endpoint("news"), address(stage, transport, "far"))
            [back] = bound_at(recording, "bridge")
        else:
            stage.play(forwarder, *(address(stage, transport, name) for name in ENDS))
            front, back = bound_at(recording, "forwarder", 2)
            says = pub(stage, front)
        hears, also = sub(stage, back, b"tea"), sub(stage, back)
        assert says.recv() == b"\1tea"
        for frames in ([b"milk"], [b"tea", b"", b"hot"], [b"tea"]):
            says.send_multipart(frames)
        assert [hears.recv_multipart() for _ in range(2)] == [[b"tea", b"", b"hot"], [b"tea"]]
        also.subscribe(b"tea")
        also.subscribe(b"milk")
        assert says.recv() == b"\1milk"  # a second subscription to tea says nothing new
        says.send_multipart([b"tea"])
        assert also.recv_multipart() == [b"tea"]
        for socket in (hears, also):
            socket.unsubscribe(b"tea")
        assert says.recv() == b"\0tea"


def test_every_publisher_reaches_every_subscriber_and_keeps_its_order(stage: Stage) -> None:
    stage.play(forwarder, *ends(stage))
    front, back = ends(stage)
    listeners = [sub(stage, back, b"") for _ in range(2)]
    speakers = [pub(stage, front) for _ in range(2)]
    for name, speaker in zip(b"ab", speakers, strict=True):
        assert speaker.recv() == b"\1"
        for listener in listeners:  # until each is heard of: an XPUB tells of the first alone
            while not listener.poll(20):
                speaker.send(b"%c -1" % name)
        for number in range(200):
            speaker.send(b"%c %d" % (name, number))
    for listener in listeners:
        got: dict[bytes, list[int]] = {b"a": [], b"b": []}
        while not all(numbers[-1:] == [199] for numbers in got.values()):
            name, number = listener.recv().split()
            got[name].append(int(number))
        for numbers in got.values():
            assert [number for number in numbers if number >= 0] == list(range(200))


def test_a_tap_sees_subscriptions_messages_and_cancellations_and_no_more(stage: Stage) -> None:
    copies = stage.socket(zmq.XPUB, rcvtimeo=MS)
    copies.bind(stage.endpoint("capture"))
    tapped = stage.play(partial(tap, endpoint=stage.endpoint("capture"), count=6))
    assert copies.recv() == b"\1"
    for frames in ([b"\1tea"], [b"tea", b"\xff"], [b"\1", b"hot"], [b""], [b"\0tea"], [b"\1"]):
        copies.send_multipart(frames)
    assert tapped.result(WAIT) == ["+ tea", "= tea \\xff", "= \x01 hot", "= ", "- tea", "+ "]


def test_twenty_new_publishers_each_bring_their_one_message_there(stage: Stage) -> None:
    stage.play(forwarder, *ends(stage))
    front, back = ends(stage)
    hears = sub(stage, back, b"")
    for number in range(20):
        stage.play(partial(publisher, endpoint=front), b"%d" % number)
    assert sorted(int(hears.recv()) for _ in range(20)) == list(range(20))


def test_a_publisher_waits_for_whoever_wants_each_of_its_messages(stage: Stage) -> None:
    stage.play(forwarder, *ends(stage))
    front, back = ends(stage)
    says = stage.play(partial(publisher, endpoint=front), b"tea", b"milk", b"tea again")
    hears = sub(stage, back, b"te")
    assert hears.recv() == b"tea"
    assert not hears.poll(STUCK * 1000)
    hears.subscribe(b"milk")
    assert [hears.recv() for _ in range(2)] == [b"milk", b"tea again"]
    says.result(WAIT)


def test_who_has_cancelled_is_not_taken_for_somebody_who_wants_it(stage: Stage) -> None:
    hears = stage.socket(zmq.XSUB, rcvtimeo=MS)
    hears.bind(stage.endpoint("news"))
    says = stage.play(partial(publisher, endpoint=stage.endpoint("news")), b"tea", b"milk", b"end")
    for frames in ([b"\1milk"], [b"\0milk"], [b"\1end"], [b"\1tea"]):
        hears.send_multipart(frames)
    assert hears.recv() == b"tea"
    assert not says.join(STUCK)
    hears.send(b"\1milk")
    assert [hears.recv() for _ in range(2)] == [b"milk", b"end"]


def test_whatever_a_peer_sends_the_roles_go_on(stage: Stage) -> None:
    stage.play(forwarder, *ends(stage))
    front, back = ends(stage)
    says, hears = pub(stage, front), sub(stage, back, b"")
    assert says.recv() == b"\1"
    rude = stage.socket(zmq.XSUB, rcvtimeo=MS)
    rude.connect(back)
    say_all(rude)
    rude.send(b"\1end")
    while says.recv_multipart() != [b"\1end"]:
        pass
    say_all(says)
    says.send(b"end")
    got = [hears.recv_multipart()]
    while got[-1] != [b"end"]:
        got.append(hears.recv_multipart())
    assert got[:-1] == ODD
    assert until(rude, [b"end"].__eq__) == [b"end"]
    told = stage.play(partial(publisher, endpoint=stage.endpoint("odd")), b"\1")
    odd = stage.socket(zmq.XSUB, rcvtimeo=MS)
    odd.bind(stage.endpoint("odd"))
    say_all(odd)
    odd.send(b"\1\1")
    assert odd.recv() == b"\1"
    told.result(WAIT)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda ctx: publisher(ctx), "messages: expected at least one"),
        (lambda ctx: tap(ctx, count=0), "count: expected at least 1, got 0"),
    ],
)
def test_what_the_caller_does_wrong_is_said_at_once(stage: Stage, call: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        stage.play(call, name="caller").result(WAIT)


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def test_a_tap_that_nobody_holds_does_not_hold_up_the_forwarder(stage: Stage) -> None:
    front, back = ends(stage)
    stage.play(forwarder, front, back, stage.endpoint("capture"))
    hears, says = sub(stage, back, b"", rcvhwm=0), pub(stage, front)
    assert says.recv() == b"\1"
    for number in range(1500):
        says.send(b"%d" % number)
        if number % 100 == 99:  # no more at once than the queues hold
            assert [int(hears.recv()) for _ in range(100)] == list(range(number - 99, number + 1))


@signals
def test_what_a_forwarder_has_when_it_dies_is_lost(stage: Stage) -> None:
    front, back = ends(stage)
    dies = stage.spawn(forwarder, front, back)
    recording = Recording()
    with Wire(front, recording=recording) as wire:
        hears, says = sub(stage, back, b""), pub(stage, wire.endpoint)
        assert says.recv() == b"\1"
        dies.freeze()
        says.send(b"lost")
        recording.wait("passed", timeout=WAIT)
        dies.kill()
        assert dies.join(WAIT)
        stage.spawn(forwarder, front, back)
        hears.subscribe(b"~back")
        assert asked(says, hears) == b"\1~back"
        says.send(b"heard")
        assert hears.recv() == b"heard"


@signals
def test_nobody_gets_anything_until_a_frozen_forwarder_thaws(stage: Stage) -> None:
    front, back = ends(stage)
    middle = stage.spawn(forwarder, front, back)
    hears, says = sub(stage, back, b""), pub(stage, front)
    assert says.recv() == b"\1"
    middle.freeze()
    for number in range(100):
        says.send(b"%d" % number)
    assert not hears.poll(STUCK * 1000)
    middle.thaw()
    assert [int(hears.recv()) for _ in range(100)] == list(range(100))


def test_what_is_published_while_the_way_to_a_subscriber_is_cut_is_lost(stage: Stage) -> None:
    front, back = ends(stage)
    stage.play(forwarder, front, back)
    with Wire(back) as wire:
        hears, says = sub(stage, wire.endpoint, b""), pub(stage, front)
        assert asked(says, hears) == b"\1"
        wire.cut()
        assert says.recv() == b"\0"
        says.send(b"lost")
        wire.heal()
        assert asked(says, hears) == b"\1"
        says.send(b"heard")
        assert hears.recv() == b"heard"


def test_what_is_published_while_the_way_of_a_publisher_is_cut_waits_for_it(stage: Stage) -> None:
    front, back = ends(stage)
    stage.play(forwarder, front, back)
    with Wire(front) as wire:
        hears, says = sub(stage, back, b""), pub(stage, wire.endpoint)
        assert says.recv() == b"\1"
        with event(says, zmq.EVENT_DISCONNECTED):
            wire.cut()
        says.send(b"waits")
        assert not says.poll(STUCK * 1000)  # nobody has cancelled
        wire.heal()
        assert hears.recv() == b"waits"


def test_a_slow_subscriber_loses_the_newest_and_the_others_lose_nothing(stage: Stage) -> None:
    front, back = ends(stage)
    stage.play(forwarder, front, back)
    with Wire(back) as wire:
        slow, quick, says = sub(stage, wire.endpoint, b"", rcvhwm=1), sub(stage, back, b"", rcvhwm=0), pub(stage, front)
        assert says.recv() == b"\1"
        while not (slow.poll(20) and quick.poll(20)):
            says.send(b"both are there")
        wire.freeze()
        for number in range(3000):
            says.send(b"%d %b" % (number, b"." * 2000))
            while (got := quick.recv()).startswith(b"b"):
                pass
            assert got.startswith(b"%d " % number)
        wire.heal()
        numbers = []
        while slow.poll(STUCK * 1000):
            if not (got := slow.recv()).startswith(b"b"):
                numbers.append(int(got.split()[0]))
        assert numbers == list(range(len(numbers)))
        assert 0 < len(numbers) < 3000


@signals
def test_a_restarted_forwarder_passes_nothing_on_until_the_subscriber_is_back(stage: Stage) -> None:
    front, back = ends(stage)
    dies = stage.spawn(forwarder, front, back)
    with Wire(back) as wire:
        hears, says = sub(stage, wire.endpoint, b""), pub(stage, front)
        assert asked(says, hears) == b"\1"
        dies.kill()
        assert dies.join(WAIT)
        wire.cut()
        says.send(b"said to nobody")
        stage.spawn(forwarder, front, back)
        near = sub(stage, back, b"~near")
        assert says.recv() == b"\1~near"
        says.send(b"~near")
        assert near.recv() == b"~near"  # and what was said before it has passed
        wire.heal()
        hears.subscribe(b"~far")
        assert asked(says, hears) == b"\1~far"
        says.send(b"heard")
        assert hears.recv() == b"heard"


def test_a_bridge_on_a_half_open_connection_makes_it_anew(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "PING", QUICK)
    news = stage.socket(zmq.XPUB, rcvtimeo=MS, xpub_verbose=1)
    news.bind("tcp://127.0.0.1:*")
    with relay(news.last_endpoint.decode()) as between:
        stage.play(bridge, between.endpoint, stage.endpoint("far"))
        sub(stage, stage.endpoint("far"), b"tea")
        between.came.get(timeout=WAIT)
        assert news.recv() == b"\1tea"
        between.forget()
        between.came.get(timeout=WAIT)
        while news.recv() != b"\1tea":
            pass
        stage.close()


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_a_message_crosses_the_forwarder_and_a_bridge_and_ctrl_c_ends_both(stage: Stage) -> None:
    free, recipe = "tcp://127.0.0.1:0", "proxies"
    options = [word for end in (*ENDS, "capture") for word in (f"--{end}", free)]
    with shell(recipe, "forwarder", *options) as middle:
        front, back, capture = bound_to(middle, 3)
        with (
            shell(recipe, "bridge", "--upstream", back, "--downstream", free) as between,
            shell(recipe, "publisher", "tea hot", "--endpoint", front) as says,
            shell(recipe, "tap", "--count", "1", "--endpoint", capture) as tapped,
        ):
            [far] = bound_to(between)
            with shell("publish_subscribe", "subscriber", "tea", "--endpoint", far, "--count", "1") as hears:
                assert ended(hears) == (0, "tea hot\n", "")
            assert ended(says) == (0, "", "")
            asks = sub(stage, back)
            for number in range(MS // 20):  # until the tap has heard of one
                asks.subscribe(b"%d" % number)
                if tapped.poll() is not None or asks.poll(20):
                    break
            code, out, err = ended(tapped)
            assert (code, err) == (0, "")
            assert out.startswith(("+ ", "= tea hot", "- tea"))
            ends_on_ctrl_c(between)
        ends_on_ctrl_c(middle)
