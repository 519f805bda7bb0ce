# SPDX-License-Identifier: BSD-3-Clause
"""The workbook's magics: in an InteractiveShell of this process, and in a real kernel where answers attack it."""

import contextlib
import os
import queue
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kernels
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from sockets import free_port
from traitlets.config import Config
from workbook import ROOT

import exercises
from exercises import checker, task
from exercises.checker import Verdict

BOUND = 60.0  # seconds for what takes a few


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[InteractiveShell]:
    """A shell of its own with the magics loaded; it keeps no history, and shows what is displayed to nobody."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setattr(InteractiveShell, "_instance", None)
    made = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    exercises.load_ipython_extension(made)
    yield made
    made.restore_sys_module_state()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """What the checker is asked, instead of judging: mode, exercise and source."""
    orders: list[tuple[str, str, str]] = []

    def ask(name: str, source: str, mode: str, seed: int) -> Verdict:
        orders.append((mode, name, source))
        return Verdict("played" if mode == "try" else "passed")

    monkeypatch.setattr(checker, "_ask", ask)
    return orders


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the magics display, as text."""
    texts: list[str] = []
    monkeypatch.setattr("exercises.magics.display", lambda thing: texts.append(repr(thing)))
    return texts


def said(shell: InteractiveShell, name: str, line: str) -> str:
    return repr(shell.run_line_magic(name, line))


# Exercises.


def test_check_judges_the_cell_as_it_is_written(shell: InteractiveShell, asked: list[Any]) -> None:
    for name in ("41_lazy_pirate", "41", " lazy_pirate "):
        assert shell.run_cell_magic("check", name, "%magic\n!x\n$y?").passed
    assert asked == [("check", "41_lazy_pirate", "%magic\n!x\n$y?")] * 3


def test_a_whole_cell_gives_its_verdict_as_the_result(shell: InteractiveShell, asked: list[Any]) -> None:
    assert shell.run_cell("%%check 41_lazy_pirate\nx = 1\n").result.passed
    assert asked == [("check", "41_lazy_pirate", "x = 1\n")]


def test_try_plays_what_was_given_then_the_last_answer_or_its_own_cell(
    shell: InteractiveShell, asked: list[Any]
) -> None:
    shell.run_line_magic("try", "41")
    shell.run_cell_magic("check", "41", "mine")
    shell.run_cell_magic("check", "11", "another exercise")
    shell.run_line_magic("try", "41")
    shell.run_cell_magic("try", "41", "this")
    shell.run_line_magic("try", "41")
    assert [source for mode, _, source in asked if mode == "try"] == [task.load("41").given, "mine", "this", "mine"]


def test_hints_count_to_three_and_then_lead_to_the_solution(shell: InteractiveShell) -> None:
    hints = [said(shell, "hint", "41_lazy_pirate") for _ in range(5)]
    assert [hint.partition(":")[0] for hint in hints[:3]] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3"]
    assert [hint.partition(": ")[2] for hint in hints[:3]] == list(task.load("41").HINTS)
    assert hints[3] == hints[4]
    assert "exercises/solutions/41_lazy_pirate.ipynb" in hints[3]
    assert hints[3].endswith(f"A variant to try: {task.load('41').VARIANT}")
    assert said(shell, "hint", "12").startswith("Hint 1 of 3")


@pytest.mark.parametrize("name", ["41_lazy_pirate", "41", "lazy_pirate"])
def test_reset_brings_back_what_was_given(shell: InteractiveShell, asked: list[Any], name: str) -> None:
    shell.run_cell_magic("check", "41", "mine")
    said(shell, "hint", "41")
    said(shell, "reset", name)
    given = task.load("41").given
    assert shell.rl_next_input == f"%%check 41_lazy_pirate\n{given}"
    shell.run_line_magic("try", "41")
    assert asked[-1] == ("try", "41_lazy_pirate", given)
    assert said(shell, "hint", "41").startswith("Hint 1 of 3")


