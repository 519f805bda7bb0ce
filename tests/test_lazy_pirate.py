# SPDX-License-Identifier: BSD-3-Clause
"""Lazy Pirate: answered in spite of lost and late messages, or TimeoutError within its bound.

`ask` (a new socket for each try) and `relaxed` (one socket) are held to the same tests. Where an answer is expected
the tries are many, for only the number of those that were needed depends on how busy the machine is.
"""

import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import zmq
from sockets import (
    MS,
    WAIT,
    Service,
    address,
    bound_at,
    bound_to,
    curve,
    ended,
    ends_on_ctrl_c,
    guarantees_hold,
    shell,
    signals,
    transports,
    under_curve,
)

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import load_balancing, shared_queue
from patterns.lazy_pirate import GUARANTEES, ask, client, relaxed
from patterns.request_reply import server
from patterns.stage import Stage

SHORT = 0.03  # seconds a try, where nobody is to answer
TRY = 0.3  # seconds a try, where an answer is due; a late one costs another try
MANY = 60

Ask = Callable[..., bytes]
ways = pytest.mark.parametrize("way", [ask, relaxed], ids=["ask", "relaxed"])


class Numbered(Service):
    """A service that numbers its answers."""

    def answer(self, request: bytes, number: int) -> bytes:
        return b"%s, no. %d" % (request, number)


def all_answers() -> list[bytes]:
    """What it may answer to any try."""
    return [b"tea, no. %d" % n for n in range(1, MANY + 1)]


def later_answers() -> list[bytes]:
    """What it may answer to a try after the first."""
    return all_answers()[1:]


@pytest.fixture
def held(stage: Stage) -> Iterator[Service]:
    service = Numbered()
    service.go.clear()
    yield service
    service.go.set()


def telling_server(ctx: zmq.Context[Any], endpoint: str, told: str, never: bytes = b"") -> None:
    """A server that tells what it was asked, and is never done with one of the requests."""
    with ctx.socket(zmq.DEALER) as tell:
        tell.connect(told)

        def work(request: bytes) -> bytes:
            tell.send(request)
            return request.upper() if request != never else bytes(tell.recv())

        server(ctx, endpoint, work)


# -- in fair weather ----------------------------------------------------------------------------------------------


@transports
@pytest.mark.parametrize("traced", [False, True], ids=["plain context", "tracing context"])
def test_replies_come_back_in_the_order_of_the_requests(transport: str, traced: bool) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as home, Stage(trace.Context(recording) if traced else None) as elsewhere:
        endpoint = play_server(home, recording, transport)
        asking = elsewhere.play(partial(client, endpoint=endpoint, timeout=WAIT), "one", "two", name="client")
        assert asking.result(WAIT) == ["ONE", "TWO"]


def play_server(stage: Stage, recording: Recording, transport: str) -> str:
    stage.play(server, address(stage, transport, "server"))
    return bound_at(recording, "server")[0]


@ways
def test_a_server_that_answers_in_time_works_once(stage: Stage, way: Ask) -> None:
    service = Numbered()
    stage.play(server, stage.endpoint("server"), service)
    assert stage.play(way, b"tea", stage.endpoint("server"), WAIT).result(WAIT) == b"tea, no. 1"
    assert service.seen == [b"tea"]


@pytest.mark.parametrize("broker", [shared_queue.broker, load_balancing.broker], ids=["dealt", "balanced"])
@ways
def test_it_is_answered_through_a_broker(stage: Stage, way: Ask, broker: Any) -> None:
    front, back = stage.endpoint("front"), stage.endpoint("back")
    stage.play(broker, front, back)
    stage.play(shared_queue.service if broker is shared_queue.broker else load_balancing.worker, back)
    assert stage.play(way, b"hello", front, WAIT).result(WAIT) == b"HELLO"


