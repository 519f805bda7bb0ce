# SPDX-License-Identifier: BSD-3-Clause
"""Whatever a peer sends, and however little it reads, a role goes on: each scene is one role and its odd peers.

An odd peer speaks on one connection: once it has been heard at the end, all that it said before has been heard.
"""

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import zmq
from sockets import MS, STUCK, WAIT

from patterns import (
    freelance,
    lazy_pirate,
    load_balancing,
    majordomo,
    majordomo_v2,
    paranoid_pirate,
    pipeline,
    request_reply,
    shared_queue,
)
from patterns.stage import Stage

ODD = [
    [b""],
    [b"", b""],
    [b"", b"", b""],
    [b"\xff\xfe"],
    [b"", b"\xff\xfe"],
    [b"one", b"two"],
    [b"", b"one", b"\x80"],
    [b"one", b"", b"two"],
    [b"", b"one", b"", b"\xff", b""],
    [b"READY"],
    [b"+1/2", b"a sign"],
    [b"0/0", b"nothing"],
    [b"01/2", b"a nought in front"],
    [b"\xd9\xa1/2", b"a digit, but not of ASCII"],
    [b"1/1", b"two", b"results"],
    [b"", b"MDPC01"],
    [b"", b"MDPC01", b"\xff\xfe"],
    [b"", b"MDPW01", b"\x02"],
    [b"", b"MDPW01", b"\x09", b"tea"],
    [b"x"] * 1000,
    [b"x" * 1_000_000],
]


def odd(stage: Stage, kind: int, end: str, bind: bool = False) -> Any:
    """The socket of an odd peer, which has not said anything yet."""
    socket = stage.socket(kind, rcvtimeo=MS, sndtimeo=MS)
    (socket.bind if bind else socket.connect)(stage.endpoint(end))
    return socket


def say_all(socket: Any, *envelope: bytes) -> None:
    for message in ODD:
        socket.send_multipart([*envelope, *message])


def until(socket: Any, wanted: Callable[[list[bytes]], object]) -> list[bytes]:
    """Receive until this comes."""
    while not wanted(frames := socket.recv_multipart()):
        pass
    return list(frames)


def is_asked_by_odd_clients(stage: Stage, end: str) -> None:
    asks = odd(stage, zmq.DEALER, end)
    say_all(asks)
    say_all(asks, b"")
    asks.send_multipart([b"", b"hello"])
    until(asks, [b"", b"HELLO"].__eq__)


def is_answered_oddly(stage: Stage, role: Callable[..., Any], *asked: Any) -> Any:
    """Answer each request of a role with something odd, within its envelope, and the last as is due; its result."""
    answers = odd(stage, zmq.ROUTER, "server", bind=True)
    asking = stage.play(role, *asked, name="who asks")
    for said in [*ODD, [b"HELLO"]]:
        frames = answers.recv_multipart()
        answers.send_multipart([*frames[: frames.index(b"") + 1], *said])
    return asking.result(WAIT)


def shown(messages: Iterable[list[bytes]]) -> list[str]:
    return [message[0].decode(errors="backslashreplace") for message in messages]


# -- the scenes ---------------------------------------------------------------------------------------------------


def a_server(stage: Stage) -> None:
    stage.play(request_reply.server, stage.endpoint("server"))
    is_asked_by_odd_clients(stage, "server")


def a_client(stage: Stage, role: Callable[..., Any]) -> None:
    assert is_answered_oddly(stage, role, *["?"] * len(ODD), "hello") == [*shown(ODD), "HELLO"]


def one_question(stage: Stage, way: Callable[..., bytes]) -> None:
    def each(ctx: zmq.Context[Any]) -> list[bytes]:
        return [way(ctx, b"?", stage.endpoint("server"), WAIT) for _ in [*ODD, "hello"]]

    assert is_answered_oddly(stage, each) == [*(message[0] for message in ODD), b"HELLO"]