@pytest.mark.parametrize("times", [1, 3])
def test_reset_without_an_exercise_is_ipythons_own(shell: InteractiveShell, times: int) -> None:
    for _ in range(times - 1):
        exercises.load_ipython_extension(shell)
    shell.user_ns["x"] = 1
    assert shell.run_line_magic("reset", "-f") is None
    assert "x" not in shell.user_ns
    assert not hasattr(shell, "rl_next_input")


def test_loading_twice_leaves_every_magic_working(shell: InteractiveShell, asked: list[Any]) -> None:
    exercises.load_ipython_extension(shell)
    assert shell.run_cell_magic("check", "41", "x").passed
    assert said(shell, "hint", "41").startswith("Hint 1 of 3")


# Questions.


@pytest.mark.parametrize("number", [n for stem in task.stems() for n in task.load(stem).questions])
def test_every_option_can_be_predicted_and_is_compared(shell: InteractiveShell, shown: list[str], number: str) -> None:
    question = task.question(number)
    shell.run_line_magic("predict", number)
    assert shown[-1].startswith(f"**{number}** {question.text}")
    for letter, (text, idea) in question.options.items():
        shell.run_line_magic("predict", f"{number}  {letter.upper()} ")
        assert shown[-1] == f"**{number}** You expect **{letter}**: {text}"
        shell.run_line_magic("reveal", number)
        happened, *_, why, compared = shown[-1].split("\n\n")
        assert (happened, why) == ("What happened:", question.why)
        assert compared == f"You expected **{letter}**." + (f" {idea}" if idea else " That is it.")


def test_a_reveal_without_a_prediction_says_so(shell: InteractiveShell, shown: list[str]) -> None:
    shell.run_line_magic("reveal", "41.1")
    assert shown[-1].endswith("\n\nYou made no prediction.")


def test_a_prediction_is_the_last_one_made(shell: InteractiveShell, shown: list[str]) -> None:
    for letter in "ab":
        shell.run_line_magic("predict", f"41.1 {letter}")
    with pytest.raises(UsageError):
        shell.run_line_magic("predict", "41.1 z")
    shell.run_line_magic("reveal", "41.1")
    assert "You expected **b**." in shown[-1]


# Recipes.


def test_a_recipe_is_shown_as_it_stands(shell: InteractiveShell) -> None:
    text = (ROOT / "patterns" / "lazy_pirate.py").read_text(encoding="utf-8")
    assert said(shell, "recipe", "lazy_pirate") == f"```python\n{text.rstrip()}\n```"
    part = said(shell, "recipe", "lazy_pirate.ask")
    assert part.startswith("```python\ndef ask(")
    assert part[len("```python\n") : -len("\n```")] in text


# What is wrong with a line.

LISTED = "there are 11_start_here, 12_request_reply"
USAGE = {
    "check without a name": ("check", "", f"there is no exercise ''; {LISTED}"),
    "check of another": ("check", "99_x", f"there is no exercise '99_x'; {LISTED}"),
    "check of two": ("check", "11 twelve", "11_start_here: expected a seed such as 4711 behind it, got 'twelve'"),
    "try without a name": ("try", "", "there is no exercise ''"),
    "hint without a name": ("hint", "", "there is no exercise ''"),
    "hint for another": ("hint", "x", "there is no exercise 'x'"),
    "reset of another": ("reset", "99_x", "there is no exercise '99_x'"),
    "recipe without a name": ("recipe", "", "expected a recipe such as lazy_pirate or lazy_pirate.ask, got ''"),
    "recipe of another name": ("recipe", "nowhere", "got 'nowhere'"),
    "recipe with another part": ("recipe", "lazy_pirate.nothing", "got 'lazy_pirate.nothing'"),
    "recipe of a number": ("recipe", "lazy_pirate.TRIES", "got 'lazy_pirate.TRIES'"),
    "predict without a number": ("predict", "", "there is no exercise ''"),
    "predict a question that is not there": (
        "predict",
        "41.99 a",
        "there is no question '41.99'; lesson 41 has 41.1, ",
    ),
    "predict an option that is not there": ("predict", "41.1 z", "%predict 41.1: expected one of a, b, c, got 'z'"),
    "predict two options": ("predict", "41.1 a b", "got 'a b'"),
    "reveal without a number": ("reveal", "", "there is no exercise ''"),
    "reveal a lesson": ("reveal", "41", "there is no question '41'; lesson 41 has 41.1, "),
}


