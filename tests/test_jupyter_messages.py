# SPDX-License-Identifier: BSD-3-Clause
"""Jupyter messages: packed and read as Jupyter's own client does it, whatever comes, and a small kernel and front end.

The counterparts are Jupyter's: its Session, its blocking client, and its Python kernel.
"""

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import kernels
import pytest
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.session import Session
from jupyter_core.utils import ensure_event_loop
from sockets import (
    MS,
    WAIT,
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
from patterns import jupyter_messages
from patterns.jupyter_messages import (
    GUARANTEES,
    Message,
    answers,
    endpoint,
    front_end,
    kernel,
    made,
    pack,
    read,
    unpack,
)
from patterns.stage import Stage

KEY = b"a key that only the two of us know"
SHORT = 0.6  # seconds for a front end that waits in vain


def request(kind: str = "execute_request", session: str = "Ada", **content: Any) -> Message:
    return made(kind, content or {"code": "tea"}, session)


# -- frames -------------------------------------------------------------------------------------------------------


def test_what_is_packed_is_what_is_unpacked() -> None:
    message = replace(request(), ids=(b"Ada", b""), buffers=(b"", b"\xff"), metadata={"ü": [1]}, parent={"msg_id": "1"})
    assert unpack(pack(message, KEY), KEY) == message


@pytest.mark.parametrize("ids", [[], [b"Ada"], [b"kernel.7.status"]], ids=["no ids", "a routing id", "a topic"])
def test_jupyters_session_reads_what_is_packed(ids: list[bytes]) -> None:
    message = made("execute_request", {"code": "é"}, "Ada", request(), ids)
    theirs = Session(key=KEY)
    found, frames = theirs.feed_identities(pack(message, KEY))
    told = theirs.deserialize(frames)
    assert found == ids
    assert (told["content"], told["msg_type"], told["msg_id"]) == (
        message.content,
        message.kind,
        message.header["msg_id"],
    )
    assert told["parent_header"]["session"] == "Ada"


def test_what_jupyters_session_packs_is_read() -> None:
    theirs = Session(key=KEY, session="Bea")
    frames = theirs.serialize(theirs.msg("execute_request", {"code": "é"}, metadata={"n": 1}), ident=b"Bea")
    message = unpack([*frames, b"a buffer"], KEY)
    assert message
    assert (message.ids, message.kind, message.content) == ((b"Bea",), "execute_request", {"code": "é"})
    assert (message.header["session"], message.metadata, message.buffers) == ("Bea", {"n": 1}, (b"a buffer",))


def signed(*parts: bytes) -> list[bytes]:
    return [b"<IDS|MSG>", jupyter_messages.sign(parts, KEY), *parts]


GOOD = pack(request(), KEY)
HEADER = b'{"msg_id": "1", "session": "Ada", "msg_type": "execute_request"}'
DEEP = b"[" * 5000 + b"]" * 5000
STRANGE: dict[str, Sequence[bytes]] = {
    "no frame": [],
    "an empty frame": [b""],
    "no delimiter": GOOD[1:],
    "a delimiter alone": GOOD[:1],
    "no content": GOOD[:5],
    "another signature": [GOOD[0], b"0" * 64, *GOOD[2:]],
    "no signature": [GOOD[0], b"", *GOOD[2:]],
    "a signature that is no text": [GOOD[0], b"\xff\xfe", *GOOD[2:]],
    "another content": [*GOOD[:5], b'{"code": "coffee"}'],
    "another key": pack(request(), b"another key"),
    "no JSON": signed(HEADER, b"{}", b"{}", b"{"),
    "JSON in UTF-16": signed(HEADER, b"{}", b"{}", "{}".encode("utf-16")),
    "no UTF-8": signed(HEADER, b"{}", b"{}", b'{"code": "caf\xe9"}'),
    "a list for a header": signed(b"[]", b"{}", b"{}", b"{}"),
    "a number for a content": signed(HEADER, b"{}", b"{}", b"7"),
    "a header without a name": signed(HEADER.replace(b"msg_id", b"id"), b"{}", b"{}", b"{}"),
    "a session that is a number": signed(HEADER.replace(b'"Ada"', b"7"), b"{}", b"{}", b"{}"),
    "a header that is too deep": signed(HEADER[:-1] + b', "x": ' + DEEP + b"}", b"{}", b"{}", b"{}"),
    "a parent that holds a list": signed(HEADER, b'{"msg_id": ["1"]}', b"{}", b"{}"),
    "a number that is too long": signed(HEADER, b"{}", b"{}", b'{"n": ' + b"9" * 5000 + b"}"),
}  # fmt: skip


@pytest.mark.parametrize("frames", STRANGE.values(), ids=STRANGE.keys())
def test_what_is_no_message_is_none(frames: Sequence[bytes]) -> None:
    assert unpack(frames, KEY) is None


@pytest.mark.parametrize("seed", range(100))
def test_a_message_that_was_spoilt_anywhere_is_none(seed: int) -> None:
    dice, frames = random.Random(seed), list(GOOD)
    place = dice.randrange(1, len(frames))
    frame = bytearray(frames[place])
    match dice.choice(["turn", "cut", "more", "lose", "swap"]):
        case "turn":
            frame[dice.randrange(len(frame))] ^= 1 << dice.randrange(8)
        case "cut":
            del frame[dice.randrange(len(frame)) :]
        case "more":
            frame += dice.randbytes(dice.randrange(1, 9))
        case "lose":
            del frames[place]
        case "swap":
            frames[0], frame = frames[place], bytearray(frames[0])
    frames[place : place + 1] = [bytes(frame)] if len(frames) == len(GOOD) else frames[place : place + 1]
    assert frames == GOOD or unpack(frames, KEY) is None


def test_without_a_key_nothing_is_signed() -> None:
    for act in (lambda: pack(request(), b""), lambda: unpack(GOOD, b"")):
        with pytest.raises(ValueError, match="key: expected at least one byte"):
            act()


# -- what a kernel says -------------------------------------------------------------------------------------------


def fails(code: str) -> str:
    raise RuntimeError("no more " + code)


SAID: dict[str, tuple[Message, Callable[[str], str], list[str]]] = {
    "a text to be executed": (
        request(),
        str.upper,
        ["status busy", "execute_input tea", "execute_result TEA", "execute_reply ok", "status idle"],
    ),
    "a text with which the work fails": (
        request(),
        fails,
        ["status busy", "execute_input tea", "error no more tea", "execute_reply error", "status idle"],
    ),
    "who are you": (request("kernel_info_request"), str.upper, ["status busy", "kernel_info_reply ok", "status idle"]),
    "no text": (request(code=7), str.upper, ["status busy", "status idle"]),
    "go": (request("shutdown_request", restart=True), str.upper, ["status busy", "shutdown_reply ok", "status idle"]),
    "what it does not know": (request("comm_open"), str.upper, ["status busy", "status idle"]),
}


@pytest.mark.parametrize(("asked", "work", "said"), SAID.values(), ids=SAID.keys())
def test_to_each_request_there_is_an_answer(asked: Message, work: Callable[[str], str], said: list[str]) -> None:
    asked = replace(asked, ids=(b"Ada", b"1"))
    found = list(answers(asked, "kernel", work, 3))
    assert [f"{message.kind} {_gist(message)}" for _, message in found] == said
    for channel, message in found:
        assert message.parent == asked.header
        assert message.header["session"] == "kernel"
        assert message.ids == (asked.ids if channel == "reply" else (message.kind.encode(),))
        assert (channel == "reply") == message.kind.endswith("_reply")


def _gist(message: Message) -> Any:
    match message.content:
        case {"data": {"text/plain": text}} | {"code": text} | {"execution_state": text} | {"status": text}:
            return text
        case {"evalue": text}:
            return text


# -- on sockets ---------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "kernel.json")


def started(stage: Stage, file: str, work: Callable[[str], str] = str.upper) -> Any:
    actor = stage.play(kernel, file, work)
    there(file)
    return actor


def there(file: str) -> None:
    """Wait for a file."""
    for _ in range(int(WAIT * 100)):
        if os.path.exists(file):
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"nobody has written {file}")