def a_queue(stage: Stage) -> None:
    stage.play(shared_queue.broker, stage.endpoint("clients"), stage.endpoint("services"))
    serves = odd(stage, zmq.DEALER, "services")
    say_all(serves)
    asks = odd(stage, zmq.REQ, "clients")
    asks.send(b"tea")
    serves.send_multipart([*serves.recv_multipart()[:-1], b"hot"])
    assert asks.recv() == b"hot"
    serves.close(linger=0)
    stage.play(shared_queue.service, stage.endpoint("services"))
    is_asked_by_odd_clients(stage, "clients")


def a_service(stage: Stage) -> None:
    asks = odd(stage, zmq.DEALER, "services", bind=True)
    stage.play(shared_queue.service, stage.endpoint("services"))
    say_all(asks)
    say_all(asks, b"")
    asks.send_multipart([b"", b"hello"])
    until(asks, [b"", b"HELLO"].__eq__)


def a_balancer(stage: Stage) -> None:
    stage.play(load_balancing.broker, stage.endpoint("frontend"), stage.endpoint("backend"))
    works = odd(stage, zmq.DEALER, "backend")
    say_all(works)
    works.send_multipart([b"", b"READY"])
    asks = odd(stage, zmq.REQ, "frontend")
    asks.send(b"tea")
    works.send_multipart([*works.recv_multipart()[:-1], b"hot"])
    assert asks.recv() == b"hot"
    works.close(linger=0)


def a_balancer_before_odd_clients(stage: Stage) -> None:
    stage.play(load_balancing.broker, stage.endpoint("frontend"), stage.endpoint("backend"))
    stage.play(load_balancing.worker, stage.endpoint("backend"))
    is_asked_by_odd_clients(stage, "frontend")


def a_balanced_worker(stage: Stage) -> None:
    gives = odd(stage, zmq.ROUTER, "backend", bind=True)
    stage.play(load_balancing.worker, stage.endpoint("backend"))
    for message in [*ODD, [b"Ann", b"", b"hello"]]:
        name, *_ = gives.recv_multipart()
        gives.send_multipart([name, b"", *message])
    assert gives.recv_multipart() == [name, b"", b"Ann", b"", b"HELLO"]


def a_ventilator(stage: Stage) -> None:
    role = partial(pipeline.ventilator, tasks=stage.endpoint("tasks"), ready=stage.endpoint("ready"))
    stage.play(role, "tea", name="ventilator")
    works, tells = odd(stage, zmq.PULL, "tasks"), odd(stage, zmq.PUSH, "ready")
    assert works.recv() == b"CALL"
    say_all(tells, b"not yet")
    tells.send(b"READY")
    until(works, [b"1/1", b"tea"].__eq__)


def a_pipeline_worker(stage: Stage) -> None:
    gives, collects = odd(stage, zmq.PUSH, "tasks", bind=True), odd(stage, zmq.PULL, "results", bind=True)
    stage.play(pipeline.worker, *map(stage.endpoint, ("tasks", "results", "ready")))
    say_all(gives)
    gives.send_multipart([b"1/1", b"tea"])
    until(collects, [b"1/1", b"TEA"].__eq__)


def a_sink(stage: Stage) -> None:
    collecting = stage.play(pipeline.sink, stage.endpoint("results"))
    tells = odd(stage, zmq.PUSH, "results")
    say_all(tells)
    for label, result in ((b"1/2", b"\xff\xd8"), (b"2/2", b"MILK")):
        tells.send_multipart([label, result])
    assert collecting.result(WAIT) == ["\\xff\\xd8", "MILK"]


def a_majordomo_broker(stage: Stage) -> None:
    stage.play(majordomo.broker, stage.endpoint("broker"))
    asks = odd(stage, zmq.DEALER, "broker")
    say_all(asks)
    say_all(asks, b"", majordomo.CLIENT)
    say_all(asks, b"", majordomo.WORKER)
    asks.send_multipart([b"", majordomo.CLIENT, b"mmi.service", b"tea"])
    until(asks, [b"", majordomo.CLIENT, b"mmi.service", b"404"].__eq__)


