# SPDX-License-Identifier: BSD-3-Clause
"""Tracing: what it writes of each call, that it changes nothing, and that messages find their sends on real sockets.

A scene is written once and played with blocking and with asyncio sockets, all of them in one thread: what is sent
first is received later. Every wait of a socket ends after `WAIT`.
"""

import asyncio
import inspect
import json
import random
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import zmq
import zmq.asyncio

from diagrams import trace
from diagrams.recording import LARGE, Event, Large, Recording

WAIT = 20_000  # milliseconds
STYLES = ["blocking", "asyncio"]


class Floor:
    """The sockets of one scene. Each actor has a Context of its own, which gives it its name."""

    def __init__(self, style: str = "blocking", sink: trace.Sink | None = None, tracing: bool = True) -> None:
        self.style, self.tracing = style, tracing
        self.recording = Recording()
        self._sink = self.recording if sink is None else sink
        self._folder = tempfile.TemporaryDirectory(prefix="zmq-")
        self._contexts: dict[str, zmq.Context[Any]] = {}
        self._sockets: list[zmq.Socket[Any]] = []

    def context(self, actor: str) -> zmq.Context[Any]:
        if actor not in self._contexts:
            kinds = {"blocking": trace.Context, "asyncio": trace.AsyncContext}
            plain = {"blocking": zmq.Context, "asyncio": zmq.asyncio.Context}
            context = kinds[self.style](self._sink, actor) if self.tracing else plain[self.style]()
            context.linger, context.rcvtimeo, context.sndtimeo = 0, WAIT, WAIT
            self._contexts[actor] = context
        return self._contexts[actor]

    def open(self, actor: str, kind: int, **options: Any) -> Any:
        socket = self.context(actor).socket(kind)
        self._sockets.append(socket)
        for option, value in options.items():
            setattr(socket, option, value)
        return socket

    def bind(self, actor: str, kind: int, transport: str = "tcp", **options: Any) -> Any:
        socket = self.open(actor, kind, **options)
        socket.bind("tcp://127.0.0.1:*" if transport == "tcp" else f"ipc://{self._folder.name}/{actor}")
        return socket

    def connect(self, actor: str, kind: int, *peers: Any, **options: Any) -> Any:
        socket = self.open(actor, kind, **options)
        for peer in peers:
            socket.connect(peer.last_endpoint.decode())
        return socket

    def close(self) -> None:
        for socket in self._sockets:
            socket.close()
        for context in self._contexts.values():
            context.term()
        self._folder.cleanup()


async def act(result: Any) -> Any:
    """The result of a call, whichever kind of socket was called."""
    return await result if inspect.isawaitable(result) else result


async def say(socket: Any, *frames: Any, flags: int = 0) -> Any:
    return await act(socket.send_multipart(frames, flags))


async def hear(socket: Any, flags: int = 0) -> Any:
    return await act(socket.recv_multipart(flags))


async def errno(call: Callable[[], Any]) -> str:
    """The name of the error that this call raises, or nothing."""
    try:
        await act(call())
    except zmq.ZMQError as error:
        return zmq.Errno(error.errno).name
    return ""


Scene = Callable[[Floor], Awaitable[Any]]


def played(scene: Scene, floor: Floor) -> Any:
    """Play a scene to its end and return what it returns."""

    async def whole() -> Any:
        try:
            return await asyncio.wait_for(scene(floor), 2 * WAIT / 1000)
        finally:
            floor.close()

    return asyncio.run(whole())


def recorded(style: str, scene: Scene) -> Recording:
    floor = Floor(style)
    played(scene, floor)
    return floor.recording


def kinds(run: Recording, actor: str = "") -> list[str]:
    """The kinds of events, but for what sockets do before and after they speak."""
    return [e.kind for e in run if e.kind not in ("open", "bind", "connect", "close") and actor in ("", e.actor)]


def paired(run: Recording) -> list[tuple[str, tuple[Any, ...], str, list[str]]]:
    """Each message: its sender, its frames, its fate, and who received it."""
    return [(m.sender, m.frames, m.fate, [run.events[r].actor for r in m.receives]) for m in run.messages()]


@pytest.fixture(params=STYLES, ids="with {} sockets".format)
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# -- transparent ----------------------------------------------------------------------------------------------


async def ask_and_answer(floor: Floor) -> list[Any]:
    server = floor.bind("server", zmq.REP)
    client = floor.connect("client", zmq.REQ, server)
    heard = []
    for question in (b"one", b"", b"x" * 100_000):
        await say(client, question)
        heard += [await hear(server)]
        await say(server, question, b"", question)
        heard += [await hear(client)]
    return heard