def asks(stage: Stage, *code: str, file: str, timeout: float = WAIT) -> Any:
    return stage.play(front_end, *code, file=file, timeout=timeout)


@pytest.mark.parametrize("first", ["kernel", "front end"])
def test_a_front_end_gets_what_came_of_each_text(stage: Stage, file: str, first: str) -> None:
    asking = asks(stage, "tea", "milk", file=file) if first == "front end" else None
    started(stage, file)
    asking = asking or asks(stage, "tea", "milk", file=file)
    assert asking.result(WAIT) == ["TEA", "MILK"]


def test_a_front_end_that_waits_for_its_file_sleeps_and_ends_with_its_stage(file: str) -> None:
    with Stage() as stage:
        asking, since = asks(stage, "tea", file=file), time.thread_time()
        with pytest.raises(ValueError, match="expected a connection file"):
            front_end(stage.context, "tea", file=file, timeout=0.5)
        assert time.thread_time() - since < 0.2
        assert not asking.done


def test_two_front_ends_get_each_its_own(stage: Stage, file: str) -> None:
    started(stage, file)
    words = [f"{name} {n}" for n in range(20) for name in ("ada", "bea")]
    both = [asks(stage, *words[n::2], file=file) for n in range(2)]
    assert [each.result(WAIT) for each in both] == [[word.upper() for word in words[n::2]] for n in range(2)]


