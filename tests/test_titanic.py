# SPDX-License-Identifier: BSD-3-Clause
"""Titanic: TSP (RFC 9), its store, killed at every step, in bad hours, over sockets and from the shell.

`hostile(seed)` is one bad hour; `make soak` lives through ten thousand of them.
"""

import itertools
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zmq
from cores import broken
from sockets import (
    WAIT,
    bound_at,
    bound_to,
    curve,
    ended,
    ends_on_ctrl_c,
    guarantees_hold,
    is_stuck,
    shell,
    signals,
    turned_away,
    under_curve,
)

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import _store, majordomo, titanic
from patterns._store import Once, Store
from patterns.majordomo import CLIENT, HEARTBEAT, READY, REPLY, REQUEST, WORKER, Broker, Client, Worker
from patterns.shell import AT_ONCE, NEVER, Effect, Open, Result, Send, serve
from patterns.simulation import Network
from patterns.stage import Stage
from patterns.titanic import GUARANTEES, Titanic

SEEDS = 80  # bad hours in this file
BEAT = 0.4  # seconds between heartbeats in the simulation
LATE = 60.0  # seconds after which all must be done, whatever has gone wrong


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "titanic.db")


def numbered() -> Callable[[], bytes]:
    """A maker of UUIDs that are the same in each run."""
    count = itertools.count(1)
    return lambda: b"%032x" % next(count)


def memory() -> Store:
    return Store(":memory:", "OFF", numbered())


ONE, TWO, THREE = (b"%032x" % n for n in (1, 2, 3))


# -- the store ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [[b"cup"], [b""], [b"", b"two", b""], [bytes(range(256)), b"x" * 100_000]])
def test_what_is_stored_is_there_in_the_next_life_frame_by_frame(path: str, body: list[bytes]) -> None:
    with closing(Store(path, name=numbered())) as store:
        assert store.add(b"tea", body) == ONE
    with closing(Store(path)) as store:
        assert store.status(ONE) == [b"300"]
        assert (store.services(), store.first(b"tea"), store.read(ONE, b"body")) == ([b"tea"], ONE, body)
        store.finish(ONE, body)
    with closing(Store(path)) as store:
        assert store.status(ONE) == [b"200", *body]
        assert store.status(ONE) == [b"200", *body], "it stays"
        assert (store.services(), store.first(b"tea")) == ([], None)
        store.forget(ONE)
    with closing(Store(path)) as store:
        assert store.status(ONE) == [b"400"]
        assert store.db.execute("select count(*) from frame").fetchone() == (0,)


def test_each_service_has_its_own_order() -> None:
    store = memory()
    for service in b"tea", b"milk", b"tea":
        store.add(service, [b"cup"])
    assert (store.first(b"tea"), store.first(b"milk"), store.first(b"honey")) == (ONE, TWO, None)
    store.finish(ONE, [b"done"])
    assert store.first(b"tea") == THREE
    store.forget(THREE)
    assert store.first(b"tea") is None


def test_the_first_reply_stays_and_what_is_closed_gets_none() -> None:
    store = memory()
    store.add(b"tea", [b"cup"])
    store.finish(ONE, [b"first"])
    store.finish(ONE, [b"second"])
    assert store.status(ONE) == [b"200", b"first"]
    store.forget(ONE)
    store.finish(ONE, [b"third"])
    assert store.status(ONE) == [b"400"]
    assert store.read(ONE, b"reply") == []


def test_a_uuid_has_32_hexadecimal_characters() -> None:
    uuids = {Store(":memory:").add(b"tea", [b"cup"]) for _ in range(3)}
    assert len(uuids) == 3
    assert all(len(uuid) == 32 and set(uuid) <= set(b"0123456789abcdef") for uuid in uuids)


def test_it_finds_what_waits_without_looking_at_all_there_is() -> None:
    store = memory()
    plan = store.db.execute(
        "explain query plan select uuid from request where service = ? and not done order by number limit 1", (b"tea",)
    )
    assert "USING INDEX waiting" in str(plan.fetchall())


