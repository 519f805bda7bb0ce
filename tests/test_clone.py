# SPDX-License-Identifier: BSD-3-Clause
"""Clone, core by core, in thousands of bad hours, over sockets and from the shell.

`hostile(seed)` is one bad hour; `make soak` lives through ten thousand of them.
"""

import itertools
import random
import threading
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
from patterns import clone
from patterns.clone import (
    BYTES,
    GUARANTEES,
    HUGZ,
    ICANHAZ,
    KTHXBAI,
    KVSYNC,
    LIVENESS,
    Replica,
    Server,
    change,
    replica,
    server,
)
from patterns.shell import AT_ONCE, NEVER, Close, Open, Result, Send, Subscribe, arun, run, serve
from patterns.simulation import Network
from patterns.stage import Stage

SEEDS = 300  # bad hours in this file

NO_CONTEXT: Any = None  # for what is refused before it needs one
R, S = b"R", b"S"  # routing ids of two replicas


def n(number: int) -> bytes:
    return number.to_bytes(8)


# -- the server ---------------------------------------------------------------------------------------------------


class Desk:
    """A server's core and the time of day: what is said to it, what it says. Three pairs make a batch and a half."""

    def __init__(self, state: dict[bytes, bytes] | None = None, sequence: int = 100, pairs: int = 2) -> None:
        state = {b"tea": b"hot", b"milk": b"cold", b"egg": b"raw"} if state is None else state
        self.core, self.now = Server("u", "s", "c", state, sequence, 1.0, pairs), 0.0
        self.opened = list(self.core.tick(0.0))

    def hear(self, socket: str, *frames: bytes) -> list[Any]:
        return list(self.core.receive(socket, list(frames), self.now))

    def change(self, key: bytes, value: bytes) -> list[Any]:
        return self.hear("changes", key, value)

    def ask(self, sequence: int, first: int = 0, of: bytes = R) -> list[bytes]:
        """The batch that comes back, without its routing id."""
        [said] = self.hear("snapshots", of, ICANHAZ, n(sequence), n(first))
        assert (said.socket, said.frames[0]) == ("snapshots", of)
        return list(said.frames[1:])

    def pass_time(self, seconds: float) -> list[Any]:
        did, until = [], self.now + seconds
        while self.core.deadline <= until:
            self.now = max(self.now, self.core.deadline)
            did += self.core.tick(self.now)
            assert self.core.deadline > self.now, "it would spin"
        self.now = until
        return did


def test_a_server_binds_its_three_sockets_and_says_at_once_where_it_stands() -> None:
    core = Server("u", "s", "c", {}, 7, 1.0)
    assert core.deadline == AT_ONCE
    assert list(core.tick(5.0)) == [
        Open("updates", zmq.PUB, "u", bind=True),
        Open("snapshots", zmq.ROUTER, "s", bind=True),
        Open("changes", zmq.PULL, "c", bind=True, options={"rcvhwm": 0}),
        Send("updates", [HUGZ, n(7), b""]),
    ]
    assert core.deadline == 6.0


def test_each_change_is_an_update_with_the_next_number() -> None:
    it = Desk()
    assert it.change(b"tea", b"cold") == [Send("updates", [b"tea", n(101), b"cold"])]
    assert it.change(b"tea", b"cold") == [Send("updates", [b"tea", n(102), b"cold"])]
    assert it.change(b"", b"") == [Send("updates", [b"", n(103), b""])], "an empty key is one, an empty value too"
    assert it.core.state == {b"tea": b"cold", b"milk": b"cold", b"egg": b"raw", b"": b""}


def test_a_sign_of_life_tells_the_last_number_in_every_interval() -> None:
    it = Desk()
    it.change(b"tea", b"cold")
    assert it.pass_time(3.0) == [Send("updates", [HUGZ, n(101), b""])] * 3
    it.change(b"tea", b"hot")
    assert it.pass_time(1.0) == [Send("updates", [HUGZ, n(102), b""])], "also when it has said something else"


def test_a_snapshot_comes_in_batches_of_so_many_pairs() -> None:
    it = Desk()
    assert it.ask(100) == [KVSYNC, n(100), n(0), b"tea", b"hot", b"milk", b"cold"]
    assert it.ask(100, 2) == [KTHXBAI, n(100), n(2), b"egg", b"raw"]


def test_the_last_batch_of_a_snapshot_may_be_full() -> None:
    it = Desk(pairs=3)
    assert it.ask(100) == [KTHXBAI, n(100), n(0), b"tea", b"hot", b"milk", b"cold", b"egg", b"raw"]


def test_a_snapshot_of_nothing_is_one_batch_without_pairs() -> None:
    assert Desk({}).ask(100) == [KTHXBAI, n(100), n(0)]


