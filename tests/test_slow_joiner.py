# SPDX-License-Identifier: BSD-3-Clause
"""Slow joiner: a start that waits for every subscription, what proves one and what does not, and what each fault costs.

Where a subscription has to be late it goes through a wire that is frozen until the test lets it through.
"""

import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import slow_joiner
from patterns.slow_joiner import GUARANTEES, publisher, subscriber
from patterns.stage import Actor, Stage

WAIT = 10.0  # seconds for what has to come
STUCK = 0.3  # seconds after which what never comes is given up
TEXTS = ("tea", "milk", "water")

ipc = pytest.mark.skipif(not zmq.has("ipc"), reason="no ipc on this system")
signals = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP and SIGINT for processes here")


@pytest.fixture(params=["plain context", "tracing context"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with Stage(zmq.Context() if request.param == "plain context" else trace.Context(Recording())) as it:
        yield it


def ends(stage: Stage) -> tuple[str, str]:
    return stage.endpoint("stream"), stage.endpoint("ready")


def publish(stage: Stage, *texts: str, subscribers: int = 1) -> Actor:
    stream, ready = ends(stage)
    role = partial(publisher, subscribers=subscribers, stream=stream, ready=ready)
    return stage.play(role, *texts, name="publisher")


def bound(stage: Stage, kind: int, name: str, **options: Any) -> Any:
    socket = stage.socket(kind, rcvtimeo=int(WAIT * 1000), sndtimeo=int(WAIT * 1000), **options)
    socket.bind(stage.endpoint(name))
    return socket


def connected(stage: Stage, kind: int, endpoint: str, **options: Any) -> Any:
    socket = stage.socket(kind, rcvtimeo=int(WAIT * 1000), sndtimeo=int(WAIT * 1000), **options)
    socket.connect(endpoint)
    return socket


def is_stuck(actor: Any) -> bool:
    try:
        actor.result(STUCK)
    except TimeoutError:
        return not actor.done
    return False


# -- in fair weather ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", [pytest.param("ipc", marks=ipc), "tcp"])
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


@pytest.mark.parametrize("transport", [pytest.param("ipc", marks=ipc), "tcp"])
@pytest.mark.skipif(not zmq.has("curve"), reason="no CURVE in this libzmq")
def test_under_curve_only_who_has_the_keys_hears_anything(transport: str) -> None:
    recording = Recording()
    public, secret = zmq.curve_keypair()
    theirs, ours, open_to_all = trace.Context(recording), trace.Context(recording), zmq.Context()
    theirs.curve_publickey, theirs.curve_secretkey, theirs.curve_server = public, secret, True
    ours.curve_publickey, ours.curve_secretkey = zmq.curve_keypair()
    ours.curve_serverkey = public
    with Stage(theirs) as home, Stage(ours) as abroad, Stage(open_to_all) as street:
        names = play_all(home, recording, abroad, transport)
        stream = next(e.detail for e in recording if (e.kind, e.socket) == ("bind", "PUB"))
        stranger = street.socket(zmq.SUB)
        stranger.subscribe(b"")
        with stranger.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL) as turned_away:
            stranger.connect(stream)
            assert turned_away.poll(WAIT * 1000)
            assert recv_monitor_message(turned_away)["event"] == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            stranger.disable_monitor()
        assert [each.result(WAIT) for each in names] == [list(TEXTS)] * 2
        assert not stranger.poll(0)


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
    assert list(GUARANTEES) == ["crash", "freeze", "cut", "slow", "restart"]
    for word, test in GUARANTEES.values():
        assert word in ("safe", "lost", "duplicated", "reordered", "blocked")
        assert callable(globals().get(test)), f"there is no {test}"
        assert test.startswith("test_")


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
    def start(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "patterns.slow_joiner", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )

    free = "tcp://127.0.0.1:0"
    with start("publisher", *TEXTS, "--subscribers", "2", "--stream", free, "--ready", free) as publishing:
        names: list[subprocess.Popen[str]] = []
        try:
            assert publishing.stderr
            assert select.select([publishing.stderr], [], [], WAIT)[0]
            stream, ready = (publishing.stderr.readline().removeprefix("bound to ").strip() for _ in range(2))
            names = [start("subscriber", name, "--stream", stream, "--ready", ready) for name in ("Ada", "Bo")]
            for each in names:
                assert each.communicate(timeout=WAIT) == ("tea\nmilk\nwater\n", "")
                assert each.returncode == 0
            publishing.send_signal(signal.SIGINT)
            since = time.monotonic()
            assert publishing.communicate(timeout=WAIT)[0] == ""
            assert publishing.returncode == 0
            assert time.monotonic() - since < 2
        finally:
            for each in (publishing, *names):
                each.kill()
