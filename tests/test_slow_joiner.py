# SPDX-License-Identifier: BSD-3-Clause
"""Slow joiner: a start that waits for every subscription, what proves one and what does not, and what each fault costs.

Where a subscription has to be late it goes through a wire that is frozen until the test lets it through.
"""

from collections.abc import Iterator
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
from patterns import slow_joiner
from patterns.slow_joiner import GUARANTEES, publisher, subscriber
from patterns.stage import Actor, Stage

TEXTS = ("tea", "milk", "water")


def ends(stage: Stage) -> tuple[str, str]:
    return stage.endpoint("stream"), stage.endpoint("ready")


def publish(stage: Stage, *texts: str, subscribers: int = 1) -> Actor:
    stream, ready = ends(stage)
    role = partial(publisher, subscribers=subscribers, stream=stream, ready=ready)
    return stage.play(role, *texts, name="publisher")


def bound(stage: Stage, kind: int, name: str, **options: Any) -> Any:
    socket = stage.socket(kind, rcvtimeo=MS, sndtimeo=MS, **options)
    socket.bind(stage.endpoint(name))
    return socket


def connected(stage: Stage, kind: int, endpoint: str, **options: Any) -> Any:
    socket = stage.socket(kind, rcvtimeo=MS, sndtimeo=MS, **options)
    socket.connect(endpoint)
    return socket


# -- in fair weather ----------------------------------------------------------------------------------------------


@transports
@pytest.mark.parametrize("traced", [False, True], ids=["plain context", "tracing context"])
def test_two_subscribers_get_every_text(transport: str, traced: bool) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as home, Stage(trace.Context(recording) if traced else None) as abroad:
        names = play_all(home, recording, abroad, transport)
        assert [each.result(WAIT) for each in names] == [list(TEXTS)] * 2


def play_all(home: Stage, recording: Recording, abroad: Stage, transport: str) -> list[Actor]:
    """A publisher that makes known where it is bound; its two subscribers are elsewhere."""
    stream, ready = ["tcp://127.0.0.1:*"] * 2 if transport == "tcp" else ends(home)
    home.play(partial(publisher, subscribers=2, stream=stream, ready=ready), *TEXTS, name="publisher")
    recording.wait("bind", "publisher", count=2, timeout=WAIT)
    where = {e.socket: e.detail for e in recording if e.kind == "bind"}
    return [abroad.play(subscriber, name, where["PUB"], where["PULL"], name=name) for name in ("Ada", "Bo")]


@curve
@transports
def test_under_curve_only_who_has_the_keys_hears_anything(transport: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        names = play_all(home, recording, abroad, transport)
        stream = next(e.detail for e in recording if (e.kind, e.socket) == ("bind", "PUB"))
        with turned_away(street, zmq.SUB, stream):
            assert [each.result(WAIT) for each in names] == [list(TEXTS)] * 2


@pytest.mark.parametrize("first", ["publisher", "subscribers"])
def test_either_side_may_start_first_and_a_thousand_texts_arrive(stage: Stage, first: str) -> None:
    texts = [str(number) for number in range(1000)]
    if first == "publisher":
        publish(stage, *texts, subscribers=3)
    names = [stage.play(subscriber, name, *ends(stage), name=name) for name in ("Ada", "Bo", "Cy")]
    if first == "subscribers":
        publish(stage, *texts, subscribers=3)
    assert [each.result(WAIT) for each in names] == [texts] * 3


def test_the_publisher_stays_until_its_stage_ends(stage: Stage) -> None:
    publishing = publish(stage, "tea")
    assert stage.play(subscriber, "Ada", *ends(stage)).result(WAIT) == ["tea"]
    assert is_stuck(publishing)


def test_more_texts_than_a_queue_holds_wait_for_a_slow_subscriber(stage: Stage) -> None:
    texts = [f"{number} {'x' * 500}" for number in range(4000)]
    stream, ready = ends(stage)
    with Wire(stream) as wire:
        wire.delay("back", 2, until=("forward", 1))  # all behind the first HELLO, until somebody comes who never does
        reading = stage.play(subscriber, "Ada", wire.endpoint, ready)
        publish(stage, *texts)
        assert is_stuck(reading)
        talker = connected(stage, zmq.XSUB, wire.endpoint)
        talker.send(b"let go")
        assert reading.result(WAIT) == texts


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (partial(publisher), "texts: expected at least one"),
        (partial(publisher, subscribers=0), "subscribers: expected at least 1, got 0"),
        (partial(subscriber), "name: expected at least one character"),
    ],
)
def test_what_the_caller_does_wrong_is_said_at_once(stage: Stage, call: Any, complaint: str) -> None:
    words = () if complaint.startswith("texts") else ("" if complaint.startswith("name") else "tea",)
    with pytest.raises(ValueError, match=complaint):
        stage.play(call, *words, name="caller").result(WAIT)