def a_majordomo_worker(stage: Stage) -> None:
    gives = odd(stage, zmq.ROUTER, "broker", bind=True)
    stage.play(majordomo.worker, "tea", stage.endpoint("broker"))
    name, *_ = gives.recv_multipart()
    say_all(gives, name)
    say_all(gives, name, b"", majordomo.WORKER)
    gives.send_multipart([name, b"", majordomo.WORKER, majordomo.REQUEST, b"Ann", b"", b"hello"])
    until(gives, [name, b"", majordomo.WORKER, majordomo.REPLY, b"Ann", b"", b"hello"].__eq__)


def a_majordomo_client(stage: Stage) -> None:
    gives = odd(stage, zmq.ROUTER, "broker", bind=True)
    role = partial(majordomo.client, endpoint=stage.endpoint("broker"), timeout=WAIT)
    asking = stage.play(role, "tea", "hello", name="client")
    name, *request = gives.recv_multipart()
    say_all(gives, name)
    say_all(gives, name, b"", majordomo.CLIENT)
    gives.send_multipart([name, *request[:-1], b"\xff", b"two"])
    assert asking.result(WAIT) == [b"\xff", b"two"]


def a_majordomo_v2_broker(stage: Stage) -> None:
    stage.play(majordomo_v2.broker, stage.endpoint("broker"))
    asks = odd(stage, zmq.DEALER, "broker")
    say_all(asks)
    say_all(asks, majordomo_v2.CLIENT)
    say_all(asks, majordomo_v2.WORKER)
    asks.send_multipart([majordomo_v2.CLIENT, majordomo_v2.C_REQUEST, b"mmi.service", b"tea"])
    until(asks, [majordomo_v2.CLIENT, majordomo_v2.C_FINAL, b"mmi.service", b"404"].__eq__)


def a_majordomo_v2_worker(stage: Stage) -> None:
    gives = odd(stage, zmq.ROUTER, "broker", bind=True)
    stage.play(majordomo_v2.worker, "tea", stage.endpoint("broker"))
    name, *_ = gives.recv_multipart()
    say_all(gives, name)
    say_all(gives, name, majordomo_v2.WORKER)
    gives.send_multipart([name, majordomo_v2.WORKER, majordomo_v2.REQUEST, b"Ann", b"", b"hello"])
    until(gives, [name, majordomo_v2.WORKER, majordomo_v2.FINAL, b"Ann", b"", b"1 words"].__eq__)


def a_majordomo_v2_client(stage: Stage) -> None:
    gives = odd(stage, zmq.ROUTER, "broker", bind=True)
    role = partial(majordomo_v2.client, endpoint=stage.endpoint("broker"), timeout=WAIT)
    asking = stage.play(role, "tea", "hello", name="client")
    name, *_ = gives.recv_multipart()
    say_all(gives, name)
    say_all(gives, name, majordomo_v2.CLIENT)
    gives.send_multipart([name, majordomo_v2.CLIENT, majordomo_v2.C_FINAL, b"tea", b"\xff", b"two"])
    assert asking.result(WAIT) == [b"\xff", b"two"]


def a_paranoid_queue(stage: Stage) -> None:
    stage.play(paranoid_pirate.queue, stage.endpoint("front"), stage.endpoint("back"))
    works, asks = odd(stage, zmq.DEALER, "back"), odd(stage, zmq.DEALER, "front")
    say_all(works)
    say_all(asks)
    for frames in [paranoid_pirate.READY], [b"no reply to anybody"]:
        works.send_multipart(frames)
    asks.send_multipart([b"", b"hello"])
    while (request := until(works, lambda frames: len(frames) > 1))[-1:] != [b"hello"]:  # what else it asked has a form
        works.send_multipart(request)
    works.send_multipart([*request[:-1], b"\xff", b"two"])
    until(asks, [b"", b"\xff", b"two"].__eq__)


def a_paranoid_worker(stage: Stage) -> None:
    gives = odd(stage, zmq.ROUTER, "back", bind=True)
    stage.play(paranoid_pirate.worker, stage.endpoint("back"), WAIT)
    name, *_ = gives.recv_multipart()
    for message in ODD:  # one at a time: more than that it drops
        gives.send_multipart([name, *message])
        until(gives, [name, *message].__eq__)