@pytest.mark.parametrize(("way", "connections"), [(ask, 3), (relaxed, 1)], ids=["ask", "relaxed"])
def test_each_try_has_a_connection_of_its_own_unless_relaxed(stage: Stage, way: Ask, connections: int) -> None:
    router = stage.socket(zmq.ROUTER, rcvtimeo=MS)
    router.bind("tcp://127.0.0.1:*")
    stage.play(way, b"tea", router.last_endpoint.decode(), TRY, MANY)
    assert len({router.recv_multipart()[0] for _ in range(3)}) == connections


def test_over_inproc_what_is_no_reply_costs_a_try_and_no_more(stage: Stage) -> None:
    router = stage.socket(zmq.ROUTER, rcvtimeo=MS)
    router.bind("inproc://server")
    asking = stage.play(ask, b"tea", "inproc://server", WAIT, 2)
    name, *_ = router.recv_multipart()
    router.send_multipart([name, b"no delimiter"])
    router.send_multipart([*router.recv_multipart()[:-1], b"hot"])
    assert asking.result(WAIT) == b"hot"


@ways
def test_who_has_nobody_to_send_to_gives_up_as_well(way: Ask) -> None:
    with Stage(zmq.Context()) as stage:
        stage.context.immediate = 1  # as for one that CURVE has turned away: no queue, and `send` would wait
        with pytest.raises(TimeoutError, match="did not answer 2 times"):
            stage.play(way, b"tea", stage.endpoint("nobody"), SHORT, 2).result(WAIT)


def test_relaxed_gives_up_in_time_however_many_tries_have_piled_up() -> None:
    with Stage(zmq.Context()) as stage:
        stage.context.sndhwm = 2
        with pytest.raises(TimeoutError, match="did not answer 5 times"):
            stage.play(relaxed, b"tea", stage.endpoint("nobody"), SHORT, 5).result(WAIT)


@ways
@curve
def test_under_curve_only_who_has_the_keys_is_answered(way: Ask) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        endpoint = play_server(home, recording, "tcp")
        with pytest.raises(TimeoutError):
            street.play(way, b"let me in", endpoint, TRY, 1).result(WAIT)
        assert abroad.play(way, b"hello", endpoint, WAIT).result(WAIT) == b"HELLO"
        assert [e.frames for e in recording if (e.kind, e.actor) == ("receive", "server")] == [(b"hello",)]


@pytest.mark.parametrize(
    ("way", "frames"), [(ask, [0, 5]), (relaxed, [4, 0, 5])], ids=["ask", "relaxed, with a request id"]
)
def test_on_the_wire_a_delimiter_stands_in_front(stage: Stage, way: Ask, frames: list[int]) -> None:
    stage.play(server, stage.endpoint("server"))
    with Wire(stage.endpoint("server")) as wire:
        assert stage.play(way, b"hello", wire.endpoint, WAIT).result(WAIT) == b"HELLO"
        forward, back = wire.log
        assert [len(f) for f in forward.frames] == frames
        assert back.frames == (*forward.frames[:-1], b"HELLO")


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        pytest.param({"timeout": 0}, "timeout", id="a try that takes no time"),
        pytest.param({"timeout": -1.0}, "timeout", id="a try that ends before it begins"),
        pytest.param({"timeout": float("inf")}, "timeout", id="a try that never ends"),
        pytest.param({"timeout": 3e6}, "timeout", id="a try longer than ZeroMQ can count"),
        pytest.param({"timeout": float("nan")}, "timeout", id="a time that is not a number"),
        pytest.param({"tries": 0}, "tries", id="not to ask at all"),
        pytest.param({"tries": -1}, "tries", id="to ask less often than not at all"),
    ],
)
@pytest.mark.parametrize("way", [client, ask, relaxed], ids=["client", "ask", "relaxed"])
def test_a_limit_that_cannot_be_kept_is_refused_by_its_name(way: Any, limits: dict[str, float], name: str) -> None:
    with zmq.Context() as ctx, pytest.raises(ValueError, match=f"^{name}: expected .*got {limits[name]!r}"):
        way(ctx, "hello" if way is client else b"hello", **limits)


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


