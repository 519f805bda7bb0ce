# SPDX-License-Identifier: BSD-3-Clause
"""Replay, core by core, in thousands of bad hours, over sockets and from the shell.

`hostile(seed)` is one bad hour; `make soak` lives through ten thousand of them.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from functools import partial
from typing import Any

import pytest
import zmq
from cores import Script, broken
from sockets import (
    MS,
    WAIT,
    bound_at,
    bound_to,
    curve,
    ended,
    ends_on_ctrl_c,
    guarantees_hold,
    shell,
    signals,
    turned_away,
    under_curve,
)

from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import replay
from patterns.replay import (
    BYTES,
    GUARANTEES,
    LIVENESS,
    MOST,
    ROOM,
    Gone,
    Message,
    Publisher,
    Subscriber,
    publish,
    publisher,
    subscriber,
)
from patterns.shell import AT_ONCE, NEVER, Close, Open, Result, Send, Subscribe, arun, run, serve
from patterns.simulation import Network
from patterns.stage import Stage

SEEDS = 100  # bad hours in this file

NO_CONTEXT: Any = None  # for what is refused before it needs one
R = b"R"  # the routing id of a subscriber


def n(number: int) -> bytes:
    return number.to_bytes(8)


# -- the publisher ------------------------------------------------------------------------------------------------


def desk(*payloads: bytes, keep: int = 3, batch: int = 2) -> Publisher:
    """A publisher's core that has published these payloads on `tea`, from 101 on. It remembers three of each topic."""
    core = Publisher("s", "h", "f", [b"tea", b"teapot"], 100, 1.0, keep, batch)
    list(core.tick(0.0))
    for payload in payloads:
        list(core.receive("feed", [b"tea", payload], 0.0))
    return core


def answer(core: Publisher, first: int, last: int, topic: bytes = b"tea") -> list[bytes]:
    """What comes back, without its routing id and its topic."""
    [said] = core.receive("history", [R, b"REPLAY", topic, n(first), n(last)], 0.0)
    assert (said.socket, said.frames[0], said.frames[2]) == ("history", R, topic)
    return [said.frames[1], *said.frames[3:]]


def test_a_publisher_binds_its_three_sockets_and_says_at_once_where_it_stands() -> None:
    core = Publisher("s", "h", "f", [b"tea", b"teapot"], 7, 1.0)
    assert core.deadline == AT_ONCE
    assert list(core.tick(5.0)) == [
        Open("stream", zmq.PUB, "s", bind=True),
        Open("history", zmq.ROUTER, "h", bind=True),
        Open("feed", zmq.PULL, "f", bind=True, options={"rcvhwm": 0}),
        Send("stream", [b"tea", n(7)]),
        Send("stream", [b"teapot", n(7)]),
    ]
    assert core.deadline == 6.0


def test_each_topic_is_counted_by_itself() -> None:
    core = desk()
    said = [*core.receive("feed", [b"tea", b"hot"], 0.0), *core.receive("feed", [b"teapot", b"blue"], 0.0)]
    said += core.receive("feed", [b"tea", b""], 0.0)
    assert [effect.frames for effect in said] == [
        [b"tea", n(101), b"hot"],
        [b"teapot", n(101), b"blue"],
        [b"tea", n(102), b""],
    ]


def test_a_beat_tells_the_last_number_of_each_topic_in_every_interval() -> None:
    core = desk(b"a", b"b")
    for second in (1.0, 2.0):
        assert list(core.tick(second)) == [Send("stream", [b"tea", n(102)]), Send("stream", [b"teapot", n(100)])]
        assert core.deadline == second + 1.0


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        pytest.param(103, 103, [b"HISTORY", n(103), b"c"], id="one that is kept"),
        pytest.param(103, 104, [b"HISTORY", n(103), b"c", b"d"], id="a range that is kept"),
        pytest.param(103, 105, [b"HISTORY", n(103), b"c", b"d"], id="more than a batch has"),
        pytest.param(105, 105, [b"HISTORY", n(105), b"e"], id="the newest"),
        pytest.param(105, 999, [b"HISTORY", n(105), b"e"], id="more than there is"),
        pytest.param(106, 999, [b"HISTORY", n(106)], id="what is still to come"),
        pytest.param(MOST, MOST, [b"HISTORY", n(106)], id="what will hardly ever come"),
        pytest.param(104, 103, [b"HISTORY", n(104)], id="an empty range"),
        pytest.param(102, 102, [b"GONE", n(103)], id="the youngest that is gone"),
        pytest.param(101, 103, [b"GONE", n(103), b"c"], id="a range whose end is kept"),
        pytest.param(0, MOST, [b"GONE", n(103), b"c", b"d"], id="all there ever was"),
        pytest.param(0, 0, [b"GONE", n(103)], id="what never was"),
    ],
)
def test_a_publisher_answers_with_what_it_has_kept(first: int, last: int, said: list[bytes]) -> None:
    assert answer(desk(b"a", b"b", b"c", b"d", b"e"), first, last) == said