def test_a_batch_is_not_longer_than_a_megabyte_and_its_last_value() -> None:
    it = Desk({b"%d" % k: bytes(BYTES // 2) for k in range(5)}, pairs=1000)
    assert [len(it.ask(100, first)) for first in (0, 2, 4)] == [3 + 4, 3 + 4, 3 + 2]
    assert [it.ask(100, first)[0] for first in (0, 2, 4)] == [KVSYNC, KVSYNC, KTHXBAI]


def test_a_snapshot_stays_as_it_is_while_the_state_goes_on() -> None:
    it = Desk()
    assert it.ask(100)[3:] == [b"tea", b"hot", b"milk", b"cold"]
    it.change(b"egg", b"boiled")
    it.change(b"jam", b"red")
    assert it.ask(100, 2) == [KTHXBAI, n(100), n(2), b"egg", b"raw"]


def test_who_needs_nothing_newer_shares_a_snapshot() -> None:
    it = Desk()
    it.ask(100)
    it.change(b"egg", b"boiled")
    assert it.ask(99, of=S)[:3] == [KVSYNC, n(100), n(0)]
    assert it.ask(100, of=S)[:3] == [KVSYNC, n(100), n(0)]
    assert list(it.core.copies) == [100]


def test_who_needs_something_newer_gets_it() -> None:
    it = Desk()
    it.ask(100)
    it.change(b"egg", b"boiled")
    assert it.ask(101, of=S)[:3] == [KVSYNC, n(101), n(0)]
    assert it.ask(100, 2)[:3] == [KTHXBAI, n(100), n(2)], "and the other goes on with what it has"
    assert it.ask(99, of=S)[:2] == [KVSYNC, n(101)], "of several the newest"


def test_a_snapshot_that_nobody_fetches_any_more_is_forgotten() -> None:
    it = Desk()
    it.ask(100)
    for _ in range(3):
        it.pass_time(LIVENESS - 0.5)
        it.ask(100, 2)
    assert list(it.core.copies) == [100], "it is kept for who asks"
    it.pass_time(LIVENESS + 1)
    assert not it.core.copies


def test_who_asks_for_more_of_a_snapshot_that_is_gone_gets_another_from_its_beginning() -> None:
    it = Desk()
    it.ask(100)
    it.change(b"egg", b"boiled")
    it.pass_time(LIVENESS + 1)
    assert it.ask(100, 2)[:3] == [KVSYNC, n(101), n(0)]
    assert Desk().ask(7, 2)[:3] == [KVSYNC, n(100), n(0)], "so, too, after a restart"


def test_who_asks_for_what_is_to_come_gets_what_there_is() -> None:
    assert Desk().ask(2**64 - 1, 2**64 - 1)[:3] == [KVSYNC, n(100), n(0)]


@pytest.mark.parametrize(
    ("socket", "frames"),
    [
        pytest.param("changes", [], id="a change of nothing"),
        pytest.param("changes", [b"tea"], id="a change without a value"),
        pytest.param("changes", [b"tea", b"hot", b"sweet"], id="a change with two values"),
        pytest.param("changes", [HUGZ, b"hot"], id="a change of the sign of life"),
        pytest.param("snapshots", [R], id="a request of nothing"),
        pytest.param("snapshots", [R, ICANHAZ], id="the Guide's request"),
        pytest.param("snapshots", [R, ICANHAZ, n(100)], id="a request without a place to begin"),
        pytest.param("snapshots", [R, ICANHAZ, b"100", n(0)], id="a request with a number in digits"),
        pytest.param("snapshots", [R, ICANHAZ, n(100), b""], id="a request with an empty number"),
        pytest.param("snapshots", [R, ICANHAZ, n(100), n(0), b""], id="a request with a frame too many"),
        pytest.param("snapshots", [R, b"", ICANHAZ, n(100), n(0)], id="a REQ's request"),
        pytest.param("snapshots", [R, b"icanhaz?", n(100), n(0)], id="a request in small letters"),
        pytest.param("updates", [b"tea", n(101), b"cold"], id="an update from outside"),
    ],
)
def test_a_server_drops(socket: str, frames: list[bytes]) -> None:
    it = Desk()
    assert it.hear(socket, *frames) == []
    assert (it.core.sequence, it.core.copies) == (100, {})
    assert it.core.state == Desk().core.state


def test_a_replica_that_asks_beyond_the_end_gets_no_pairs() -> None:
    it = Desk()
    it.ask(100)
    assert it.ask(100, 3) == [KTHXBAI, n(100), n(3)]
    assert it.ask(100, 2**64 - 1) == [KTHXBAI, n(100), n(2**64 - 1)]


# -- the replica --------------------------------------------------------------------------------------------------

SILENT = 1.0 * LIVENESS  # seconds; the interval of these cores is one
STREAM = [Close("updates"), Open("updates", zmq.SUB, "u"), Subscribe("updates", b"")]


def asks(sequence: int, first: int = 0) -> list[Any]:
    return [Close("snapshots"), Open("snapshots", zmq.DEALER, "s"), more(sequence, first)]


def more(sequence: int, first: int) -> Send:
    return Send("snapshots", [ICANHAZ, n(sequence), n(first)])


class Bench:
    """A replica's core and the time of day."""

    def __init__(self, timeout: float = NEVER) -> None:
        self.core, self.now = Replica("u", "s", 1.0, timeout), 50.0
        assert self.core.deadline == AT_ONCE
        assert list(self.core.tick(self.now)) == STREAM

    def hear(self, key: bytes, sequence: int, value: bytes = b"") -> list[Any]:
        return self.get("updates", key, n(sequence), value)

    def batch(self, command: bytes, sequence: int, first: int, *pairs: bytes) -> list[Any]:
        return self.get("snapshots", command, n(sequence), n(first), *pairs)

    def get(self, socket: str, *frames: bytes) -> list[Any]:
        did = list(self.core.receive(socket, list(frames), self.now))
        assert self.core.deadline > self.now, "it would spin"
        return did

    def pass_time(self, seconds: float) -> list[Any]:
        did, until = [], self.now + seconds
        while self.core.deadline <= until:
            self.now = max(self.now, self.core.deadline)
            did += self.core.tick(self.now)
            assert self.core.deadline > self.now, "it would spin"
        self.now = until
        return did


def bench(timeout: float = NEVER) -> Bench:
    """One that has the state of update 100: hot tea."""
    it = Bench(timeout)
    assert it.hear(HUGZ, 100) == asks(100)
    assert it.batch(KTHXBAI, 100, 0, b"tea", b"hot") == [Close("snapshots"), Result({b"tea": b"hot"})]
    it.now += 2.0
    return it


def test_a_replica_asks_only_when_the_stream_has_spoken() -> None:
    it = Bench()
    assert it.pass_time(SILENT - 0.1) == []
    assert it.hear(HUGZ, 100) == asks(100)


def test_the_first_word_may_be_an_update() -> None:
    it = Bench()
    assert it.hear(b"tea", 101, b"cold") == asks(101)
    assert it.batch(KTHXBAI, 101, 0, b"tea", b"cold")[1:] == [Result({b"tea": b"cold"})]


def test_a_state_is_shown_when_the_last_batch_is_there() -> None:
    it = Bench()
    it.hear(HUGZ, 100)
    assert it.batch(KVSYNC, 100, 0, b"tea", b"hot", b"egg", b"raw") == [more(100, 2)]
    assert it.batch(KVSYNC, 100, 2, b"jam", b"red") == [more(100, 3)]
    assert (it.core.complete, it.core.state) == (False, {})
    state = {b"tea": b"hot", b"egg": b"raw", b"jam": b"red"}
    assert it.batch(KTHXBAI, 100, 3) == [Close("snapshots"), Result(state)]
    assert (it.core.complete, it.core.sequence) == (True, 100)


def test_a_snapshot_of_nothing_is_a_state() -> None:
    it = Bench()
    it.hear(HUGZ, 0)
    assert it.batch(KTHXBAI, 0, 0) == [Close("snapshots"), Result({})]


@pytest.mark.parametrize("snapshot", [101, 102, 103, 104])
def test_of_the_updates_that_waited_those_after_the_snapshot_are_applied_and_no_other(snapshot: int) -> None:
    it, server = Bench(), {b"tea": b"%d" % snapshot}
    it.hear(b"tea", 101, b"101")
    it.hear(b"tea", 102, b"102")
    it.hear(b"egg", 103, b"103")
    _, result = it.batch(KTHXBAI, snapshot, 0, b"tea", server[b"tea"], *((b"egg", b"103") if snapshot > 102 else ()))
    assert result.value == {b"tea": b"%d" % max(102, snapshot), b"egg": b"103"}
    assert it.core.sequence == max(103, snapshot)


def test_updates_that_the_snapshot_had_are_dropped_also_when_they_come_after_it() -> None:
    it = Bench()
    it.hear(HUGZ, 100)
    it.batch(KTHXBAI, 103, 0, b"tea", b"103")
    assert [it.hear(b"tea", s, b"%d" % s) for s in (101, 102, 103)] == [[], [], []]
    assert it.hear(b"tea", 104, b"104") == [Result({b"tea": b"104"})]


def test_an_update_is_applied_and_shown() -> None:
    it = bench()
    state = it.core.state
    assert it.hear(b"egg", 101, b"raw") == [Result({b"tea": b"hot", b"egg": b"raw"})]
    assert it.hear(b"tea", 102, b"") == [Result({b"tea": b"", b"egg": b"raw"})], "an empty value is one"
    assert it.core.state is state
    assert it.hear(HUGZ, 102) == []


@pytest.mark.parametrize(
    ("key", "sequence"),
    [
        pytest.param(b"tea", 102, id="an update too far"),
        pytest.param(b"tea", 100, id="the last update again"),
        pytest.param(b"tea", 1, id="an update of another life"),
        pytest.param(HUGZ, 101, id="a sign of life after an update that did not come"),
        pytest.param(HUGZ, 99, id="a sign of life from the past"),
        pytest.param(HUGZ, 0, id="a sign of life of another life"),
    ],
)
def test_what_does_not_join_on_is_a_gap_and_the_cure_a_new_snapshot(key: bytes, sequence: int) -> None:
    it = bench()
    old = it.core.state
    assert it.hear(key, sequence, b"cold") == asks(max(sequence, 100)), "for nothing older than what it has shown"
    assert (it.core.complete, it.core.state, it.core.sequence) == (False, old, 100), "the old state is shown meanwhile"
    assert it.hear(b"egg", sequence + 1, b"raw") == []
    assert it.core.state == {b"tea": b"hot"}
    assert it.batch(KTHXBAI, sequence, 0, b"jam", b"red")[1:] == [Result({b"jam": b"red", b"egg": b"raw"})]
    assert old == {b"tea": b"hot"}, "nothing of the old state is kept, and nobody's copy of it changes"


def test_the_snapshot_that_cures_a_gap_is_not_older_than_what_was_shown() -> None:
    it = Bench()
    it.hear(HUGZ, 100)
    assert it.batch(KTHXBAI, 105, 0, b"tea", b"hot") == [Close("snapshots"), Result({b"tea": b"hot"})]
    it.now += 2.0
    assert it.hear(b"egg", 103, b"raw") == asks(105), "the stream has a gap, below what the first snapshot had"
    assert it.batch(KVSYNC, 200, 0, b"tea", b"cold") == [more(200, 1)]


def test_a_gap_while_a_snapshot_is_fetched_makes_it_useless() -> None:
    it = bench()
    it.hear(HUGZ, 105)
    it.batch(KVSYNC, 105, 0, b"tea", b"105")
    it.now += 2.0
    assert it.hear(b"tea", 107, b"107") == asks(107)
    assert it.batch(KTHXBAI, 105, 1, b"egg", b"raw") == []
    assert it.batch(KTHXBAI, 107, 0, b"tea", b"107")[1:] == [Result({b"tea": b"107"})]


def test_who_has_gap_after_gap_asks_once_in_an_interval() -> None:
    it, asked = bench(), []
    for k in range(1000):
        it.now += 0.01
        asked += [it.now for e in it.pass_time(0) + it.hear(b"tea", 200 + 2 * k, b"") if isinstance(e, Send)]
    assert 9 <= len(asked) <= 11
    assert all(b - a >= 1.0 for a, b in itertools.pairwise(asked))
    assert it.pass_time(1.0)[-1] == more(2198, 0), "and in the end for what it needs"


def test_a_snapshot_must_not_be_older_than_the_first_word() -> None:
    it = Bench()
    it.hear(HUGZ, 100)
    assert it.batch(KTHXBAI, 99, 0, b"tea", b"old") == []
    assert it.batch(KVSYNC, 99, 0, b"tea", b"old") == []
    assert it.batch(KTHXBAI, 101, 0, b"tea", b"new")[1:] == [Result({b"tea": b"new"})]


def test_a_batch_that_is_lost_is_asked_for_again_on_a_new_socket() -> None:
    it = Bench()
    it.hear(HUGZ, 100)
    it.batch(KVSYNC, 100, 0, b"tea", b"hot")
    did = []
    for _ in range(2 * LIVENESS):
        it.hear(HUGZ, 100)
        did += it.pass_time(0.99)
    assert did == asks(100, 1)
    assert it.batch(KTHXBAI, 100, 1, b"egg", b"raw")[1:] == [Result({b"tea": b"hot", b"egg": b"raw"})]


def test_a_server_that_has_lost_our_snapshot_begins_another() -> None:
    it = Bench()
    it.hear(HUGZ, 100)
    it.batch(KVSYNC, 100, 0, b"tea", b"hot", b"egg", b"raw")
    assert it.batch(KVSYNC, 105, 0, b"jam", b"red") == [more(105, 1)]
    assert it.batch(KTHXBAI, 105, 1, b"tea", b"hot")[1:] == [Result({b"jam": b"red", b"tea": b"hot"})]


def test_a_silent_stream_is_opened_anew_and_nothing_is_asked_where_it_goes_on() -> None:
    it = bench()
    assert it.pass_time(3 * SILENT) == STREAM * 3
    assert it.hear(HUGZ, 100) == []
    assert it.hear(b"tea", 101, b"cold") == [Result({b"tea": b"cold"})]


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([], id="nothing"),
        pytest.param([KTHXBAI], id="a word"),
        pytest.param([KTHXBAI, n(100)], id="no place"),
        pytest.param([KTHXBAI, n(100), n(0), b"tea"], id="a key without a value"),
        pytest.param([KVSYNC, n(100), n(1), b"tea", b"hot"], id="a batch too far"),
        pytest.param([KTHXBAI, n(100), n(1)], id="a last batch too far"),
        pytest.param([KTHXBAI, n(99), n(0), b"tea", b"hot"], id="an old one"),
        pytest.param([KTHXBAI, b"100", n(0)], id="a number in digits"),
        pytest.param([KTHXBAI, b"\xff" * 9, bytes(7)], id="numbers of other lengths"),
        pytest.param([KTHXBAI, bytes(2**16), bytes(8)], id="a very long number"),
        pytest.param([b"KTHX", n(100), n(0)], id="another word"),
        pytest.param([KTHXBAI, n(100), b""], id="the Guide's last word"),
        pytest.param([b"tea", n(100), b"hot"], id="the Guide's pair"),
        pytest.param([b"", KTHXBAI, n(100), n(0)], id="an empty frame in front"),
    ],
)
def test_a_replica_drops_what_is_no_batch_for_it(frames: list[bytes]) -> None:
    it = Bench()
    it.hear(HUGZ, 100)
    assert it.get("snapshots", *frames) == []
    assert it.batch(KTHXBAI, 100, 0, b"tea", b"hot")[1:] == [Result({b"tea": b"hot"})]
    assert it.batch(KTHXBAI, 200, 0) == [], "and every batch once it is complete"
    assert it.core.state == {b"tea": b"hot"}


@pytest.mark.parametrize(
    "frames", [[], [HUGZ], [HUGZ, n(100)], [b"tea", b"101", b"x"], [b"tea", n(101)], [b"tea", n(101), b"x", b""]]
)
def test_a_replica_drops_what_is_no_update(frames: list[bytes]) -> None:
    it = bench()
    it.pass_time(SILENT - 3)
    assert it.get("updates", *frames) == []
    assert it.pass_time(1.5) == STREAM, "and it is no sign of life"


def test_a_replica_that_hears_nothing_gives_up() -> None:
    it = Bench(timeout=12.0)
    *before, error = it.pass_time(12.0)
    assert before == STREAM * 2 + [Close("updates"), Close("snapshots")]
    assert isinstance(error.value, TimeoutError)
    assert str(error.value) == "no complete state from u and s for 12 s"
    assert it.core.deadline == NEVER


def test_a_replica_that_stays_incomplete_gives_up_although_the_stream_goes_on() -> None:
    it, did = Bench(timeout=12.0), []
    while it.core.deadline < NEVER:
        it.hear(HUGZ, 100)
        did += it.pass_time(0.5)
    assert 61.5 <= it.now <= 62.5
    assert isinstance(did[-1].value, TimeoutError)
    assert asks(100)[-1] in did, "it has asked again"


def test_a_complete_replica_gives_up_when_the_stream_ends() -> None:
    it = bench(timeout=12.0)
    for _ in range(100):
        it.hear(HUGZ, 100)
        assert it.pass_time(1.0) == []
    assert not isinstance(it.pass_time(10.9)[-1], Result)
    assert isinstance(it.pass_time(0.2)[-1].value, TimeoutError)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: Server("u", "s", "c", interval=0), "^interval: ", id="a server that never says it lives"),
        pytest.param(lambda: Server("u", "s", "c", interval=float("nan")), "^interval: ", id="an odd interval"),
        pytest.param(lambda: Server("u", "s", "c", pairs=0), "^pairs: ", id="batches of nothing"),
        pytest.param(
            lambda: Server("u", "s", "c", {HUGZ: b""}), "^state, sequence: ", id="a state with the sign of life"
        ),
        pytest.param(lambda: Server("u", "s", "c", sequence=-1), "^state, sequence: ", id="a number below 0"),
        pytest.param(lambda: Replica("u", "s", -1.0), "^interval: ", id="a replica with a negative interval"),
        pytest.param(lambda: Replica("u", "s", timeout=0), "^timeout: ", id="a replica without time"),
        pytest.param(lambda: server(NO_CONTEXT, "tea"), "^pairs: ", id="a server's pair without ="),
        pytest.param(lambda: server(NO_CONTEXT, "HUGZ=1"), "^pairs: ", id="a server's pair with the sign of life"),
        pytest.param(lambda: replica(NO_CONTEXT, "tea"), "^pairs: ", id="a replica's pair without ="),
        pytest.param(lambda: change(NO_CONTEXT, "tea"), "^pairs: ", id="a change without ="),
        pytest.param(lambda: change(NO_CONTEXT, "HUGZ=1"), "^pairs: ", id="a change of the sign of life"),
        pytest.param(lambda: change(NO_CONTEXT, "a=b", timeout=0), "^timeout: ", id="a change without time"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# -- bad hours ----------------------------------------------------------------------------------------------------

BEAT = 0.2  # seconds between signs of life in a bad hour
TROUBLE = 6.0  # seconds in which things begin to go wrong
CALM = 11.0  # seconds after which all has been mended and every replica is complete
KEYS = [b"tea", b"egg", b"jam", b"rice", b"milk", b"salt", b"leek"]


class Watched:
    """A core that is looked at after everything it did."""

    def __init__(self, core: Any, look: Callable[[Any, list[Any], float], None]) -> None:
        self.core, self.look = core, look
        look(core, [], 0.0)

    @property
    def deadline(self) -> float:
        return float(self.core.deadline)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Any]:
        yield from self._done(self.core.receive(socket, frames, now), now)

    def tick(self, now: float) -> Iterator[Any]:
        yield from self._done(self.core.tick(now), now)

    def _done(self, effects: Any, now: float) -> Iterator[Any]:
        done = list(effects)
        self.look(self.core, done, now)
        yield from done