@pytest.mark.parametrize("direction", ["forward", "back"], ids=["request", "reply"])
@ways
def test_a_lost_message_is_asked_again(stage: Stage, way: Ask, direction: Any) -> None:
    service = Numbered()
    stage.play(server, stage.endpoint("server"), service)
    with Wire(stage.endpoint("server")) as wire:
        wire.drop(direction, 1)
        answer = stage.play(way, b"tea", wire.endpoint, TRY, MANY).result(WAIT)
        assert wire.count("forward") >= 2
    assert answer in all_answers()
    assert direction == "forward" or len(service.seen) >= 2, "the server cannot know that its reply was lost"


@ways
def test_a_reply_later_than_the_timeout_makes_the_server_work_twice(stage: Stage, way: Ask, held: Service) -> None:
    stage.play(server, stage.endpoint("server"), held)
    with Wire(stage.endpoint("server")) as wire:
        asking = stage.play(way, b"tea", wire.endpoint, TRY, MANY)
        wire.wait("forward", 2, timeout=WAIT)  # the second try is on its way, the first still at work
        assert held.seen == [b"tea"]
        held.go.set()
        assert asking.result(WAIT) in later_answers()
    assert len(held.seen) >= 2


@ways
def test_a_reply_that_the_wire_holds_back_until_the_second_try_is_dropped(stage: Stage, way: Ask) -> None:
    service = Numbered()
    stage.play(server, stage.endpoint("server"), service)
    with Wire(stage.endpoint("server")) as wire:
        wire.delay("back", 1, until=("forward", 2))
        assert stage.play(way, b"tea", wire.endpoint, TRY, MANY).result(WAIT) in later_answers()
        assert len(service.seen) >= 2


@ways
def test_a_late_reply_to_one_question_does_not_answer_the_next(stage: Stage, way: Ask) -> None:
    router = stage.socket(zmq.ROUTER, rcvtimeo=MS)
    router.bind("tcp://127.0.0.1:*")
    asking = stage.play(way, b"tea", router.last_endpoint.decode(), TRY, MANY)
    asked = [router.recv_multipart(), router.recv_multipart()]
    for envelope, said in zip(asked, (b"late", b"in time"), strict=True):
        router.send_multipart([*envelope[:-1], said])
    while not asking.join(0.01):  # on a busy machine the second try may be over too
        if router.poll(0):
            router.send_multipart([*router.recv_multipart()[:-1], b"in time"])
    assert asking.result(WAIT) == b"in time"


def test_relaxed_gives_up_in_time_though_a_late_reply_comes_and_no_other() -> None:
    with Stage() as stage:
        router = stage.socket(zmq.ROUTER, rcvtimeo=MS)
        router.bind("tcp://127.0.0.1:*")
        since = time.monotonic()
        asking = stage.play(relaxed, b"tea", router.last_endpoint.decode(), 0.15, 3)
        first, _ = router.recv_multipart(), router.recv_multipart()
        router.send_multipart([*first[:-1], b"late"])
        with pytest.raises(TimeoutError, match="did not answer 3 times"):
            asking.result(WAIT)
        assert time.monotonic() - since < 3 * 0.15 + 2


@ways
def test_a_cut_that_takes_the_reply_makes_the_server_work_twice(stage: Stage, way: Ask, held: Service) -> None:
    stage.play(server, stage.endpoint("server"), held)
    with Wire(stage.endpoint("server")) as wire:
        asking = stage.play(way, b"tea", wire.endpoint, TRY, MANY)
        assert held.got.get(timeout=WAIT) == b"tea"
        wire.cut()
        held.go.set()
        wire.heal()
        assert asking.result(WAIT) in later_answers()
    assert len(held.seen) >= 2


@ways
def test_who_asks_while_the_wire_is_cut_is_answered_once_it_heals(way: Ask) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage:
        stage.play(server, stage.endpoint("server"))
        with Wire(stage.endpoint("server")) as wire:
            wire.cut()
            asking = stage.play(way, b"hello", wire.endpoint, TRY, MANY, name="client")
            recording.wait("wait", "client")
            wire.heal()
            assert asking.result(WAIT) == b"HELLO"


