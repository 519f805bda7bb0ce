# SPDX-License-Identifier: BSD-3-Clause
"""Jupyter messages: what kernels and front ends say to each other, packed, signed, verified; a small one of each.

    front end  DEALER <--requests, replies--> ROUTER shell, control, stdin  kernel
               SUB    <------outputs--------- PUB    iopub
               REQ    <------echo-----------> REP    hb

    python -m patterns.jupyter_messages kernel
    python -m patterns.jupyter_messages front_end tea milk

Frames: [routing ids, or a topic]...[<IDS|MSG>][signature][header][parent header][metadata][content][buffer]... The
signature is an HMAC of the four behind it, which are JSON. Contract: jupyter_client's "Messaging in Jupyter", 5.3.
Left out: messages without a key, welcomes (5.5), input, comms; that a signature which comes twice is refused.
Copy alone; from the shell with `play.py`.
"""

import contextlib
import hmac
import json
import math
import os
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zmq

FILE = "kernel.json"  # the connection file: where the five sockets are bound, and the key
CHANNELS = {"shell": zmq.ROUTER, "control": zmq.ROUTER, "stdin": zmq.ROUTER, "iopub": zmq.PUB, "hb": zmq.REP}
DELIMITER = b"<IDS|MSG>"
VERSION = "5.3"  # of the protocol
TIMEOUT = 10.0  # seconds that a front end waits for a kernel
PAUSE = 0.2  # seconds from one look for the file, or whether the subscription has arrived, to the next
LINGER = 1000  # milliseconds that a closed socket may go on sending; the default is for ever

# What each trouble, of the kernel or the connection, does to a request and its outputs; the test beside it shows it.
GUARANTEES = {
    "crash": ("lost", "test_a_kernel_that_dies_is_told_by_silence"),
    "freeze": ("safe", "test_a_frozen_kernel_answers_when_it_thaws"),
    "cut": ("lost", "test_outputs_that_are_published_while_the_connection_is_cut_are_lost"),
    "slow": ("safe", "test_a_subscription_that_takes_its_time_is_waited_for"),
    "restart": ("lost", "test_a_kernel_that_was_started_again_has_another_key"),
}
# In the textbook's words: at most once. Whoever misses an output or a reply is told by TimeoutError, and what the
# kernel did stays done. Use something else for work that must not be lost when a process dies (`majordomo`).

Json = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """One message. `header` says what it is; `parent` is the header of the request that caused it, or empty.

    ids  in front of a request or a reply: routing ids; in front of an output: a topic
    """

    header: Json
    content: Json
    parent: Json = field(default_factory=dict)
    metadata: Json = field(default_factory=dict)
    buffers: tuple[bytes, ...] = ()
    ids: tuple[bytes, ...] = ()

    @property
    def kind(self) -> str:
        return str(self.header["msg_type"])


def made(kind: str, content: Json, session: str, cause: Message | None = None, ids: Sequence[bytes] = ()) -> Message:
    """A new message of this kind from this session, caused by another one or by nothing."""
    now = datetime.now(UTC).isoformat()
    header = {"msg_type": kind, "msg_id": uuid.uuid4().hex, "session": session, "date": now}
    header |= {"username": "workbook", "version": VERSION}
    return Message(header, content, cause.header if cause else {}, ids=tuple(ids))


def sign(parts: Sequence[bytes], key: bytes) -> bytes:
    """The signature of the four dictionaries, as they travel: HMAC-SHA256 in hexadecimal. ValueError without a key."""
    if not key:
        raise ValueError("key: expected at least one byte")
    return hmac.new(key, b"".join(parts), "sha256").hexdigest().encode()


def pack(message: Message, key: bytes) -> list[bytes]:
    """The frames of a message. ValueError or TypeError for what is no JSON."""
    dictionaries = message.header, message.parent, message.metadata, message.content
    parts = [json.dumps(each).encode() for each in dictionaries]
    return [*message.ids, DELIMITER, sign(parts, key), *parts, *message.buffers]