class Hour:
    """A server, somebody who changes its state, and three replicas, of which one comes late.

    What befalls them is up to the seed. All states of the server are kept, and each that a replica shows is compared.
    """

    def __init__(self, seed: int, recipe: Any = clone, write: Callable[..., object] = lambda *event: None) -> None:
        self.recipe, self.chance = recipe, random.Random(f"clone {seed}")
        self.net = Network(f"clone {seed}", write=write)
        self.first = [k * 10_000 for k in self.chance.sample(range(100), 20)]  # of each life: any order, none twice
        self.room = self.chance.choice([2, 5, 1000])  # messages that the PUB has room for
        self.had: dict[int, tuple[int, dict[bytes, bytes]]] = {}  # sequence: its place in time, the server's state
        self.shown: dict[str, int] = {}  # the place of what a replica showed last
        self.asked: dict[str, float] = {}
        self.wrong: list[str] = []

    def live(self) -> list[str]:
        """Let the hour pass, and tell what was wrong."""
        net, chance = self.net, self.chance
        net.play("server", self.server)
        times = sorted(chance.uniform(0, TROUBLE + 1) for _ in range(chance.choice([10, 60, 300])))
        pushes = {at: [Send("out", [chance.choice(KEYS), b"%d" % k])] for k, at in enumerate(times)}
        out = Open("out", zmq.PUSH, "c")
        net.play("owner", lambda: Script(out, later={**pushes, CALM: [Send("out", [b"tea", b"the last"])]}))
        names = ["ann", "bob", "zoe"]
        for name in names:
            net.at(
                0.0 if name != "zoe" else chance.uniform(0, TROUBLE),
                partial(net.play, name, partial(self.replica, name)),
            )
        for _ in range(chance.randrange(2, 9)):
            self.trouble(["server", *names])
        net.run(CALM)
        self.judge(names, "when all was quiet")
        before = dict(self.asked)
        net.run(CALM + 3 * BEAT)
        self.judge(names, "after one more update")
        if self.asked != before:
            self.wrong.append("in calm weather somebody asked for a snapshot")
        net.run(CALM + 2 * BEAT * LIVENESS)
        if self.core("server").copies:
            self.wrong.append("the server keeps a snapshot that nobody fetches")
        return self.wrong

    def core(self, name: str) -> Any:
        return self.net.nodes[name].core.core  # type: ignore[attr-defined]

    def server(self) -> Watched:
        state = dict.fromkeys(self.chance.sample(KEYS, self.chance.randrange(5)), b"first")
        core = self.recipe.Server("u", "s", "c", state, self.first.pop(), BEAT, self.chance.choice([1, 2, 1000]))

        def look(core: Any, done: list[Any], now: float) -> None:
            for effect in done:
                if isinstance(effect, Open) and effect.kind == zmq.PUB:
                    effect.options["sndhwm"] = self.room
            self.had.setdefault(core.sequence, (len(self.had), dict(core.state)))

        return Watched(core, look)

    def replica(self, name: str) -> Watched:
        self.shown[name] = -1

        def look(core: Any, done: list[Any], now: float) -> None:
            for effect in done:
                if isinstance(effect, Result):
                    self.compare(name, core, effect.value, now)
                if isinstance(effect, Open) and effect.socket == "snapshots":
                    if now - self.asked.get(name, -1.0) < BEAT - 1e-9:
                        self.wrong.append(f"{now:.3f} {name} asked twice within an interval")
                    self.asked[name] = now

        self.asked.pop(name, None)
        return Watched(self.recipe.Replica("u", "s", BEAT), look)

    def compare(self, name: str, core: Any, state: Any, now: float) -> None:
        place, had = self.had.get(core.sequence, (-1, None))
        if state != had:
            self.wrong.append(f"{now:.3f} {name} shows {state} as {core.sequence}, which was {had}")
        if place < self.shown[name]:
            self.wrong.append(f"{now:.3f} {name} shows something older than before")
        self.shown[name] = place

    def judge(self, names: list[str], when: str) -> None:
        server = self.core("server")
        for name in names:
            core = self.core(name)
            if (core.complete, core.sequence, core.state) != (True, server.sequence, server.state):
                self.wrong.append(f"{when} {name} is at {core.sequence} with {core.state}, and not as the server")
            if sorted(self.net.nodes[name].carrier._sockets) != ["updates"]:
                self.wrong.append(f"{when} {name} has other sockets open")

    def trouble(self, names: list[str]) -> None:
        """One thing that goes wrong, and is mended later."""
        net, chance = self.net, self.chance
        who = chance.choice(names)
        start = chance.uniform(0, TROUBLE)
        end = start + chance.choice([0.02, 0.3, 1.0, 2.0]) * chance.uniform(0.5, 1)

        def there(act: Callable[..., None], *which: str) -> Callable[[], None]:
            return lambda: act(*which) if set(which) <= set(net.nodes) else None  # one of them may not be born yet

        kind = chance.choice(["crash", "freeze", "cut"])
        if kind == "crash":
            net.at(start, there(net.crash, who))
            net.at(end, there(net.restart, who))
        elif kind == "freeze":
            net.at(start, there(net.freeze, who))
            net.at(end, there(net.thaw, who))
        else:
            pair = ("server", chance.choice(names[1:]))
            net.at(start, there(net.cut, *pair))
            net.at(end, there(net.heal, *pair))


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