@pytest.fixture
def told(stage: Stage) -> Any:
    """What servers in processes say that they work on."""
    it = stage.socket(zmq.DEALER, rcvtimeo=MS)
    it.bind(stage.endpoint("told"))
    return it


@ways
def test_a_server_that_dies_and_comes_back_answers_the_retry(stage: Stage, told: Any, way: Ask) -> None:
    endpoint = stage.endpoint("server")
    process = stage.spawn(telling_server, endpoint, stage.endpoint("told"), b"hello", name="server")
    asking = stage.play(way, b"hello", endpoint, TRY, MANY)
    assert told.recv() == b"hello"
    process.kill()
    stage.spawn(telling_server, endpoint, stage.endpoint("told"), name="server again")
    assert told.recv() == b"hello", "the work is done a second time"
    assert asking.result(WAIT) == b"HELLO"


def seconds_to_give_up(stage: Stage, way: Ask, endpoint: str) -> float:
    """Ask three times in vain, and return how long it took; the error says who did not answer, and how often."""
    since = time.monotonic()
    with pytest.raises(TimeoutError, match=f"^{endpoint} did not answer 3 times, {SHORT:g} s each$"):
        stage.play(way, b"hello", endpoint, SHORT, 3, name="who gives up").result(WAIT)
    return time.monotonic() - since


@ways
def test_a_server_that_dies_and_stays_away_costs_a_timeout_error(stage: Stage, told: Any, way: Ask) -> None:
    endpoint = stage.endpoint("server")
    process = stage.spawn(telling_server, endpoint, stage.endpoint("told"), b"hello", name="server")
    assert stage.play(way, b"are you up", endpoint, WAIT).result(WAIT) == b"ARE YOU UP"
    asking = stage.play(way, b"hello", endpoint, TRY, 3, name="who gives up")
    assert [told.recv(), told.recv()] == [b"are you up", b"hello"]
    process.kill()
    with pytest.raises(TimeoutError, match="did not answer 3 times"):
        asking.result(WAIT)


@signals
@ways
def test_a_frozen_server_costs_a_timeout_error_not_the_client(stage: Stage, way: Ask) -> None:
    endpoint = stage.endpoint("server")
    process = stage.spawn(server, endpoint)
    assert stage.play(way, b"are you up", endpoint, WAIT).result(WAIT) == b"ARE YOU UP"
    process.freeze()
    assert 3 * SHORT <= seconds_to_give_up(stage, way, endpoint) < 3 * SHORT + 2


@ways
def test_with_nobody_there_it_gives_up_within_its_bound(stage: Stage, way: Ask) -> None:
    assert 3 * SHORT <= seconds_to_give_up(stage, way, stage.endpoint("nobody")) < 3 * SHORT + 2


@ways
def test_it_asks_as_often_as_it_says_and_no_more(way: Ask) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage:
        seconds_to_give_up(stage, way, stage.endpoint("nobody"))
        assert recording.count("sent", "who gives up") == 3


def test_the_first_request_that_nobody_answers_ends_the_client(stage: Stage) -> None:
    router = stage.socket(zmq.ROUTER, rcvtimeo=MS)
    router.bind("tcp://127.0.0.1:*")
    role = partial(client, endpoint=router.last_endpoint.decode(), timeout=0.3, tries=1)
    asking = stage.play(role, "one", "two", "three", name="client")
    router.send_multipart(router.recv_multipart())
    with pytest.raises(TimeoutError, match="did not answer 1 times"):
        asking.result(WAIT)
    assert router.recv_multipart()[-1] == b"two"