async def wrong_turns(floor: Floor) -> list[Any]:
    server = floor.bind("server", zmq.REP)
    client = floor.connect("client", zmq.REQ, server)
    names = [
        await errno(lambda: server.send(b"answer")),
        await errno(lambda: client.recv(zmq.DONTWAIT)),
        await errno(lambda: server.recv(zmq.DONTWAIT)),
    ]
    await say(client, b"question")
    names += [await errno(lambda: client.send(b"question")), await errno(lambda: client.recv(zmq.DONTWAIT))]
    return [*names, await hear(server)]


async def dealt_in_turn(floor: Floor) -> list[Any]:
    workers = [floor.bind(name, zmq.PULL) for name in ("v", "w")]
    source = floor.connect("source", zmq.PUSH, *workers)
    for _ in range(4):
        await say(source, b"task")
    return [await hear(worker) for worker in workers for _ in range(2)]


async def published_to_two(floor: Floor) -> list[Any]:
    pub = floor.bind("pub", zmq.XPUB, xpub_verboser=True)
    readers = []
    for name in ("s", "t"):
        readers.append(floor.connect(name, zmq.SUB, pub, subscribe=b"news"))
        assert await hear(pub) == [b"\x01news"]
    for frames in ((b"old",), (b"news", b"1"), (b"news", b"1")):
        await say(pub, *frames)
    return [await hear(reader) for _ in range(2) for reader in reversed(readers)]


async def addressed(floor: Floor) -> list[Any]:
    router = floor.bind("router", zmq.ROUTER, router_mandatory=True)
    heard: list[Any] = [await errno(lambda: router.send_multipart([b"nobody", b"x"]))]
    for name in ("a", "b"):
        dealer = floor.connect(name, zmq.DEALER, router, routing_id=name.encode())
        await say(dealer, b"", b"hello")
        frames = await hear(router)
        await say(router, *frames)
        heard += [frames, await hear(dealer)]
    return heard


async def nobody_there(floor: Floor) -> list[Any]:
    source = floor.open("source", zmq.PUSH, sndtimeo=1)
    sink = floor.bind("sink", zmq.PULL, rcvtimeo=1)
    names = [
        await errno(lambda: source.send(b"x", zmq.DONTWAIT)),
        await errno(lambda: source.send_multipart([b"x", b"y"], zmq.DONTWAIT)),
        await errno(lambda: source.send_multipart([b"x", b"y"])),
        await errno(lambda: sink.recv(zmq.DONTWAIT)),
        await errno(lambda: sink.recv()),
        await errno(lambda: sink.recv_multipart()),
    ]
    idle, mute = floor.bind("idle", zmq.PULL), floor.open("mute", zmq.PUSH)
    return [*names, await act(idle.poll(1)), await act(idle.poll(0)), await act(mute.poll(1, zmq.POLLOUT))]