def a_free_server(stage: Stage) -> None:
    stage.play(freelance.server, stage.endpoint("server"))
    asks = odd(stage, zmq.DEALER, "server")
    say_all(asks)
    asks.send_multipart([b"1", b"hello"])
    until(asks, [b"1", b"hello"].__eq__)


def a_free_client(stage: Stage) -> None:
    endpoint = stage.endpoint("server")
    gives = stage.socket(zmq.ROUTER, linger=0, rcvtimeo=MS, routing_id=endpoint.encode())
    gives.bind(endpoint)
    asking = stage.play(partial(freelance.client, servers=endpoint, timeout=WAIT), "hello", name="client")
    name, *_ = gives.recv_multipart()
    say_all(gives, name)
    request = until(gives, lambda frames: frames[-1:] == [b"hello"])
    gives.send_multipart([*request[:-1], b"\xff"])
    assert asking.result(WAIT) == ["\\xff"]


def at_server(role: Callable[..., Any], end: str = "endpoint", **limits: Any) -> Callable[[Stage], None]:
    """The scene of a client whose server is odd."""
    return lambda stage: a_client(stage, partial(role, **{end: stage.endpoint("server")}, **limits))


SCENES: dict[str, Callable[[Stage], None]] = {
    "request_reply.server": a_server,
    "request_reply.client": at_server(request_reply.client),
    "lazy_pirate.client": at_server(lazy_pirate.client, timeout=WAIT),
    "lazy_pirate.ask": partial(one_question, way=lazy_pirate.ask),
    "lazy_pirate.relaxed": partial(one_question, way=lazy_pirate.relaxed),
    "shared_queue.broker": a_queue,
    "shared_queue.service": a_service,
    "shared_queue.client": at_server(shared_queue.client, "frontend"),
    "load_balancing.broker, odd workers": a_balancer,
    "load_balancing.broker, odd clients": a_balancer_before_odd_clients,
    "load_balancing.worker": a_balanced_worker,
    "load_balancing.client": at_server(load_balancing.client, "frontend"),
    "pipeline.ventilator": a_ventilator,
    "pipeline.worker": a_pipeline_worker,
    "pipeline.sink": a_sink,
    "majordomo.broker": a_majordomo_broker,
    "majordomo.worker": a_majordomo_worker,
    "majordomo.client": a_majordomo_client,
    "majordomo_v2.broker": a_majordomo_v2_broker,
    "majordomo_v2.worker": a_majordomo_v2_worker,
    "majordomo_v2.client": a_majordomo_v2_client,
    "paranoid_pirate.queue": a_paranoid_queue,
    "paranoid_pirate.worker": a_paranoid_worker,
    "freelance.server": a_free_server,
    "freelance.client": a_free_client,
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_whatever_a_peer_sends_the_role_goes_on(scene: Callable[[Stage], None]) -> None:
    with Stage() as stage:
        scene(stage)


@pytest.mark.parametrize("balanced", [False, True], ids=["request_reply.server", "load_balancing.broker"])
def test_replies_that_nobody_reads_are_lost_beyond_the_marks(balanced: bool, gate: threading.Event) -> None:
    context, last = zmq.Context(), threading.Event()
    context.sndhwm = context.rcvhwm = 10

    def work(request: bytes) -> bytes:
        if request == b"99":  # so the replies to all others are out before the first is read
            last.set()
            assert gate.wait(WAIT)
        return request

    with Stage(context) as stage:
        if balanced:
            stage.play(load_balancing.broker, "inproc://server", "inproc://workers")
            stage.play(load_balancing.worker, "inproc://workers", work)
        else:
            stage.play(request_reply.server, "inproc://server", work)
        asks = stage.socket(zmq.DEALER, rcvtimeo=MS, sndtimeo=MS)
        asks.connect("inproc://server")
        for number in range(100):
            asks.send_multipart([b"", b"%d" % number])
        assert last.wait(WAIT)
        assert [asks.recv_multipart()[1] for _ in range(20)] == [b"%d" % number for number in range(20)]
        assert not asks.poll(STUCK * 1000)
        gate.set()
