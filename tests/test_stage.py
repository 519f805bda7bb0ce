# SPDX-License-Identifier: BSD-3-Clause
"""The stage: how each kind of role ends with it, what it raises, and that it leaves nothing behind.

A role first tells that it is under way, on a socket of its own; then it does what it is named after. Roles that do
not end are given a short deadline. `test_process` has what only processes can do.
"""

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio
from cores import Script

from diagrams import trace
from diagrams.recording import Recording
from patterns.shell import Open, Result, run
from patterns.stage import DEADLINE, LINGER, Stage, StageError

WAIT = 20.0  # seconds: the bound of every wait
SHORT = 0.3  # seconds: the deadline of a stage with roles that do not end
KINDS = {"plain": lambda: zmq.Context(), "tracing": lambda: trace.Context(Recording())}

left_open: list[zmq.Socket[Any]] = []  # by roles that forget to close


# -- roles ----------------------------------------------------------------------------------------------------


def announce(ready: str) -> None:
    with zmq.Context() as own, own.socket(zmq.PUSH) as socket:
        socket.linger = int(WAIT * 1000)
        socket.connect(ready)
        socket.send(b"")


def receives(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        announce(ready)
        socket.recv()


def sends(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    with ctx.socket(zmq.PUSH) as socket:
        socket.bind(endpoint)
        announce(ready)
        socket.send(b"to nobody")


def polls(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        announce(ready)
        socket.poll()
        socket.recv()


def forwards(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.DEALER) as back:
        front.bind(endpoint)
        announce(ready)
        zmq.proxy(front, back)


async def awaits(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        asyncio.get_running_loop().call_soon(announce, ready)  # once this waits
        await socket.recv()


async def tidies_up(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    with ctx.socket(zmq.PULL) as late, ctx.socket(zmq.PULL) as socket:
        late.rcvtimeo = 50
        socket.bind(endpoint)
        asyncio.get_running_loop().call_soon(announce, ready)
        try:
            await socket.recv()
        finally:
            await late.recv()


async def takes_no_for_an_answer(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        asyncio.get_running_loop().call_soon(announce, ready)
        try:
            await socket.recv()
        except asyncio.CancelledError:
            await asyncio.Event().wait()


def swallows(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        announce(ready)
        while True:
            try:
                socket.recv()
            except Exception:
                continue


def forgets(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    socket = ctx.socket(zmq.PULL)
    left_open.append(socket)
    socket.bind(endpoint)
    announce(ready)


async def forgets_too(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    forgets(ctx, ready, endpoint)


def ignores_everything(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    announce(ready)
    while True:
        try:
            threading.Event().wait()
        except BaseException:
            continue


def opens_and_closes(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    announce(ready)
    while True:
        with ctx.socket(zmq.PULL) as socket:
            socket.bind(endpoint)


def comes_too_late(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    with suppress(zmq.ContextTerminated), ctx.socket(zmq.PULL) as waiting:
        announce(ready)
        waiting.recv()
    ctx.socket(zmq.PULL).bind(endpoint)


def fails(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        announce(ready)
        raise LookupError("no such page")


def fails_with_its_socket_open(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    socket = ctx.socket(zmq.PULL)
    socket.bind(endpoint)
    announce(ready)
    raise LookupError("no such page")


async def fails_too(ctx: zmq.Context[Any], ready: str, endpoint: str) -> None:
    fails(ctx, ready, endpoint)


def options(ctx: zmq.Context[Any]) -> tuple[Any, ...]:
    with ctx.socket(zmq.REQ) as socket:
        return tuple(socket.get(option) for option in (zmq.LINGER, zmq.SNDHWM, zmq.RCVTIMEO, zmq.MECHANISM))


async def options_too(ctx: zmq.Context[Any]) -> tuple[Any, ...]:
    return options(ctx)


def asks(ctx: zmq.Context[Any], endpoint: str) -> bytes:
    with ctx.socket(zmq.REQ) as socket:
        socket.connect(endpoint)
        socket.send(b"hello")
        return bytes(socket.recv())


async def asks_too(ctx: zmq.Context[Any], endpoint: str) -> bytes:
    with ctx.socket(zmq.REQ) as socket:
        socket.connect(endpoint)
        await socket.send(b"hello")
        return bytes(await socket.recv())


def answers(ctx: zmq.Context[Any], endpoint: str) -> None:
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            socket.send(socket.recv() + b"!")


async def answers_too(ctx: zmq.Context[Any], endpoint: str) -> None:
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            await socket.send(await socket.recv() + b"!")


# -- helpers --------------------------------------------------------------------------------------------------


class Gate:
    """Where roles announce themselves, apart from the stage."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PULL)
        self._socket.bind("tcp://127.0.0.1:*")
        self.endpoint = self._socket.last_endpoint.decode()

    def wait(self, count: int = 1) -> None:
        for _ in range(count):
            assert self._socket.poll(int(WAIT * 1000)), "a role did not start"
            self._socket.recv()

    def close(self) -> None:
        self._socket.close()
        self._context.term()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


@pytest.fixture(params=KINDS.values(), ids=[f"with a {name} context" for name in KINDS])
def context(request: pytest.FixtureRequest) -> Callable[[], zmq.Context[Any]]:
    """How a context is made: whoever begins a stage makes one."""
    make: Callable[[], zmq.Context[Any]] = request.param
    return make


@pytest.fixture(params=["play", "spawn"], ids=["in a thread", "in a process"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass
class Place:
    """Where a role is played."""

    how: str
    context: Callable[[], zmq.Context[Any]]

    def start(self, stage: Stage) -> Callable[..., Any]:
        return stage.play if self.how == "play" else stage.spawn


PLACES = {
    "in a thread": ("play", "plain"),
    "in a traced thread": ("play", "tracing"),
    "in a traced process": ("spawn", "tracing"),
}


@pytest.fixture(params=PLACES.values(), ids=PLACES.keys())
def place(request: pytest.FixtureRequest) -> Place:
    how, kind = request.param
    return Place(how, KINDS[kind])


def sentence(role: Callable[..., Any]) -> str:
    return f"a role that {role.__name__.replace('_', ' ')}"


def seconds(act: Callable[[], object]) -> float:
    start = time.monotonic()
    act()
    return time.monotonic() - start


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0


def looks_later(ctx: zmq.Context[Any]) -> bool:
    threading.Event().wait(0.5)
    return ctx.closed


def test_no_context_goes_while_a_role_could_open_a_socket_in_it() -> None:
    with Stage() as stage:  # libzmq ends the process where a socket is opened in a Context that has just gone
        actor = stage.play(looks_later)
    assert actor.result() is False


# -- what ends by itself --------------------------------------------------------------------------------------

ENDING = [receives, sends, polls, forwards, awaits, comes_too_late, opens_and_closes]


@pytest.mark.parametrize("role", ENDING, ids=sentence)
def test_a_role_that_waits_on_its_sockets_ends_with_its_stage(
    role: Callable[..., Any], place: Place, gate: Gate
) -> None:
    stage = Stage(place.context())
    actor = place.start(stage)(role, gate.endpoint, stage.endpoint("here"))
    gate.wait()
    assert seconds(stage.close) < DEADLINE
    assert actor.done
    assert stage.context.closed


def test_an_asyncio_role_has_a_loop_that_waits_on_sockets_and_the_systems_choice_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def proactor() -> None:
        raise AssertionError("on Windows this loop cannot wait on sockets")

    async def looks(ctx: zmq.Context[Any]) -> bool:
        return isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop)

    monkeypatch.setattr(asyncio.events, "new_event_loop", proactor)
    with Stage() as stage:
        assert stage.play(looks).result(WAIT)


def test_an_asyncio_role_may_tidy_up_before_its_context_goes(place: Place, gate: Gate) -> None:
    stage = Stage(place.context())
    actor = place.start(stage)(tidies_up, gate.endpoint, stage.endpoint("here"))
    gate.wait()
    with pytest.raises(zmq.Again):  # what its last receive raised in its own time, and no end of the Context
        stage.close()
    assert actor.done


def test_a_stage_on_which_nobody_played_ends_at_once(context: Callable[[], zmq.Context[Any]]) -> None:
    assert seconds(Stage(context()).close) < DEADLINE


def test_a_role_that_returned_long_ago_gives_its_result_and_holds_up_nothing(place: Place) -> None:
    with Stage(place.context()) as stage:
        assert place.start(stage)(options).result(WAIT)[0] == LINGER


def test_sockets_opened_through_the_stage_are_closed_by_it(context: Callable[[], zmq.Context[Any]]) -> None:
    with Stage(context()) as stage:
        socket = stage.socket(zmq.PUSH, sndtimeo=7)
        socket.bind(stage.endpoint("here"))
        assert (socket.sndtimeo, socket.linger) == (7, LINGER)
    assert socket.closed


def test_a_stage_can_be_closed_twice(context: Callable[[], zmq.Context[Any]]) -> None:
    stage = Stage(context())
    stage.socket(zmq.PULL)
    stage.close()
    stage.close()


# -- what does not --------------------------------------------------------------------------------------------


# The exception that stops such a thread may land in a callback of the interpreter's, which only reports it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("role", [swallows, takes_no_for_an_answer], ids=sentence)
def test_a_role_that_goes_on_is_stopped_and_named(role: Callable[..., Any], place: Place, gate: Gate) -> None:
    stage = Stage(place.context(), deadline=SHORT)
    actor = place.start(stage)(role, gate.endpoint, stage.endpoint("here"), name="mule")
    gate.wait()
    with pytest.raises(StageError) as raised:
        stage.close()
    assert str(raised.value) == "after 0.3 s this had not ended by itself: 'mule'"
    assert actor.done


def test_a_process_that_ignores_everything_is_killed_and_named(gate: Gate) -> None:
    stage = Stage(deadline=SHORT)
    actor = stage.spawn(ignores_everything, gate.endpoint, stage.endpoint("here"), name="mule")
    gate.wait()
    with pytest.raises(StageError, match=r"^after 0\.3 s this had not ended by itself: 'mule'$"):
        stage.close()
    assert actor.returncode == -9


def test_several_roles_that_go_on_are_all_named_within_one_deadline(gate: Gate) -> None:
    stage = Stage(deadline=1.0)
    for n in range(3):
        stage.play(takes_no_for_an_answer, gate.endpoint, stage.endpoint(f"here{n}"), name=f"mule {n}")
    gate.wait(3)
    start = time.monotonic()
    with pytest.raises(StageError, match=r"'mule 0', 'mule 1', 'mule 2'$"):
        stage.close()
    assert time.monotonic() - start < 2.5


def test_a_socket_that_the_notebook_left_open_is_closed_and_named(context: Callable[[], zmq.Context[Any]]) -> None:
    stage = Stage(context(), deadline=SHORT)
    forgotten = stage.context.socket(zmq.PULL)
    with pytest.raises(StageError, match=r"had not ended by itself: a PULL socket left open$"):
        stage.close()
    assert forgotten.closed
    assert stage.context.closed


@pytest.mark.parametrize("role", [forgets, forgets_too], ids=["a plain role", "an asyncio role"])
def test_a_socket_that_a_role_left_open_is_closed_and_named(
    role: Callable[..., Any], context: Callable[[], zmq.Context[Any]], gate: Gate
) -> None:
    stage = Stage(context(), deadline=SHORT)
    stage.play(role, gate.endpoint, stage.endpoint("here"))
    gate.wait()
    with pytest.raises(StageError, match=r"had not ended by itself: a PULL socket left open$"):
        stage.close()
    assert left_open.pop().closed
    assert stage.context.closed


def test_a_generator_of_a_core_at_rest_is_named_and_does_not_hold_the_context() -> None:
    stage = Stage(deadline=SHORT)
    results = run(stage.context, Script(Open("socket", zmq.PULL, stage.endpoint("here"), bind=True), Result("ready")))
    assert next(results) == "ready"
    with pytest.raises(StageError, match=r"a PULL socket left open"):
        stage.close()
    assert stage.context.closed
    results.close()


def test_a_process_that_left_a_socket_open_is_killed_and_named(gate: Gate) -> None:
    stage = Stage(deadline=SHORT)
    stage.spawn(forgets, gate.endpoint, stage.endpoint("here"))
    gate.wait()
    with pytest.raises(StageError, match=r"had not ended by itself: 'forgets'$"):
        stage.close()


def test_all_that_did_not_end_is_named_together(gate: Gate) -> None:
    stage = Stage(deadline=SHORT)
    stage.play(swallows, gate.endpoint, stage.endpoint("a"), name="one")
    stage.spawn(ignores_everything, gate.endpoint, stage.endpoint("b"), name="two")
    stage.play(receives, gate.endpoint, stage.endpoint("c"), name="good")
    forgotten = stage.context.socket(zmq.SUB)
    gate.wait(3)
    with pytest.raises(StageError, match=r"had not ended by itself: 'one', 'two', a SUB socket left open$"):
        stage.close()
    assert forgotten.closed


# -- what is raised -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "role"),
    [("play", fails), ("play", fails_too), ("spawn", fails), ("spawn", fails_too)],
    ids=["in a thread", "with asyncio", "in a process", "with asyncio in a process"],
)
def test_what_a_role_raised_is_raised_in_the_notebook(how: str, role: Callable[..., Any], gate: Gate) -> None:
    stage = Stage(trace.Context(Recording()))
    getattr(stage, how)(role, gate.endpoint, stage.endpoint("here"))
    gate.wait()
    with pytest.raises(LookupError, match="no such page"):
        stage.close()


def test_the_notebooks_own_error_comes_first_and_the_actors_as_a_note(how: str, gate: Gate) -> None:
    def scene() -> None:
        with Stage() as stage:
            getattr(stage, how)(fails, gate.endpoint, stage.endpoint("here"))
            gate.wait()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as raised:
        scene()
    assert raised.value.__notes__ == ["On the stage: LookupError: no such page"]


def test_several_errors_are_raised_together(how: str, gate: Gate) -> None:
    stage = Stage()
    for name in ("one", "two"):
        getattr(stage, how)(fails, gate.endpoint, stage.endpoint(name), name=name)
    gate.wait(2)
    with pytest.raises(ExceptionGroup, match="on the stage") as raised:
        stage.close()
    assert [repr(error) for error in raised.value.exceptions] == 2 * ["LookupError('no such page')"]
    for name, error in zip(("one", "two"), raised.value.exceptions, strict=True):
        assert f"raised by actor {name!r}" in error.__notes__


def test_what_did_not_end_is_named_beside_what_was_raised(gate: Gate) -> None:
    stage = Stage(deadline=SHORT)
    stage.play(fails, gate.endpoint, stage.endpoint("a"))
    stage.spawn(ignores_everything, gate.endpoint, stage.endpoint("b"), name="mule")
    gate.wait(2)
    with pytest.raises(ExceptionGroup) as raised:
        stage.close()
    error, left = raised.value.exceptions
    assert isinstance(error, LookupError)
    assert isinstance(left, StageError)
    assert str(left).endswith("this had not ended by itself: 'mule'")


def test_an_error_that_came_after_the_asking_had_been_given_up_is_raised(how: str, gate: Gate) -> None:
    def late(ctx, endpoint):  # type: ignore[no-untyped-def]
        with ctx.socket(zmq.PULL) as socket:
            socket.connect(endpoint)
            socket.recv()
        raise LookupError("no such page")

    stage = Stage()
    push = stage.socket(zmq.PUSH)
    push.bind(stage.endpoint("here"))
    actor = getattr(stage, how)(late, stage.endpoint("here"))
    with pytest.raises(TimeoutError, match="'late' was still running"):
        actor.result(0.01)
    push.send(b"now")
    assert actor.join(WAIT)
    with pytest.raises(LookupError):
        stage.close()


def test_an_error_that_was_asked_for_is_not_raised_again(how: str, gate: Gate) -> None:
    with Stage() as stage:
        actor = getattr(stage, how)(fails, gate.endpoint, stage.endpoint("here"))
        gate.wait()
        with pytest.raises(LookupError, match="no such page"):
            actor.result(WAIT)


@pytest.mark.filterwarnings("ignore:Unclosed socket:ResourceWarning")
def test_a_socket_held_by_a_failed_role_does_not_hold_up_the_end(how: str, gate: Gate) -> None:
    stage = Stage()
    getattr(stage, how)(fails_with_its_socket_open, gate.endpoint, stage.endpoint("here"))
    gate.wait()

    def close() -> None:
        with pytest.raises(LookupError):
            stage.close()

    assert seconds(close) < DEADLINE


def test_a_result_that_does_not_come_times_out(how: str, gate: Gate) -> None:
    with Stage() as stage:
        actor = getattr(stage, how)(receives, gate.endpoint, stage.endpoint("here"))
        gate.wait()
        with pytest.raises(TimeoutError, match=r"^actor 'receives' was still running after 0\.01 s$"):
            actor.result(0.01)
        assert not actor.done
    assert actor.done


def test_a_role_that_raises_a_timeout_error_is_not_said_to_be_running(how: str) -> None:
    def impatient(ctx):  # type: ignore[no-untyped-def]
        raise TimeoutError("nobody came")

    with Stage() as stage:
        actor = getattr(stage, how)(impatient)
        with pytest.raises(TimeoutError, match="nobody came"):
            actor.result(WAIT)


# -- names and endpoints --------------------------------------------------------------------------------------


def test_an_actor_has_the_name_of_its_role_and_a_second_one_a_number() -> None:
    with Stage() as stage:
        actors = [stage.play(options) for _ in range(3)] + [stage.play(options, name="own")]
        assert [actor.name for actor in actors] == ["options", "options 2", "options 3", "own"]


def test_a_name_that_is_taken_is_refused() -> None:
    with Stage() as stage:
        stage.play(options, name="twin")
        for how in (stage.play, stage.spawn):
            with pytest.raises(ValueError, match="there is already an actor 'twin' on this stage"):
                how(options, name="twin")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "tcp://x", "*", "a\0b"], ids="{!r}".format)
def test_an_endpoint_needs_a_plain_name(name: str) -> None:
    with Stage() as stage, pytest.raises(ValueError, match="expected letters, digits"):
        stage.endpoint(name)


def test_an_endpoint_is_the_same_at_every_call_and_of_no_other_stage() -> None:
    with Stage() as one, Stage() as two:
        assert one.endpoint("front-end_1") == one.endpoint("front-end_1")
        assert len({one.endpoint("a"), one.endpoint("b"), two.endpoint("a")}) == 3


def test_an_endpoint_too_long_for_ipc_is_one_of_tcp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 75)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with Stage() as stage:
        endpoints = [stage.endpoint("front" * 10), stage.endpoint("back" * 10)]
        assert endpoints == [stage.endpoint("front" * 10), stage.endpoint("back" * 10)]
        assert len(set(endpoints)) == 2
        assert all(e.startswith("tcp://127.0.0.1:") for e in endpoints)
        stage.play(answers, endpoints[0])
        assert stage.play(asks, endpoints[0]).result(WAIT) == b"hello!"


@pytest.mark.skipif(not zmq.has("ipc"), reason="no ipc on this system")
def test_a_path_as_long_as_ipc_allows_is_used_and_a_longer_one_is_not() -> None:
    with Stage() as stage:
        room = zmq.IPC_PATH_MAX_LEN - len(stage.endpoint("n").removeprefix("ipc://")) + 1
        longest = stage.endpoint("n" * room)
        assert longest.startswith("ipc://")
        stage.socket(zmq.PULL).bind(longest)
        assert stage.endpoint("n" * (room + 1)).startswith("tcp://")


@pytest.mark.skipif(not zmq.has("ipc"), reason="no ipc on this system")
def test_the_folder_of_the_endpoints_goes_with_the_stage() -> None:
    with Stage() as stage:
        stage.socket(zmq.PULL).bind(stage.endpoint("here"))
        folder = Path(stage.endpoint("here").removeprefix("ipc://")).parent
        assert folder.exists()
    assert not folder.exists()


@pytest.mark.parametrize("wrong", [zmq.Context, 1, "context"], ids=["the class", "a number", "a string"])
def test_what_is_no_context_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a zmq\.Context instance"):
        Stage(wrong)


# -- options --------------------------------------------------------------------------------------------------

PLAYERS = {
    "in a thread": ("play", options, asks),
    "with asyncio": ("play", options_too, asks_too),
    "in a process": ("spawn", options, asks),
    "with asyncio in a process": ("spawn", options_too, asks_too),
}


@pytest.mark.parametrize(("how", "role", "_"), PLAYERS.values(), ids=PLAYERS.keys())
def test_the_options_of_the_context_reach_every_role(
    how: str, role: Any, _: Any, context: Callable[[], zmq.Context[Any]]
) -> None:
    with Stage(context()) as stage:
        stage.context.linger, stage.context.sndhwm, stage.context.rcvtimeo = 123, 45, 678
        stage.context.curve_serverkey, _ = zmq.curve_keypair()
        assert getattr(stage, how)(role).result(WAIT) == (123, 45, 678, zmq.CURVE)


@pytest.mark.parametrize(("how", "_", "role"), PLAYERS.values(), ids=PLAYERS.keys())
def test_every_role_can_talk_under_curve(how: str, _: Any, role: Any) -> None:
    server_public, server_secret = zmq.curve_keypair()
    with zmq.Context() as apart, apart.socket(zmq.REP) as server, Stage(trace.Context(Recording())) as stage:
        stage.context.curve_publickey, stage.context.curve_secretkey = zmq.curve_keypair()
        stage.context.curve_serverkey = server_public
        server.curve_secretkey, server.curve_server = server_secret, True
        server.linger, server.rcvtimeo = 0, int(WAIT * 1000)
        server.bind("tcp://127.0.0.1:*")
        actor = getattr(stage, how)(role, server.last_endpoint.decode())
        assert server.recv() == b"hello"
        server.send(b"welcome")
        assert actor.result(WAIT) == b"welcome"


def test_the_stage_sets_a_bounded_linger_where_none_is_set() -> None:
    chosen = zmq.Context()
    chosen.linger = 5
    with Stage() as stage, Stage(chosen) as other:
        assert (stage.context.linger, other.context.linger) == (LINGER, 5)


# -- together -------------------------------------------------------------------------------------------------


EXCHANGES = {
    "blocking": ("play", answers, asks),
    "asyncio": ("play", answers_too, asks_too),
    "a blocking server and an asyncio client": ("play", answers, asks_too),
    "an asyncio server and a blocking client": ("play", answers_too, asks),
    "blocking, in processes": ("spawn", answers, asks),
    "asyncio, in processes": ("spawn", answers_too, asks_too),
}


@pytest.mark.parametrize(("how", "server", "client"), EXCHANGES.values(), ids=EXCHANGES.keys())
def test_an_exchange_goes_the_same_and_is_recorded(how: str, server: Any, client: Any) -> None:
    run = Recording()
    for context in (zmq.Context(), trace.Context(run)):
        with Stage(context) as stage:
            start = stage.play if how == "play" else stage.spawn
            start(server, stage.endpoint("server"), name="server")
            assert start(client, stage.endpoint("server"), name="client").result(WAIT) == b"hello!"
    assert {(m.sender, m.receiver, m.frames, m.fate) for m in run.messages()} == {
        ("client", "server", (b"hello",), "received"),
        ("server", "client", (b"hello!",), "received"),
    }
    assert run.actors() == ("client", "server")


def test_a_stage_leaves_nothing_behind(context: Callable[[], zmq.Context[Any]], gate: Gate) -> None:
    gc.collect()
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    stage = Stage(context(), deadline=WAIT)  # how fast is not the question here
    for n, role in enumerate((receives, forwards, awaits)):
        stage.play(role, gate.endpoint, stage.endpoint(f"thread{n}"))
        stage.spawn(role, gate.endpoint, stage.endpoint(f"process{n}"))
    killed = stage.spawn(receives, gate.endpoint, stage.endpoint("killed"), name="killed")
    stage.socket(zmq.PULL).bind(stage.endpoint("notebook"))
    gate.wait(7)
    killed.kill()
    processes = [actor.pid for actor in stage._actors if hasattr(actor, "pid")]
    stage.close()
    assert set(threading.enumerate()) == threads
    assert open_descriptors() <= descriptors
    for pid in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_role_that_opens_sockets_all_the_time_does_not_upset_the_end(gate: Gate) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(10):
            with Stage() as stage:
                for n in range(2):
                    stage.play(opens_and_closes, gate.endpoint, stage.endpoint(f"here{n}"))
                gate.wait(2)
    finally:
        sys.setswitchinterval(interval)
