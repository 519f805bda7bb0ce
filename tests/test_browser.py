# SPDX-License-Identifier: BSD-3-Clause
"""Lessons and exercises in a real browser: `make lab` as a learner starts it, all cells run, pictures seen, no question
asked; an exercise as it is given, with a wrong answer and with the right one.

What the cells say is for nbval. So the gate opens one lesson of each kind, and runs the first one and its exercise;
`make browser` runs all.

CHROMIUM names the browser where it is not found by itself; SCREENSHOTS names a folder that keeps what was seen.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import workbook
from playwright import sync_api
from sockets import free_port
from workbook import EXERCISES, LESSONS, ROOT, SOLUTIONS

from exercises import task as tasks

START, OPEN, RUN, END = 120.0, 120.0, 120.0, 40.0  # seconds: the server, a notebook, all of its cells, the end
KINDS = {
    "mechanism": workbook.FIRST,
    "pattern": "12_request_reply",
    "protocol": "44_majordomo",
    "clinic": "28_missing_messages",
}
pytestmark = pytest.mark.timeout(600)  # seconds for a test: each of its waits has a deadline of its own, above
NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: in a container Chromium cannot have one. The rest keeps it from talking to anybody else.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

# Start a command, and end it when standard input closes: that happens however the test ends, even by SIGKILL.
LIFELINE = """
import os, signal, subprocess, sys, threading

def end():
    sys.stdin.read()
    for number in (signal.SIGTERM, signal.SIGKILL):
        os.killpg(started.pid, number)
        ended.wait(15)

ended = threading.Event()
started = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
threading.Thread(target=end, daemon=True).start()
started.wait()
"""

READY = """() => {
    const widget = window.jupyterapp?.shell.currentWidget;
    return widget?.context?.isReady && widget.sessionContext?.isReady && widget.sessionContext.session?.kernel != null;
}"""
RUN_ALL = """async () => {
    await window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs');
    window.ended = false;
    window.jupyterapp.commands.execute('notebook:run-all-cells').finally(() => { window.ended = true; });
}"""
# The command may end early, so the kernel and the cells' own prompts are asked, too.
HAS_RUN = """() => {
    const prompts = [...document.querySelectorAll('.jp-InputPrompt')].map(prompt => prompt.textContent);
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    return window.ended && kernel.status === 'idle' && !prompts.some(prompt => prompt.includes('*'));
}"""
# Put a source into a cell with code, the one that holds the check or the last, and run it.
TYPE = """([source, where]) => {
    const { content } = window.jupyterapp.shell.currentWidget;
    const chosen = where === 'check' ? cell => cell.model.sharedModel.getSource().startsWith('%%check')
                                     : cell => cell.model.type === 'code';
    content.activeCellIndex = content.widgets[where === 'check' ? 'findIndex' : 'findLastIndex'](chosen);
    content.activeCell.model.sharedModel.setSource(source);
    window.ended = false;
    window.jupyterapp.commands.execute('notebook:run-cell').finally(() => { window.ended = true; });
}"""
SHUT_DOWN = "() => window.jupyterapp?.serviceManager.sessions.shutdownAll()"
NOTEBOOK = "() => window.jupyterapp.shell.currentWidget.context.model.toJSON()"
OUTPUT = ".jp-OutputArea-output"
PICTURES = "pictures => pictures.filter(picture => picture.complete && picture.naturalWidth > 0).length"


@contextmanager
def chromium() -> Iterator[Any]:
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None or shutil.which("make") is None:
        reason = f"no make, or no browser under the names {', '.join(NAMES)} (CHROMIUM=... names another)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=OPTIONS, timeout=START * 1000)
        yield running
        running.close()


@contextmanager
def make_lab(folder: Path) -> Iterator[str]:
    """`make lab` on a copy of the workbook in this folder. Gives the address that it prints."""
    home, copy = folder / "home", folder / "workbook"
    home.mkdir()
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info"))
    (copy / ".venv").symlink_to(sys.prefix)
    (home / "jupyter_lab_config.json").write_text(json.dumps({"LabApp": {"expose_app_in_browser": True}}))
    variables = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR", "LAB_SETTINGS_DIR", "LAB_WORKSPACES_DIR")
    isolated = {f"JUPYTER{'' if 'LAB_' in name else '_'}{name}": str(home) for name in variables}
    unwanted = {"DISPLAY", "WAYLAND_DISPLAY", "MAKEFLAGS", "MFLAGS", "JUPYTER_TOKEN"}
    env = {name: value for name, value in os.environ.items() if name not in unwanted}
    # The environment stands already: make is told to take it as it is.
    command = ["make", "-o", ".venv/lab", "-o", ".venv/bin/python", "lab", f"PORT={free_port()}"]
    with (home / "log").open("w+") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", LIFELINE, *command],
            cwd=copy,
            env=env | isolated,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the test alone
        )
        try:
            yield printed_address(home / "log", server)
        finally:
            server.communicate(timeout=END)


def printed_address(log: Path, server: subprocess.Popen[bytes]) -> str:
    """The address that the server prints; it does so shortly before it listens."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/lab\S*token=\w+", log.read_text()):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(found[1]))) == 0:
                    return found[0]
        threading.Event().wait(0.1)
    pytest.fail(f"make lab printed no address:\n{log.read_text()}")


