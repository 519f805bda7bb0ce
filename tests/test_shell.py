# SPDX-License-Identifier: BSD-3-Clause
"""The shell of a core, blocking and under asyncio, with a plain and a tracing Context: each test in all four ways.

Nothing is timed: what has to happen first is waited for, and a job lasts until the test lets it end.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from queue import Queue
from typing import Any

import pytest
import zmq
import zmq.asyncio
from cores import FreeClient, FreeServer, Script, Star, StarClient, State

from diagrams import trace
from diagrams.recording import Recording
from patterns.shell import (
    AT_ONCE,
    BATCH,
    LINGER,
    NEVER,
    WORK,
    Carrier,
    Close,
    Core,
    Effect,
    Open,
    Result,
    Send,
    Subscribe,
    Work,
    Worker,
    arun,
    run,
)
from patterns.stage import Actor, Stage

WAIT = 20.0  # seconds: the bound of every wait
MS = int(WAIT * 1000)
HOUR = 3600.0


@dataclass
class Theatre:
    """A stage, and which shell plays the cores on it. What they give is in `results`, by the actor's name."""

    stage: Stage
    shell: str
    results: dict[str, Queue[Any]] = field(default_factory=dict)

    def play(self, core: Core, work: Worker | None = None, name: str = "core", stage: Stage | None = None) -> Actor:
        results = self.results[name] = Queue()

        def blocking(ctx: zmq.Context[Any]) -> None:
            for value in run(ctx, core, work):
                results.put(value)

        async def asynchronous(ctx: zmq.Context[Any]) -> None:
            async for value in arun(ctx, core, work):
                results.put(value)

        return (stage or self.stage).play(blocking if self.shell == "blocking" else asynchronous, name=name)

    def result(self, name: str = "core") -> Any:
        return self.results[name].get(timeout=WAIT)

    def socket(self, kind: int, endpoint: str, *, bind: bool = False, **options: Any) -> zmq.Socket[bytes]:
        """A socket of the test's own."""
        sock: zmq.Socket[bytes] = self.stage.socket(kind, rcvtimeo=MS, sndtimeo=MS, linger=0, **options)
        sock.bind(endpoint) if bind else sock.connect(endpoint)
        return sock


def context(kind: str) -> zmq.Context[Any]:
    ctx: zmq.Context[Any] = zmq.Context() if kind == "plain" else trace.Context(Recording())
    ctx.linger = 0  # what nobody waits for is not worth a second at the end of each test
    return ctx


@pytest.fixture(params=["blocking", "asyncio"])
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["plain", "tracing"])
def theatre(request: pytest.FixtureRequest, shell: str) -> Iterator[Theatre]:
    with Stage(context(request.param)) as stage:
        yield Theatre(stage, shell)


def tell(socket: str, frames: list[bytes]) -> list[Effect]:
    return [Result(frames)]


def listener(kind: int, endpoint: str, *more: Effect, bind: bool = True) -> Script:
    return Script(Open("socket", kind, endpoint, bind=bind), *more, hear=tell)


HERE = "inproc://here"  # messages sent before it is bound wait there, and are all received at once


# -- messages -----------------------------------------------------------------------------------------------------


def test_a_core_hears_by_the_name_that_it_gave_a_socket(theatre: Theatre) -> None:
    one, two = theatre.stage.endpoint("one"), theatre.stage.endpoint("two")
    opens = [Open("left", zmq.PULL, one, bind=True), Open("right", zmq.PULL, two, bind=True)]
    theatre.play(Script(*opens, hear=lambda socket, frames: [Result((socket, frames))]))
    for endpoint, name in ((one, "left"), (two, "right")):
        theatre.socket(zmq.PUSH, endpoint).send_multipart([b"hello", name.encode()])
        assert theatre.result() == (name, [b"hello", name.encode()])