@pytest.mark.parametrize(("magic", "line", "says"), USAGE.values(), ids=USAGE)
def test_a_wrong_line_is_told_in_a_sentence(shell: InteractiveShell, magic: str, line: str, says: str) -> None:
    run = shell.run_line_magic if magic != "check" else lambda name, line: shell.run_cell_magic(name, line, "x = 1")
    with pytest.raises(UsageError) as told:
        run(magic, line)
    assert says in str(told.value)


# In a kernel.

linux = pytest.mark.skipif(sys.platform != "linux", reason="the judge sweeps with what Linux tells in /proc")
INSIDE = """\
import ctypes, os, socket, sys, threading, zmq
from time import sleep
kept = []

def take(ctx, endpoint, seconds):
"""
RIGHT = """\
    with ctx.socket(zmq.PULL) as door:
        door.bind(endpoint)
        return door.recv_string() if door.poll(seconds * 1000) else None
"""
STOOD, RAISED, PASSED = "Took too long.", "Your code raised.", "Passed."
BANK = {
    "an endless loop": ("    while True: pass\n", STOOD, "`while True: pass`"),
    "a blocked recv": ("    with ctx.socket(zmq.PULL) as s: s.recv()\n", STOOD, "s.recv()"),
    "a term that hangs": (
        "    s = ctx.socket(zmq.PULL)\n    s.bind(endpoint)\n    ctx.term()\n",
        STOOD,
        "`ctx.term()`",
    ),
    "an end of the process": ("    os._exit(0)\n", RAISED, "exit code 0"),
    "a crash": ("    ctypes.string_at(0)\n", RAISED, "SIGSEGV"),
    "a flood": ("    while True: print('flood ' * 99)\n", RAISED, "may print 1 MB"),
    "a gigabyte": ("    bytearray(1 << 30)\n", RAISED, "MemoryError"),
    # with what it inherits it would hold a connection that is just being closed, and the sender would see that
    "a child": (f"    if os.fork() == 0: os.closerange(3, 999), sleep(999)\n{RIGHT}", PASSED, "left behind: a process"),
    "a thread": (f"    threading.Thread(target=sleep, args=(999,)).start()\n{RIGHT}", PASSED, "the thread"),
    "a port": (
        f"    kept.append(socket.create_server(('127.0.0.1', PORT), reuse_port=True))\n{RIGHT}",
        PASSED,
        "a port",
    ),
}


@pytest.fixture(scope="module")
def folder() -> Iterator[str]:
    """The kernel's folder for temporary files; its path marks the kernel's processes."""
    with tempfile.TemporaryDirectory() as made:
        yield made


HELD = """\
import contextlib, os, threading

def held():
    descriptors = []  # without those that come and go by themselves in a kernel
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            descriptors.append(os.readlink(f"/proc/self/fd/{number}").partition(":")[0])
    files = [name for name in descriptors if name not in ("socket", "anon_inode")]
    return sorted(files), threading.active_count(), sorted(os.listdir("."))
"""


