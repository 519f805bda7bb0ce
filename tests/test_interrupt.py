# SPDX-License-Identifier: BSD-3-Clause
"""Whoever copies a recipe and gives it a Context without options gets away from it with one Ctrl-C.

Each role of each recipe runs as a program of its own, and nobody is there: what it has sent waits in its sockets.
"""

import importlib
import inspect
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sockets import free_port

from patterns.__main__ import recipes
from patterns.stage import Stage

WAIT = 30.0  # seconds for what has to come
AWAY = 2.0  # seconds from Ctrl-C to the end
WORD = "a=1"  # whatever a role asks for: a request, a name, a key and its value

PROGRAM = '''
"""Play a role in the words of its command line, and say when it stands still."""
import asyncio, importlib, inspect, signal, sys, threading, time
import zmq, zmq.asyncio
from patterns.play import parser

role = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
options = vars(parser(role).parse_args(sys.argv[2:]))
asynchronous = inspect.iscoroutinefunction(role)
context = zmq.asyncio.Context() if asynchronous else zmq.Context()
bound = inspect.signature(role).bind_partial(context)
bound.arguments.update((name, options[name]) for name in bound.signature.parameters if name in options)
bound.apply_defaults()

def sleeps():
    "Whether the main thread does, and does not only wait for a processor or a disk; where the system tells."
    try:
        with open(f"/proc/self/task/{threading.main_thread().native_id}/stat") as file:
            return file.read().rpartition(") ")[2][0] == "S"
    except OSError:
        return True

def watch():
    still, before = 0, None
    while still < 10:
        time.sleep(0.01)
        frame = sys._current_frames()[threading.main_thread().ident]
        here = id(frame.f_code), frame.f_lasti
        still, before = (still + 1 if here == before and sleeps() else 0), here
        del frame  # it holds the role's sockets
    print("still", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever starts this may ignore it
threading.Thread(target=watch, daemon=True).start()
try:
    if asynchronous:
        asyncio.run(role(*bound.args, **bound.kwargs))
    else:
        role(*bound.args, **bound.kwargs)
finally:
    context.term()
'''


def words(role: Callable[..., Any], stage: Stage) -> list[str]:
    """A command line: addresses where nobody is, and a word for what has to be given or may be."""
    options, given = [], [role.__name__]
    for it in list(inspect.signature(role).parameters.values())[1:]:
        if it.name.endswith("endpoint") or "://" in str(it.default):
            options += [f"--{it.name.replace('_', '-')}", stage.endpoint(f"{role.__name__}-{it.name}")]
        elif it.name == "port":
            options += ["--port", str(free_port())]
        elif it.default is it.empty:
            given.append({"name": "A", "peers": "B"}.get(it.name, WORD))
    return given + options if options else given[:1]  # who has no address talks to itself


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process here")
@pytest.mark.parametrize("name", recipes())
def test_one_ctrl_c_ends_each_role_with_a_plain_context(name: str, tmp_path: Path) -> None:
    module = importlib.import_module(f"patterns.{name}")
    with Stage() as stage:
        for role in (getattr(module, role) for role in recipes()[name][1]):
            command = [sys.executable, "-c", PROGRAM, module.__name__, *words(role, stage)]
            pipe = subprocess.PIPE
            program = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=tmp_path)  # some keep files
            with program:
                try:
                    assert program.stdout
                    if program.stdout.readline() == "still\n":
                        program.send_signal(signal.SIGINT)
                        program.communicate(timeout=AWAY)
                        assert program.returncode == -signal.SIGINT
                    else:
                        assert program.wait(WAIT) == 0, program.communicate()[1]
                finally:
                    program.kill()