def test_what_a_core_sends_arrives(theatre: Theatre) -> None:
    endpoint = theatre.stage.endpoint("server")
    theatre.play(Script(Open("socket", zmq.ROUTER, endpoint, bind=True), hear=lambda s, f: [Send(s, f)]))
    client = theatre.socket(zmq.DEALER, endpoint)
    client.send_multipart([b"", b"hello"])
    assert client.recv_multipart() == [b"", b"hello"]


def test_an_open_name_is_connected_to_one_endpoint_more(theatre: Theatre) -> None:
    endpoints = [theatre.stage.endpoint(n) for n in ("one", "two")]
    servers = [theatre.socket(zmq.PULL, e, bind=True) for e in endpoints]
    opens = [Open("socket", zmq.PUSH, e) for e in endpoints]
    theatre.play(Script(*opens, Send("socket", [b"1"]), Send("socket", [b"2"])))
    assert {server.recv() for server in servers} == {b"1", b"2"}


def test_options_are_set_before_the_socket_is_bound_or_connected(theatre: Theatre) -> None:
    one, two = theatre.stage.endpoint("one"), theatre.stage.endpoint("two")
    routers = [theatre.socket(zmq.ROUTER, e, bind=True) for e in (one, two)]
    # the second option only works if it is set before the second connection is made
    first = Open("socket", zmq.ROUTER, one, options={"routing_id": b"anna", "connect_routing_id": b"the first"})
    second = Open("socket", zmq.ROUTER, two, options={"connect_routing_id": b"the second"})
    theatre.play(Script(first, second, Send("socket", [b"the first", b"1"]), Send("socket", [b"the second", b"2"])))
    assert [router.recv_multipart() for router in routers] == [[b"anna", b"1"], [b"anna", b"2"]]


def test_a_sub_receives_what_it_has_subscribed_to(theatre: Theatre) -> None:
    endpoint = theatre.stage.endpoint("pub")
    pub = theatre.socket(zmq.XPUB, endpoint, bind=True)
    theatre.play(listener(zmq.SUB, endpoint, Subscribe("socket", b"a"), bind=False))
    assert pub.recv() == b"\1a"
    for word in (b"banana", b"apple"):
        pub.send(word)
    assert theatre.result() == [b"apple"]


def test_a_message_that_would_block_is_lost_and_the_core_goes_on(theatre: Theatre) -> None:
    nobody = theatre.stage.endpoint("nobody")
    opens = [Open("socket", zmq.PUSH, nobody, bind=True), Send("socket", [b"lost"])]
    theatre.play(Script(*opens, Result("went on")))
    assert theatre.result() == "went on"


def test_a_message_for_a_name_that_a_mandatory_router_does_not_know_is_lost_and_the_core_goes_on(
    theatre: Theatre,
) -> None:
    endpoint = theatre.stage.endpoint("router")
    opens = Open("socket", zmq.ROUTER, endpoint, bind=True, options={"router_mandatory": 1})
    theatre.play(Script(opens, Send("socket", [b"nobody", b"lost"]), hear=lambda s, f: [Send(s, f), Result("went on")]))
    client = theatre.socket(zmq.DEALER, endpoint)
    client.send(b"hello")
    assert theatre.result() == "went on"
    assert client.recv() == b"hello"


def test_a_core_may_have_a_rep_whose_reply_comes_later(theatre: Theatre) -> None:
    def hear(socket: str, frames: list[bytes]) -> list[Effect]:
        return [Send("rep", frames)] if socket == WORK else [Work(frames)]

    endpoint = theatre.stage.endpoint("rep")
    theatre.play(Script(Open("rep", zmq.REP, endpoint, bind=True), hear=hear), lambda job: [job[0].upper()])
    for client in [theatre.socket(zmq.REQ, endpoint) for _ in range(2)]:
        for word in (b"one", b"two"):
            client.send(word)
            assert client.recv() == word.upper()