def unpack(frames: Sequence[bytes], key: bytes) -> Message | None:
    """The message in these frames; None if it is none, or was not signed with this key. Nothing that comes raises."""
    if DELIMITER not in frames:
        return None
    where = frames.index(DELIMITER)
    ids, (signature, *parts), buffers = frames[:where], frames[where + 1 : where + 6] or [b""], frames[where + 6 :]
    if len(parts) != 4 or not hmac.compare_digest(signature, sign(parts, key)):
        return None
    try:
        header, parent, metadata, content = (json.loads(part.decode()) for part in parts)
    except (ValueError, RecursionError):  # no UTF-8, no JSON, too deep
        return None
    if not all(isinstance(each, dict) for each in (header, parent, metadata, content)):
        return None
    if not all(isinstance(header.get(name), str) for name in ("msg_id", "session", "msg_type")):
        return None
    if any(isinstance(value, dict | list) for value in (*header.values(), *parent.values())):  # it has to be echoed
        return None
    return Message(header, content, parent, metadata, tuple(buffers), tuple(ids))


def read(file: str) -> Json:
    """What a connection file says. ValueError if it is none."""
    try:
        connection: Json = json.loads(Path(file).read_text())
        sign([], connection["key"].encode())
        [endpoint(connection, channel) for channel in CHANNELS]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"file: expected a connection file, {file!r} is none: {error!r}") from None
    return connection


def endpoint(connection: Json, channel: str) -> str:
    """Where a connection file says that this channel is bound."""
    dash = "-" if connection["transport"] == "ipc" else ":"
    return f"{connection['transport']}://{connection['ip']}{dash}{connection[f'{channel}_port']}"


# -- the kernel ---------------------------------------------------------------------------------------------------


def answers(request: Message, session: str, work: Callable[[str], str], number: int) -> Iterator[tuple[str, Message]]:
    """What a kernel sends for a request, in order: ("iopub", an output for all) or ("reply", to whoever asked)."""

    def output(kind: str, **content: Any) -> tuple[str, Message]:
        return "iopub", made(kind, content, session, request, [kind.encode()])

    def reply(**content: Any) -> tuple[str, Message]:
        return "reply", made(request.kind.replace("_request", "_reply"), content, session, request, request.ids)

    yield output("status", execution_state="busy")
    match request.kind, request.content:
        case "execute_request", {"code": str(code)}:
            yield output("execute_input", code=code, execution_count=number)
            try:
                data = {"text/plain": work(code)}
            except Exception as error:
                wrong = {"ename": type(error).__name__, "evalue": str(error), "traceback": []}
                yield output("error", **wrong)
                yield reply(status="error", execution_count=number, **wrong)
            else:
                yield output("execute_result", data=data, metadata={}, execution_count=number)
                yield reply(status="ok", execution_count=number, user_expressions={}, payload=[])
        case "kernel_info_request", _:
            language = {"name": "none", "version": "1", "mimetype": "text/plain", "file_extension": ".txt"}
            about = {"protocol_version": VERSION, "implementation": "workbook", "implementation_version": "1"}
            yield reply(status="ok", banner="a small kernel", help_links=[], language_info=language, **about)
        case "shutdown_request", _:
            yield reply(status="ok", restart=bool(request.content.get("restart")))
    yield output("status", execution_state="idle")


