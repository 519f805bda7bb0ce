# SPDX-License-Identifier: BSD-3-Clause
"""Last value cache: subscriptions answered by name, by prefix and by nothing at all, and what each fault costs.

The test is the publisher on an XPUB that receives the cache's own subscription, and Ann, who hears everything: what
she has heard, the cache knows. What must never come is followed by something that does, on the same connection.
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
from patterns.last_value_cache import GUARANTEES, cache, publisher, subscriber
from patterns.stage import Stage

Message = list[bytes]


def bound(stage: Stage, kind: int, endpoint: str) -> Any:
    socket = stage.socket(kind, rcvtimeo=MS, linger=0)
    socket.bind(endpoint)
    return socket


def sub(stage: Stage, endpoint: str, *prefixes: bytes, **options: Any) -> Any:
    socket = stage.socket(zmq.SUB, rcvtimeo=MS, linger=0, **options)
    socket.connect(endpoint)
    for prefix in prefixes:
        socket.subscribe(prefix)
    return socket


class Kitchen:
    """A publisher, a cache, and Ann, who has subscribed to everything and is heard of."""

    def __init__(self, stage: Stage, room: int = 1000, spawn: bool = False) -> None:
        self.stage, self.upstream, self.downstream = stage, stage.endpoint("up"), stage.endpoint("down")
        self.oven = bound(stage, zmq.XPUB, self.upstream)
        (stage.spawn if spawn else stage.play)(cache, self.upstream, self.downstream, room)
        assert self.oven.recv() == b"\1"
        self.ann = sub(stage, self.downstream, b"")
        self.say(b"open", b"0")
        assert self.ann.recv_multipart() == [b"open", b"0"]  # as news, and perhaps once more as the answer,
        numbers = (b"%d" % number for number in range(1, 100))  # which may leave no room for what comes next:
        assert any(self.hears(b"open", number) for number in numbers)  # the last one said is the last one heard
        self.tell(b"open", b"yes")

    def say(self, *frames: bytes) -> None:
        self.oven.send_multipart(frames)

    def hears(self, *frames: bytes) -> bool:
        """Say it; whether Ann hears it, among what else is under way, before she hears nothing for a while."""
        self.say(*frames)
        while self.ann.poll(STUCK * 1000):
            if self.ann.recv_multipart() == list(frames):
                return True
        return False

    def tell(self, *frames: bytes) -> None:
        """Say it and wait until the cache has passed it on."""
        self.say(*frames)
        self.heard(list(frames))

    def heard(self, message: Message) -> list[Message]:
        """What Ann gets up to this message."""
        got = [self.ann.recv_multipart()]
        while got[-1] != message:
            got.append(self.ann.recv_multipart())
        return got

    def flush(self, socket: Any) -> list[Message]:
        """What the socket gets until a subscription to `open` is answered: all that it was to get before."""
        socket.subscribe(b"open")
        got = [socket.recv_multipart()]
        while got[-1] != [b"open", b"yes"]:
            got.append(socket.recv_multipart())
        return got[:-1]


# -- in fair weather ----------------------------------------------------------------------------------------------


@transports
@pytest.mark.parametrize("traced", [False, True], ids=["plain context", "tracing context"])
def test_the_three_roles_play_together(transport: str, traced: bool) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as home, Stage(trace.Context(recording) if traced else None) as abroad:
        where = play_kitchen(home, recording, transport)
        guest = abroad.play(lambda ctx: subscriber(ctx, b"oven", endpoint=where, count=2))
        assert sorted(guest.result(WAIT)) == [b"oven.door=shut", b"oven=180"]


def play_kitchen(home: Stage, recording: Recording, transport: str, abroad: Stage | None = None) -> str:
    """A publisher and a cache that has heard everything; where it is bound."""
    up, down = ["tcp://127.0.0.1:*"] * 2 if transport == "tcp" else (home.endpoint("up"), home.endpoint("down"))
    values = "oven=180", "oven.door=shut", "tea=hot"
    (abroad or home).play(partial(publisher, endpoint=up), *values, name="publisher")
    [up] = bound_at(recording, "publisher")
    home.play(cache, up, down)
    recording.wait("receive", "cache", socket="SUB", count=3, timeout=WAIT)
    return bound_at(recording, "cache")[0]


@curve
@transports
def test_under_curve_only_who_has_the_keys_is_answered(transport: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):  # the cache has the server's keys on both its sides
        where = play_kitchen(home, recording, transport, abroad)
        with turned_away(street, zmq.SUB, where):
            guest = abroad.play(lambda ctx: subscriber(ctx, b"tea", endpoint=where), name="guest")
            assert guest.result(WAIT) == [b"tea=hot"]


@pytest.mark.parametrize(
    ("prefix", "wanted"),
    [
        pytest.param(b"tea", {b"tea": b"cool", b"tea.green": b"warm"}, id="a name that begins another"),
        pytest.param(b"tea.", {b"tea.green": b"warm"}, id="a prefix"),
        pytest.param(b"tea.green tea", {}, id="more than a topic"),
        pytest.param(b"wine", {}, id="a topic without a value"),
        pytest.param(b"", {b"tea": b"cool", b"tea.green": b"warm", b"milk": b"", b"open": b"yes"}, id="everything"),
    ],
)
def test_a_subscription_is_answered_with_the_last_value_of_each_topic_that_it_fits(
    stage: Stage, prefix: bytes, wanted: dict[bytes, bytes]
) -> None:
    kitchen = Kitchen(stage)
    for frames in ((b"tea", b"hot"), (b"tea.green", b"warm"), (b"milk", b""), (b"tea", b"cool")):
        kitchen.tell(*frames)
    late = sub(stage, kitchen.downstream, prefix)
    got = [late.recv_multipart() for _ in wanted]
    assert dict(got) == wanted
    late.subscribe(b"end")
    kitchen.tell(b"tea.green", b"cold")
    kitchen.tell(b"end", b"")
    while (message := late.recv_multipart()) != [b"end", b""]:
        assert b"tea.green".startswith(prefix)
        assert message == [b"tea.green", b"cold"]


def test_the_second_subscriber_of_a_topic_is_answered_too_and_the_first_gets_it_again(stage: Stage) -> None:
    kitchen = Kitchen(stage)
    kitchen.tell(b"tea", b"hot")
    first, second = sub(stage, kitchen.downstream, b"tea"), None
    assert first.recv_multipart() == [b"tea", b"hot"]
    second = sub(stage, kitchen.downstream, b"tea")
    assert second.recv_multipart() == [b"tea", b"hot"]
    assert first.recv_multipart() == [b"tea", b"hot"]
    kitchen.say(b"milk", b"cold")
    assert kitchen.heard([b"milk", b"cold"]) == [[b"tea", b"hot"], [b"tea", b"hot"], [b"milk", b"cold"]]


def test_a_subscription_that_is_cancelled_is_not_answered_and_one_that_is_made_again_is(stage: Stage) -> None:
    kitchen = Kitchen(stage)
    kitchen.tell(b"tea", b"hot")
    guest = sub(stage, kitchen.downstream, b"tea")
    assert guest.recv_multipart() == [b"tea", b"hot"]
    kitchen.heard([b"tea", b"hot"])
    guest.unsubscribe(b"tea")
    assert kitchen.flush(guest) == []
    assert kitchen.heard([b"open", b"yes"]) == [[b"open", b"yes"]]
    guest.subscribe(b"tea")
    assert guest.recv_multipart() == [b"tea", b"hot"]


def test_a_subscriber_passes_over_what_it_has_and_what_is_no_value(stage: Stage) -> None:
    xpub = bound(stage, zmq.XPUB, stage.endpoint("down"))
    guest = stage.play(lambda ctx: subscriber(ctx, b"tea", endpoint=stage.endpoint("down"), count=3))
    assert xpub.recv() == b"\1tea"
    for frames in ([b"tea"], [b"tea", b"a", b"b"], *[[b"tea", b"hot"]] * 3, [b"tea", b"cold"], [b"tea", b"hot"]):
        xpub.send_multipart(frames)
    assert guest.result(WAIT) == [b"tea=hot", b"tea=cold", b"tea=hot"]


def test_the_cache_neither_keeps_nor_passes_on_what_is_no_value(stage: Stage) -> None:
    kitchen = Kitchen(stage)
    for frames in ([b""], [b"tea"], [b"tea", b"hot", b"!"], [b"tea", b"hot"]):
        kitchen.say(*frames)
    assert kitchen.heard([b"tea", b"hot"]) == [[b"tea", b"hot"]]
    rude = stage.socket(zmq.XSUB, rcvtimeo=MS, linger=0)
    rude.connect(kitchen.downstream)
    for frames in ([b""], [b"tea"], [b"\2tea"], [b"\0tea"], [b"tea", b"\1tea"], [b"\1open"]):
        rude.send_multipart(frames)
    assert rude.recv_multipart() == [b"open", b"yes"]
    kitchen.say(b"milk", b"cold")
    assert kitchen.heard([b"milk", b"cold"]) == [[b"open", b"yes"], [b"milk", b"cold"]]


@transports
@pytest.mark.parametrize("late", [True, False], ids=["who comes late", "who is there before"])
def test_four_thousand_topics_at_once_are_kept_and_told_to(transport: str, late: bool) -> None:
    recording, values = Recording(), {f"topic {number}": "." * 100 for number in range(4000)}
    with Stage(trace.Context(recording)) as home, Stage() as abroad:
        up, down = ["tcp://127.0.0.1:*"] * 2 if transport == "tcp" else (home.endpoint("up"), home.endpoint("down"))
        said = [f"{topic}={value}" for topic, value in values.items()]
        home.play(partial(publisher, endpoint=up), *said, name="publisher")
        home.play(cache, *bound_at(recording, "publisher"), down)
        [where] = bound_at(recording, "cache")
        if late:
            recording.wait("receive", "cache", socket="SUB", count=len(values), timeout=WAIT)
        guest = abroad.play(lambda ctx: subscriber(ctx, b"", endpoint=where, count=len(values)))
        assert sorted(guest.result(WAIT)) == sorted(map(str.encode, said))


def test_values_wait_for_a_cache_that_does_not_read_yet() -> None:
    recording, topics = Recording(), [b"%d" % number for number in range(4000)]
    with Stage(trace.Context(recording)) as stage:
        role = partial(publisher, endpoint="inproc://up")
        stage.play(role, *(f"{topic.decode()}=" for topic in topics), name="publisher")
        hears = sub(stage, "inproc://up", b"")
        recording.wait("sent", "publisher", count=len(topics), timeout=WAIT)
        assert [hears.recv_multipart()[0] for _ in topics] == topics


def test_a_message_that_is_no_subscription_does_not_make_the_publisher_speak(stage: Stage) -> None:
    stage.play(partial(publisher, endpoint=stage.endpoint("up")), "tea=hot")
    rude = stage.socket(zmq.XSUB, rcvtimeo=MS)
    rude.connect(stage.endpoint("up"))
    for frames in ([b""], [b"tea"], [b"\2tea"], [b"tea", b"\1tea"], [b"\1tea"]):
        rude.send_multipart(frames)
    assert rude.recv_multipart() == [b"tea", b"hot"]


def test_neither_side_waits_for_the_other(stage: Stage) -> None:
    kitchen = Kitchen(stage)
    for number in range(300):  # no subscription comes
        kitchen.tell(b"tea", b"%d" % number)
    guest = sub(stage, kitchen.downstream)
    for _ in range(30):  # no value comes
        guest.subscribe(b"tea")
        assert guest.recv_multipart() == [b"tea", b"299"]
        guest.unsubscribe(b"tea")


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda ctx: publisher(ctx), "values: expected at least one"),
        (lambda ctx: publisher(ctx, "tea"), "values: expected at least one, each as topic=value"),
        (lambda ctx: publisher(ctx, "tea=hot", "=hot"), "values: expected at least one, each as topic=value"),
        (lambda ctx: cache(ctx, room=0), "room: expected at least 1, got 0"),
        (lambda ctx: subscriber(ctx), "prefixes: expected at least one"),
        (lambda ctx: subscriber(ctx, b"tea", count=0), "count: expected at least 1, got 0"),
    ],
)
def test_what_the_caller_does_wrong_is_said_at_once(stage: Stage, call: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        stage.play(call, name="caller").result(WAIT)


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


@pytest.fixture
def recorded() -> Iterator[tuple[Stage, Recording]]:
    """A stage on which one can wait for what a process does."""
    recording = Recording()
    with Stage(trace.Context(recording)) as it:
        it.context.linger = 100
        yield it, recording


def test_the_cache_answers_when_the_publisher_is_dead(recorded: tuple[Stage, Recording]) -> None:
    stage, recording = recorded
    up, down = stage.endpoint("up"), stage.endpoint("down")
    oven = stage.spawn(publisher, "oven=180", endpoint=up)
    stage.play(cache, up, down)
    recording.wait("receive", "cache", socket="SUB", timeout=WAIT)
    oven.kill()
    assert oven.join(WAIT)
    assert stage.play(lambda ctx: subscriber(ctx, b"oven", endpoint=down)).result(WAIT) == [b"oven=180"]


@signals
def test_nobody_is_answered_until_a_frozen_cache_thaws(recorded: tuple[Stage, Recording]) -> None:
    stage, recording = recorded
    up, down = stage.endpoint("up"), stage.endpoint("down")
    stage.play(lambda ctx: publisher(ctx, "oven=180", endpoint=up), name="publisher")
    middle = stage.spawn(cache, up, down)
    recording.wait("receive", "cache", socket="SUB", timeout=WAIT)
    middle.freeze()
    late = sub(stage, down, b"oven")
    assert not late.poll(STUCK * 1000)
    middle.thaw()
    assert late.recv_multipart() == [b"oven", b"180"]


def test_a_subscriber_whose_connection_was_cut_comes_back_to_the_current_value(stage: Stage) -> None:
    kitchen = Kitchen(stage)
    kitchen.tell(b"oven", b"160")
    with Wire(kitchen.downstream) as wire:
        far = sub(stage, wire.endpoint, b"oven")
        assert far.recv_multipart() == [b"oven", b"160"]
        wire.cut()
        kitchen.tell(b"oven", b"170")
        kitchen.tell(b"oven", b"180")
        wire.heal()
        assert far.recv_multipart() == [b"oven", b"180"]


def test_a_slow_subscriber_loses_the_newest_when_its_room_is_full(stage: Stage) -> None:
    kitchen = Kitchen(stage, room=1)
    with Wire(kitchen.downstream) as wire:
        slow = sub(stage, wire.endpoint, b"oven", b"open", rcvhwm=1)
        assert slow.recv_multipart() == [b"open", b"yes"]  # all of it is answered,
        assert kitchen.ann.recv_multipart() == [b"open", b"yes"]  # and an answer takes room from Ann, too
        wire.freeze()
        block = b"." * 100_000
        for number in range(200):  # more than a connection holds on its way
            kitchen.tell(b"oven", b"%d %b" % (number, block))
        wire.heal()
        got = []
        while slow.poll(STUCK * 1000):
            got.append(int(slow.recv_multipart()[1].split()[0]))
        assert got == sorted(set(got))
        assert (got[0], 199 in got) == (0, False)  # the first of them, and not the last
        late = sub(stage, kitchen.downstream, b"oven")
        assert late.recv_multipart()[1].split()[0] == b"199"


def test_a_restarted_cache_knows_nothing_until_the_publisher_speaks(recorded: tuple[Stage, Recording]) -> None:
    stage, recording = recorded
    up, down = stage.endpoint("up"), stage.endpoint("down")
    oven = bound(stage, zmq.XPUB, up)
    first = stage.spawn(cache, up, down)
    assert oven.recv() == b"\1"
    oven.send_multipart([b"oven", b"180"])
    recording.wait("receive", "cache", socket="SUB", timeout=WAIT)
    first.kill()
    assert oven.recv() == b"\0"
    stage.spawn(cache, up, down)
    assert oven.recv() == b"\1"
    late = sub(stage, down, b"oven")
    recording.wait("receive", "cache 2", socket="XPUB", timeout=WAIT)
    assert not late.poll(STUCK * 1000)
    oven.send_multipart([b"oven", b"200"])
    assert late.recv_multipart() == [b"oven", b"200"]


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_a_late_subscriber_is_answered_and_ctrl_c_ends_the_others() -> None:
    free, recipe = "tcp://127.0.0.1:0", "last_value_cache"
    with (
        shell(recipe, "publisher", "oven=180", "oven.door=shut", "--endpoint", free) as oven,
        shell(recipe, "cache", "--upstream", *bound_to(oven), "--downstream", free) as middle,
    ):
        with shell(recipe, "subscriber", "oven", "--count=2", "--endpoint", *bound_to(middle)) as guest:
            assert ended(guest) == (0, "oven=180\noven.door=shut\n", "")
        ends_on_ctrl_c(middle, oven)
