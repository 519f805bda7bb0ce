# SPDX-License-Identifier: BSD-3-Clause
"""The other side of `process`: read the job, play its role, write down what comes of it, end when stdin closes."""

import base64
import importlib
import os
import pickle
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import zmq

from ._role import DEADLINE, LINGER, Run


@dataclass
class Job:
    """What a child must know: the role by `module:name` or as source, and how to make its Context."""

    name: str
    role: str
    source: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    context: str  # "module:function" that makes a tracing Context, or ""
    sockopts: dict[int, Any]


def main() -> None:
    """The child: read the job, play the role, end when stdin closes."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    job: Job = pickle.load(sys.stdin.buffer)
    line = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # who asks for input is told at once that there is none
    threading.current_thread().name = job.name
    context = _context(job, channel)
    context.sockopts.update({zmq.LINGER: LINGER} | job.sockopts)
    ending, over = threading.Lock(), threading.Event()

    def term() -> None:
        with ending:
            if not context.closed:
                context.term()

    try:
        run = Run(partial(_role(job), **job.options), context, job.args)

        def lifeline() -> None:
            while os.read(line, 1024):
                pass
            run.cancel()
            if run.asynchronous:  # its Context must not go before its loop has
                over.wait(DEADLINE / 2)
            term()

        threading.Thread(target=lifeline, name="lifeline", daemon=True).start()
        outcome = (True, run())
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # a socket held by a frame would hold up the end
        error.add_note("".join(traceback.format_exception(error)[-6:]).rstrip())
        outcome = (False, error)
    over.set()
    channel.write(f"R{base64.b64encode(_packed(job.name, *outcome)).decode()}\n")
    term()


def _packed(name: str, ok: bool, value: Any) -> bytes:
    """The outcome as it travels. One that cannot, or would not come to life again, is still told."""
    try:
        packed = pickle.dumps((ok, value))
        pickle.loads(packed)
        return packed
    except Exception:
        told = TypeError(f"actor {name!r}: this cannot be pickled: {value!r}")
        for note in getattr(value, "__notes__", ()):  # where it was raised
            told.add_note(note)
        return pickle.dumps((False, told))


def _context(job: Job, channel: Any) -> zmq.Context[Any]:
    if not job.context:
        return zmq.Context()
    module, name = job.context.split(":")
    make = getattr(importlib.import_module(module), name)
    return make(lambda line: channel.write(f"E{line}\n"), job.name)  # type: ignore[no-any-return]


def _role(job: Job) -> Callable[..., Any]:
    if job.source:
        namespace: dict[str, Any] = {"zmq": zmq, "__name__": "__main__"}
        exec(compile(job.source, f"<{job.name}>", "exec"), namespace)
        return namespace[job.role]  # type: ignore[no-any-return]
    module, name = job.role.split(":")
    role: Any = importlib.import_module(module)
    for part in name.split("."):
        role = getattr(role, part)
    return role  # type: ignore[no-any-return]