# -- the start ----------------------------------------------------------------------------------------------------


def test_without_coordination_a_thousand_messages_are_lost(stage: Stage) -> None:
    with Wire(stage.endpoint("stream")) as wire:
        wire.freeze()
        sub = connected(stage, zmq.SUB, wire.endpoint)
        sub.subscribe(b"")
        xpub = bound(stage, zmq.XPUB, "stream")
        for _ in range(1000):
            xpub.send(b"early")
        wire.heal()
        assert xpub.recv() == b"\1"
        xpub.send(b"late")
        assert sub.recv() == b"late"


def test_ready_is_the_answer_to_a_hello_and_to_nothing_else(stage: Stage) -> None:
    xpub, pull = bound(stage, zmq.XPUB, "stream"), bound(stage, zmq.PULL, "ready")
    reading = stage.play(subscriber, "Ada", *ends(stage))
    assert xpub.recv() == b"\1"
    assert not pull.poll(STUCK * 1000)
    for _ in range(2):
        xpub.send(b"HELLO")
        assert pull.recv_multipart() == [b"READY", b"Ada"]
    xpub.send_multipart([b"1/1", b"tea"])
    assert reading.result(WAIT) == ["tea"]


def test_the_publisher_says_hello_until_so_many_names_are_ready(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_joiner, "PAUSE", 0.02)
    sub, tell = connected(stage, zmq.SUB, ends(stage)[0]), connected(stage, zmq.PUSH, ends(stage)[1])
    sub.subscribe(b"")
    publish(stage, "tea", subscribers=2)
    assert [sub.recv() for _ in range(3)] == [b"HELLO"] * 3
    for said in ([b"READY", b"Ada"], [b"READY", b"Ada"], [b"READY"], [b"steady", b"Bo"], [b"READY", b"Bo", b"?"]):
        tell.send_multipart(said)
    assert [sub.recv() for _ in range(20)] == [b"HELLO"] * 20
    tell.send_multipart([b"READY", b"Bo"])
    while (message := sub.recv_multipart()) == [b"HELLO"]:
        pass
    assert message == [b"1/1", b"tea"]


def test_a_subscriber_passes_over_what_is_no_text(stage: Stage) -> None:
    xpub, pull = bound(stage, zmq.XPUB, "stream"), bound(stage, zmq.PULL, "ready")
    reading = stage.play(subscriber, "Ada", *ends(stage))
    assert xpub.recv() == b"\1"
    strange = [b""], [b"3/3"], [b"HELLO", b"x"], [b"3/3", b"x", b"y"], [b"-3/3", b"x"], [b"?", b"?"]
    for message in (*strange, [b"1/2", b"\xff"], [b"2/2", b"milk"]):
        xpub.send_multipart(message)
    assert reading.result(WAIT) == ["�", "milk"]
    assert not pull.poll(STUCK * 1000)


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