SCENES = {
    "ask and answer": ask_and_answer,
    "calls out of turn": wrong_turns,
    "tasks dealt in turn": dealt_in_turn,
    "news for two subscribers": published_to_two,
    "messages with an address": addressed,
    "nobody at the other end": nobody_there,
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
def test_a_scene_goes_the_same_whether_it_is_traced_or_not(scene: Scene, style: str) -> None:
    traced, plain = Floor(style), Floor(style, tracing=False)
    assert played(scene, traced) == played(scene, plain)
    assert len(traced.recording) > 0
    assert len(plain.recording) == 0


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
def test_a_scene_is_recorded_the_same_with_blocking_and_with_asyncio_sockets(scene: Scene) -> None:
    blocking, asynchronous = (recorded(style, scene) for style in STYLES)
    for actor in blocking.actors():
        assert [(e.kind, e.detail) for e in blocking if e.actor == actor and e.kind not in ("bind", "connect")] == [
            (e.kind, e.detail) for e in asynchronous if e.actor == actor and e.kind not in ("bind", "connect")
        ]
    assert [(m.sender, m.receiver, m.fate, m.detail) for m in blocking.messages()] == [
        (m.sender, m.receiver, m.fate, m.detail) for m in asynchronous.messages()
    ]


def test_a_context_without_a_recording_records_nothing_and_works() -> None:
    with trace.Context() as context, context.socket(zmq.PAIR) as a, context.socket(zmq.PAIR) as b:
        a.rcvtimeo = b.rcvtimeo = WAIT
        a.bind("inproc://here")
        b.connect("inproc://here")
        b.send_multipart([b"x", b"y"])
        assert a.recv_multipart() == [b"x", b"y"]
        assert a.poll(1) == 0
        assert a.get_string(zmq.LAST_ENDPOINT) == "inproc://here"


# -- what a socket does beside speaking -----------------------------------------------------------------------


def test_opening_binding_connecting_and_closing_are_written_with_their_addresses(style: str) -> None:
    async def scene(floor: Floor) -> None:
        server = floor.bind("server", zmq.REP)
        floor.connect("client", zmq.REQ, server).close()

    run = recorded(style, scene)
    bound = next(e.detail for e in run if e.kind == "bind")
    assert bound.startswith("tcp://127.0.0.1:")
    assert not bound.endswith("*")
    assert [(e.actor, e.kind, e.socket, e.detail) for e in run] == [
        ("server", "open", "REP", ""),
        ("server", "bind", "REP", bound),
        ("client", "open", "REQ", ""),
        ("client", "connect", "REQ", bound),
        ("client", "close", "REQ", ""),
        ("server", "close", "REP", ""),
    ]


def test_a_second_socket_of_a_type_has_a_number_within_its_actor() -> None:
    async def scene(floor: Floor) -> None:
        for actor, kind in (("a", zmq.REQ), ("a", zmq.REQ), ("b", zmq.REQ), ("a", zmq.SUB)):
            floor.open(actor, kind)

    run = recorded("blocking", scene)
    assert [(e.actor, e.socket) for e in run if e.kind == "open"] == [
        ("a", "REQ"),
        ("a", "REQ 2"),
        ("b", "REQ"),
        ("a", "SUB"),
    ]


def test_an_actor_without_a_name_is_the_thread_that_opened_the_socket() -> None:
    run = Recording()
    with trace.Context(run) as context:
        context.socket(zmq.PAIR).close()
        thread = threading.Thread(target=lambda: context.socket(zmq.PAIR).close(), name="helper")
        thread.start()
        thread.join(WAIT)
    assert [(e.actor, e.socket) for e in run if e.kind == "open"] == [("notebook", "PAIR"), ("helper", "PAIR")]


def test_the_asyncio_twin_of_a_context_has_its_options_and_its_recording() -> None:
    async def scene() -> None:
        with trace.Context(run, "a") as context:
            context.linger, context.sndhwm = 7, 8
            twin = context.asynchronous()
            with twin.socket(zmq.PUSH) as socket, context.socket(zmq.PUSH):
                assert isinstance(socket, zmq.asyncio.Socket)
                assert (socket.linger, socket.sndhwm) == (7, 8)

    run = Recording()
    asyncio.run(scene())
    assert [e.socket for e in run if e.kind == "open"] == ["PUSH", "PUSH 2"]


# -- sending --------------------------------------------------------------------------------------------------


class Suspicious:
    """A sink that looks whether a message has arrived at the moment at which it is told of the intent to send it."""

    def __init__(self) -> None:
        self.receiver: Any = None
        self.arrived: list[int] = []

    def add(self, event: Event) -> None:
        if event.kind == "send":
            self.arrived.append(self.receiver.poll(100))


@pytest.mark.parametrize("frames", [(b"x",), (b"x", b"y")], ids=["of one frame", "of two frames"])
def test_the_intent_to_send_is_written_before_a_message_is_on_its_way(frames: tuple[bytes, ...], style: str) -> None:
    sink = Suspicious()

    async def scene(floor: Floor) -> None:
        with zmq.Context() as untraced, untraced.socket(zmq.PULL) as receiver:
            receiver.rcvtimeo = WAIT
            receiver.bind("tcp://127.0.0.1:*")
            sink.receiver = receiver
            source = floor.connect("source", zmq.PUSH, receiver)
            await say(source, *frames)
            assert receiver.recv_multipart() == list(frames)

    played(scene, Floor(style, sink))
    assert sink.arrived == [0]


def test_an_asyncio_send_that_has_to_wait_for_a_peer_is_no_refusal() -> None:
    async def scene(floor: Floor) -> None:
        source = floor.bind("source", zmq.PUSH)
        one, two = source.send(b"one"), source.send_multipart([b"two", b"frames"])
        sink = floor.connect("sink", zmq.PULL, source)
        assert [await hear(sink), await hear(sink)] == [[b"one"], [b"two", b"frames"]]
        await asyncio.gather(one, two)

    run = recorded("asyncio", scene)
    assert kinds(run, "source") == ["send", "sent", "send", "sent"]
    assert [(frames, fate) for _, frames, fate, _ in paired(run)] == [
        ((b"one",), "received"),
        ((b"two", b"frames"), "received"),
    ]


REFUSALS: dict[str, tuple[int, dict[str, Any], list[bytes], int, str]] = {
    "EFSM, a REP that was not asked": (zmq.REP, {}, [b"x"], 0, "EFSM"),
    "EFSM, and two frames": (zmq.REP, {}, [b"x", b"y"], 0, "EFSM"),
    "EAGAIN, a PUSH without a peer": (zmq.PUSH, {}, [b"x"], zmq.DONTWAIT, "EAGAIN"),
    "EAGAIN, and two frames": (zmq.PUSH, {}, [b"x", b"y"], zmq.DONTWAIT, "EAGAIN"),
    "EAGAIN after a time limit": (zmq.PUSH, {"sndtimeo": 1}, [b"x"], 0, "EAGAIN"),
    "EAGAIN after a time limit, and two frames": (zmq.PUSH, {"sndtimeo": 1}, [b"x", b"y"], 0, "EAGAIN"),
    "EHOSTUNREACH, an address that nobody has": (
        zmq.ROUTER,
        {"router_mandatory": True},
        [b"nobody", b"x"],
        0,
        "EHOSTUNREACH",
    ),
    "ENOTSUP, a PULL": (zmq.PULL, {}, [b"x"], 0, "ENOTSUP"),
}


@pytest.mark.parametrize(("kind", "options", "frames", "flags", "name"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refused_send_is_written_as_refused_and_never_as_sent(
    kind: int, options: dict[str, Any], frames: list[bytes], flags: int, name: str, style: str
) -> None:
    async def scene(floor: Floor) -> None:
        socket = floor.open("sender", kind, **options)
        assert await errno(lambda: socket.send_multipart(frames, flags)) == name
        if len(frames) == 1:
            assert await errno(lambda: socket.send(frames[0], flags)) == name

    run = recorded(style, scene)
    times = 2 if len(frames) == 1 else 1
    assert kinds(run) == ["send", "refused"] * times
    assert [(m.fate, m.detail, m.frames[0]) for m in run.messages()] == [("refused", name, frames[0])] * times


def test_what_was_built_of_a_refused_message_is_no_part_of_the_next(style: str) -> None:
    async def scene(floor: Floor) -> None:
        source = floor.bind("source", zmq.PUSH)
        assert await errno(lambda: source.send_multipart([b"lost", b"too"], zmq.DONTWAIT)) == "EAGAIN"
        assert await errno(lambda: source.send(b"lost", zmq.DONTWAIT | zmq.SNDMORE)) == "EAGAIN"
        sink = floor.connect("sink", zmq.PULL, source)
        await say(source, b"whole", b"message")
        assert await hear(sink) == [b"whole", b"message"]

    sender, frames, fate, receivers = paired(recorded(style, scene))[-1]
    assert (sender, frames, fate, receivers) == ("source", (b"whole", b"message"), "received", ["sink"])


@pytest.mark.parametrize("wrong", [5, "text", None, [b"x"]], ids="{!r}".format)
def test_what_is_no_frame_raises_as_ever_and_leaves_no_trace(wrong: Any, style: str) -> None:
    async def scene(floor: Floor) -> list[type[Exception]]:
        sink = floor.bind("sink", zmq.PULL)
        source = floor.connect("source", zmq.PUSH, sink)
        raised = []
        for call in (lambda: source.send(wrong), lambda: source.send_multipart([b"x", wrong])):
            try:
                await act(call())
            except Exception as error:
                raised.append(type(error))
        await say(source, b"right")
        assert await hear(sink) == [b"right"]
        return raised

    floor = Floor(style)
    assert played(scene, floor) == played(scene, Floor(style, tracing=False)) == [TypeError, TypeError]
    assert paired(floor.recording) == [("source", (b"right",), "received", ["sink"])]


def test_a_wrong_frame_in_the_middle_of_a_message_changes_nothing_of_its_others() -> None:
    async def scene(floor: Floor) -> None:
        sink = floor.bind("sink", zmq.PULL)
        source = floor.connect("source", zmq.PUSH, sink)
        source.send(b"first", zmq.SNDMORE)
        with pytest.raises(TypeError):
            source.send(7, zmq.SNDMORE)
        source.send(b"last")
        assert sink.recv_multipart() == [b"first", b"last"]

    assert paired(recorded("blocking", scene)) == [("source", (b"first", b"last"), "received", ["sink"])]


SENDERS: dict[str, tuple[Callable[[Any], Any], tuple[bytes, ...]]] = {
    "bytes": (lambda s: s.send(b"x"), (b"x",)),
    "an empty frame": (lambda s: s.send(b""), (b"",)),
    "a bytearray": (lambda s: s.send(bytearray(b"xy")), (b"xy",)),
    "a memoryview": (lambda s: s.send(memoryview(b"xyz")[1:]), (b"yz",)),
    "a Frame": (lambda s: s.send(zmq.Frame(b"x"), copy=False), (b"x",)),
    "without a copy": (lambda s: s.send(b"x", copy=False), (b"x",)),
    "without a copy, tracked": (lambda s: s.send(b"x" * 99, copy=False, track=True), (b"x" * 99,)),
    "a string": (lambda s: s.send_string("łódź"), ("łódź".encode(),)),
    "an object as JSON": (lambda s: s.send_json({"a": [1, None]}), (json.dumps({"a": [1, None]}).encode(),)),
    "several frames": (lambda s: s.send_multipart([b"x", b"", b"y"]), (b"x", b"", b"y")),
    "several frames without copies": (lambda s: s.send_multipart([b"x", b"y"], copy=False), (b"x", b"y")),
    "a tuple of frames": (lambda s: s.send_multipart((b"x", zmq.Frame(b"y"))), (b"x", b"y")),
}


@pytest.mark.parametrize(("call", "frames"), SENDERS.values(), ids=SENDERS.keys())
def test_each_way_to_send_is_recorded_with_its_frames(
    call: Callable[[Any], Any], frames: tuple[bytes, ...], style: str
) -> None:
    async def scene(floor: Floor) -> None:
        sink = floor.bind("sink", zmq.PULL)
        result = await act(call(floor.connect("source", zmq.PUSH, sink)))
        assert tuple(await hear(sink)) == frames
        if isinstance(result, zmq.MessageTracker):
            result.wait(WAIT / 1000)

    compact = [
        (s, tuple(f.replace(b" ", b"") for f in got), fate, to) for s, got, fate, to in paired(recorded(style, scene))
    ]
    assert compact == [("source", tuple(f.replace(b" ", b"") for f in frames), "received", ["sink"])]


def test_a_message_built_frame_by_frame_is_one_message(style: str) -> None:
    async def scene(floor: Floor) -> None:
        sink = floor.bind("sink", zmq.PULL)
        source = floor.connect("source", zmq.PUSH, sink)
        for frame, flags in ((b"a", zmq.SNDMORE), (b"b", zmq.SNDMORE), (b"c", 0)):
            await act(source.send(frame, flags))
        assert [await act(sink.recv()) for _ in range(3)] == [b"a", b"b", b"c"]

    assert paired(recorded(style, scene)) == [("source", (b"a", b"b", b"c"), "received", ["sink"])]


def test_a_large_frame_is_recorded_by_its_size_and_digest(style: str) -> None:
    async def scene(floor: Floor) -> None:
        sink = floor.bind("sink", zmq.PULL)
        await say(floor.connect("source", zmq.PUSH, sink), b"small", b"l" * (LARGE + 1))
        assert await hear(sink) == [b"small", b"l" * (LARGE + 1)]

    ((_, frames, fate, _),) = paired(recorded(style, scene))
    assert fate == "received"
    assert frames[0] == b"small"
    assert isinstance(frames[1], Large)
    assert (frames[1].size, frames[1].head) == (LARGE + 1, b"l" * 16)


# -- receiving ------------------------------------------------------------------------------------------------


async def into(socket: Any) -> bytes:
    buffer = bytearray(9)
    size = await act(socket.recv_into(buffer))
    return bytes(buffer[:size])


async def part_of(socket: Any) -> bytes:
    return bytes((await act(socket.recv(copy=False))).buffer)


RECEIVERS: dict[str, tuple[bytes, Callable[[Any], Any], Any]] = {
    "bytes": (b"x", lambda s: s.recv(), b"x"),
    "a Frame": (b"x", part_of, b"x"),
    "several frames": (b"x", lambda s: s.recv_multipart(), [b"x"]),
    "a string": ("łódź".encode(), lambda s: s.recv_string(), "łódź"),
    "JSON": (b'{"a":1}', lambda s: s.recv_json(), {"a": 1}),
    "into a buffer": (b"xyz", into, b"xyz"),
    "an empty frame into a buffer": (b"", into, b""),
}


@pytest.mark.parametrize(("sent", "call", "got"), RECEIVERS.values(), ids=RECEIVERS.keys())
def test_each_way_to_receive_gives_what_it_should_and_is_recorded(
    sent: bytes, call: Callable[[Any], Any], got: Any, style: str
) -> None:
    async def scene(floor: Floor) -> None:
        sink = floor.bind("sink", zmq.PULL)
        await say(floor.connect("source", zmq.PUSH, sink), sent)
        assert await act(call(sink)) == got

    assert paired(recorded(style, scene)) == [("source", (sent,), "received", ["sink"])]


def test_a_message_received_in_pieces_of_different_kinds_is_one_message() -> None:
    async def scene(floor: Floor) -> None:
        sink = floor.bind("sink", zmq.PULL)
        await say(floor.connect("source", zmq.PUSH, sink), b"a", b"b", b"c")
        assert [sink.recv(), await into(sink), await part_of(sink)] == [b"a", b"b", b"c"]

    assert paired(recorded("blocking", scene)) == [("source", (b"a", b"b", b"c"), "received", ["sink"])]


VAIN: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "a receive with a time limit": (lambda s: s.recv(), ["wait"]),
    "a receive of several frames with a time limit": (lambda s: s.recv_multipart(), ["wait"]),
    "a receive of a string with a time limit": (lambda s: s.recv_string(), ["wait"]),
    "a poll with a time limit": (lambda s: s.poll(1), ["wait"]),
    "a poll that does not wait": (lambda s: s.poll(0), []),
    "a receive that does not wait": (lambda s: s.recv(zmq.DONTWAIT), []),
    "several frames that are not waited for": (lambda s: s.recv_multipart(zmq.DONTWAIT), []),
    "a poll for room to send": (lambda s: s.poll(1, zmq.POLLOUT), []),
}


@pytest.mark.parametrize(("call", "written"), VAIN.values(), ids=VAIN.keys())
def test_only_what_waits_and_gets_nothing_is_written_as_a_wait(
    call: Callable[[Any], Any], written: list[str], style: str
) -> None:
    async def scene(floor: Floor) -> None:
        sink = floor.bind("sink", zmq.PULL, rcvtimeo=20)
        await errno(lambda: call(sink))

    assert kinds(recorded(style, scene)) == written


def test_a_receive_into_a_buffer_that_gets_nothing_is_written_as_a_wait() -> None:
    async def scene(floor: Floor) -> None:
        assert await errno(lambda: floor.bind("sink", zmq.PULL, rcvtimeo=1).recv_into(bytearray(1))) == "EAGAIN"

    assert kinds(recorded("blocking", scene)) == ["wait"]


def test_a_poll_that_finds_a_message_writes_nothing(style: str) -> None:
    async def scene(floor: Floor) -> None:
        sink = floor.bind("sink", zmq.PULL)
        await say(floor.connect("source", zmq.PUSH, sink), b"x")
        assert await act(sink.poll(WAIT)) == zmq.POLLIN
        await hear(sink)

    assert kinds(recorded(style, scene), "sink") == ["receive"]


def test_a_receive_that_the_socket_does_not_allow_is_written_with_its_reason(style: str) -> None:
    async def scene(floor: Floor) -> None:
        assert await errno(lambda: floor.open("client", zmq.REQ).recv(zmq.DONTWAIT)) == "EFSM"

    run = recorded(style, scene)
    assert [(e.kind, e.detail) for e in run if e.kind == "barred"] == [("barred", "EFSM")]


# -- who is who -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["tcp", "ipc"], ids="over {}".format)
def test_two_clients_that_ask_the_same_are_told_apart(transport: str, style: str) -> None:
    async def scene(floor: Floor) -> None:
        server = floor.bind("server", zmq.ROUTER, transport)
        clients = [floor.connect(name, zmq.REQ, server) for name in ("a", "b", "b")]
        for client in clients:
            await say(client, b"ask")
        asked = [await hear(server) for _ in clients]
        for frames in reversed(asked):
            await say(server, *frames[:-1], b"OK")
        for client in clients:
            assert await hear(client) == [b"OK"]

    run = recorded(style, scene)
    ends = [
        ((m.sender, run.events[m.send].socket), [(run.events[r].actor, run.events[r].socket) for r in m.receives])
        for m in run.messages()
    ]
    clients = [("a", "REQ"), ("b", "REQ"), ("b", "REQ 2")]
    assert ends[:3] == [(client, [("server", "ROUTER")]) for client in clients]
    assert sorted(ends[3:]) == [(("server", "ROUTER"), [client]) for client in clients]
    for m in run.messages()[:3]:
        assert run.events[m.receives[0]].peer == m.sender
    for m in run.messages()[3:]:
        ids = {e.frames[0]: (e.peer, e.peer_socket) for e in run if e.kind == "receive" and e.actor == "server"}
        received = run.events[m.receives[0]]
        assert ids[m.frames[0]] == (received.actor, received.socket)


def test_frames_are_the_same_with_a_traced_peer_and_with_an_untraced_one() -> None:
    async def scene(floor: Floor) -> list[Any]:
        with zmq.Context() as untraced, untraced.socket(zmq.ROUTER) as router:
            router.rcvtimeo = WAIT
            router.bind("tcp://127.0.0.1:*")
            req = floor.connect("client", zmq.REQ, router)
            req.send(b"ask")
            frames = router.recv_multipart()
            router.send_multipart(frames)
            return [frames[1:], req.recv_multipart()]

    floor = Floor()
    assert played(scene, floor) == [[b"", b"ask"], [b"ask"]]
    assert [(m.fate, m.receiver) for m in floor.recording.messages()] == [("not received", "")]
    assert [e.peer for e in floor.recording if e.kind == "receive"] == [""]


def test_over_inproc_messages_find_their_sends_in_their_order() -> None:
    run = Recording()
    with trace.Context(run, "all") as context:
        context.rcvtimeo = WAIT
        with context.socket(zmq.REP) as server, context.socket(zmq.REQ) as a, context.socket(zmq.REQ) as b:
            server.bind("inproc://server")
            for client in (a, b):
                client.connect("inproc://server")
                client.send(b"ask")
            for client in (a, b):
                assert server.recv() == b"ask"
                server.send(b"OK")
                assert client.recv() == b"OK"
    assert [e.peer for e in run if e.kind == "receive"] == [""] * 4
    sockets = [(run.events[m.send].socket, [run.events[r].socket for r in m.receives]) for m in run.messages()]
    assert sockets == [("REQ", ["REP"]), ("REQ 2", ["REP"]), ("REP", ["REQ"]), ("REP", ["REQ 2"])]


def test_a_publication_to_two_subscribers_is_one_send_and_two_receives(style: str) -> None:
    news = [m for m in paired(recorded(style, published_to_two)) if m[1] == (b"news", b"1")]
    assert [(fate, sorted(to)) for _, _, fate, to in news] == [("received", ["s", "t"])] * 2


def test_equal_tasks_dealt_in_turn_are_each_received_once(style: str) -> None:
    tasks = paired(recorded(style, dealt_in_turn))
    assert [(sender, fate) for sender, _, fate, _ in tasks] == [("source", "received")] * 4
    assert sorted(to for *_, to in tasks) == [["v"], ["v"], ["w"], ["w"]]


def test_messages_that_crossed_on_their_way_are_both_received(style: str) -> None:
    async def scene(floor: Floor) -> None:
        a = floor.bind("a", zmq.DEALER)
        b = floor.connect("b", zmq.DEALER, a)
        await say(b, b"first")
        assert await hear(a) == [b"first"]
        await say(a, b"x")
        await say(b, b"x")
        assert [await hear(a), await hear(b)] == [[b"x"], [b"x"]]

    run = recorded(style, scene)
    assert paired(run)[1:] == [("a", (b"x",), "received", ["b"]), ("b", (b"x",), "received", ["a"])]
    assert [e.kind for e in run if e.actor == "a" and e.kind in ("send", "receive")] == ["receive", "send", "receive"]
    run.order()


def test_the_envelope_of_a_router_is_recorded_as_it_stands(style: str) -> None:
    run = recorded(style, addressed)
    hello = [m for m in run.messages() if m.sender != "router"]
    assert [(m.frames, run.events[m.receives[0]].frames) for m in hello] == [
        ((b"", b"hello"), (b"a", b"", b"hello")),
        ((b"", b"hello"), (b"b", b"", b"hello")),
    ]
    assert [(m.frames, m.receiver) for m in run.messages() if m.sender == "router"] == [
        ((b"nobody",), ""),
        ((b"a", b"", b"hello"), "a"),
        ((b"b", b"", b"hello"), "b"),
    ]


@pytest.mark.parametrize("seed", range(12), ids="seed {}".format)
def test_in_random_exchanges_every_receive_has_exactly_one_send(seed: int) -> None:
    rng, truth = random.Random(seed), []
    style, transport = rng.choice(STYLES), rng.choice(["tcp", "ipc"])
    bodies = [(b"",), (b"x",), (b"x", b""), (b"", b"x"), (b"\0id", b"x")]

    async def scene(floor: Floor) -> None:
        routers = {name: floor.bind(name, zmq.ROUTER, transport) for name in ("r", "s")}
        dealers = {(d, r): floor.connect(d, zmq.DEALER, routers[r]) for d in ("a", "b", "c") for r in routers}
        known: dict[tuple[str, str], bytes] = {}  # the id of a dealer at a router
        coming = dict.fromkeys([*routers, *dealers], 0)  # messages under way to each socket
        for (d, r), dealer in dealers.items():
            await say(dealer, d.encode())
            truth.append((d, r))
            frames = await hear(routers[r])
            known[frames[1].decode(), r] = frames[0]
        for _ in range(80):
            d, r = rng.choice(list(dealers))
            move, body = rng.randrange(4), rng.choice(bodies)
            if move == 0:
                await say(dealers[d, r], *body)
                truth.append((d, r))
                coming[r] += 1
            elif move == 1:
                await say(routers[r], known[d, r], *body)
                truth.append((r, d))
                coming[d, r] += 1
            elif move == 2 and coming[r]:
                await hear(routers[r])
                coming[r] -= 1
            elif move == 3 and coming[d, r]:
                await hear(dealers[d, r])
                coming[d, r] -= 1
        for end, count in coming.items():
            for _ in range(count):
                await hear(routers[end] if isinstance(end, str) else dealers[end])

    run = recorded(style, scene)
    messages = run.messages()
    assert [(m.sender, m.receiver) for m in messages] == truth
    assert [len(m.receives) for m in messages] == [1] * len(truth)
    assert sorted(r for m in messages for r in m.receives) == [i for i, e in enumerate(run) if e.kind == "receive"]
    depth = run.order()
    assert all(depth[m.send] < depth[m.receives[0]] for m in messages)


# -- from another process -------------------------------------------------------------------------------------


@pytest.fixture
def home() -> Iterator[trace.Context]:
    with trace.Context(Recording(), "home") as context:
        yield context


def test_a_remote_context_tells_its_events_as_lines_that_the_one_at_home_takes_in(home: trace.Context) -> None:
    lines: list[str] = []
    with trace.remote(lines.append, "far") as far, far.socket(zmq.PUSH) as socket, pytest.raises(zmq.Again):
        socket.send(b"\xff\n", zmq.DONTWAIT)
    for line in lines:
        home.hear(line)
    run = home._sink
    assert isinstance(run, Recording)
    assert [(e.actor, e.kind, e.frames) for e in run] == [
        ("far", "open", ()),
        ("far", "send", (b"\xff\n",)),
        ("far", "refused", ()),
        ("far", "close", ()),
    ]


def test_what_is_done_to_an_actor_from_outside_is_noted(home: trace.Context) -> None:
    home.note("server", "frozen")
    assert [(e.actor, e.kind) for e in home._sink or ()] == [("server", "frozen")]  # type: ignore[attr-defined]


def test_a_buffer_that_does_not_lie_row_by_row_is_recorded_as_it_travels() -> None:
    numpy = pytest.importorskip("numpy")
    recording = Recording()
    with trace.Context(recording) as context, context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
        pull.bind("inproc://columns")
        push.connect("inproc://columns")
        push.send(numpy.asfortranarray(numpy.array([[1, 2], [3, 4]], numpy.uint8)))
        assert pull.recv() == b"\1\3\2\4"
    assert [e.frames for e in recording if e.kind == "send"] == [(b"\1\3\2\4",)]


# -- names ----------------------------------------------------------------------------------------------------


def test_what_a_subscriber_subscribes_to_is_written_however_it_says_so(style: str) -> None:
    floor = Floor(style)
    sub = floor.open("reader", zmq.SUB)
    sub.subscribe(b"a")
    sub.setsockopt(zmq.SUBSCRIBE, b"b")
    sub.setsockopt_string(zmq.SUBSCRIBE, "c")
    sub.subscribe = b"d"
    sub.unsubscribe("a")
    floor.close()
    told = [(e.kind, e.frames) for e in floor.recording if "subscribe" in e.kind]
    assert told == [*(("subscribe", (p,)) for p in (b"a", b"b", b"c", b"d")), ("unsubscribe", (b"a",))]


def test_a_publication_that_nobody_subscribed_to_is_filtered_and_one_that_waits_is_not(style: str) -> None:
    async def scene(floor: Floor) -> None:
        pub = floor.bind("paper", zmq.XPUB)
        sub = floor.connect("reader", zmq.SUB, pub)
        sub.subscribe(b"tea")
        await hear(pub)
        for news in (b"tea", b"tea again", b"milk"):
            await say(pub, news)
        await hear(sub)

    fates = [(m.fate, m.receiver) for m in recorded(style, scene).messages() if m.sender == "paper"]
    assert fates == [("received", "reader"), ("not received", "reader"), ("filtered", "")]


def test_one_thread_can_play_two_parts_and_a_receiver_knows_which(style: str) -> None:
    async def scene(floor: Floor) -> None:
        desk = floor.bind("desk", zmq.ROUTER)
        for name in ("Ann", "Bob"):
            with trace.acting(name):
                guest = floor.connect("notebook", zmq.DEALER, desk)
            await say(guest, b"hello")
            await hear(desk)
        await say(floor.connect("notebook", zmq.DEALER, desk), b"hello")
        await hear(desk)

    run = recorded(style, scene)
    assert [m.sender for m in run.messages()] == ["Ann", "Bob", "notebook"]
    assert [e.peer for e in run if e.kind == "receive"] == ["Ann", "Bob", "notebook"]
    assert {e.detail for e in run if e.kind == "open" and e.actor in ("Ann", "Bob")} == {"notebook"}


def test_a_part_has_a_name() -> None:
    with pytest.raises(ValueError, match="name: expected the name of an actor"), trace.acting(""):
        pass


def test_a_monitor_leaves_no_trace_of_its_own(style: str) -> None:
    async def scene(floor: Floor) -> None:
        server = floor.bind("server", zmq.REP)
        monitor = server.get_monitor_socket(zmq.EVENT_ACCEPTED)
        floor.connect("client", zmq.REQ, server)
        await hear(monitor)
        server.disable_monitor()
        monitor.close()

    assert {e.socket for e in recorded(style, scene)} == {"REP", "REQ"}


def test_a_thread_that_nobody_named_belongs_to_the_notebook() -> None:
    run = Recording()
    with trace.Context(run) as context, ThreadPoolExecutor() as pool:
        pool.submit(lambda: context.socket(zmq.PAIR).close()).result(WAIT / 1000)
        for name in ("", "cook"):
            thread = threading.Thread(target=lambda: context.socket(zmq.PAIR).close(), name=name or None)
            thread.start()
            thread.join()
    assert [e.actor for e in run if e.kind == "open"] == ["notebook", "notebook", "cook"]