def kernel(ctx: zmq.Context[Any], file: str = FILE, work: Callable[[str], str] = str.upper) -> None:
    """Do the work for whatever text is to be executed, until somebody asks for a shutdown.

    It binds five ports of this machine and writes the connection file, which its owner alone can read and which is
    removed at the end. What has no valid signature is dropped without a word.
    """
    session, key, number = uuid.uuid4().hex, secrets.token_hex(32), 0
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(ctx.socket(kind)) for name, kind in CHANNELS.items()}
        for socket in sockets.values():
            socket.linger, socket.sndhwm = LINGER, 0  # no limit: a PUB and a ROUTER drop what is above
            socket.bind("tcp://127.0.0.1:*")
        ports = {f"{name}_port": int(socket.last_endpoint.rpartition(b":")[2]) for name, socket in sockets.items()}
        about = {"ip": "127.0.0.1", "transport": "tcp", "key": key, "signature_scheme": "hmac-sha256"}
        _write(file, ports | about)
        stack.callback(Path(file).unlink, missing_ok=True)
        while True:
            for socket in zmq.select([sockets[name] for name in ("control", "shell", "hb")], [], [])[0]:
                frames = socket.recv_multipart()
                if socket is sockets["hb"]:
                    socket.send_multipart(frames)
                elif request := unpack(frames, key.encode()):
                    number += request.kind == "execute_request"
                    for channel, message in answers(request, session, work, number):
                        (sockets["iopub"] if channel == "iopub" else socket).send_multipart(pack(message, key.encode()))
                    if request.kind == "shutdown_request" and socket is sockets["control"]:
                        return


def _write(file: str, connection: Json) -> None:
    """Write a connection file that nobody else can read, whole or not at all."""
    with open(os.open(f"{file}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as new:
        json.dump(connection, new)
    os.replace(f"{file}.new", file)


# -- the front end ------------------------------------------------------------------------------------------------


def front_end(ctx: zmq.Context[Any], *code: str, file: str = FILE, timeout: float = TIMEOUT) -> list[str]:
    """Have each text executed by the kernel of this connection file; the text that came of each.

    It begins when the file is there and its subscription has arrived, and of what is published it takes what its own
    requests have caused. Raises TimeoutError when all that takes longer than `timeout` seconds.
    """
    until = time.monotonic() + timeout
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.DEALER) as shell:
        while not os.path.exists(file) and time.monotonic() < until:
            sub.poll(PAUSE * 1000)  # nothing comes, but the end of its Context ends it
        connection = read(file)
        key, session = connection["key"].encode(), uuid.uuid4().hex
        shell.linger = 0
        sub.subscribe(b"")
        for socket, channel in (sub, "iopub"), (shell, "shell"):
            socket.connect(endpoint(connection, channel))

        def ask(kind: str, **content: Any) -> str:
            request = made(kind, content, session)
            shell.send_multipart(pack(request, key))
            return str(request.header["msg_id"])

        def heard(until: float) -> Iterator[tuple[bool, Message]]:
            """What comes until then, and whether it is a reply."""
            while (left := until - time.monotonic()) > 0:
                for socket in zmq.select([sub, shell], [], [], math.ceil(left * 1000) / 1000)[0]:
                    if message := unpack(socket.recv_multipart(), key):
                        yield socket is shell, message

        while time.monotonic() < until:  # a kernel says nothing of its own accord, so it is asked until it is heard
            ask("kernel_info_request")
            if any(not is_reply for is_reply, _ in heard(min(until, time.monotonic() + PAUSE))):
                break
        texts = list[str]()
        for each in code:
            request, said, replied, idle = ask("execute_request", code=each, silent=False), list[str](), False, False
            for is_reply, message in heard(until):
                if message.parent.get("msg_id") == request:
                    said += _text(message)
                    replied |= is_reply
                    idle |= message.kind == "status" and message.content.get("execution_state") == "idle"
                if replied and idle:  # two sockets: either may be first
                    break
            else:
                raise TimeoutError(f"{file}: the kernel had not done {len(texts) + 1} of {len(code)} in {timeout:g} s")
            texts.append("".join(said))
        return texts


def _text(message: Message) -> list[str]:
    """What an output says in words."""
    match message.kind, message.content:
        case ("stream", {"text": str(text)}) | ("execute_result", {"data": {"text/plain": str(text)}}):
            return [text]
        case "error", {"ename": str(name), "evalue": str(value)}:
            return [f"{name}: {value}"]
    return []


if __name__ == "__main__":
    from .play import play

    play(kernel, front_end)