@pytest.fixture
def recorded() -> Iterator[tuple[Stage, Recording]]:
    """A stage on which one can wait for what a process does."""
    recording = Recording()
    with Stage(trace.Context(recording)) as it:
        yield it, recording


def test_a_subscriber_that_dies_after_its_ready_is_not_waited_for(recorded: tuple[Stage, Recording]) -> None:
    stage, recording = recorded
    publish(stage, *TEXTS, subscribers=2)
    victim = stage.spawn(subscriber, "Bo", *ends(stage), name="Bo")
    received_ready(recording)
    victim.kill()
    assert stage.play(subscriber, "Ada", *ends(stage)).result(WAIT) == list(TEXTS)


def received_ready(recording: Recording) -> None:
    recording.wait("receive", "publisher", socket="PULL", timeout=WAIT)


def test_a_restarted_subscriber_is_taken_for_the_one_that_was_ready(recorded: tuple[Stage, Recording]) -> None:
    stage, recording = recorded
    publish(stage, *TEXTS, subscribers=2)
    victim = stage.spawn(subscriber, "Bo", *ends(stage), name="Bo")
    received_ready(recording)
    victim.kill()
    with Wire(ends(stage)[0]) as wire:
        wire.freeze()
        again = stage.play(subscriber, "Bo", wire.endpoint, ends(stage)[1], name="Bo again")
        assert stage.play(subscriber, "Ada", *ends(stage)).result(WAIT) == list(TEXTS)
        wire.heal()
        assert is_stuck(again)


def test_what_is_published_while_a_connection_is_cut_is_lost(recorded: tuple[Stage, Recording]) -> None:
    stage, recording = recorded
    publish(stage, *TEXTS, subscribers=2)
    with Wire(ends(stage)[0]) as wire:
        far = stage.play(subscriber, "Bo", wire.endpoint, ends(stage)[1], name="Bo")
        received_ready(recording)
        wire.cut()
        assert stage.play(subscriber, "Ada", *ends(stage)).result(WAIT) == list(TEXTS)
        wire.heal()
        assert is_stuck(far)


def test_a_subscription_that_takes_its_time_is_waited_for(stage: Stage) -> None:
    with Wire(ends(stage)[0]) as wire:
        wire.freeze()
        far = stage.play(subscriber, "Bo", wire.endpoint, ends(stage)[1], name="Bo")
        near = stage.play(subscriber, "Ada", *ends(stage), name="Ada")
        publish(stage, *TEXTS, subscribers=2)
        assert is_stuck(near)
        wire.heal()
        assert near.result(WAIT) == far.result(WAIT) == list(TEXTS)


@signals
def test_nobody_gets_anything_until_a_frozen_subscriber_thaws(recorded: tuple[Stage, Recording]) -> None:
    stage, recording = recorded
    frozen = stage.spawn(subscriber, "Bo", *ends(stage), name="Bo")
    recording.wait("connect", "Bo", count=2, timeout=WAIT)
    frozen.freeze()
    publish(stage, *TEXTS, subscribers=2)
    near = stage.play(subscriber, "Ada", *ends(stage))
    assert is_stuck(near)
    frozen.thaw()
    assert near.result(WAIT) == frozen.result(WAIT) == list(TEXTS)


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_every_text_arrives_and_ctrl_c_ends_the_publisher() -> None:
    free = ["--stream=tcp://127.0.0.1:0", "--ready=tcp://127.0.0.1:0"]
    with shell("slow_joiner", "publisher", *TEXTS, "--subscribers=2", *free) as publishing:
        stream, ready = bound_to(publishing, 2)
        names = [("slow_joiner", "subscriber", name, "--stream", stream, "--ready", ready) for name in ("Ada", "Bo")]
        with shell(*names[0]) as ada, shell(*names[1]) as bo:
            assert ended(ada) == ended(bo) == (0, "tea\nmilk\nwater\n", "")
        ends_on_ctrl_c(publishing)