@pytest.mark.parametrize(("asked", "level"), [("FULL", 2), ("NORMAL", 1), ("OFF", 0)])
def test_its_settings_are_those_that_were_asked_for(path: str, asked: str, level: int) -> None:
    with closing(Store(path, asked)) as store:
        asked_for = [store.db.execute(f"pragma {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
        assert asked_for == ["wal", level]


def test_what_cannot_be_a_store_is_refused_and_says_why(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^synchronous: expected FULL, NORMAL or OFF, got 'SOMETIMES'"):
        Store(path, "SOMETIMES")
    with closing(Store(path)), pytest.raises(ValueError, match=r"^path: .* cannot be used, database is locked"):
        Store(path)
    (tmp_path / "letter").write_text("Dear Ann, " * 100)
    with pytest.raises(ValueError, match=r"^path: .* not a database"):
        Store(str(tmp_path / "letter"))


# -- once ---------------------------------------------------------------------------------------------------------


def book(db: sqlite3.Connection, body: list[bytes]) -> list[bytes]:
    return titanic.note(db, body)


def notes(once: Once) -> list[bytes]:
    tables = once.db.execute("select name from sqlite_master where name = 'note'").fetchall()
    return [body for (body,) in once.db.execute("select body from note order by number")] if tables else []


def test_a_job_that_comes_again_is_not_done_again_and_has_the_same_reply(path: str) -> None:
    with closing(Once(path, book)) as once:
        assert once([b"Ann", b"1", b"seat"]) == [b"1"]
        assert once([b"Bob", b"1", b"seat", b"aisle"]) == [b"2"]
        assert once([b"Ann", b"2", b"seat"]) == [b"3"]
        assert once([b"Ann", b"1", b"seat"]) == [b"1"]
    with closing(Once(path, book)) as once:
        assert once([b"Bob", b"1", b"seat", b"aisle"]) == [b"2"]
        assert notes(once) == [b"seat", b"seat aisle", b"seat"]


def test_work_that_fails_leaves_nothing_behind_and_is_done_next_time() -> None:
    fails = [True]

    def work(db: sqlite3.Connection, body: list[bytes]) -> list[bytes]:
        answer = book(db, body)
        if fails.pop():
            raise RuntimeError
        return answer

    once = Once(":memory:", work)
    with pytest.raises(RuntimeError):
        once([b"Ann", b"1", b"seat"])
    assert notes(once) == []
    fails.append(False)
    assert once([b"Ann", b"1", b"seat"]) == [b"1"]


@pytest.mark.parametrize("job", [[b"Ann"], [b"Ann", b"1"]])
def test_a_job_without_a_number_is_answered_and_not_done(job: list[bytes]) -> None:
    once = Once(":memory:", book)
    assert once(job) == [b"400"]
    assert notes(once) == []


def test_work_without_a_reply_is_refused_before_it_is_committed() -> None:
    once = Once(":memory:", lambda db, body: book(db, body)[:0])
    with pytest.raises(ValueError, match=r"^work: expected a reply of at least one frame"):
        once([b"Ann", b"1", b"seat"])
    assert notes(once) == []


# -- the core -----------------------------------------------------------------------------------------------------

C = b"C"
Said = tuple[str, list[bytes]]


class Desk:
    """Titanic's core and the time of day; whoever speaks to it speaks as its broker."""

    def __init__(self, store: Store | None = None, **limits: float) -> None:
        self.store, self.now = store or memory(), 0.0
        self.core = Titanic("here", self.store, liveness=10**6, **limits)
        self.did = list(self.core.tick(0.0))

    def sent(self, effects: Any) -> list[Said]:
        """What it says, heartbeats left out."""
        said = [(e.socket, e.frames) for e in effects if isinstance(e, Send)]
        return [each for each in said if each[1][1:] != [WORKER, HEARTBEAT]]

    def hears(self, socket: str, *frames: bytes) -> list[Said]:
        return self.sent(self.core.receive(socket, [b"", *frames], self.now))

    def asks(self, service: str, *body: bytes) -> list[Said]:
        """A client's request to one of the three services."""
        return self.hears(f"titanic.{service}", WORKER, REQUEST, C, b"", *body)

    def answer(self, service: str, *body: bytes) -> list[bytes]:
        """The body of what it says to that."""
        (socket, frames), *_ = self.asks(service, *body)
        assert (socket, frames[:5]) == (f"titanic.{service}", [b"", WORKER, REPLY, C, b""])
        return frames[5:]

    def passes(self, seconds: float) -> list[Said]:
        said, until = list[Said](), self.now + seconds
        while self.core.deadline <= until:
            self.now = self.core.deadline
            said += self.sent(self.core.tick(self.now))
            assert self.core.deadline > self.now, "it would spin"
        self.now = until
        return said


def mmi(uuid: bytes, service: bytes = b"tea") -> Said:
    return uuid.decode(), [b"", CLIENT, b"mmi.service", service]


def job(uuid: bytes, *body: bytes, service: bytes = b"tea") -> Said:
    return uuid.decode(), [b"", CLIENT, service, *(body or (b"cup",))]


def yes(desk: Desk, uuid: bytes, code: bytes = b"200") -> list[Said]:
    return desk.hears(uuid.decode(), CLIENT, b"mmi.service", code)


def done(desk: Desk, uuid: bytes, *body: bytes, service: bytes = b"tea") -> list[Said]:
    return desk.hears(uuid.decode(), CLIENT, service, *(body or (b"hot",)))


def test_it_offers_three_services_each_on_a_socket_of_its_own() -> None:
    desk = Desk()
    names = [f"titanic.{name}" for name in ("request", "reply", "close")]
    assert [e for e in desk.did if isinstance(e, Open)] == [Open(name, zmq.DEALER, "here") for name in names]
    assert desk.sent(desk.did) == [(name, [b"", WORKER, READY, name.encode()]) for name in names]


def test_a_request_from_beginning_to_end() -> None:
    desk = Desk()
    accepted, asks = desk.asks("request", b"tea", b"cup", b"milk")
    assert accepted[1][5:] == [b"200", ONE]
    assert asks == mmi(ONE)
    assert desk.answer("reply", ONE) == [b"300"]
    assert yes(desk, ONE) == [job(ONE, b"cup", b"milk")]
    assert desk.answer("reply", ONE) == [b"300"]
    assert done(desk, ONE, b"hot", b"sweet") == []
    assert [desk.answer("reply", ONE) for _ in range(3)] == [[b"200", b"hot", b"sweet"]] * 3
    assert [desk.answer("close", ONE) for _ in range(2)] == [[b"200"]] * 2
    assert desk.answer("reply", ONE) == [b"400"]
    assert desk.passes(200.0) == []
    assert set(desk.core.parts) == {"titanic.request", "titanic.reply", "titanic.close"}
    assert not desk.core.asked
    assert not desk.core.due


@pytest.mark.parametrize(
    ("service", "body", "says"),
    [
        pytest.param("request", [b"tea"], [b"400"], id="a request without a body"),
        pytest.param("request", [b"", b"cup"], [b"400"], id="a request for no service"),
        pytest.param("request", [b"tea\n", b"cup"], [b"400"], id="a service that cannot be printed"),
        pytest.param("request", [b"tea", b""], [b"200", ONE], id="an empty body"),
        pytest.param("request", ["tée".encode("latin-1"), b"cup"], [b"200", ONE], id="a service that is no UTF-8"),
        pytest.param("reply", [b"nobody"], [b"400"], id="a reply to what nobody knows"),
        pytest.param("reply", [b"\xff" * 32], [b"400"], id="a UUID that is no text"),
        pytest.param("reply", [ONE, TWO], [b"400"], id="two at once"),
        pytest.param("close", [b"nobody"], [b"200"], id="to close what nobody knows"),
        pytest.param("close", [ONE, TWO], [b"400"], id="to close two at once"),
    ],
)
def test_what_it_says_to(service: str, body: list[bytes], says: list[bytes]) -> None:
    assert Desk().answer(service, *body) == says


@pytest.mark.parametrize(("service", "body"), [("request", [b"tea", b"x" * 10**6]), ("close", [ONE])])
def test_a_disk_that_fails_is_500_and_nothing_is_kept_of_it(path: str, service: str, body: list[bytes]) -> None:
    store = Store(path, "OFF", numbered())
    desk = Desk(store)
    assert desk.answer("request", b"tea", b"cup") == [b"200", ONE]
    store.db.execute(f"pragma max_page_count = {store.db.execute('pragma page_count').fetchone()[0]}")
    if service == "close":
        store.db.execute("pragma query_only = on")
    assert desk.answer(service, *body) == [b"500"]
    assert desk.answer("reply", ONE) == [b"300"]
    assert store.status(TWO) == [b"400"]


def test_a_reply_that_the_disk_does_not_take_is_worked_for_again() -> None:
    desk = Desk(retry=1.0)
    desk.asks("request", b"tea", b"cup")
    yes(desk, ONE)
    desk.store.db.execute("pragma query_only = on")
    assert done(desk, ONE) == []
    desk.store.db.execute("pragma query_only = off")
    assert desk.answer("reply", ONE) == [b"300"]
    assert desk.passes(1.0) == [mmi(ONE)]


def test_one_request_of_a_service_is_under_way_in_the_order_in_which_they_came() -> None:
    desk = Desk()
    assert desk.asks("request", b"tea", b"1")[1:] == [mmi(ONE)]
    assert desk.asks("request", b"tea", b"2")[1:] == []
    assert yes(desk, ONE) == [job(ONE, b"1")]
    assert done(desk, ONE) == [mmi(TWO)]
    assert yes(desk, TWO) == [job(TWO, b"2")]


def test_a_service_that_nobody_offers_does_not_hold_up_another() -> None:
    desk = Desk(retry=1.0)
    desk.asks("request", b"honey", b"jar")
    assert yes(desk, ONE, b"404") == []
    assert desk.asks("request", b"tea", b"cup")[1:] == [mmi(TWO)]
    assert yes(desk, TWO) == [job(TWO)]
    assert desk.passes(3.0) == [mmi(ONE, b"honey")], "asked again after a while; the answer is still to come"


def test_a_broker_that_does_not_answer_is_asked_again() -> None:
    desk = Desk(retry=1.0)
    desk.asks("request", b"tea", b"cup")
    assert desk.passes(titanic.TIMEOUT + 1.0) == [mmi(ONE)]


def test_a_job_without_a_reply_is_handed_out_again_when_its_limit_is_over() -> None:
    desk = Desk(limit=10.0, retry=1.0)
    desk.asks("request", b"tea", b"cup")
    yes(desk, ONE)
    assert desk.passes(10.9) == []
    assert desk.passes(0.2) == [mmi(ONE)]
    assert yes(desk, ONE) == [job(ONE)]
    assert done(desk, ONE) == []
    assert desk.answer("reply", ONE) == [b"200", b"hot"]


def test_what_is_closed_is_not_handed_out_and_a_late_reply_is_dropped() -> None:
    desk = Desk(retry=1.0)
    desk.asks("request", b"tea", b"1")
    desk.asks("request", b"tea", b"2")
    assert desk.answer("close", ONE) == [b"200"]
    assert yes(desk, ONE) == []
    assert desk.passes(1.0) == [mmi(TWO)]
    yes(desk, TWO)
    desk.answer("close", TWO)
    assert done(desk, TWO) == []
    assert desk.answer("reply", TWO) == [b"400"]


def test_the_next_life_goes_on_where_the_last_one_ended(path: str) -> None:
    with closing(Store(path, "OFF", numbered())) as store:
        desk = Desk(store)
        for body in b"1", b"2":
            desk.asks("request", b"tea", body)
        desk.asks("request", b"honey", b"3")
        yes(desk, ONE)
        done(desk, ONE)
    with closing(Store(path, "OFF")) as store:
        desk = Desk(store)
        assert sorted(desk.sent(desk.did)[3:]) == [mmi(TWO), mmi(THREE, b"honey")]
        assert desk.answer("reply", ONE) == [b"200", b"hot"]
        assert desk.answer("reply", TWO) == [b"300"]


@pytest.mark.parametrize("limit", ["limit", "retry"])
@pytest.mark.parametrize("value", [0.0, -1.0, NEVER, float("nan")])
def test_what_cannot_work_is_refused_by_its_name(limit: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{limit}: "):
        Titanic("here", memory(), **{limit: value})  # type: ignore[arg-type]


# -- killed at every step -----------------------------------------------------------------------------------------


class Killed(BaseException):
    pass


class Fate:
    """Ends a life at one of its steps: at the n-th, or at the first of this name; `ends` does it."""

    def __init__(self, step: int | str = 0, ends: Callable[[], None] = lambda: None) -> None:
        self.step, self.ends, self.count, self.names = step, ends, 0, list[str]()

    def __call__(self, name: str) -> None:
        self.count += 1
        self.names.append(name)
        if self.step in (self.count, name):
            self.step = 0
            self.ends()
            raise Killed


class FrailStore(Store):
    """Before each commit, in its midst, and after it there is a step."""

    fate = Fate()

    def write(self, *what: Any) -> None:
        super().write(*what)
        self.fate("in the midst of a commit")

    def add(self, service: bytes, body: list[bytes]) -> bytes:
        self.fate("before a request is stored")
        uuid = super().add(service, body)
        self.fate("after a request is stored")
        return uuid

    def finish(self, uuid: bytes, reply: list[bytes]) -> None:
        self.fate("before a reply is stored")
        super().finish(uuid, reply)
        self.fate("after a reply is stored")

    def forget(self, uuid: bytes) -> None:
        self.fate("before a request is closed")
        super().forget(uuid)
        self.fate("after a request is closed")


class Frail:
    """A core with a step before each of its effects."""

    def __init__(self, core: Any, fate: Fate, look: Callable[[Effect], None] = lambda effect: None) -> None:
        self.core, self.fate, self.look = core, fate, look

    @property
    def deadline(self) -> float:
        return float(self.core.deadline)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        return self._lives(self.core.receive(socket, frames, now))

    def tick(self, now: float) -> Iterator[Effect]:
        return self._lives(self.core.tick(now))

    def _lives(self, effects: Any) -> Iterator[Effect]:
        try:
            for effect in effects:
                self.fate(f"before {type(effect).__name__}")
                self.look(effect)
                yield effect
        except Killed:
            self.core.deadline = NEVER


class Guest:
    """Leaves requests [name][number][seat] for "book", fetches the replies and closes; asks again until it is told.

    accepted  the UUID of each number
    got       the reply to each number
    """

    def __init__(self, name: bytes, count: int, patience: float = 1.0) -> None:
        self.name, self.patience = name, patience
        self.accepted, self.got, self.wrong = dict[int, bytes](), dict[int, list[bytes]](), list[str]()
        self.steps = [("request", n) for n in range(count)]
        self.steps += [(what, n) for n in range(count) for what in ("reply", "reply", "close", "gone")]
        self.part: Client | None = None
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        if self.part is None:
            what, n = self.steps[0]
            frames = [b"book", self.name, b"%d" % n, b"seat"] if what == "request" else [self.accepted[n]]
            service = b"titanic." + (b"reply" if what == "gone" else what.encode())
            self.part = Client("b", service, [frames], self.patience, 1)
        yield from self._does(self.part.tick(now), now)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        if self.part:
            yield from self._does(self.part.receive(socket, frames, now), now)

    def _does(self, effects: Any, now: float) -> Iterator[Effect]:
        for effect in effects:
            if isinstance(effect, Result):
                self.part = None
                self._hears(effect.value)
            else:
                yield effect
        self.deadline = self.part.deadline if self.part else now + 0.1 if self.steps else NEVER

    def _hears(self, value: Any) -> None:
        what, n = self.steps[0]
        match what, value:
            case _, TimeoutError():
                return
            case "request", [b"200", uuid] if len(uuid) == 32:
                self.accepted[n] = uuid
            case "reply", [b"300"] if n not in self.got:
                return
            case "reply", [b"200", *reply] if self.got.setdefault(n, reply) == reply:
                pass
            case ("close", [b"200"]) | ("gone", [b"400"]):
                pass
            case _:
                self.wrong.append(f"{self.name!r}: titanic.{what} of number {n} said {value}")
        self.steps.pop(0)


def life(tmp_path: Path, step: int, idempotent: bool) -> tuple[Fate, Guest, list[bytes]]:
    """Titanic is killed at this step of its life, and restarted. What becomes of it, and what was booked."""
    network, name, stores = Network(46), numbered(), list[FrailStore]()
    once = Once(":memory:", book, "OFF")

    def ends() -> None:
        network.crash("titanic")
        network.at(network.now + 0.3, lambda: network.restart("titanic"))

    def open_store() -> FrailStore:
        for old in stores:
            old.db.close()  # nothing of a transaction that is open is kept
        stores.append(FrailStore(str(tmp_path / f"{step}.db"), "OFF", name))
        stores[-1].fate = fate
        return stores[-1]

    def work(job: list[bytes]) -> list[bytes]:
        if idempotent:
            return once(job)
        with once.db:
            return book(once.db, job)

    fate = Fate(step, ends)
    guest = Guest(b"Ann", 2, patience=4.0)  # so that only the broker gives out again what dies with Titanic
    network.play("broker", lambda: Broker("b", BEAT, 3))
    frail: Any = Frail
    network.play("titanic", lambda: frail(Titanic("b", open_store(), BEAT, 3, limit=2.5, retry=0.3), fate))
    network.play("worker", lambda: Worker("b", b"book", BEAT, 3), work)
    network.at(0.1, lambda: network.play("Ann", lambda: guest))
    while guest.steps and network.now < LATE:
        network.run(network.now + 0.2)
    network.run(network.now + 2.0)  # what would be done again would be by now
    stores[-1].db.close()
    return fate, guest, notes(once)


@pytest.mark.parametrize("idempotent", [True, False])
def test_killed_at_every_step_it_loses_nothing_that_it_has_accepted(tmp_path: Path, idempotent: bool) -> None:
    """And what it has said to be done is not done again; nor is anything, where the service does each job once."""
    quiet, _, _ = life(tmp_path, 0, idempotent)
    last = {name: n for n, name in enumerate(quiet.names, 1)}
    assert set(last) == {"before Open", "before Send", "before Close", "in the midst of a commit"} | {
        f"{when} {what}"
        for when in ("before", "after")
        for what in ("a request is stored", "a reply is stored", "a request is closed")
    }
    twice = 0
    for step in range(1, last["after a request is closed"] + 1):
        fate, guest, booked = life(tmp_path, step, idempotent)
        where = f"killed at step {step}, {quiet.names[step - 1]}"
        assert fate.step == 0, where
        assert (guest.steps, guest.wrong) == ([], []), where
        assert len(booked) in ((2,) if idempotent or step >= last["after a reply is stored"] else (2, 3)), where
        if idempotent:
            assert sorted(guest.got.values()) == [[b"1"], [b"2"]], where
        twice += len(booked) > 2
    assert idempotent or twice


# -- bad hours ----------------------------------------------------------------------------------------------------

TROUBLE = 5.0  # seconds in which things go wrong


class Hour:
    """A broker, Titanic, two workers of one idempotent service, and three guests; what befalls them is up to the seed.

    The disk of Titanic and that of the service outlive every crash.
    """

    def __init__(
        self, seed: int, recipe: Any = titanic, store: Any = _store, write: Callable[..., object] = lambda *event: None
    ) -> None:
        self.chance, self.wrong = random.Random(f"titanic {seed}"), list[str]()
        self.net = Network(f"titanic {seed}", write=write)
        self.store, self.once = store.Store(":memory:", "OFF", numbered()), store.Once(":memory:", book, "OFF")
        self.guests = [Guest(b"guest %d" % n, 2) for n in range(3)]
        self.recipe, self.out = recipe, dict[bytes, bytes]()

    def live(self) -> list[str]:
        net, chance = self.net, self.chance
        net.play("broker", lambda: Broker("b", BEAT, 3))
        net.play("titanic", self.titanic)
        for name in "worker 1", "worker 2":
            net.play(name, lambda: Worker("b", b"book", BEAT, 3), self.once, chance.choice([0.01, 0.3, 1.0]))
        for n, guest in enumerate(self.guests):
            net.at(chance.uniform(0, TROUBLE), partial(self.arrives, f"guest {n}", guest))
        net.trouble(["broker", "titanic", "worker 1", "worker 2"], until=TROUBLE)
        while net.now < LATE and (net.now <= TROUBLE or any(guest.steps for guest in self.guests)):
            net.run(net.now + 0.5)
        self.judge()
        return self.wrong

    def arrives(self, name: str, guest: Guest) -> None:
        self.net.play(name, lambda: guest)

    def titanic(self) -> Any:
        return Frail(self.recipe.Titanic("b", self.store, BEAT, 3, limit=2.5, retry=0.3), Fate(), self.look)

    def look(self, effect: Effect) -> None:
        """Nothing is accepted that is not stored; nothing is handed out whose reply is."""
        match effect:
            case Send("titanic.request", [b"", b"MDPW01", b"\x03", _, b"", b"200", uuid]):
                if self.store.status(uuid) == [b"400"]:
                    self.wrong.append(f"{self.net.now:.3f} accepted {uuid!r}, which is not stored")
            case Send(uuid, [b"", b"MDPC01", b"book", *_]):
                if self.store.status(uuid.encode()) != [b"300"]:
                    self.wrong.append(f"{self.net.now:.3f} handed out {uuid!r}, which does not wait")

    def judge(self) -> None:
        for guest in self.guests:
            self.wrong += guest.wrong
            if guest.steps:
                self.wrong.append(f"{guest.name!r} still waits for {guest.steps[0]}")
        booked = [body for (body,) in self.once.db.execute("select count(*) from note")] if notes(self.once) else [0]
        if booked != [6]:
            self.wrong.append(f"{booked} seats were booked, and six were asked for")
        if len({reply[0] for guest in self.guests for reply in guest.got.values()}) != 6:
            self.wrong.append(f"replies: {[guest.got for guest in self.guests]}")


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


def test_everything_accepted_is_answered_and_done_once() -> None:
    for seed in range(SEEDS):
        assert not (wrong := hostile(seed)), f"seed {seed}: {wrong[:3]}"


MUTANTS = {
    "hands out again what has its reply": (_store, "set done = 1 where", "set done = 0 where"),
    "takes what is under way as done": (
        titanic,
        'if body := self.store.read(uuid, b"body"):',
        'if [body := self.store.read(uuid, b"body"), self.store.finish(uuid, [b"0"])]:',
    ),
    "accepts what it has not stored": (titanic, "uuid = self.store.add(service, job[1:])", "uuid = self.store.name()"),
    "forgets what waits when it is restarted": (titanic, "dict.fromkeys(store.services(), AT_ONCE)", "{}"),
    "deletes a reply that was fetched": (
        titanic,
        "return self.store.status(uuid)",
        "return (self.store.status(uuid), self.store.forget(uuid))[0]",
    ),
    "does not close": (titanic, "self.store.forget(uuid)", "pass"),
    "never asks again for a service": (titanic, "self.due[service] = now + self.retry", "pass"),
    "has a service that forgets its replies": (_store, "self.write(client, number, reply)", "pass"),
    "has a service that knows no clients": (_store, "case [client, number, _, *_]", "case [_, number, client, *_]"),
}


@pytest.mark.parametrize("mutant", [pytest.param(m, id=f"a recipe that {name}") for name, m in MUTANTS.items()])
def test_bad_hours_tell(mutant: tuple[Any, str, str]) -> None:
    recipe = broken(*mutant)
    parts = (recipe, _store) if mutant[0] is titanic else (titanic, recipe)
    assert any(trouble(seed, *parts) for seed in range(SEEDS))


def trouble(seed: int, *parts: Any) -> bool:
    try:
        return bool(Hour(seed, *parts).live())
    except (RuntimeError, sqlite3.Error):
        return True


# -- over sockets -------------------------------------------------------------------------------------------------

SHORT = 0.2  # seconds between heartbeats here; who stands still for longer than five may have its work done again


def frail(ctx: Any, endpoint: str, path: str, limit: float, step: str, told: str) -> None:
    """Titanic, which comes to a stop at the first step of this name, and tells that it is there."""
    with closing(FrailStore(path)) as store, ctx.socket(zmq.DEALER) as tell:
        tell.connect(told)
        store.fate = Fate(step, lambda: tell.send(b"here") or tell.recv())
        core: Any = Titanic(endpoint, store, SHORT, limit=limit, retry=SHORT)
        core = Frail(core, store.fate)
        serve(ctx, core)


class House:
    """A broker and Titanic, which may be killed, and what a client asks of them."""

    def __init__(self, stage: Stage, path: str) -> None:
        self.stage, self.path, self.endpoint, self.count = stage, path, stage.endpoint("broker"), itertools.count(1)
        self.told = stage.socket(zmq.DEALER, rcvtimeo=int(WAIT * 1000))
        self.told.bind(stage.endpoint("told"))

    def broker(self, name: str = "broker") -> Any:
        """In a process, so that it can be killed."""
        return self.stage.spawn(majordomo.broker, self.endpoint, SHORT, name=name)

    def titanic(self, step: str = "", limit: float = WAIT) -> Any:
        name, told = f"titanic {next(self.count)}", self.stage.endpoint("told")
        return self.stage.spawn(frail, self.endpoint, self.path, limit, step, told, name=name)

    def offers(self, work: Any, name: str = "worker") -> None:
        role = partial(majordomo.worker, endpoint=self.endpoint, interval=SHORT, work=work)
        self.stage.play(role, "book", name=name)

    def asks(self, role: Any, *words: str, endpoint: str = "", **options: Any) -> Any:
        play = partial(role, endpoint=endpoint or self.endpoint, **options)
        return self.stage.play(play, *words, name=f"client {next(self.count)}")

    def leaves(self, *words: str) -> str:
        return str(self.asks(titanic.request, "book", *words).result(WAIT))

    def fetches(self, uuid: str) -> Any:
        return self.asks(titanic.reply, uuid, timeout=WAIT)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients ask for as long as a test waits: on a busy machine a process takes its time to start."""
    monkeypatch.setattr(titanic, "TRIES", 8)


@pytest.fixture
def house(path: str) -> Iterator[House]:
    with Stage() as stage:
        it = House(stage, path)
        stage.play(majordomo.broker, it.endpoint, SHORT)
        yield it


class Seats:
    """A service that is not idempotent: it counts what it is asked for, and is not done while it is held."""

    def __init__(self) -> None:
        self.seen, self.got, self.go = list[list[bytes]](), threading.Semaphore(0), threading.Event()

    def __call__(self, body: list[bytes]) -> list[bytes]:
        self.seen.append(body)
        number = len(self.seen)
        self.got.release()
        assert self.go.wait(WAIT)
        return [b"%d" % number]


@pytest.fixture
def seats() -> Iterator[Seats]:
    it = Seats()
    it.go.set()
    yield it
    it.go.set()


@pytest.fixture(params=["plain", "traced"])
def either(request: Any) -> Iterator[Stage]:
    with Stage(trace.Context(Recording()) if request.param == "traced" else None) as it:
        yield it


def test_a_request_waits_for_its_worker_and_its_client_may_go(either: Stage, path: str, seats: Seats) -> None:
    house = House(either, path)
    either.play(majordomo.broker, house.endpoint, SHORT)
    either.play(partial(titanic.titanic, interval=SHORT, retry=SHORT), path, house.endpoint)
    uuid = house.leaves("Ann", "1", "seat")
    waiting = house.fetches(uuid)
    assert is_stuck(waiting)
    house.offers(seats)
    assert waiting.result(WAIT)
    assert seats.seen[0] == [b"Ann", b"1", b"seat"]
    house.asks(titanic.close, uuid).result(WAIT)
    house.asks(titanic.close, uuid).result(WAIT)
    with pytest.raises(ValueError, match=rf"^titanic.reply cannot do anything with '{uuid}'"):
        house.fetches(uuid).result(WAIT)
    with pytest.raises(ValueError, match=r"^titanic.request cannot do anything with ' '"):
        house.asks(titanic.request, " ").result(WAIT)


def test_a_reply_that_does_not_come_is_a_timeout_error(house: House) -> None:
    house.titanic()
    uuid = house.leaves("seat")
    with pytest.raises(TimeoutError, match=rf"^no reply to {uuid} for 0.1 s"):
        house.asks(titanic.reply, uuid, timeout=0.1).result(WAIT)


def test_what_was_accepted_outlives_the_death_of_all(path: str, seats: Seats) -> None:
    with Stage() as stage:
        house = House(stage, path)
        every = [house.broker(), house.titanic()]
        uuid = house.leaves("seat")
        for each in every:
            each.kill()
        house.broker("new broker")
        house.titanic()
        house.offers(seats)
        assert house.fetches(uuid).result(WAIT)
        assert seats.seen[0] == [b"seat"]


@signals
@pytest.mark.parametrize("step", ["in the midst of a commit", "after a request is stored", "after a reply is stored"])
def test_a_process_that_is_killed_goes_on_in_the_next_one(house: House, seats: Seats, step: str) -> None:
    house.offers(seats)
    first = house.titanic(step)
    asking = house.asks(titanic.request, "book", "seat")
    assert house.told.recv() == b"here"
    first.kill()
    house.titanic()
    assert house.fetches(asking.result(WAIT)).result(WAIT)
    assert seats.seen[0] == [b"seat"], "at least once"


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


@signals
def test_a_reply_that_dies_with_titanic_is_worked_for_again(house: House, seats: Seats) -> None:
    house.offers(seats)
    first = house.titanic("before a reply is stored")
    uuid = house.leaves("seat")
    assert house.told.recv() == b"here"
    first.kill()
    house.titanic()
    [number] = house.fetches(uuid).result(WAIT)
    assert int(number) >= 2, "the work was done again, and that reply was stored"


@signals
def test_a_frozen_titanic_keeps_its_store_and_goes_on(house: House, seats: Seats, path: str) -> None:
    house.offers(seats)
    first = house.titanic()
    uuid = house.leaves("seat")
    reply = house.fetches(uuid).result(WAIT)
    first.freeze()
    with pytest.raises(ValueError, match="database is locked"):
        Store(path)
    waiting = house.fetches(uuid)
    assert is_stuck(waiting)
    first.thaw()
    assert waiting.result(WAIT) == reply


def test_who_never_hears_that_it_was_accepted_has_it_stored_twice(house: House, seats: Seats) -> None:
    house.titanic()
    with Wire(house.endpoint) as wire, pytest.MonkeyPatch.context() as patch:
        wire.drop("back", 1)
        patch.setattr(titanic, "TIMEOUT", 0.3)
        patch.setattr(titanic, "TRIES", 50)
        uuid = house.asks(titanic.request, "book", "seat", endpoint=wire.endpoint).result(WAIT)
    house.offers(seats)
    assert house.fetches(uuid).result(WAIT) == [b"%d" % len(seats.seen)]
    assert len(seats.seen) > 1


def test_a_job_longer_than_the_limit_is_done_again(house: House, seats: Seats) -> None:
    seats.go.clear()
    house.offers(seats, "slow")
    house.titanic(limit=0.2)
    uuid = house.leaves("seat")
    assert seats.got.acquire(timeout=WAIT)
    house.offers(seats, "another")
    assert seats.got.acquire(timeout=WAIT), "the next worker has it as well"
    seats.go.set()
    assert house.fetches(uuid).result(WAIT)


def test_a_job_in_hand_when_the_broker_restarts_is_done_again(path: str, seats: Seats) -> None:
    with Stage() as stage:
        house = House(stage, path)
        seats.go.clear()
        old = house.broker()
        house.offers(seats)
        house.titanic(limit=1.0)
        uuid = house.leaves("seat")
        assert seats.got.acquire(timeout=WAIT)
        old.kill()
        house.broker("new broker")
        seats.go.set()
        assert house.fetches(uuid).result(WAIT)
        assert len(seats.seen) >= 2, "its first reply had nobody to go to"


@curve
def test_under_curve_only_who_has_the_keys_is_served(path: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        home.play(majordomo.broker, "tcp://127.0.0.1:*")
        [endpoint] = bound_at(recording, "broker")
        abroad.play(titanic.titanic, path, endpoint)
        cup = [b"", CLIENT, b"titanic.request", b"book", b"cup"]
        with turned_away(street, zmq.DEALER, endpoint, cup):
            asking = abroad.play(partial(titanic.request, endpoint=endpoint), "book", "seat")
            assert len(asking.result(WAIT)) == 32
        assert not any(b"cup" in e.frames for e in recording if e.kind == "receive")


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_five_terminals_and_ctrl_c(tmp_path: Path) -> None:
    with shell("majordomo", "broker", "--endpoint", "tcp://127.0.0.1:0") as serving:
        way = "--endpoint", bound_to(serving)[0]
        files = [str(tmp_path / name) for name in ("titanic.db", "notes.db")]
        with shell("titanic", "titanic", "--store", files[0], *way) as keeping:
            with shell("titanic", "request", "book", "Ann", "1", "seat", *way) as asking:
                code, uuid, err = ended(asking)
                assert (code, len(uuid), err) == (0, 33, "")
            with shell("titanic", "worker", "book", "--store", files[1], *way) as working:
                with shell("titanic", "reply", uuid.strip(), *way, "--timeout", f"{WAIT}") as asking:
                    assert ended(asking) == (0, "1\n", "")
                ends_on_ctrl_c(keeping, working, serving)