def test_what_the_work_raises_is_told(stage: Stage, file: str) -> None:
    started(stage, file, fails)
    assert asks(stage, "tea", file=file).result(WAIT) == ["RuntimeError: no more tea"]


@pytest.mark.skipif(os.name == "nt", reason="rights are another matter on Windows")
def test_the_connection_file_is_for_its_owner_and_goes_with_the_kernel(file: str) -> None:
    with Stage() as stage:
        started(stage, file)
        assert os.stat(file).st_mode & 0o777 == 0o600
    assert not os.path.exists(file)


def connected(stage: Stage, kind: int, to: str, **options: Any) -> Any:
    socket = stage.socket(kind, rcvtimeo=MS, sndtimeo=MS, linger=0, **options)
    socket.connect(to)
    return socket


def test_what_is_no_request_ends_no_kernel(stage: Stage, file: str) -> None:
    started(stage, file)
    connection = read(file)
    key = connection["key"].encode()
    dealer = connected(stage, zmq.DEALER, endpoint(connection, "shell"))
    good = [replace(request(), content=content) for content in ({}, {"code": []}, {"code": "\ud800"})]
    for frames in (*filter(None, STRANGE.values()), *(pack(each, key) for each in good)):
        dealer.send_multipart(frames)
    assert (told := unpack(dealer.recv_multipart(), key))
    assert told.kind == "execute_reply"
    assert asks(stage, "tea", file=file).result(WAIT) == ["TEA"]


def test_what_is_no_answer_ends_no_front_end(stage: Stage, file: str) -> None:
    connection, sockets = {"transport": "tcp", "ip": "127.0.0.1", "key": KEY.decode()}, {}
    for channel, kind in jupyter_messages.CHANNELS.items():
        sockets[channel] = stage.socket(zmq.XPUB if channel == "iopub" else kind, rcvtimeo=MS)
        sockets[channel].bind("tcp://127.0.0.1:*")
        connection[f"{channel}_port"] = sockets[channel].last_endpoint.rpartition(b":")[2].decode()
    Path(file).write_text(json.dumps(connection))
    asking = asks(stage, "tea", file=file)
    assert sockets["iopub"].recv() == b"\1"
    odd = [{"execution_state": []}, {"execution_state": {}}, {"text": 7}, {"data": 7}, {"data": {"text/plain": []}}]
    while not asking.done:
        told = unpack(sockets["shell"].recv_multipart(), KEY)
        assert told
        for content in odd:
            for kind in ("status", "stream", "execute_result", "error"):
                sockets["iopub"].send_multipart(pack(made(kind, content, "kernel", told), KEY))
        for frames in filter(None, STRANGE.values()):
            sockets["iopub"].send_multipart(frames)
            sockets["shell"].send_multipart([*told.ids, *frames])
        if told.kind == "execute_request":
            for channel, message in answers(told, "kernel", str.upper, 1):
                sockets["shell" if channel == "reply" else channel].send_multipart(pack(message, KEY))
            break
    assert asking.result(WAIT) == ["TEA"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": ""}', '{"key": "x", "transport": "tcp", "ip": "127.0.0.1"}'])
def test_what_is_no_connection_file_is_said_at_once(stage: Stage, file: str, text: str) -> None:
    Path(file).write_text(text)
    with pytest.raises(ValueError, match="file: expected a connection file"):
        asks(stage, "tea", file=file).result(WAIT)


@curve
def test_under_curve_only_who_has_the_keys_is_heard(file: str) -> None:
    with under_curve(Recording()) as (home, abroad, street):
        started(home, file)
        with turned_away(street, zmq.DEALER, endpoint(read(file), "shell"), pack(request(), KEY)):
            assert asks(abroad, "tea", file=file).result(WAIT) == ["TEA"]


# -- Jupyter's own ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def loop() -> Iterator[None]:
    """Jupyter's client keeps a loop for each thread, and never closes it."""
    loop = ensure_event_loop()
    yield
    loop.close()


def test_jupyters_client_works_with_this_kernel(file: str) -> None:
    with Stage() as stage:
        working = started(stage, file)
        client, said = BlockingKernelClient(connection_file=file, context=zmq.Context()), []
        client.load_connection_file()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=WAIT)
            told = client.execute_interactive("tea", timeout=WAIT, output_hook=lambda it: said.append(it["msg_type"]))
            assert told["content"]["status"] == "ok"
            assert said == ["status", "execute_input", "execute_result", "status"]
            client.shutdown()
            assert working.result(WAIT) is None
        finally:
            client.stop_channels()
            client.context.term()