def test_a_publisher_that_has_published_nothing_keeps_nothing() -> None:
    assert answer(desk(), 100, 100) == [b"GONE", n(101)]
    assert answer(desk(), 101, 101) == [b"HISTORY", n(101)]
    assert answer(desk(b"a"), 101, 101, b"teapot") == [b"HISTORY", n(101)]


def test_an_answer_is_not_longer_than_a_megabyte_and_its_last_payload() -> None:
    core = desk(*[bytes(BYTES // 2)] * 5, keep=5, batch=1000)
    assert [len(answer(core, first, 105)) - 2 for first in (101, 103, 105)] == [2, 2, 1]


@pytest.mark.parametrize(
    ("socket", "frames"),
    [
        pytest.param("feed", [], id="nothing to publish"),
        pytest.param("feed", [b"tea"], id="a topic without a payload"),
        pytest.param("feed", [b"tea", b"hot", b"sweet"], id="two payloads"),
        pytest.param("feed", [b"te", b"hot"], id="a topic that it does not have"),
        pytest.param("history", [R], id="a request of nothing"),
        pytest.param("history", [R, b"REPLAY"], id="a request without a topic"),
        pytest.param("history", [R, b"REPLAY", b"tea", n(1)], id="a request without an end"),
        pytest.param("history", [R, b"REPLAY", b"tea", b"1", n(2)], id="a request with a number in digits"),
        pytest.param("history", [R, b"REPLAY", b"tea", b"", bytes(16)], id="two numbers in one frame"),
        pytest.param("history", [R, b"REPLAY", b"te", n(1), n(2)], id="a request for a topic that it does not have"),
        pytest.param("history", [R, b"REPLAY", b"tea", n(1), n(2), b""], id="a request with a frame too many"),
        pytest.param("history", [R, b"", b"REPLAY", b"tea", n(1), n(2)], id="a REQ's request"),
        pytest.param("history", [R, b"replay", b"tea", n(1), n(2)], id="a request in small letters"),
        pytest.param("stream", [b"tea", b"hot"], id="a word of the stream"),
    ],
)
def test_a_publisher_drops(socket: str, frames: list[bytes]) -> None:
    core = desk(b"a")
    assert list(core.receive(socket, frames, 0.0)) == []
    assert core.last == {b"tea": 101, b"teapot": 100}


# -- the subscriber -----------------------------------------------------------------------------------------------

SILENT = 1.0 * LIVENESS  # seconds; the interval of these cores is one
STREAM = [Close("stream"), Open("stream", zmq.SUB, "s"), Subscribe("stream", b"tea")]
ANEW = [Close("history"), Open("history", zmq.DEALER, "h")]


def asks(first: int, last: int) -> Send:
    return Send("history", [b"REPLAY", b"tea", n(first), n(last)])


def got(number: int) -> Result:
    return Result(Message(number, b"%d" % number))


def gone(first: int, last: int) -> Result:
    return Result(Gone(first, last))


class Bench:
    """A subscriber's core and the time of day. Each message has its number as its payload."""

    def __init__(self, last: int = -1, timeout: float = NEVER) -> None:
        self.core, self.now = Subscriber(b"tea", "s", "h", last, 1.0, timeout), 50.0
        assert self.core.deadline == AT_ONCE
        assert list(self.core.tick(self.now)) == [ANEW[1], *STREAM]

    def get(self, socket: str, *frames: bytes) -> list[Any]:
        did = list(self.core.receive(socket, list(frames), self.now))
        assert self.core.deadline > self.now, "it would spin"
        return did

    def hear(self, *numbers: int) -> list[Any]:
        return [effect for k in numbers for effect in self.get("stream", b"tea", n(k), b"%d" % k)]

    def beat(self, number: int) -> list[Any]:
        return self.get("stream", b"tea", n(number))

    def batch(self, first: int, *numbers: int, word: bytes = b"HISTORY") -> list[Any]:
        return self.get("history", word, b"tea", n(first), *(b"%d" % k for k in numbers))

    def pass_time(self, seconds: float) -> list[Any]:
        did, until = [], self.now + seconds
        while self.core.deadline <= until:
            self.now = max(self.now, self.core.deadline)
            did += self.core.tick(self.now)
            assert self.core.deadline > self.now, "it would spin"
        self.now = until
        return did


def bench(timeout: float = NEVER) -> Bench:
    """One that has given 100."""
    it = Bench(timeout=timeout)
    assert it.hear(100) == [got(100)]
    return it


def test_a_subscriber_begins_with_what_it_hears_first() -> None:
    assert Bench().hear(100) == [got(100)]
    it = Bench()
    assert it.beat(100) == []
    assert it.hear(101) == [got(101)]
    assert Bench().hear(0) == Bench().hear(0), "0 is a number"


def test_a_subscriber_begins_where_it_ended() -> None:
    it = Bench(last=97)
    assert it.beat(97) == []
    assert Bench(last=99).hear(100) == [got(100)]
    it = Bench(last=97)
    assert it.hear(100) == [asks(98, 99)]
    assert it.batch(98, 98, 99) == [got(98), got(99), got(100)]
    it = Bench(last=0)
    assert it.beat(3) == [asks(1, 3)], "0: everything that is kept"


def test_messages_in_a_row_are_given() -> None:
    it = bench()
    assert it.hear(101, 102) == [got(101), got(102)]
    assert it.beat(102) == []
    assert it.get("stream", b"tea", n(103), b"") == [Result(Message(103, b""))], "an empty payload is one"


def test_five_and_then_eight() -> None:
    it = bench()
    it.hear(101, 102, 103, 104, 105)
    assert it.hear(108) == [asks(106, 107)], "and 108 waits for them"
    assert it.batch(106, 106, 107) == [got(106), got(107), got(108)]
    assert (it.core.ahead, it.core.retry) == ({}, NEVER)


def test_a_beat_shows_that_the_last_message_was_lost() -> None:
    it = bench()
    assert it.beat(101) == [asks(101, 101)]
    assert it.batch(101, 101) == [got(101)]


def test_the_stream_goes_on_while_history_is_asked_for() -> None:
    it = bench()
    assert it.hear(103) == [asks(101, 102)]
    assert it.hear(104, 105) == [], "one question at a time"
    assert it.beat(105) == []
    assert it.batch(101, 101, 102) == [got(k) for k in (101, 102, 103, 104, 105)]


def test_what_history_and_stream_both_bring_is_given_once() -> None:
    it = bench()
    it.hear(103)
    assert it.batch(100, 100, 101, 102, 103) == [got(101), got(102), got(103)]
    assert it.batch(101, 101, 102) == []
    assert it.hear(104) == [got(104)]


def test_what_the_stream_has_not_said_yet_is_not_taken_from_history() -> None:
    it = bench()
    it.beat(101)
    assert it.batch(101, 101, 102) == [got(101)]
    assert it.hear(102) == [got(102)]


def test_two_gaps_are_two_questions() -> None:
    it = bench()
    assert it.hear(102, 104) == [asks(101, 101)]
    assert it.batch(101, 101) == [got(101), got(102), asks(103, 103)]
    assert it.batch(103, 103) == [got(103), got(104)]


def test_after_one_batch_the_next_is_asked_for() -> None:
    it = bench()
    assert it.beat(105) == [asks(101, 105)]
    assert it.batch(101, 101, 102) == [got(101), got(102), asks(103, 105)]
    assert it.batch(103, 103, 104) == [got(103), got(104), asks(105, 105)]
    assert it.batch(105, 105) == [got(105)]


def test_what_is_gone_is_told_in_its_place() -> None:
    it = bench()
    it.hear(105)
    assert it.batch(103, 103, 104, word=b"GONE") == [gone(101, 102), got(103), got(104), got(105)]


def test_what_has_come_is_not_gone() -> None:
    it = bench()
    it.hear(102, 104)
    assert it.batch(110, word=b"GONE") == [gone(101, 101), got(102), gone(103, 103), got(104)]
    assert it.hear(105) == [got(105)], "the stream had not said it yet: it may still come"


def test_while_much_is_missing_a_subscriber_holds_so_many_messages_and_asks_for_the_others_later() -> None:
    it = bench()
    assert it.hear(*range(102, 102 + ROOM + 50)) == [asks(101, 101)]
    assert len(it.core.ahead) == ROOM
    end = 101 + ROOM
    *given, asked = it.batch(101, 101)
    assert given == [got(k) for k in range(101, end + 1)]
    assert asked == asks(end + 1, end + 50)


def test_a_question_without_an_answer_is_asked_again_on_a_new_socket() -> None:
    it = bench()
    it.beat(102)
    for _ in range(3):
        it.pass_time(SILENT - 0.1)
        it.beat(102)
        assert it.pass_time(0.2) == [*ANEW, asks(101, 102)]
        it.now -= 0.1
    assert it.batch(101, 101, 102) == [got(101), got(102)]
    it.beat(102)
    assert it.pass_time(SILENT - 0.1) == []


def test_an_answer_that_brings_nothing_is_not_asked_for_again_at_once() -> None:
    it = bench()
    it.beat(102)
    assert it.batch(101) == []
    assert it.batch(101, word=b"GONE") == []
    it.pass_time(1.0)
    assert it.beat(102) == []
    assert it.pass_time(SILENT - 1.0)[-1] == asks(101, 102)


def test_a_silent_stream_is_opened_anew() -> None:
    it = Bench()
    assert it.pass_time(SILENT) == STREAM
    it.hear(100)
    it.pass_time(SILENT - 0.1)
    it.beat(100)
    assert it.pass_time(SILENT - 0.1) == []
    assert it.pass_time(0.2) == STREAM


def test_a_stream_that_goes_back_is_that_of_another_publisher() -> None:
    it = bench()
    it.hear(103)
    assert it.hear(7) == [gone(101, MOST), *ANEW, got(7)], "and what still comes to the old socket reaches nobody"
    assert it.hear(8) == [got(8)]
    assert it.beat(3) == [gone(9, MOST), *ANEW]
    assert it.hear(4) == [got(4)]


def test_a_new_publisher_whose_numbers_are_higher_has_forgotten_what_the_old_one_had() -> None:
    it = bench()
    assert it.beat(5002) == [asks(101, 5002)]
    assert it.batch(5001, 5001, 5002, word=b"GONE") == [gone(101, 5000), got(5001), got(5002)]


@pytest.mark.parametrize(
    ("socket", "frames"),
    [
        pytest.param("stream", [], id="a word of nothing"),
        pytest.param("stream", [b"tea"], id="a word without a number"),
        pytest.param("stream", [b"tea", b"101"], id="a number in digits"),
        pytest.param("stream", [b"tea", n(101), b"a", b"b"], id="two payloads"),
        pytest.param("stream", [b"teapot", n(105), b"blue"], id="a message of a topic that begins like ours"),
        pytest.param("stream", [b"teapot", n(105)], id="a beat of a topic that begins like ours"),
        pytest.param("history", [], id="an answer of nothing"),
        pytest.param("history", [b"HISTORY", b"tea"], id="an answer without a number"),
        pytest.param("history", [b"HISTORY", b"tea", b"101", b"a"], id="an answer with a number in digits"),
        pytest.param("history", [b"HISTORY", b"teapot", n(101), b"a"], id="an answer about another topic"),
        pytest.param("history", [b"WHAT", b"tea", n(101), b"a"], id="an answer with another word"),
        pytest.param("history", [b"GONE", b"tea", n(MOST)], id="news that all is gone, where nothing is missing"),
        pytest.param("history", [b"HISTORY", b"tea", n(101), b"a"], id="an answer that nobody has asked for"),
        pytest.param("feed", [b"tea", b"hot"], id="something to publish"),
    ],
)
def test_a_subscriber_drops(socket: str, frames: list[bytes]) -> None:
    it = bench()
    assert it.get(socket, *frames) == []
    assert it.hear(101) == [got(101)]


def test_a_subscriber_that_hears_nothing_gives_up_once_and_for_all() -> None:
    it = Bench(timeout=7.0)
    assert it.pass_time(6.9) == STREAM
    *closed, result = it.pass_time(0.2)
    assert closed == [Close("stream"), Close("history")]
    assert isinstance(result.value, TimeoutError)
    assert str(result.value) == "nothing new from s and h for 7 s"
    assert it.core.deadline == NEVER


def test_a_subscriber_whose_questions_are_not_answered_gives_up_although_it_hears_the_stream() -> None:
    it = bench(timeout=7.0)
    it.beat(101)
    for _ in range(6):
        it.pass_time(1.0)
        assert it.beat(101) == []
    assert isinstance(it.pass_time(1.1)[-1].value, TimeoutError)


def test_a_subscriber_that_lacks_nothing_does_not_give_up_while_it_hears_the_stream() -> None:
    it = bench(timeout=3.0)
    for _ in range(10):
        assert it.pass_time(2.0) == []
        it.beat(100)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: Publisher("s", "h", "f", [b"a"], interval=0), "^interval: ", id="no interval"),
        pytest.param(lambda: Publisher("s", "h", "f", [b"a"], interval=float("nan")), "^interval: ", id="an odd one"),
        pytest.param(lambda: Publisher("s", "h", "f", [b"a"], keep=0), "^keep: ", id="a history of nothing"),
        pytest.param(lambda: Publisher("s", "h", "f", [b"a"], batch=0), "^batch: ", id="batches of nothing"),
        pytest.param(lambda: Publisher("s", "h", "f", []), "^topics, last: ", id="no topics"),
        pytest.param(lambda: Publisher("s", "h", "f", [b"a"], -1), "^topics, last: ", id="a number below 0"),
        pytest.param(lambda: Subscriber(b"a", "s", "h", interval=-1.0), "^interval: ", id="a negative interval"),
        pytest.param(lambda: Subscriber(b"a", "s", "h", timeout=0), "^timeout: ", id="a subscriber without time"),
        pytest.param(lambda: Subscriber(b"a", "s", "h", -2), "^last: ", id="to begin before the beginning"),
        pytest.param(lambda: Subscriber(b"a", "s", "h", MOST + 1), "^last: ", id="to begin after the end"),
        pytest.param(lambda: publisher(NO_CONTEXT), "^topics, last: ", id="a publisher without topics"),
        pytest.param(lambda: subscriber(NO_CONTEXT, "a", count=0), "^count: ", id="to follow for no message"),
        pytest.param(lambda: publish(NO_CONTEXT, "a", "b", timeout=0), "^timeout: ", id="to publish in no time"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# -- bad hours ----------------------------------------------------------------------------------------------------

BEAT = 0.2  # seconds between beats in a bad hour
TROUBLE = 6.0  # seconds in which things begin to go wrong
CALM = 11.0  # seconds after which all has been mended and nobody lacks anything
FOLLOWED = {"ann": b"tea", "bob": b"tea", "zoe": b"teapot"}


class Watched:
    """A core whose effects are looked at before they are done."""

    def __init__(self, core: Any, look: Callable[[Any, Any], None]) -> None:
        self.core, self.look = core, look

    @property
    def deadline(self) -> float:
        return float(self.core.deadline)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Any]:
        yield from self._looked(self.core.receive(socket, frames, now))

    def tick(self, now: float) -> Iterator[Any]:
        yield from self._looked(self.core.tick(now))

    def _looked(self, effects: Any) -> Iterator[Any]:
        for effect in effects:
            self.look(self.core, effect)
            yield effect


class Hour:
    """A publisher of two topics, its feed, and three subscribers, of whom one comes late.

    What befalls them is up to the seed. All that was ever published is kept, and what each subscriber gives is compared
    with it: every number once and in order, or told as gone, and none told as gone that could still be had.
    """

    def __init__(self, seed: int, recipe: Any = replay, write: Callable[..., object] = lambda *event: None) -> None:
        self.recipe, self.chance = recipe, random.Random(f"replay {seed}")
        self.net = Network(f"replay {seed}", write=write)
        self.lives = sorted(k * 10_000 for k in self.chance.sample(range(100), 30))  # where each life begins to count
        if self.chance.random() < 0.2:  # its clock may be behind
            self.chance.shuffle(self.lives)
        self.room = self.chance.choice([4, 8, 1000])  # messages that the PUB has room for
        self.published: dict[tuple[bytes, int], bytes] = {}
        self.last: dict[str, int] = {}  # up to where each subscriber's numbers are accounted for; -1: anything may come
        self.given = dict.fromkeys(FOLLOWED, 0)
        self.asked = 0
        self.wrong: list[str] = []

    def live(self) -> list[str]:
        """Let the hour pass, and tell what was wrong."""
        net, chance = self.net, self.chance
        net.play("publisher", self.publisher)
        times = sorted(chance.uniform(0, TROUBLE + 1) for _ in range(chance.choice([10, 60, 300])))
        feed = {at: [Send("feed", [chance.choice([b"tea", b"teapot"]), b"%d" % k])] for k, at in enumerate(times)}
        last = [Send("feed", [topic, b"the last"]) for topic in (b"tea", b"teapot")]
        net.play("owner", lambda: Script(Open("feed", zmq.PUSH, "f"), later={**feed, CALM: last}))
        for name in FOLLOWED:
            born = 0.0 if name != "zoe" else chance.uniform(0, TROUBLE)
            net.at(born, partial(net.play, name, partial(self.subscriber, name)))
        for _ in range(chance.randrange(2, 9)):
            self.trouble(["publisher", *FOLLOWED])
        net.run(CALM - BEAT)
        self.judge("when all was quiet")
        asked = self.asked
        net.run(CALM + 3 * BEAT)
        self.judge("after one more message")
        for name in FOLLOWED:
            if net.results[name][-1:] != [Message(self.last[name], b"the last")]:
                self.wrong.append(f"{name} did not get the last message")
        if self.asked != asked:
            self.wrong.append("in calm weather somebody asked for history")
        return self.wrong

    def core(self, name: str) -> Any:
        return self.net.nodes[name].core.core  # type: ignore[attr-defined]

    def publisher(self) -> Watched:
        keep, batch = self.chance.choice([3, 20, 1000]), self.chance.choice([1, 2, 1000])
        core = self.recipe.Publisher("s", "h", "f", [b"tea", b"teapot"], self.lives.pop(0), BEAT, keep, batch)

        def look(core: Any, effect: Any) -> None:
            match effect:
                case Open(kind=zmq.PUB):
                    effect.options["sndhwm"] = self.room
                case Send("stream", [topic, number, payload]):
                    self.published[topic, int.from_bytes(number)] = payload

        return Watched(core, look)

    def subscriber(self, name: str) -> Watched:
        """One that has noted where it ended, or not."""
        if self.chance.random() < 0.5:
            self.last[name] = -1

        def look(core: Any, effect: Any) -> None:
            match effect:
                case Result(result):
                    self.compare(name, result)
                case Send("history"):
                    self.asked += 1

        last = self.last.setdefault(name, -1)
        return Watched(self.recipe.Subscriber(FOLLOWED[name], "s", "h", last, BEAT), look)

    def compare(self, name: str, result: Any) -> None:
        topic, before = FOLLOWED[name], self.last[name]
        if before >= 0 and result[0] != before + 1:
            self.wrong.append(f"{name} has all up to {before}, and then {result}")
        if isinstance(result, Message):
            self.last[name] = result.number
            if self.published.get((topic, result.number)) != result.payload:
                self.wrong.append(f"{name} got {result}, which was never published")
        elif result.last == MOST:
            self.last[name] = -1  # another publisher, which counts from somewhere below
        else:
            self.last[name] = result.last
            kept = self.kept(topic)
            if result.last < result.first or kept & {*range(result.first, min(result.last, result.first + 10**6) + 1)}:
                self.wrong.append(f"{name} got {result} although the publisher has {sorted(kept)}")

    def kept(self, topic: bytes) -> set[int]:
        """The numbers that can still be had."""
        if not self.net.nodes["publisher"].up:
            return set()
        core = self.core("publisher")
        return {*range(core.last[topic] - len(core.kept[topic]) + 1, core.last[topic] + 1)}

    def judge(self, when: str) -> None:
        for name, topic in FOLLOWED.items():
            core, last = self.core(name), self.core("publisher").last[topic]
            if (core.last, core.heard, core.ahead, core.retry) != (last, last, {}, NEVER):
                self.wrong.append(f"{when} {name} is at {core.last} of {last}")

    def trouble(self, names: list[str]) -> None:
        """One thing that goes wrong, and is mended later."""
        net, chance = self.net, self.chance
        who = chance.choice(names)
        start = chance.uniform(0, TROUBLE)
        end = start + chance.choice([0.02, 0.3, 1.0, 2.0]) * chance.uniform(0.5, 1)

        def there(act: Callable[..., None], *which: str) -> Callable[[], None]:
            return lambda: act(*which) if set(which) <= set(net.nodes) else None  # one of them may not be born yet

        pair = ("publisher", chance.choice(names[1:]))
        begin, mend, whom = chance.choice(
            [(net.crash, net.restart, (who,)), (net.freeze, net.thaw, (who,)), (net.cut, net.heal, pair)]
        )
        net.at(start, there(begin, *whom))
        net.at(end, there(mend, *whom))


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


@pytest.mark.parametrize("first", range(0, SEEDS, 100))
def test_every_number_comes_once_or_is_told_as_gone(first: int) -> None:
    for seed in range(first, first + 100):
        assert not hostile(seed), f"seed {seed}: python tests/soak.py replay --seed {seed} draws it"


MUTANTS = {
    "a subscriber that sees no gap": ("if self.last < self.heard and self.retry == NEVER:", "if False:"),
    "a subscriber that does not heed beats": ("before = number - len(payload)", "before = number - 1"),
    "a subscriber that begins one too early": ("    self.last = before\n", "    self.last = before - 1\n"),
    "a subscriber that takes all for gone that is missing": ("min(gone, self._next() - 1)", "gone"),
    "a subscriber that takes for gone what is still to come": ("min(begin - 1, self.heard)", "begin + 5"),
    "a subscriber that is one off": ("min(begin - 1, self.heard)", "min(begin, self.heard)"),
    "a subscriber that does not know the word GONE": ('if word == b"GONE" else -1', "if False else -1"),
    "a subscriber that throws away what came ahead": (
        "if payload and len(self.ahead) < ROOM:",
        "if payload and number == self.last + 1:",
    ),
    "a subscriber that asks once": ("self.retry = now + self.patience", "self.retry = 1e9"),
    "a subscriber that does not mind a stream that goes back": ("elif before < self.heard:", "elif False:"),
    "a subscriber that takes all topics for its own": ("[self.topic, number, *payload]", "[_, number, *payload]"),
    "a publisher without beats": ('yield Send("stream", [topic, last.to_bytes(8)])', "pass"),
    "a publisher whose beats count": ("[topic, last.to_bytes(8)]", "[topic, (last + 1).to_bytes(8)]"),
    "a publisher that leaves numbers out": ("self.last[topic] += 1", "self.last[topic] += max(1, len(self.kept))"),
    "a publisher whose history is one off": ("newest - len(kept) + 1", "newest - len(kept)"),
    "a publisher that does not say that something is gone": ('(b"GONE", oldest)', '(b"HISTORY", oldest)'),
}  # fmt: skip


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in MUTANTS.items()])
def test_bad_hours_tell(change: tuple[str, str]) -> None:
    recipe = broken(replay, *change)

    def fails(seed: int) -> bool:
        try:
            return bool(Hour(seed, recipe).live())
        except Exception:
            return True

    assert any(fails(seed) for seed in range(SEEDS))


