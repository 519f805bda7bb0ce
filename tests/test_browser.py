# SPDX-License-Identifier: BSD-3-Clause
"""Lessons and exercises in a real browser: `make lab` as a learner starts it, all cells run, pictures seen, no question
asked; each exercise as it is given, with a wrong answer and with the right one.

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
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import workbook
from playwright import sync_api
from workbook import EXERCISES, LESSONS, ROOT, SOLUTIONS

from exercises import task as tasks

START, OPEN, RUN = 40.0, 40.0, 70.0  # seconds: the server, a notebook with its kernel, all of its cells
NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: in a container Chromium cannot have one. The rest keeps it from talking to anybody else.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

READY = """() => {
    const widget = window.jupyterapp?.shell.currentWidget;
    return widget?.context?.isReady && widget.sessionContext?.isReady && widget.sessionContext.session?.kernel != null;
}"""
RUN_ALL = """() => {
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
NOTEBOOK = "() => window.jupyterapp.shell.currentWidget.context.model.toJSON()"
PICTURES = "pictures => pictures.filter(picture => picture.complete && picture.naturalWidth > 0).length"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None or shutil.which("make") is None:
        reason = f"no make, or no browser under the names {', '.join(NAMES)} (CHROMIUM=... names another)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=OPTIONS, timeout=START * 1000)
        yield running
        running.close()


@pytest.fixture(scope="module")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`make lab` on a copy of the workbook without stored outputs. Gives the address that it prints."""
    home, copy = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("lab") / "workbook"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info"))
    for path in (copy / LESSONS).glob("*.ipynb"):
        forget_outputs(path)
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
            command,
            cwd=copy,
            env=env | isolated,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield printed_address(home / "log", server)
        finally:
            stop(server)


def forget_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in workbook.cells(notebook, "code"):
        cell |= {"outputs": [], "execution_count": None}
    path.write_text(json.dumps(notebook), encoding="utf-8")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def printed_address(log: Path, server: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+/lab\S*token=\w+", log.read_text()):
            return found[0]
        threading.Event().wait(0.1)
    pytest.fail(f"make lab printed no address:\n{log.read_text()}")


def stop(server: subprocess.Popen[bytes]) -> None:
    """End make, the server and its kernels: asked first, then killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
            server.wait(15)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


@pytest.fixture
def page(browser: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A new browser window. What it showed in the end is kept, above all when the test fails."""
    context = browser.new_context(viewport={"width": 1400, "height": 1600})
    opened = context.new_page()
    opened.kept = (Path(os.environ.get("SCREENSHOTS") or tmp_path), request.node.name)
    yield opened
    keep(opened)
    context.close()


def keep(page: Any, state: str = "") -> None:
    """A screenshot in the folder for them, under the name of the test and of the state."""
    folder, test = page.kept
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9_]+", "_", f"{test} {state}").strip("_")
    (folder / f"{name}.png").write_bytes(page.screenshot())  # given a path, playwright would leave a thread behind


def questions(page: Any) -> list[str]:
    """The text of every dialog and every pop-up in view."""
    return [text.strip() for text in page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts()]


def test_make_lab_prints_the_address_of_the_first_lesson(lab: str) -> None:
    assert re.search(rf"/lab/tree/{LESSONS}/{workbook.FIRST}\.ipynb\?token=\w+$", lab)


def visit(page: Any, lab: str, folder: str, stem: str) -> list[dict[str, Any]]:
    """Open a notebook, run all of its cells and return those with code. No question may be in the way."""
    page.goto(lab.replace(f"{LESSONS}/{workbook.FIRST}", f"{folder}/{stem}") + "&reset", timeout=OPEN * 1000)
    page.wait_for_function(READY, timeout=OPEN * 1000)
    assert questions(page) == []
    page.evaluate(RUN_ALL)
    page.wait_for_function(HAS_RUN, timeout=RUN * 1000, polling=100)
    cells = list(workbook.cells(page.evaluate(NOTEBOOK), "code"))
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
    return list(workbook.cells(page.evaluate(NOTEBOOK), "code"))


@pytest.mark.parametrize("stem", [path.stem for path in workbook.notebooks(LESSONS)])
def test_lesson_runs_in_jupyterlab(stem: str, lab: str, page: Any) -> None:
    cells = visit(page, lab, LESSONS, stem)
    drawn = sum("image/svg+xml" in output.get("data", {}) for cell in cells for output in cell["outputs"])
    page.wait_for_function(f"() => document.querySelectorAll('.jp-RenderedSVG img').length >= {drawn}", timeout=5000)
    assert page.locator(".jp-RenderedSVG img").evaluate_all(PICTURES) == drawn
    assert questions(page) == []


class TestExercise:  # a scope of its own: another worker may run it beside the lessons
    @pytest.mark.parametrize("stem", [path.stem for path in workbook.notebooks(EXERCISES)])
    def test_given_wrong_and_right_answers_are_told_apart(self, stem: str, lab: str, page: Any) -> None:
        task, check = tasks.load(stem), f"%%check {stem}\n"
        assert verdict(visit(page, lab, EXERCISES, stem)) == "Not attempted."
        keep(page, "given")
        label, wrong = next(iter(task.WRONG.items()))
        assert verdict(type_and_run(page, check + wrong)) == f"Not yet: {label}."
        keep(page, "wrong")
        assert verdict(type_and_run(page, check + task.solution)) == "Passed."
        keep(page, "right")
        cells = type_and_run(page, f"%reset {stem}", "last")
        assert [workbook.source(cell) for cell in cells].count(check + task.GIVEN) == 1, "the last cell is not as given"
        assert questions(page) == []


def test_a_solution_passes_in_jupyterlab(lab: str, page: Any) -> None:
    """One of them: nbval runs them all, and each was typed into its exercise above."""
    assert verdict(visit(page, lab, SOLUTIONS, workbook.FIRST)) == "Passed."


def test_the_index_leads_to_every_lesson_in_jupyterlab(lab: str, page: Any) -> None:
    page.goto(lab.replace(workbook.FIRST, "index") + "&reset", timeout=OPEN * 1000)
    page.wait_for_selector(".jp-RenderedMarkdown table", timeout=OPEN * 1000)
    shown = page.locator(".jp-RenderedMarkdown a").evaluate_all("links => links.map(link => link.textContent)")
    assert {each.name for each in workbook.lessons()} <= set(shown)
    assert page.locator(".jp-RenderedMarkdown img").evaluate_all(PICTURES) == 1