MUTANTS = {
    "a replica that sees no gap": ("if sequence != self.heard + (key != HUGZ):", "if self.heard < 0:"),
    "a replica that sees a gap only when an update follows": (
        "if sequence != self.heard + (key != HUGZ):",
        "if self.heard < 0 or (key != HUGZ and sequence != self.heard + 1):",
    ),
    "a replica that drops what waited for the snapshot": ("for number, key, value in self.news:", "for _ in ():"),
    "a replica that applies what the snapshot had": ("if number > sequence:", "if True:"),
    "a replica that is one off": ("if number > sequence:", "if number > sequence + 1:"),
    "a replica that applies an old update": ("if key != HUGZ and sequence > self.sequence:", "if key != HUGZ:"),
    "a replica that keeps what the old state had": (
        "self.state, self.sequence, self.pairs = self.pairs, sequence, {}",
        "self.state, self.sequence, self.pairs = {**self.state, **self.pairs}, sequence, {}",
    ),
    "a replica that takes the first batch for all": ("if word == KVSYNC:", "if False:"),
    "a replica that takes an old snapshot": ("if first == 0 and sequence >= self.wanted", "if first == 0"),
    "a replica that takes any batch": ("if (sequence, first) != (self.wanted, len(self.pairs)) or", "if"),
    "a replica that asks once": ("self.asked, self.retry = now, now + self.patience", "self.asked = now"),
    "a replica that asks at each gap": ("if now >= self.asked + self.interval:", "if True:"),
    "a replica that keeps its old socket": (
        'yield from (Close("snapshots"), Result(self.state))',
        "yield Result(self.state)",
    ),
    "a server whose snapshot goes on with the state": (
        "copy = self.copies[sequence]\n",
        "copy = _Copy(list(chain.from_iterable(self.state.items())))\n",
    ),
    "a server that shares an old snapshot": ("if newest < sequence:", "if newest < 0:"),
    "a server that keeps its snapshots": ("if copy.expiry > now", "if True"),
    "a server whose sign of life has no number": (
        'Send("updates", [HUGZ, self.sequence.to_bytes(8), b""])',
        'Send("updates", [HUGZ, bytes(8), b""])',
    ),
    "a server that says nothing while nothing happens": (
        '        yield Send("updates", [HUGZ, self.sequence.to_bytes(8), b""])\n',
        "",
    ),
}