# -- over sockets -------------------------------------------------------------------------------------------------

SHORT = 0.1  # seconds between beats here
FIRST = 101  # number of the first message here
MANY = 3_000  # messages, with the payload below more than all buffers on their way take
LONG = bytes(1000)
# So many take long when each is traced; that tracing changes nothing is shown by the others.
plain = pytest.mark.parametrize("stage", ["plain context"], indirect=True)


def counting(ctx: Any, stream: str, history: str, feed: str, first: int = FIRST, keep: int = 10_000) -> None:
    """A publisher whose first message has this number, and whose PUB has room for ten."""
    ctx.sndhwm = 10
    serve(ctx, Publisher(stream, history, feed, [b"tea", b"teapot"], first - 1, SHORT, keep))


def telling(ctx: Any, stream: str, history: str, told: str) -> None:
    """A subscriber with room for ten messages, which tells what it gets, up to the payload `end`."""
    with ctx.socket(zmq.PUSH) as tell:
        tell.sndhwm = 0
        tell.connect(told)
        ctx.rcvhwm = 10
        for result in run(ctx, Subscriber(b"tea", stream, history, FIRST - 1, SHORT)):
            tell.send_pyobj(result)
            if result[1] == b"end":
                return


class Scene:
    """A publisher of `tea` on a stage, who feeds it, and who follows it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.s, self.h, self.f = self.ends = [stage.endpoint(name) for name in ("stream", "history", "feed")]

    def publish(self, *payloads: str, name: str = "") -> None:
        self.stage.play(publish, "tea", *payloads, feed=self.f, name=name).result(WAIT)

    def follow(self, count: int, last: int = FIRST - 1, name: str = "") -> list[Any]:
        ends = {"stream": self.s, "history": self.h, "interval": SHORT}
        got: list[Any] = self.stage.play(subscriber, "tea", **ends, count=count, last=last, name=name).result(WAIT)
        return got

    def tell(self, spawn: bool = False, stream: str = "") -> Any:
        play = self.stage.spawn if spawn else self.stage.play
        return play(telling, stream or self.s, self.h, self.stage.endpoint("told"))

    def burst(self) -> None:
        """So many messages. Returns when the publisher has published them all."""
        push = self.stage.socket(zmq.PUSH, sndtimeo=MS)
        push.connect(self.f)
        for _ in range(MANY):
            push.send_multipart([b"tea", LONG])
        asks = self.stage.socket(zmq.DEALER)
        asks.connect(self.h)
        last, until = b"", time.monotonic() + WAIT
        while last != n(FIRST + MANY):  # what is beyond the newest is answered with the number after it
            assert time.monotonic() < until
            asks.send_multipart([b"REPLAY", b"tea", n(MOST), n(MOST)])
            # A ROUTER with a mark of ten may lose an answer to quick questions: it looks only now and then, when
            # there is always something to read, how much has left. So whoever needs an answer asks again.
            if asks.poll(1000 * SHORT):
                last = n(int.from_bytes(asks.recv_multipart()[2]) - 1)


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return Scene(stage)


@pytest.fixture
def told(stage: Stage) -> Any:
    it = stage.socket(zmq.PULL, rcvtimeo=MS, rcvhwm=0)
    it.bind(stage.endpoint("told"))
    return it


def until_the_end(told: Any) -> list[Any]:
    """All that is told."""
    results = [told.recv_pyobj()]
    while results[-1][1] != b"end":
        results.append(told.recv_pyobj())
    return results


def accounted(results: list[Any]) -> list[int]:
    """The numbers that came and those that are gone, as they were told."""
    return [k for r in results for k in ([r.number] if isinstance(r, Message) else range(r.first, r.last + 1))]


def numbered(*payloads: bytes, first: int = FIRST) -> list[Message]:
    return [Message(number, payload) for number, payload in enumerate(payloads, first)]


def test_subscribers_get_what_is_published_however_late_they_come(scene: Scene) -> None:
    scene.stage.play(counting, *scene.ends)
    scene.publish("hot", "", name="publishes")
    assert scene.follow(2, name="ann") == numbered(b"hot", b"")
    with closing(run(scene.stage.context, Subscriber(b"tea", scene.s, scene.h, FIRST + 1, SHORT))) as late:
        scene.publish("cold", name="publishes again")
        assert next(late) == Message(FIRST + 2, b"cold")
    assert scene.follow(1, last=FIRST, name="bob") == numbered(b"", first=FIRST + 1)
    assert scene.follow(1, last=1, name="zoe") == [Gone(2, FIRST - 1), Message(FIRST, b"hot")]


def test_of_five_thousand_messages_none_is_lost_although_who_feeds_closes_at_once() -> None:
    with Stage() as stage:
        scene, payloads = Scene(stage), [b"%d" % number for number in range(5000)]
        stage.play(counting, *scene.ends)
        scene.publish(*(payload.decode() for payload in payloads))
        assert scene.follow(5000) == numbered(*payloads)


def test_nobody_there_costs_a_timeout_error(scene: Scene) -> None:
    with pytest.raises(TimeoutError, match=r"^nothing new from ipc://.* and ipc://.* for 0\.2 s$"):
        subscriber(scene.stage.context, "tea", scene.s, scene.h, timeout=0.2)
    with pytest.raises(TimeoutError, match=r"^no publisher at ipc://.* took the message for 0\.1 s$"):
        publish(scene.stage.context, "tea", "cold", feed=scene.f, timeout=0.1)


def test_the_same_cores_under_asyncio(scene: Scene) -> None:
    async def follows(ctx: Any) -> Message:
        async with aclosing(arun(ctx, Subscriber(b"tea", scene.s, scene.h, 41, SHORT))) as results:
            async for result in results:
                return result  # type: ignore[no-any-return]
        raise AssertionError

    async def serves(ctx: Any) -> None:
        async with aclosing(arun(ctx, Publisher(*scene.ends, [b"tea"], 41, SHORT))) as never:
            async for _ in never:
                pass

    scene.stage.play(serves)
    following = scene.stage.play(follows)
    scene.publish("hot")
    assert following.result(WAIT) == Message(42, b"hot")


@curve
def test_under_curve_only_who_has_the_keys_is_served() -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        anywhere = dict.fromkeys(("stream", "history", "feed"), "tcp://127.0.0.1:*")
        home.play(publisher, "tea", **anywhere, interval=SHORT)
        stream, history, feed = bound_at(recording, "publisher", 3)
        ends = {"stream": stream, "history": history, "interval": SHORT}
        asking = [b"REPLAY", b"tea", n(0), n(0)]
        with turned_away(street, zmq.SUB, stream), turned_away(street, zmq.DEALER, history, asking):
            inside = abroad.play(subscriber, "tea", **ends, last=0)
            abroad.play(publish, "tea", "hot", feed=feed, timeout=WAIT).result(WAIT)
            gone, message = inside.result(WAIT)
            assert message == Message(gone.last + 1, b"hot")
        with pytest.raises(TimeoutError):
            street.play(subscriber, "tea", **ends, timeout=0.3).result(WAIT)
        with pytest.raises(TimeoutError):
            street.play(publish, "tea", "mine", feed=feed, timeout=0.2).result(WAIT)


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def test_without_its_publisher_a_subscriber_waits_until_its_timeout(scene: Scene) -> None:
    dying = scene.stage.spawn(counting, *scene.ends)
    scene.publish("hot")
    core = Subscriber(b"tea", scene.s, scene.h, FIRST - 1, SHORT, timeout=1.0)
    with closing(run(scene.stage.context, core)) as results:
        assert next(results) == Message(FIRST, b"hot")
        dying.kill()
        with pytest.raises(TimeoutError, match=r"^nothing new from "):
            next(results)


@plain
@signals
def test_a_subscriber_that_was_frozen_gets_every_number_once(scene: Scene, told: Any) -> None:
    scene.stage.spawn(counting, *scene.ends)
    follows = scene.tell(spawn=True)
    scene.publish("begin", name="begins")
    assert told.recv_pyobj() == Message(FIRST, b"begin")
    follows.freeze()
    scene.burst()
    follows.thaw()
    scene.publish("end", name="ends")
    assert until_the_end(told) == numbered(*[LONG] * MANY, b"end", first=FIRST + 1)


def test_what_a_cut_connection_loses_is_replayed(scene: Scene, told: Any) -> None:
    scene.stage.play(counting, *scene.ends)
    with Wire(scene.s) as wire:
        scene.tell(stream=wire.endpoint)
        scene.publish("begin", name="begins")
        assert told.recv_pyobj() == Message(FIRST, b"begin")
        wire.cut()
        scene.publish("egg", "jam", name="goes on")
        scene.follow(3, name="sees that it is published")
        wire.heal()
        scene.publish("end", name="ends")
        assert until_the_end(told) == numbered(b"egg", b"jam", b"end", first=FIRST + 1)


def test_one_lost_message_is_noticed_by_the_next_beat(scene: Scene, told: Any) -> None:
    scene.stage.play(counting, *scene.ends)
    with Wire(scene.s) as wire:
        scene.tell(stream=wire.endpoint)
        scene.publish("begin", name="begins")
        assert told.recv_pyobj() == Message(FIRST, b"begin")
        wire.drop("back", *range(wire.count("back") + 1, wire.count("back") + 9))
        scene.publish("end", name="ends")
        assert told.recv_pyobj() == Message(FIRST + 1, b"end")


@plain
@signals
def test_who_is_slower_than_the_history_is_told_what_it_will_never_get(scene: Scene, told: Any) -> None:
    scene.stage.spawn(counting, *scene.ends, keep=50)
    follows = scene.tell(spawn=True)
    scene.publish("begin", name="begins")
    assert told.recv_pyobj() == Message(FIRST, b"begin")
    follows.freeze()
    scene.burst()
    follows.thaw()
    scene.publish("end", name="ends")
    results = until_the_end(told)
    assert accounted(results) == [*range(FIRST + 1, FIRST + MANY + 2)]
    assert any(isinstance(result, Gone) for result in results)


def test_what_a_restarted_publisher_has_forgotten_is_told_as_gone(scene: Scene, told: Any) -> None:
    old = scene.stage.spawn(counting, *scene.ends, name="old publisher")
    scene.tell()
    scene.publish("begin", name="begins")
    assert told.recv_pyobj() == Message(FIRST, b"begin")
    old.kill()
    scene.stage.spawn(counting, *scene.ends, 5001, name="new publisher")
    scene.publish("end", name="ends")
    assert until_the_end(told) == [Gone(FIRST + 1, 5000), Message(5001, b"end")]


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_three_terminals_and_ctrl_c() -> None:
    anywhere = [f"--{name}=tcp://127.0.0.1:0" for name in ("stream", "history", "feed")]
    with shell("replay", "publisher", "tea", *anywhere) as home:
        stream, history, feed = bound_to(home, 3)
        ends = ["--stream", stream, "--history", history]
        with shell("replay", "subscriber", "tea", *ends, "--last=0", "--count=2", f"--timeout={WAIT}") as follows:
            with shell("replay", "publish", "tea", "hot", "cold", "--feed", feed) as publishing:
                assert ended(publishing) == (0, "", "")
            code, said, complaint = ended(follows)
            assert (code, complaint) == (0, "")
            assert [line.partition("(")[0] for line in said.splitlines()] == ["Gone", "Message", "Message"]
        with shell("replay", "subscriber", "tea", *ends) as listens:
            ends_on_ctrl_c(home)
            with shell("replay", "subscriber", "tea", *ends, "--timeout=0.2") as alone:
                code, said, complaint = ended(alone)
                assert (code, said) == (1, "")
                assert complaint.startswith("subscriber: nothing new from tcp://")
            ends_on_ctrl_c(listens)