def test_a_burst_does_not_starve_the_clock(theatre: Theatre) -> None:
    class Counting(Script):
        """Wants a tick after each turn, and gives how much it heard until then."""

        heard = 0

        def tick(self, now: float) -> list[Effect]:
            effects, self.heard = [*super().tick(now), Result(self.heard)], 0
            self.deadline = now
            return effects

        def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
            self.heard += 1
            return []

    push = theatre.socket(zmq.PUSH, HERE)
    for _ in range(3 * BATCH):
        push.send(b"")
    theatre.play(Counting(Open("socket", zmq.PULL, HERE, bind=True)))
    turns: list[int] = []
    while sum(turns) < 3 * BATCH:
        turns.append(theatre.result())
    assert max(turns) == BATCH


def test_a_busy_socket_does_not_starve_another(theatre: Theatre) -> None:
    class Order(Script):
        def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
            return [Result(socket)]

    busy, calm = theatre.socket(zmq.PUSH, HERE), theatre.socket(zmq.PUSH, "inproc://calm")
    for _ in range(3 * BATCH):
        busy.send(b"")
    calm.send(b"")
    opens = [Open("busy", zmq.PULL, HERE, bind=True), Open("calm", zmq.PULL, "inproc://calm", bind=True)]
    theatre.play(Order(*opens))
    order = [theatre.result() for _ in range(3 * BATCH + 1)]
    assert order.index("calm") <= BATCH


# -- time ---------------------------------------------------------------------------------------------------------


class Clock:
    """Ticks this often, this many seconds apart, and tells when."""

    def __init__(self, times: int, interval: float) -> None:
        self.left, self.interval, self.deadline = times, interval, AT_ONCE

    def tick(self, now: float) -> list[Effect]:
        due, self.left = self.deadline, self.left - 1
        self.deadline = now + self.interval if self.left else NEVER
        return [Result((due, now))]

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
        return []


def test_a_tick_comes_at_its_deadline_and_never_before(theatre: Theatre) -> None:
    theatre.play(Clock(20, 0.003))
    for _ in range(20):
        due, now = theatre.result()
        assert due <= now


def test_a_deadline_that_a_message_moves_closer_is_kept(theatre: Theatre) -> None:
    class Eager(Script):
        def tick(self, now: float) -> list[Effect]:
            due, effects = self.deadline, super().tick(now)
            self.deadline = now + HOUR
            return [*effects, Result(due <= now)]

        def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
            self.deadline = now + 0.002
            return []

    endpoint = theatre.stage.endpoint("core")
    theatre.play(Eager(Open("socket", zmq.PULL, endpoint, bind=True)))
    assert theatre.result()
    push = theatre.socket(zmq.PUSH, endpoint)
    for _ in range(20):
        push.send(b"")
        assert theatre.result(), "it ticked before its time"