def fails(seed: int, recipe: Any) -> bool:
    try:
        return bool(Hour(seed, recipe).live())
    except Exception:
        return True


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in MUTANTS.items()])
def test_bad_hours_tell(change: tuple[str, str]) -> None:
    recipe = broken(clone, *change)
    assert any(fails(seed, recipe) for seed in range(SEEDS))


def test_two_lives_of_a_server_must_not_use_one_number() -> None:
    def careless(seed: int) -> bool:
        hour = Hour(seed)
        hour.first = [0] * 20
        return bool(hour.live())

    assert any(careless(seed) for seed in range(SEEDS))


@pytest.mark.parametrize("first", range(0, SEEDS, 100))
def test_replicas_show_only_what_the_server_had_and_in_the_end_what_it_has(first: int) -> None:
    for seed in range(first, first + 100):
        assert not hostile(seed), f"seed {seed}: python tests/soak.py clone --seed {seed} draws it"


# -- over sockets -------------------------------------------------------------------------------------------------

SHORT = 0.1  # seconds between signs of life here
MANY = 20_000  # updates, with the value below more than all buffers on their way take
LONG = bytes(300)
# So many take long when each is traced; that tracing changes nothing is shown by the others.
plain = pytest.mark.parametrize("stage", ["plain context"], indirect=True)