@ways
def test_giving_up_with_nobody_there_does_not_hold_up_the_end(way: Ask) -> None:
    with Stage() as stage, zmq.Context() as ctx:
        ctx.linger = 5000  # what its sockets would do without a limit of their own
        with pytest.raises(TimeoutError):
            way(ctx, b"hello", stage.endpoint("nobody"), SHORT, 2)
        since = time.monotonic()
        ctx.term()
        assert time.monotonic() - since < 2


# -- what the options of a REQ do ---------------------------------------------------------------------------------


@pytest.fixture
def ends(stage: Stage) -> tuple[Any, Any]:
    """A REQ, and a ROUTER that plays its server by hand."""
    router, req = stage.socket(zmq.ROUTER, rcvtimeo=MS), stage.socket(zmq.REQ, rcvtimeo=MS)
    router.bind("tcp://127.0.0.1:*")
    req.connect(router.last_endpoint.decode())
    return router, req


def answer(router: Any, request: list[bytes]) -> None:
    """Reply with the request in capitals."""
    router.send_multipart([*request[:-1], request[-1].upper()])


def test_relaxed_alone_takes_the_old_reply_for_the_new_one(ends: tuple[Any, Any]) -> None:
    router, req = ends
    req.req_relaxed = True
    req.send(b"one")
    first = router.recv_multipart()
    req.send(b"two")
    second = router.recv_multipart()
    answer(router, first)
    answer(router, second)
    assert req.recv() == b"ONE"


def test_correlate_alone_refuses_to_ask_again(ends: tuple[Any, Any]) -> None:
    router, req = ends
    req.req_correlate = True
    req.send(b"one")
    with pytest.raises(zmq.ZMQError) as refused:
        req.send(b"two")
    assert refused.value.errno == zmq.EFSM
    answer(router, router.recv_multipart())
    assert req.recv() == b"ONE"


def test_with_both_a_late_reply_makes_poll_true_and_there_is_nothing_to_receive(ends: tuple[Any, Any]) -> None:
    router, req = ends
    req.req_relaxed = req.req_correlate = True
    req.send(b"one")
    first = router.recv_multipart()
    req.send(b"two")
    second = router.recv_multipart()
    answer(router, first)
    assert req.poll(MS)
    with pytest.raises(zmq.Again):
        req.recv(zmq.DONTWAIT)
    answer(router, second)
    assert req.recv() == b"TWO"


def test_on_one_socket_tries_pile_up_for_a_server_that_comes_late(stage: Stage) -> None:
    req, router = stage.socket(zmq.REQ), stage.socket(zmq.ROUTER, rcvtimeo=MS)
    req.req_relaxed = req.req_correlate = True
    req.connect(stage.endpoint("server"))
    for _ in range(3):
        req.send(b"hello")
    router.bind(stage.endpoint("server"))
    assert [router.recv_multipart()[-1] for _ in range(3)] == [b"hello"] * 3


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_it_is_answered_and_gives_up() -> None:
    with shell("request_reply", "server", "--endpoint", "tcp://127.0.0.1:0") as serving:
        [endpoint] = bound_to(serving)
        with shell("lazy_pirate", "client", "--endpoint", endpoint, "--timeout", f"{WAIT}", "hello", "world") as asking:
            assert ended(asking) == (0, "HELLO\nWORLD\n", "")
        serving.send_signal(signal.SIGSTOP)
        limits = "--timeout", f"{SHORT}", "--tries", "2"
        with shell("lazy_pirate", "client", "--endpoint", endpoint, *limits, "hello") as asking:
            assert ended(asking) == (1, "", f"client: {endpoint} did not answer 2 times, {SHORT:g} s each\n")


@signals
def test_from_the_shell_ctrl_c_ends_a_client_that_waits() -> None:
    with Stage() as stage:
        router = stage.socket(zmq.ROUTER, rcvtimeo=MS)
        router.bind("tcp://127.0.0.1:*")
        endpoint = router.last_endpoint.decode()
        with shell("lazy_pirate", "client", "--endpoint", endpoint, "--timeout", "60", "hello") as asking:
            assert router.recv_multipart()[-1] == b"hello"
            ends_on_ctrl_c(asking)