class Generator:
    """A core whose effects come from generators, which set the deadline last."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self.deadline = endpoint, AT_ONCE

    def tick(self, now: float) -> Iterable[Effect]:
        yield Open("socket", zmq.PULL, self.endpoint, bind=True)
        yield Result("open")
        self.deadline = NEVER

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterable[Effect]:
        yield Result(frames)
        yield Close("socket")
        yield Result("closed")


def test_a_core_may_be_a_generator_and_its_effects_are_done_in_order(theatre: Theatre) -> None:
    push = theatre.socket(zmq.PUSH, HERE)
    push.send(b"hello")
    push.send(b"too late")
    theatre.play(Generator(HERE))
    assert [theatre.result() for _ in range(3)] == ["open", [b"hello"], "closed"]


# -- closing and opening ------------------------------------------------------------------------------------------


def test_what_comes_for_a_closed_socket_is_not_heard(theatre: Theatre) -> None:
    def hear(socket: str, frames: list[bytes]) -> list[Effect]:
        return [Result(frames), *([Close("socket"), Close("socket")] if socket == "socket" else [])]

    push, other = theatre.socket(zmq.PUSH, HERE), theatre.stage.endpoint("other")
    for word in (b"one", b"two", b"three"):
        push.send(word)
    opens = [Open("socket", zmq.PULL, HERE, bind=True), Open("other", zmq.PULL, other, bind=True)]
    theatre.play(Script(*opens, hear=hear))
    assert theatre.result() == [b"one"]
    theatre.socket(zmq.PUSH, other).send(b"goes on")
    assert theatre.result() == [b"goes on"]


def test_a_socket_that_another_closes_in_the_same_turn_is_not_heard(theatre: Theatre) -> None:
    def hear(socket: str, frames: list[bytes]) -> list[Effect]:
        return [Result(socket), Close("two" if socket == "one" else "one")]

    for name in ("one", "two"):
        theatre.socket(zmq.PUSH, f"inproc://{name}").send(b"")
    last = theatre.stage.endpoint("last")
    opens = [Open(name, zmq.PULL, f"inproc://{name}", bind=True) for name in ("one", "two")]
    theatre.play(Script(*opens, Open("three", zmq.PULL, last, bind=True), hear=hear))
    heard = [theatre.result()]
    theatre.socket(zmq.PUSH, last).send(b"")
    heard.append(theatre.result())
    assert heard in (["one", "three"], ["two", "three"])


def test_a_name_that_was_closed_can_be_opened_again_for_another_peer(theatre: Theatre) -> None:
    one, two = (theatre.socket(zmq.ROUTER, theatre.stage.endpoint(n), bind=True) for n in ("one", "two"))

    def hear(socket: str, frames: list[bytes]) -> list[Effect]:
        move = [
            Close("socket"),
            Open("socket", zmq.DEALER, theatre.stage.endpoint("two")),
            Send("socket", [b"hello two"]),
        ]
        return move if frames == [b"move"] else [Result(frames)]

    opens = [Open("socket", zmq.DEALER, theatre.stage.endpoint("one")), Send("socket", [b"hello one"])]
    theatre.play(Script(*opens, hear=hear))
    client, hello = one.recv_multipart()
    assert hello == b"hello one"
    one.send_multipart([client, b"move"])
    client, hello = two.recv_multipart()
    assert hello == b"hello two"
    two.send_multipart([client, b"well done"])
    assert theatre.result() == [b"well done"]


def test_a_socket_that_lingers_goes_on_sending_after_it_was_closed(theatre: Theatre) -> None:
    endpoint = theatre.stage.endpoint("server")
    opens = [Open("socket", zmq.PUSH, endpoint), Send("socket", [b"goodbye"]), Close("socket", linger=WAIT)]
    theatre.play(Script(*opens, Result("closed")))
    assert theatre.result() == "closed"
    assert theatre.socket(zmq.PULL, endpoint, bind=True).recv() == b"goodbye"


MISTAKES = {
    "a send where nothing is open": ([Send("socket", [b""])], KeyError),
    "a subscription where nothing is open": ([Subscribe("socket", b"")], KeyError),
    "a send after the socket was closed": (
        [Open("socket", zmq.PUSH, HERE), Close("socket"), Send("socket", [b""])],
        KeyError,
    ),
    "a job that nobody does": ([Work([b""])], ValueError),
    "an option that no socket has": ([Open("socket", zmq.PUSH, HERE, options={"colour": 1})], AttributeError),
    "an endpoint that is none": ([Open("socket", zmq.PUSH, "nowhere")], zmq.ZMQError),
    "an exception as a result": ([Result(LookupError("nobody is there"))], LookupError),
}


@pytest.mark.parametrize(("effects", "error"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_of_the_core_ends_its_role(theatre: Theatre, effects: list[Effect], error: type[Exception]) -> None:
    actor = theatre.play(Script(Open("other", zmq.PULL, theatre.stage.endpoint("o"), bind=True), *effects))
    with pytest.raises(error):
        actor.result(WAIT)


def test_what_a_core_raises_ends_its_role(theatre: Theatre) -> None:
    def hear(socket: str, frames: list[bytes]) -> list[Effect]:
        raise RuntimeError("two are active")

    endpoint = theatre.stage.endpoint("core")
    actor = theatre.play(Script(Open("socket", zmq.PULL, endpoint, bind=True), hear=hear))
    theatre.socket(zmq.PUSH, endpoint).send(b"")
    with pytest.raises(RuntimeError, match="two are active"):
        actor.result(WAIT)


def test_no_socket_has_the_name_of_the_jobs() -> None:
    with pytest.raises(ValueError, match="socket: 'work'"):
        Open(WORK, zmq.PULL, HERE)


# -- jobs ---------------------------------------------------------------------------------------------------------


class Employee:
    """Does what it hears, and sends a heartbeat often enough to be alive: three missing ones are its death."""

    INTERVAL, LIVENESS = 0.005, 3

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self.deadline = endpoint, AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        if self.deadline == AT_ONCE:
            yield Open("master", zmq.DEALER, self.endpoint)
        self.deadline = now + self.INTERVAL
        yield Send("master", [b"HEARTBEAT"])

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
        return [Send("master", [b"DONE", *frames])] if socket == WORK else [Work(frames)]


def test_a_job_of_five_times_the_liveness_does_not_cost_a_heartbeat(theatre: Theatre) -> None:
    begun, go = threading.Event(), threading.Event()

    def work(job: list[bytes]) -> list[bytes]:
        begun.set()
        assert go.wait(WAIT)
        return [job[0].upper()]

    master = theatre.socket(zmq.DEALER, theatre.stage.endpoint("master"), bind=True)
    theatre.play(Employee(theatre.stage.endpoint("master")), work)
    assert master.recv() == b"HEARTBEAT"
    master.send(b"dig")
    assert begun.wait(WAIT)
    heartbeats = 0
    while heartbeats < 5 * Employee.LIVENESS:  # the job is under way all the while
        assert master.recv_multipart() == [b"HEARTBEAT"]
        heartbeats += 1
    go.set()
    while (said := master.recv_multipart()) == [b"HEARTBEAT"]:
        pass
    assert said == [b"DONE", b"DIG"]


class Foreman(Script):
    """Gives a job for each of these words at once, and each result as a result."""

    def __init__(self, *words: bytes) -> None:
        super().__init__(*[Work([word]) for word in words])

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
        return [Result((socket, frames))]


def test_jobs_are_done_one_after_the_other_by_one_thread(theatre: Theatre) -> None:
    under_way, threads = [], set()

    def work(job: list[bytes]) -> list[bytes]:
        under_way.append(job)
        threads.add(threading.get_ident())
        assert len(under_way) == 1
        threading.Event().wait(0.001)
        under_way.remove(job)
        return job

    words = [b"%d" % n for n in range(20)]
    theatre.play(Foreman(*words), work)
    assert [theatre.result() for _ in words] == [(WORK, [word]) for word in words]
    assert len(threads) == 1


def test_work_that_raises_ends_the_role_with_what_it_raised(theatre: Theatre) -> None:
    def work(job: list[bytes]) -> list[bytes]:
        raise ZeroDivisionError("nothing to share with")

    actor = theatre.play(Foreman(b"a", b"b"), work)
    with pytest.raises(ZeroDivisionError, match="nothing to share with"):
        actor.result(WAIT)


def test_a_job_at_hand_does_not_hold_up_the_end(shell: str) -> None:
    begun, go = threading.Event(), threading.Event()

    def work(job: list[bytes]) -> list[bytes]:
        begun.set()
        assert go.wait(WAIT)
        return job

    with Stage() as stage:
        Theatre(stage, shell).play(Foreman(b"a", b"b"), work)
        assert begun.wait(WAIT)
    (thread,) = [t for t in threading.enumerate() if t.name == "jobs"]
    begun.clear()
    go.set()  # now it ends by itself, unheard
    thread.join(WAIT)
    assert not thread.is_alive()
    assert not begun.is_set(), "the next job was begun"


# -- the end ------------------------------------------------------------------------------------------------------

ENDS = {
    "waits on a socket": lambda: Script(Open("socket", zmq.PULL, HERE, bind=True), Result("ready")),
    "waits for a time": lambda: Script(Open("socket", zmq.PULL, HERE, bind=True), Result("ready"), later={HOUR: []}),
    "has no socket open": lambda: Script(Result("ready"), later={HOUR: []}),
    "is always busy": lambda: Busy(),
}


class Busy(Script):
    """Has a deadline that is always due, and gives results without end."""

    def tick(self, now: float) -> list[Effect]:
        self.deadline = now
        return [Result("ready")]


@pytest.mark.parametrize("make", ENDS.values(), ids=[f"that {k}" for k in ENDS])
@pytest.mark.parametrize("work", [None, lambda job: job], ids=["without work", "with work"])
def test_the_contexts_end_ends_a_core(shell: str, make: Callable[[], Core], work: Worker | None) -> None:
    for kind in ("plain", "tracing"):
        with Stage(context(kind)) as stage:  # it raises if anything is left open
            theatre = Theatre(stage, shell)
            actor = theatre.play(make(), work)
            assert theatre.result() == "ready"
        assert actor.done


def test_who_stops_asking_leaves_nothing_open() -> None:
    with zmq.Context() as ctx, ctx.socket(zmq.PUSH) as push:
        push.connect(HERE)
        push.send(b"hello")
        assert next(run(ctx, listener(zmq.PULL, HERE), lambda job: job)) == [b"hello"]
        assert not [s for s in ctx._sockets if s is not push and not s.closed]
        generator = run(ctx, Script(Open("socket", zmq.PULL, "inproc://there", bind=True), Result("ready")))
        assert next(generator) == "ready"
        generator.close()
        assert not [s for s in ctx._sockets if s is not push and not s.closed]


def test_a_generator_at_rest_does_not_hold_up_the_end_of_a_block() -> None:
    with zmq.Context() as ctx:
        results = run(ctx, listener(zmq.PULL, HERE, Result("ready")))
        assert next(results) == "ready"
        with pytest.warns(ResourceWarning, match="unclosed socket"):
            ctx.__exit__(None, None, None)
    assert ctx.closed
    results.close()


def test_term_waits_for_a_generator_at_rest_until_it_is_closed() -> None:
    ctx = zmq.Context()
    term = threading.Thread(target=ctx.term)
    with contextlib.closing(run(ctx, listener(zmq.PULL, HERE, Result("ready")))) as results:
        assert next(results) == "ready"
        term.start()
        term.join(0.1)
        assert term.is_alive()
    term.join(WAIT)
    assert ctx.closed


def test_a_for_loop_that_is_broken_off_leaves_nothing_open() -> None:
    def look(ctx: zmq.Context[Any]) -> None:
        for _ in run(ctx, listener(zmq.PULL, HERE, Result("ready"))):
            raise KeyboardInterrupt

    ctx = zmq.Context()
    with pytest.raises(KeyboardInterrupt) as stop:
        look(ctx)
    ctx.term()  # while the error, and with it the frame of `look`, is still at hand
    assert stop.tb


@pytest.mark.parametrize(
    ("given", "kind", "options", "expected"),
    [
        pytest.param(None, zmq.DEALER, {}, LINGER, id="a second, where it would be for ever"),
        pytest.param(7, zmq.DEALER, {}, 7, id="the Context's"),
        pytest.param(7, zmq.DEALER, {"linger": 8}, 8, id="the core's"),
        pytest.param(None, zmq.SUB, {}, 0, id="none, where the type has none"),
    ],
)
def test_how_long_a_socket_lingers_is_bounded(
    given: int | None, kind: int, options: dict[str, int], expected: int
) -> None:
    with zmq.Context() as ctx:
        if given is not None:
            ctx.linger = given
        core = Script(Open("socket", kind, HERE, options=options))
        carrier = Carrier(ctx.socket, core, zmq.Poller(), None, time.monotonic)
        assert not list(carrier.turn([]))
        assert carrier._sockets["socket"].linger == expected
        carrier.close()


@pytest.mark.parametrize("how", ["cancelled", "closed"])
@pytest.mark.parametrize("kind", ["plain", "tracing"])
def test_under_asyncio_a_core_that_is_stopped_leaves_nothing_open(kind: str, how: str) -> None:
    async def main() -> None:
        ready = asyncio.Event()

        async def play() -> None:
            async for _ in arun(ctx, Script(Open("s", zmq.PULL, HERE, bind=True), Result("ready")), lambda job: job):
                ready.set()

        if how == "cancelled":
            task = asyncio.create_task(play())
            await asyncio.wait_for(ready.wait(), WAIT)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            generator = arun(ctx, Script(Open("s", zmq.PULL, HERE, bind=True), Result("ready")))
            assert await anext(generator) == "ready"
            await generator.aclose()
        assert not [s for s in ctx._sockets if not s.closed]

    with zmq.asyncio.Context() if kind == "plain" else trace.AsyncContext(Recording()) as ctx:
        asyncio.run(main())


def test_under_asyncio_several_cores_share_a_loop_and_none_blocks_it() -> None:
    async def main() -> list[Any]:
        async def play(core: Core, work: Worker | None = None) -> Any:
            async for value in arun(ctx, core, work):
                if value != "ready":
                    return value
            return None

        def echo(socket: str, frames: list[bytes]) -> list[Effect]:
            return [Send("s", frames)]

        server = asyncio.create_task(play(Script(Open("s", zmq.ROUTER, HERE, bind=True), hear=echo)))
        busy = asyncio.create_task(play(Busy()))
        clients = [play(Script(Open("s", zmq.DEALER, HERE), Send("s", [b"%d" % n]), hear=tell)) for n in range(5)]
        answers = await asyncio.wait_for(asyncio.gather(*clients), WAIT)
        for task in (server, busy):
            task.cancel()
        await asyncio.gather(server, busy, return_exceptions=True)
        return answers

    with zmq.asyncio.Context() as ctx:
        assert asyncio.run(main()) == [[b"%d" % n] for n in range(5)]


# -- the Context --------------------------------------------------------------------------------------------------


def test_a_tracing_context_writes_what_a_core_says_under_either_shell(shell: str) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage:
        theatre = Theatre(stage, shell)
        endpoint = stage.endpoint("server")
        theatre.play(Script(Open("s", zmq.ROUTER, endpoint, bind=True), hear=lambda s, f: [Send(s, f)]), name="server")
        theatre.play(Script(Open("s", zmq.DEALER, endpoint), Send("s", [b"hello"]), hear=tell), name="client")
        assert theatre.result("client") == [b"hello"]
    kinds = ["open", "connect", "send", "sent", "receive", "close"]
    # whether its wait or its next receive sees the Context's end is a matter of luck
    assert [e.kind for e in recording if e.actor == "client" and e.kind != "barred"] == kinds
    assert {e.socket for e in recording} == {"DEALER", "ROUTER"}
    assert [(m.sender, m.receiver, m.fate) for m in recording.messages()] == [
        ("client", "server", "received"),
        ("server", "client", "received"),
    ]


def test_a_core_has_the_sockets_that_the_context_makes() -> None:
    """So what a Context forbids its sockets, such as `play`'s to leave this machine, holds for cores."""

    class Strict(zmq.Socket[bytes]):
        def bind(self, addr: str) -> Any:
            raise PermissionError(addr)

    with zmq.Context() as ctx:
        ctx._socket_class = Strict
        with pytest.raises(PermissionError):
            next(run(ctx, listener(zmq.PULL, "tcp://127.0.0.1:*")))