class Kernel:
    """A running kernel: cells are run one after the other, and what each of them showed comes back."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        environment = {**os.environ, "TMPDIR": folder, "TEST_MAGICS": folder, "PYTHONPATH": str(ROOT)}
        quiet = ["--HistoryManager.enabled=False"]
        cwd = str(ROOT / "exercises")
        self.manager = kernels.manager()
        self.manager.start_kernel(cwd=cwd, env=environment, extra_arguments=quiet)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(BOUND)
        self.payload: list[Any] = []
        self.run("%load_ext exercises")
        self.run(HELD)

    def run(self, code: str, meanwhile: Callable[[], object] = lambda: None) -> tuple[str, str, str]:
        """The result as text and as HTML, and the error's name."""
        request, text, page, error = self.client.execute(code), "", "", ""
        meanwhile()
        until = time.monotonic() + BOUND
        while time.monotonic() < until:
            with contextlib.suppress(queue.Empty):
                message = self.client.get_iopub_msg(timeout=1.0)
                if message["parent_header"].get("msg_id") != request:
                    continue
                content = message["content"]
                text = content.get("data", {}).get("text/plain", text)
                page = content.get("data", {}).get("text/html", page)
                error = content.get("ename", error)
                if content.get("execution_state") == "idle":
                    reply = self.client.get_shell_msg(timeout=BOUND)
                    while reply["parent_header"].get("msg_id") != request:
                        reply = self.client.get_shell_msg(timeout=BOUND)
                    self.payload = reply["content"].get("payload", [])
                    return text, page, error
        raise TimeoutError(f"after {BOUND:g} s the cell still ran: {code[:60]!r}")

    def processes(self) -> set[str]:
        """What runs with the kernel's mark."""
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"TEST_MAGICS={self.folder}".encode() in (process / "environ").read_bytes():
                    found.add(process.name)
        return found

    def left(self) -> dict[str, Any]:
        """What a check could leave behind: the kernel's own descriptors, beside its sockets, and threads, and
        children, and files."""
        return {"kernel": self.run("held()")[0], "processes": self.processes(), "files": os.listdir(self.folder)}

    def end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self.manager.context.term()


@pytest.fixture(scope="module")
def kernel(folder: str) -> Iterator[Kernel]:
    made = Kernel(folder)
    yield made
    made.end()


@linux
@pytest.mark.parametrize(("body", "head", "says"), BANK.values(), ids=BANK)
def test_a_kernel_lives_through_an_attack_and_the_next_check_passes(
    kernel: Kernel, body: str, head: str, says: str
) -> None:
    port = free_port()
    before = kernel.left()
    text, page, error = kernel.run(f"%%check 11_start_here\n{INSIDE}{body}".replace("PORT", str(port)))
    assert not error
    assert text.startswith(head)
    assert says in text
    assert page.startswith("<div")
    assert kernel.left() == before
    socket.create_server(("127.0.0.1", port)).close()
    text, _, error = kernel.run(f"%%check 11_start_here\n{INSIDE}{RIGHT}")
    assert (text.partition("\n")[0], error) == ("Passed.", "")
    assert kernel.left() == before


@linux
def test_reset_replaces_the_cell_it_stands_in(kernel: Kernel) -> None:
    kernel.run("%reset 41_lazy_pirate")
    text = f"%%check 41_lazy_pirate\n{task.load('41').given}"
    assert kernel.payload == [{"source": "set_next_input", "text": text, "replace": True}]


@linux
def test_interrupting_a_check_kills_the_judge_and_all_below_it(kernel: Kernel) -> None:
    before = kernel.left()
    child = "    if os.fork() == 0:\n        os.setsid()\n        sleep(999)\n"

    def interrupt() -> None:
        until = time.monotonic() + BOUND
        while len(kernel.processes() - before["processes"]) < 7:  # a judge, three answers, three children
            assert time.monotonic() < until
            threading.Event().wait(0.01)
        kernel.manager.signal_kernel(signal.SIGINT)

    started = time.monotonic()
    _, _, error = kernel.run(f"%%check 11_start_here\n{INSIDE}{child}    while True: pass\n", interrupt)
    assert error == "KeyboardInterrupt"
    assert time.monotonic() - started < BOUND
    assert kernel.left() == before
    text, _, _ = kernel.run(f"%%check 11_start_here\n{INSIDE}{RIGHT}")
    assert text.startswith("Passed.")
