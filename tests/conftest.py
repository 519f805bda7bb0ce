# SPDX-License-Identifier: BSD-3-Clause
"""No test may leave a thread, a child process or a file descriptor (a socket, above all) behind.

And the fixtures that the recipes' tests share.
"""

import gc
import importlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import kernels
import nbval.kernel
import pytest
import zmq
from workbook import ROOT

from diagrams import trace
from diagrams.recording import Recording
from patterns.stage import Stage

SETTLE = 2.0  # seconds: what ends by itself is given this long
PROC = Path("/proc/self")
PER_CORE, MOST = 2, 24  # processes that test at once


def alive() -> dict[str, str]:
    """What this process holds, each by a key of its own and with a name to print. Without /proc: threads alone."""
    held = {f"thread {thread.ident}": f"thread {thread.name!r}" for thread in threading.enumerate()}
    for children in PROC.glob("task/*/children"):
        for pid in _read(children).split():
            held[f"process {pid}"] = f"child process {pid} ({_read(Path('/proc', pid, 'cmdline'))[:80]!r})"
    for number in os.listdir(PROC / "fd") if PROC.exists() else ():
        try:
            target = os.readlink(PROC / "fd" / number)
        except OSError:  # the descriptor that listed the folder
            continue
        held[f"descriptor {number} {target}"] = f"file descriptor {number} ({target})"
    return held


def _read(path: Path) -> str:
    try:
        return path.read_text().replace("\0", " ").strip()
    except OSError:  # a thread or a process that has just ended
        return ""


def left_behind(before: dict[str, str], settle: float = SETTLE) -> list[str]:
    """What is alive now and was not before, after a moment for what is just ending."""
    deadline = time.monotonic() + settle
    while left := [name for key, name in alive().items() if key not in before]:
        if time.monotonic() > deadline:
            break
        gc.collect()
        threading.Event().wait(0.01)
    return sorted(left)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes `-n auto` starts: more than there are cores, for most tests wait more than they compute."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(PER_CORE * cores, MOST)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", type=int, default=0, help="the tests that GUARANTEES name, alone, so many times")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if times := metafunc.config.getoption("--faults"):
        metafunc.fixturenames.append("nth_time")
        metafunc.parametrize("nth_time", range(times))


def pytest_configure() -> None:
    nbval.kernel.KernelManager = kernels.manager


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--faults"):
        recipes = [importlib.import_module(f"patterns.{path.stem}") for path in (ROOT / "patterns").glob("[!_]*.py")]
        named = {test for recipe in recipes for _, test in getattr(recipe, "GUARANTEES", {}).values()}
        items[:] = [item for item in items if getattr(item, "originalname", "") in named]
    for item in items:
        if (ROOT / "patterns" / item.path.name.removeprefix("test_")).exists():
            item.add_marker("recipe")


def pytest_collection_finish() -> None:
    """Thousands of tests stay until the end: a collection of garbage need not look at them each time."""
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    before = alive()
    yield
    left = left_behind(before)
    assert not left, "the test left behind: " + "; ".join(left)


@pytest.fixture(params=["plain context", "tracing context"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A stage of the test's own; all is the same whether it is recorded or not."""
    with Stage(zmq.Context() if request.param == "plain context" else trace.Context(Recording())) as it:
        yield it


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a held worker waits for; open at the end, whatever happens."""
    event = threading.Event()
    yield event
    event.set()