class Scene:
    """A server on a stage, and who changes and follows it."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.process = stage, None
        self.u, self.s, self.c = (stage.endpoint(name) for name in ("updates", "snapshots", "changes"))

    def server(self, *pairs: str, spawn: bool = False, name: str = "server") -> Any:
        play = self.stage.spawn if spawn else self.stage.play
        return play(server, *pairs, updates=self.u, snapshots=self.s, changes=self.c, interval=SHORT, name=name)

    def follow(self, *pairs: str, name: str = "", updates: str = "", timeout: float = WAIT) -> Any:
        ends = {"updates": updates or self.u, "snapshots": self.s}
        return self.stage.play(replica, *pairs, **ends, interval=SHORT, timeout=timeout, name=name)

    def change(self, *pairs: str, name: str = "") -> None:
        self.stage.play(change, *pairs, changes=self.c, name=name).result(WAIT)

    def burst(self, *pairs: tuple[bytes, bytes]) -> None:
        """Many changes, and these at the end. Returns when the server has published them all."""
        push = self.stage.socket(zmq.PUSH, sndtimeo=MS)
        push.connect(self.c)
        for k in range(MANY):
            push.send_multipart([b"key %d" % (k % 10), LONG])
        for each in pairs:
            push.send_multipart(each)
        self.follow(*(f"{key.decode()}={value.decode()}" for key, value in pairs), name="watches the burst").result(
            WAIT
        )


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return Scene(stage)


def telling(ctx: Any, updates: str, snapshots: str, told: str) -> None:
    """A replica that tells when it is complete, and then how many states it had shown when one was the end."""
    with ctx.socket(zmq.PUSH) as tell:
        tell.connect(told)
        for count, state in enumerate(run(ctx, Replica(updates, snapshots, SHORT)), 1):
            if count == 1:
                tell.send_pyobj(dict(state))
            if b"end" in state:
                tell.send_pyobj((count, dict(state)))
                return


@pytest.fixture
def told(stage: Stage) -> Any:
    it = stage.socket(zmq.PULL, rcvtimeo=MS)
    it.bind(stage.endpoint("told"))
    return it


def test_a_replica_has_the_state_and_follows_it(scene: Scene) -> None:
    scene.server("tea=hot", "egg=")
    assert scene.follow().result(WAIT) == [b"egg=", b"tea=hot"]
    later = scene.follow("tea=cold", "jam=a=b", name="later")
    scene.change("tea=cold", "jam=a=b")
    assert later.result(WAIT) == [b"egg=", b"jam=a=b", b"tea=cold"]


def test_nobody_there_costs_a_timeout_error(scene: Scene) -> None:
    with pytest.raises(TimeoutError, match=r"^no complete state from ipc://.* and ipc://.* for 0\.2 s$"):
        scene.follow(timeout=0.2).result(WAIT)
    with pytest.raises(TimeoutError, match=r"^no server at ipc://.* took the change for 0\.1 s$"):
        change(scene.stage.context, "tea=cold", changes=scene.c, timeout=0.1)


def test_of_five_thousand_changes_none_is_lost_although_who_makes_them_closes_at_once() -> None:
    with Stage() as stage:
        scene, pairs = Scene(stage), [f"key {number}=" for number in range(5000)]
        scene.server()
        following = scene.follow(*pairs)
        scene.change(*pairs)
        assert len(following.result(WAIT)) == len(pairs)


def test_the_same_cores_under_asyncio(scene: Scene) -> None:
    async def follows(ctx: Any) -> dict[bytes, bytes]:
        async with aclosing(arun(ctx, Replica(scene.u, scene.s, SHORT))) as states:
            async for state in states:
                if state == {b"tea": b"cold"}:
                    return state
        raise AssertionError

    async def serves(ctx: Any) -> None:
        async with aclosing(arun(ctx, Server(scene.u, scene.s, scene.c, {b"tea": b"hot"}, 5, SHORT))) as never:
            async for _ in never:
                pass

    scene.stage.play(serves)
    following = scene.stage.play(follows)
    scene.change("tea=cold")
    assert following.result(WAIT) == {b"tea": b"cold"}


def large(ctx: Any, updates: str, snapshots: str, changes: str, count: int) -> None:
    """A server with so many keys."""
    serve(ctx, Server(updates, snapshots, changes, {b"key %d" % k: b"%d" % k for k in range(count)}, 0))


def test_a_snapshot_of_100_000_keys_is_complete_while_the_state_goes_on() -> None:
    with Stage() as stage:
        it = Scene(stage)
        stage.spawn(large, it.u, it.s, it.c, 100_000)
        stop = threading.Event()

        def restless(ctx: Any) -> int:
            """Changes two keys in turn, the second always to what the first is."""
            with ctx.socket(zmq.PUSH) as push:
                push.connect(it.c)
                for k in itertools.count(1):
                    push.send_multipart([b"first", b"%d" % k])
                    push.send_multipart([b"second", b"%d" % k])
                    if stop.wait(0.0005):
                        push.send_multipart([b"end", b""])
                        return k
            raise AssertionError

        owner = stage.play(restless)
        for shown, state in enumerate(run(stage.context, Replica(it.u, it.s, timeout=WAIT))):
            one, two = int(state.get(b"first", b"0")), int(state.get(b"second", b"0"))
            assert one - 1 <= two <= one, "no state of the server"
            if shown == 100:
                stop.set()
            if b"end" in state:
                break
        assert len(state) == 100_003
        assert all(state[b"key %d" % k] == b"%d" % k for k in range(100_000))
        assert state[b"second"] == b"%d" % owner.result(WAIT)


@curve
def test_under_curve_only_who_has_the_keys_is_served() -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        anywhere = dict.fromkeys(("updates", "snapshots", "changes"), "tcp://127.0.0.1:*")
        home.play(server, "tea=hot", **anywhere, interval=SHORT)
        updates, snapshots, changes = bound_at(recording, "server", 3)
        with turned_away(street, zmq.SUB, updates), turned_away(street, zmq.DEALER, snapshots, [ICANHAZ, n(0), n(0)]):
            inside = abroad.play(replica, "tea=cold", updates=updates, snapshots=snapshots, interval=SHORT)
            abroad.play(change, "tea=cold", changes=changes, timeout=WAIT).result(WAIT)
            assert inside.result(WAIT) == [b"tea=cold"]
        with pytest.raises(TimeoutError):
            street.play(replica, updates=updates, snapshots=snapshots, interval=SHORT, timeout=0.3).result(WAIT)
        with pytest.raises(TimeoutError):
            street.play(change, "tea=mine", changes=changes, timeout=0.2).result(WAIT)


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def test_when_the_server_dies_a_replica_keeps_what_it_has_until_its_timeout(scene: Scene) -> None:
    dying = scene.server("tea=hot", spawn=True)
    core = Replica(scene.u, scene.s, SHORT, timeout=2.0)
    with closing(run(scene.stage.context, core)) as states:
        assert next(states) == {b"tea": b"hot"}
        dying.kill()
        with pytest.raises(TimeoutError, match=r"^no complete state from "):
            next(states)
    assert (core.complete, core.state) == (True, {b"tea": b"hot"})


@plain
@signals
def test_a_replica_that_was_frozen_is_complete_again(scene: Scene, told: Any) -> None:
    scene.server("tea=hot", spawn=True)
    follows = scene.stage.spawn(telling, scene.u, scene.s, scene.stage.endpoint("told"))
    assert told.recv_pyobj() == {b"tea": b"hot"}
    follows.freeze()
    scene.burst((b"tea", b"cold"), (b"end", b"1"))
    follows.thaw()
    shown, state = told.recv_pyobj()
    assert shown < MANY, "updates were lost on their way"
    assert state == {b"tea": b"cold", b"end": b"1", **{b"key %d" % k: LONG for k in range(10)}}


def test_updates_lost_on_a_cut_connection_are_noticed_and_made_good(scene: Scene, told: Any) -> None:
    scene.server("tea=hot")
    with Wire(scene.u) as wire:
        scene.stage.play(telling, wire.endpoint, scene.s, scene.stage.endpoint("told"))
        assert told.recv_pyobj() == {b"tea": b"hot"}
        wire.cut()
        scene.change("tea=cold", "egg=raw", "jam=red", name="change")
        scene.follow("jam=red").result(WAIT)
        wire.heal()
        scene.change("end=1", name="change again")
        shown, state = told.recv_pyobj()
    assert state == {b"tea": b"cold", b"egg": b"raw", b"jam": b"red", b"end": b"1"}
    assert shown <= 3, "at first, after the snapshot, after the last update: the updates in between never came"


def test_one_lost_update_is_noticed_by_the_next_sign_of_life(scene: Scene, told: Any) -> None:
    scene.server("tea=hot")
    with Wire(scene.u) as wire:
        scene.stage.play(telling, wire.endpoint, scene.s, scene.stage.endpoint("told"))
        assert told.recv_pyobj() == {b"tea": b"hot"}
        wire.drop("back", *range(wire.count("back") + 1, wire.count("back") + 2))
        scene.change("end=1")
        assert told.recv_pyobj() == (2, {b"tea": b"hot", b"end": b"1"})


@plain
def test_a_replica_that_is_too_slow_skips_updates_and_no_state_is_wrong(scene: Scene) -> None:
    scene.server("tea=hot", spawn=True)
    shown = 0
    with closing(run(scene.stage.context, Replica(scene.u, scene.s, SHORT, WAIT))) as states:
        assert next(states) == {b"tea": b"hot"}
        scene.burst((b"tea", b"cold"), (b"end", b"1"))  # and all the while it looks at its first state
        for state in states:
            shown += 1
            if b"end" in state:
                break
    assert shown < MANY
    assert state == {b"tea": b"cold", b"end": b"1", **{b"key %d" % k: LONG for k in range(10)}}


def test_replicas_follow_a_restarted_server_into_its_new_state(scene: Scene, told: Any) -> None:
    old = scene.server("tea=hot", "egg=raw", spawn=True, name="old server")
    scene.stage.play(telling, scene.u, scene.s, scene.stage.endpoint("told"))
    assert told.recv_pyobj() == {b"tea": b"hot", b"egg": b"raw"}
    old.kill()
    scene.server("tea=new", spawn=True, name="new server")
    scene.change("end=1")
    assert told.recv_pyobj()[1] == {b"tea": b"new", b"end": b"1"}


def test_a_server_outlives_strangers(scene: Scene) -> None:
    scene.server("tea=hot")
    odd = [
        [b""],
        [b"x" * 2**20],
        [ICANHAZ],
        [ICANHAZ, b"", b""],
        [ICANHAZ, *[b"\xff" * 9] * 2],
        [HUGZ, b""],
        [b"a"] * 4,
    ]
    for kind, end, many in ((zmq.DEALER, scene.s, odd), (zmq.REQ, scene.s, odd[4:5]), (zmq.PUSH, scene.c, odd)):
        sock = scene.stage.socket(kind, linger=0)
        sock.connect(end)
        for frames in many:
            sock.send_multipart(frames)
    sock.send_multipart([b"egg", b"raw"])
    assert scene.follow("egg=raw").result(WAIT) == [b"egg=raw", b"tea=hot"]


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_three_terminals_and_ctrl_c() -> None:
    anywhere = [f"--{name}=tcp://127.0.0.1:0" for name in ("updates", "snapshots", "changes")]
    with shell("clone", "server", "tea=hot", *anywhere) as home:
        updates, snapshots, changes = bound_to(home, 3)

        def follow(*words: str) -> Any:
            return shell("clone", "replica", *words, "--updates", updates, "--snapshots", snapshots)

        with follow() as first:
            assert ended(first) == (0, "tea=hot\n", "")
        with follow("tea=cold", f"--timeout={WAIT}") as waits:
            with shell("clone", "change", "tea=cold", "egg=raw", "--changes", changes) as changing:
                assert ended(changing) == (0, "", "")
            assert ended(waits) in [(0, "tea=cold\n", ""), (0, "egg=raw\ntea=cold\n", "")]
        with follow("tea") as wrong, follow("egg=raw") as last:
            code, said, complaint = ended(wrong)
            assert (code, said, complaint[:16]) == (1, "", "replica: pairs: ")
            assert ended(last) == (0, "egg=raw\ntea=cold\n", "")
        with follow("never=1") as listens:
            assert home.poll() is None
            ends_on_ctrl_c(home)
            with follow("--timeout=0.2") as alone:
                code, said, complaint = ended(alone)
                assert (code, said) == (1, "")
                assert complaint.startswith("replica: no complete state from tcp://")
            ends_on_ctrl_c(listens)