@pytest.mark.skipif(not zmq.has("curve"), reason="no CURVE in this libzmq")
def test_under_curve_only_who_has_the_keys_is_heard(shell: str) -> None:
    public, secret = zmq.curve_keypair()
    recording = Recording()
    theirs, ours = trace.Context(recording), zmq.Context()
    theirs.curve_publickey, theirs.curve_secretkey, theirs.curve_server = public, secret, True
    ours.curve_publickey, ours.curve_secretkey = zmq.curve_keypair()
    ours.curve_serverkey = public
    with Stage(theirs) as home, Stage(ours) as abroad, Stage() as street:
        theatre = Theatre(home, shell)
        theatre.play(listener(zmq.PULL, "tcp://127.0.0.1:*"))
        recording.wait("bind", "core", timeout=WAIT)
        endpoint = next(e.detail for e in recording if e.kind == "bind")
        speak = partial(Script, Open("s", zmq.PUSH, endpoint))
        theatre.play(speak(Send("s", [b"let me in"]), Result("said")), name="stranger", stage=street)
        assert theatre.result("stranger") == "said"
        theatre.play(speak(Send("s", [b"hello"])), name="friend", stage=abroad)
        assert theatre.result() == [b"hello"]


# -- the cores on which the contract was tried --------------------------------------------------------------------