def kernels(lab: str, method: str = "GET") -> list[str]:
    """The kernels that run; with POST, one more."""
    address = re.sub(r"/lab\S*\?", "/api/kernels?", lab)
    with urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=START) as answer:
        told = json.load(answer)
    return [kernel["id"] for kernel in (told if isinstance(told, list) else [told])]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with make_lab(tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.fixture
def page(browser: Any, lab: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A new browser window. What it showed in the end is kept, above all when the test fails; its kernel is not."""
    context = browser.new_context(viewport={"width": 1400, "height": 1600})
    opened = context.new_page()
    opened.kept = (Path(os.environ.get("SCREENSHOTS") or tmp_path), request.node.name)
    yield opened
    keep(opened)
    opened.evaluate(SHUT_DOWN)
    context.close()
    assert not kernels(lab), "a kernel outlives its notebook"


def keep(page: Any, state: str = "") -> None:
    """A screenshot in the folder for them, under the name of the test and of the state."""
    folder, test = page.kept
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9_]+", "_", f"{test} {state}").strip("_")
    (folder / f"{name}.png").write_bytes(page.screenshot())  # given a path, playwright would leave a thread behind


def questions(page: Any) -> list[str]:
    """The text of every dialog and every pop-up in view."""
    return [text.strip() for text in page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts()]


def opened(folder: str, gate: Iterable[str]) -> list[Any]:
    """The stems of a folder's notebooks; those that the gate leaves out are marked."""
    marks = {True: (), False: pytest.mark.weekly}
    return [pytest.param(each.stem, marks=marks[each.stem in gate]) for each in workbook.notebooks(folder)]


def test_make_lab_shows_the_first_lesson(lab: str, page: Any) -> None:
    assert re.search(rf"/lab/tree/{LESSONS}/{workbook.FIRST}\.ipynb\?token=\w+$", lab)
    page.goto(lab, timeout=OPEN * 1000)
    page.wait_for_function(READY, timeout=OPEN * 1000)
    [first, *_] = workbook.lessons()
    assert page.locator(".jp-Notebook h1").first.inner_text().startswith(first.title)
    assert questions(page) == []


def code(page: Any) -> list[dict[str, Any]]:
    """The cells with code of the notebook in view."""
    return list(workbook.cells(page.evaluate(NOTEBOOK), "code"))


def show(page: Any, lab: str, folder: str, stem: str) -> None:
    """Open a notebook. No question may be in the way."""
    page.goto(lab.replace(f"{LESSONS}/{workbook.FIRST}", f"{folder}/{stem}") + "&reset", timeout=OPEN * 1000)
    page.wait_for_function(READY, timeout=OPEN * 1000)
    assert questions(page) == []


def visit(page: Any, lab: str, folder: str, stem: str) -> list[dict[str, Any]]:
    """Open a notebook, run all of its cells and return those with code."""
    show(page, lab, folder, stem)
    page.evaluate(RUN_ALL)
    page.wait_for_function(HAS_RUN, timeout=RUN * 1000, polling=100)
    cells = code(page)
    for cell in cells:
        failed = any(output["output_type"] == "error" for output in cell["outputs"])
        assert failed == ("raises-exception" in cell["metadata"].get("tags", ())), workbook.source(cell)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    return cells


def verdict(cells: list[dict[str, Any]]) -> str:
    """The first line under the cell that holds the check."""
    checked = next(cell for cell in cells if workbook.source(cell).startswith("%%check"))
    return "".join(checked["outputs"][0]["data"]["text/plain"]).splitlines()[0]


def type_and_run(page: Any, source: str, where: str = "check") -> list[dict[str, Any]]:
    """Type a source into the check's cell, or into the last one with code, run it, and return all cells with code."""
    page.evaluate(TYPE, [source, where])
    page.wait_for_function(HAS_RUN, timeout=RUN * 1000, polling=100)
    return code(page)


def see_pictures(page: Any, cells: list[dict[str, Any]]) -> None:
    """All that these cells have drawn is in view, and more than alternative texts."""
    drawn = sum(len(workbook.pictures(cell)) for cell in cells)
    assert drawn
    page.wait_for_function(f"() => document.querySelectorAll('{OUTPUT} img').length >= {drawn}", timeout=OPEN * 1000)
    assert page.locator(f"{OUTPUT} img").evaluate_all(PICTURES) == drawn


@pytest.mark.parametrize("stem", opened(LESSONS, KINDS.values()))
def test_lesson_shows_its_pictures_before_it_has_run(stem: str, lab: str, page: Any) -> None:
    show(page, lab, LESSONS, stem)
    cells = code(page)
    see_pictures(page, [cell for cell in cells if not cell["metadata"].get("jupyter", {}).get("outputs_hidden")])


@pytest.mark.parametrize("stem", opened(LESSONS, [workbook.FIRST]))
def test_lesson_runs_in_jupyterlab(stem: str, lab: str, page: Any) -> None:
    see_pictures(page, visit(page, lab, LESSONS, stem))
    assert questions(page) == []


@pytest.mark.parametrize("stem", opened(EXERCISES, [workbook.FIRST]))
def test_given_wrong_and_right_answers_are_told_apart(stem: str, lab: str, page: Any) -> None:
    task, check = tasks.load(stem), f"%%check {stem}\n"
    assert verdict(visit(page, lab, EXERCISES, stem)) == "Not attempted."
    keep(page, "given")
    wrong = task.wrong[0]
    assert verdict(type_and_run(page, check + wrong.source)) == f"Not yet: {wrong.label}."
    keep(page, "wrong")
    assert verdict(type_and_run(page, check + task.solution)) == "Passed."
    keep(page, "right")
    cells = type_and_run(page, f"%reset {stem}", "last")
    assert [workbook.source(cell) for cell in cells].count(check + task.given) == 1, "the last cell is not as given"
    assert questions(page) == []


@pytest.mark.parametrize("stem", opened(SOLUTIONS, []))
def test_a_solution_passes_in_jupyterlab(stem: str, lab: str, page: Any) -> None:
    assert verdict(visit(page, lab, SOLUTIONS, stem)) == "Passed."


def test_the_index_leads_to_every_lesson_in_jupyterlab(lab: str, page: Any) -> None:
    page.goto(lab.replace(workbook.FIRST, "index") + "&reset", timeout=OPEN * 1000)
    page.wait_for_selector(".jp-RenderedMarkdown table", timeout=OPEN * 1000)
    shown = page.locator(".jp-RenderedMarkdown a").evaluate_all("links => links.map(link => link.textContent)")
    assert {each.name for each in workbook.lessons()} <= set(shown)
    assert page.locator(".jp-RenderedMarkdown img").evaluate_all(PICTURES) == 1


# A run that opens a browser, a server and a kernel, tells it, and then waits to be ended.
HELD = """
import sys, time
from pathlib import Path
import test_browser

with test_browser.chromium(), test_browser.make_lab(Path(sys.argv[1])) as lab:
    print(*test_browser.kernels(lab, "POST"), flush=True)
    time.sleep(test_browser.RUN)
"""


def marked(folder: Path) -> list[str]:
    """The processes whose environment names this folder: what a run has started, its kernels and its browser."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (each / "environ").read_bytes():
                found.append((each / "cmdline").read_text().replace("\0", " ")[:100])
        except OSError:  # it has just ended
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.weekly), signal.SIGKILL])
def test_nothing_outlives_a_run_that_is_interrupted(number: signal.Signals) -> None:
    with tempfile.TemporaryDirectory(prefix="zmq-", ignore_cleanup_errors=True) as folder:  # Chromium wants short paths
        interrupted(number, Path(folder))


def interrupted(number: signal.Signals, tmp_path: Path) -> None:
    path = os.pathsep.join(sys.path)
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": path}
    command = [sys.executable, "-c", HELD, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        told = run.stdout.readline().strip()
        before = marked(tmp_path)
        run.send_signal(number)
    assert told, "no kernel was started"
    for name in ("jupyter-lab", "ipykernel", "chrom"):
        assert any(name in each for each in before), f"no {name} among {before}"
    deadline = time.monotonic() + END
    while (left := marked(tmp_path)) and time.monotonic() < deadline:
        threading.Event().wait(0.1)
    assert not left