@pytest.fixture
def jupyters(tmp_path: Path) -> Iterator[str]:
    """The connection file of Jupyter's Python kernel."""
    manager = kernels.manager(connection_file=str(tmp_path / "real.json"), context=zmq.Context())
    manager.start_kernel(stderr=(log := open(tmp_path / "log", "w")))
    try:
        yield str(tmp_path / "real.json")
    finally:
        manager.shutdown_kernel(now=True)
        manager.context.term()
        log.close()


def test_this_front_end_works_with_jupyters_kernel(jupyters: str) -> None:
    with Stage() as stage:
        asking = asks(stage, "print(6 * 7)", "'tea'", "1 / 0", file=jupyters)
        assert asking.result(WAIT) == ["42\n", "'tea'", "ZeroDivisionError: division by zero"]


# -- under faults -------------------------------------------------------------------------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def busy(ctx: zmq.Context[Any], file: str) -> None:
    import threading
    from pathlib import Path

    from patterns.jupyter_messages import kernel

    kernel(ctx, file, lambda code: Path(f"{file}.begun").touch() or threading.Event().wait() or code)  # type: ignore


@signals
def test_a_kernel_that_dies_is_told_by_silence(stage: Stage, file: str) -> None:
    working = stage.spawn(busy, file)
    there(file)
    asking = asks(stage, "tea", file=file, timeout=2)
    there(f"{file}.begun")
    working.kill()
    with pytest.raises(TimeoutError, match="the kernel had not done 1 of 1 in 2 s"):
        asking.result(WAIT)


@signals
def test_a_frozen_kernel_answers_when_it_thaws(stage: Stage, file: str) -> None:
    working = stage.spawn(kernel, file)
    there(file)
    working.freeze()
    asking = asks(stage, "tea", file=file)
    assert is_stuck(asking)
    working.thaw()
    assert asking.result(WAIT) == ["TEA"]


def through(wire: Wire, file: str) -> str:
    """A connection file by which the outputs come through this wire."""
    Path(f"{file}.far").write_text(json.dumps(read(file) | {"iopub_port": int(wire.endpoint.rpartition(":")[2])}))
    return f"{file}.far"


def test_outputs_that_are_published_while_the_connection_is_cut_are_lost(stage: Stage, file: str) -> None:
    begun, go = threading.Event(), threading.Event()
    started(stage, file, lambda code: (begun.set(), go.wait(WAIT), code)[2])
    with Wire(endpoint(read(file), "iopub")) as wire:
        asking = asks(stage, "tea", file=through(wire, file), timeout=2)
        assert begun.wait(WAIT)
        wire.cut()
        go.set()
        with pytest.raises(TimeoutError, match="had not done 1 of 1"):
            asking.result(WAIT)


def test_a_subscription_that_takes_its_time_is_waited_for(file: str) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage:
        started(stage, file)
        with Wire(endpoint(read(file), "iopub")) as wire:
            wire.freeze()
            asking = asks(stage, "tea", file=through(wire, file))
            recording.wait("receive", "front_end", count=2, timeout=WAIT)  # replies, and still nothing is executed
            assert is_stuck(asking)
            assert not [e for e in recording if e.actor == "kernel" and b"execute_request" in b"".join(_bytes(e))]
            wire.heal()
            assert asking.result(WAIT) == ["TEA"]


def _bytes(event: Any) -> list[bytes]:
    return [frame for frame in event.frames if isinstance(frame, bytes)]


@signals
def test_a_kernel_that_was_started_again_has_another_key(stage: Stage, file: str) -> None:
    first = stage.spawn(kernel, file)
    there(file)
    before = Path(f"{file}.before")
    before.write_text(Path(file).read_text())
    first.kill()
    Path(file).unlink()
    started(stage, file)
    assert read(file)["key"] != read(str(before))["key"]
    with pytest.raises(TimeoutError):
        asks(stage, "tea", file=str(before), timeout=SHORT).result(WAIT)
    moved = json.loads(before.read_text())["key"]
    before.write_text(json.dumps(read(file) | {"key": moved}))  # the same ports, and still nobody answers
    with pytest.raises(TimeoutError):
        asks(stage, "tea", file=str(before), timeout=SHORT).result(WAIT)
    assert asks(stage, "tea", file=file).result(WAIT) == ["TEA"]


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_texts_are_executed_and_ctrl_c_ends_the_kernel(file: str) -> None:
    with shell("jupyter_messages", "kernel", "--file", file) as working:
        with shell("jupyter_messages", "front_end", "tea", "milk", "--file", file) as asking:
            assert ended(asking) == (0, "TEA\nMILK\n", "")
        assert working.stderr
        assert [working.stderr.readline()[:8] for _ in jupyter_messages.CHANNELS] == ["bound to"] * 5
        ends_on_ctrl_c(working)
    assert not os.path.exists(file)