def test_binary_star_serves_and_the_backup_stands_by(theatre: Theatre) -> None:
    at = theatre.stage.endpoint
    theatre.play(Star(State.PRIMARY, at("p"), at("ps"), at("bs"), 0.05), name="primary")
    theatre.play(Star(State.BACKUP, at("b"), at("bs"), at("ps"), 0.05), name="backup")
    assert theatre.result("primary") is State.ACTIVE
    assert theatre.result("backup") is State.PASSIVE
    theatre.play(StarClient([at("p"), at("b")], 3, timeout=WAIT, pause=0.001), name="client")
    assert [theatre.result("client") for _ in range(3)] == [0, 1, 2]


def test_binary_star_goes_to_the_backup_when_the_primary_is_gone(theatre: Theatre) -> None:
    at = theatre.stage.endpoint
    theatre.play(Star(State.BACKUP, at("b"), at("bs"), at("ps"), 0.02), name="backup")
    with Stage() as elsewhere:
        theatre.play(Star(State.PRIMARY, at("p"), at("ps"), at("bs"), 0.02), name="primary", stage=elsewhere)
        assert theatre.result("primary") is State.ACTIVE
        assert theatre.result("backup") is State.PASSIVE
    theatre.play(StarClient([at("p"), at("b")], 1, timeout=0.1), name="client")
    assert theatre.result("backup") is State.ACTIVE
    assert theatre.result("client") == 0


def test_freelance_connects_while_it_runs_and_outlives_a_server(theatre: Theatre) -> None:
    at = theatre.stage.endpoint
    one, two = at("one"), at("two")
    theatre.play(FreeServer(two), name="two")
    agent = FreeClient(at("orders"), ping=0.01, patience=0.2, timeout=HOUR)
    theatre.play(agent, name="agent")
    app = theatre.socket(zmq.DEALER, at("orders"))
    with Stage() as elsewhere:
        theatre.play(FreeServer(one), name="one", stage=elsewhere)
        app.send_multipart([b"ask", b"nobody is known yet"])
        app.send_multipart([b"connect", one.encode()])
        assert app.recv_multipart() == [b"OK", one.encode()]
    app.send_multipart([b"connect", two.encode()])
    app.send_multipart([b"ask", b"is anybody left"])
    assert app.recv_multipart() == [b"OK", two.encode()]
