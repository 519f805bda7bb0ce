# SPDX-License-Identifier: BSD-3-Clause
"""The files around the lessons: they agree with each other, and say what to do where something is missing."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import conftest
import pytest
import workbook
import zmq
from workbook import ROOT

PINNED = ("tests/requirements.txt", "binder/requirements.txt")
FOLDERS = ("patterns", "diagrams", "exercises", "tests", "guide_notebooks", "binder", ".ci", ".github")
# Words of everyday English, which may stand in a lesson before another one gives them their meaning here.
EVERYDAY = {
    "block", "buffer", "crash", "cut", "drop", "effect", "freeze", "gap", "label", "message", "queue", "ready",
    "reliable", "restart", "role", "service", "shell", "stage", "state", "symptom", "update",
}  # fmt: skip
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def files(*endings: str) -> list[Path]:
    """What is written by hand or stored, without caches."""
    top = [path for path in ROOT.iterdir() if path.is_file()]
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    hidden = re.compile(r"__pycache__|checkpoints|egg-info|_cache")
    return [path for path in top + below if path.name.endswith(endings) and not hidden.search(str(path))]


def pins(path: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9-]+)==([^\s;]+)", read(path)))


# README


@pytest.mark.parametrize("file", workbook.GENERATED)
def test_what_is_made_from_the_lessons_is_what_they_say(file: str) -> None:
    assert read(file) == workbook.written(file, read(file)), "run: make index"


def test_readmes_picture_is_the_one_that_the_lesson_has_stored() -> None:
    file, drawn = workbook.picture()
    assert (ROOT / file).read_bytes() == drawn, "run: make index"


def test_readme_is_written_anew_where_it_differs() -> None:
    spoiled = read("README.md").replace("badge_logo", "another_logo").replace("| lesson |", "| leson |")
    assert workbook.written("README.md", spoiled) == workbook.written("README.md", read("README.md")) != spoiled


def test_the_index_is_what_the_lessons_say() -> None:
    assert json.loads(read(workbook.INDEX)) == workbook.index(), "run: make index"


def test_the_picture_of_the_index_shows_what_needs_what() -> None:
    shown = re.findall(r"(?s)<desc>(.*?)</desc>", read(workbook.MAP))
    assert shown == [workbook.drawing()[1].partition("\n")[2]], "run: make index"


def test_no_two_lessons_introduce_one_word() -> None:
    words = [word.lower() for each in workbook.lessons() for word in workbook.metadata(each)["words"]]
    assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize("path", workbook.PATHS)
def test_no_word_of_a_path_is_used_before_it_is_explained(path: str) -> None:
    early, prose = [], ""
    for each in workbook.along(path):
        for word in workbook.metadata(each)["words"]:
            if word.lower() not in EVERYDAY and re.search(rf"(?i)(?<![\w.]){re.escape(word)}s?(?!\w)", prose):
                early.append(f"{word} ({each.name})")
        prose += workbook.running(workbook.load(ROOT / workbook.LESSONS / f"{each.stem}.ipynb"))
    assert not early


def test_a_path_has_what_its_lessons_need() -> None:
    for path in workbook.PATHS:
        steps = workbook.along(path)
        before: set[str] = set()
        for each in steps:
            assert {need.stem for need in each.needs if need.link} <= before, f"{path}: {each.name}"
            before.add(each.stem)


@pytest.mark.parametrize("file", workbook.GENERATED)
def test_links_of_readme_lead_somewhere(file: str) -> None:
    folder = (ROOT / file).parent
    missing = [target for target in workbook.links(read(file)) if not (folder / target.partition("#")[0]).exists()]
    assert not missing


def test_commands_of_readme_are_those_of_the_makefile() -> None:
    makefile = read("Makefile").replace("$(@F)", "lab").replace("$(PYTHON)", "python3").replace("--clear ", "")
    makefile = makefile.replace("$(PIP)", ".venv/bin/python -m pip install")
    blocks = re.findall(r"(?s)```sh\n(.*?)```", read("README.md"))
    commands = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    for command in commands:
        if command.startswith("make "):
            assert re.search(rf"(?m)^{command.split()[1]}:", makefile), command
        elif not command.startswith(("git ", "cd ")):
            words = [word for word in command.split() if word not in makefile]
            assert not words, f"{command}: {words} are not in the Makefile"


def test_the_address_stands_in_one_place() -> None:
    address = workbook.address().removeprefix("https://")
    holders = [path.relative_to(ROOT).as_posix() for path in files("") if address.encode() in path.read_bytes()]
    assert sorted(holders) == ["README.md", "pyproject.toml"]  # README's is generated
    generated = "".join(write() for write in workbook.GENERATED["README.md"].values())
    assert read("README.md").count(address.split("/", 1)[1]) == generated.count(address.split("/", 1)[1])


# Pins


def test_lock_has_what_the_project_asks_for() -> None:
    project = workbook.project()["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["lab"], *extras["test"]]
    names = {re.split(r"[<>=\[]", each)[0] for each in wanted} - {project["name"]}
    assert not names - pins("tests/requirements.txt").keys(), "run: make lock"


@pytest.mark.parametrize("path", PINNED)
def test_lock_names_no_host_and_no_local_path(path: str) -> None:
    assert not re.search(r"://|^-|^\s*[./]", read(path), re.MULTILINE)


def test_binder_adds_what_the_recipes_import_at_the_same_versions() -> None:
    image = pins("binder/requirements.txt")
    asked = {re.split(r"[<>=]", each)[0] for each in workbook.project()["project"]["dependencies"]}
    assert asked - {"ipywidgets"} <= image.keys(), "ipywidgets comes with the image"
    assert image.items() <= pins("tests/requirements.txt").items()


def test_a_recipe_is_whole_with_the_files_that_are_named(tmp_path: Path) -> None:
    """Each is copied with them into a package of its own, and can be imported where nothing else is."""
    names = [Path(each.recipe).stem for each in workbook.lessons() if each.recipe]
    for name in names:
        package = tmp_path / f"with_{name}"
        package.mkdir()
        for file in [f"{name}.py", *workbook.taken_along(name)]:
            shutil.copy(ROOT / workbook.RECIPES / file, package)
    code = "; ".join(f"import with_{name}.{name}" for name in names)
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


# Binder


def test_binder_names_a_python_that_is_tested() -> None:
    assert read("binder/runtime.txt").strip().removeprefix("python-") in PYTHONS


def test_jupyterlab_asks_no_question_about_news() -> None:
    settings = json.loads(read("binder/overrides.json"))
    assert settings["@jupyterlab/apputils-extension:notification"] == {"fetchNews": "false", "checkForUpdates": False}


def test_binder_becomes_a_dockerfile() -> None:
    pytest.importorskip("repo2docker", reason="jupyter-repo2docker is not installed (GitHub's binder job has it)")
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(ROOT)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    for line in (
        "install --yes --no-install-recommends graphviz",
        'pip install --no-cache-dir -r "binder/requirements.txt"',
    ):
        assert line in run.stdout + run.stderr
    assert "RUN ./binder/postBuild" in run.stdout + run.stderr


# Continuous integration


@pytest.mark.parametrize("path", [".ci/run", "binder/postBuild"])
def test_script_can_be_run(path: str) -> None:
    assert os.access(ROOT / path, os.X_OK)
    assert read(path).startswith("#!/bin/bash\n")
    subprocess.run(["bash", "-n", ROOT / path], check=True, timeout=10)


def test_ci_runs_make_test_and_once_a_week_what_takes_longer() -> None:
    assert 'exec make "${1:-test}"' in read(".ci/run")
    told = re.findall(r"(?m)^      - run: \.ci/run *(.*)$", read(".github/workflows/test.yml"))
    assert told == ["", "browser", "prove", "strangers"]


@pytest.mark.parametrize(("cores", "processes"), [(1, 2), (2, 4), (64, 24)])
def test_more_tests_run_at_once_than_there_are_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert conftest.pytest_xdist_auto_num_workers() == processes


def test_workflows_are_pinned_and_may_only_read() -> None:
    for path in files(".yml"):
        text = path.read_text(encoding="utf-8")
        if path.parent.name == "workflows":
            assert "\npermissions:\n  contents: read\n" in text
            assert all(re.fullmatch(r"actions/[\w-]+@v\d+", use) for use in re.findall(r"uses: (\S+)", text))
            assert "secrets." not in text


def test_pythons_that_are_promised_are_tested() -> None:
    project = workbook.project()["project"]
    promised = [line.rsplit(" ", 1)[1] for line in project["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert promised == PYTHONS
    assert project["requires-python"] == f">={PYTHONS[0]}"
    assert json.dumps(PYTHONS) in read(".github/workflows/test.yml")


# What is written


def test_every_module_names_its_licence() -> None:
    for path in files(".py"):
        assert path.read_text(encoding="utf-8").startswith("# SPDX-License-Identifier: BSD-3-Clause\n"), path


def test_no_test_sleeps() -> None:
    for path in (ROOT / "tests").glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
        sleeps = [call.lineno for call in calls if ast.unparse(call.func) == "time.sleep"]
        assert not sleeps, f"{path.name}, lines {sleeps}"


def test_sanitize_rules_are_pairs_that_nbval_reads() -> None:
    rules = [line for line in read("tests/nbval.cfg").splitlines() if line and not line.startswith("[")]
    assert [line.split(": ")[0] for line in rules] == ["regex", "replace"] * (len(rules) // 2)
    for line in rules[::2]:
        re.compile(line.removeprefix("regex: "))


def test_sanitize_takes_the_drawing_and_leaves_the_text() -> None:
    _, regex, replace = read("tests/nbval.cfg").splitlines()
    form, empty = regex.removeprefix("regex: "), replace.removeprefix("replace: ")
    shown = [f'<b>Passed.</b><img width="{n}" src="data:image/png;base64,{n}+/=" alt="alice asks bob">' for n in (8, 9)]
    assert {re.sub(form, empty, each) for each in shown} == {f'<b>Passed.</b>{empty} alt="alice asks bob">'}
    assert re.sub(form, empty, "alice asks bob\n<one> two") == "alice asks bob\n<one> two"


# What `make` says where something is missing


def make(folder: Path, path: Path, *words: str) -> str:
    """The standard error of a `make` that finds only the commands in `path`, and is to fail."""
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("requirements.txt", "overrides.json"):
        for holder in ("tests", "binder"):
            (folder / holder).mkdir(exist_ok=True)
            (folder / holder / name).touch()
    (folder / "pyproject.toml").touch()
    for command in ("make", "sh", "uname"):
        if found := shutil.which(command):
            (path / command).symlink_to(found)
    run = subprocess.run(
        [str(path / "make"), *words], cwd=folder, env={"PATH": str(path)}, capture_output=True, text=True, timeout=60
    )
    assert run.returncode != 0
    return run.stderr


def python(path: Path, script: str) -> None:
    (path / "python3").write_text(f"#!/bin/sh\n{script}\n")
    (path / "python3").chmod(0o755)


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


@needs_make
@pytest.mark.parametrize("command", ["lab", "test"])
def test_missing_python_is_named_in_one_sentence(command: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    assert make(tmp_path, tmp_path / "bin", command).startswith("Please install Python 3.11 or newer")


@needs_make
def test_old_python_is_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    old = f"exec {sys.executable} -c 'import sys; sys.version_info = (3, 10); exec(sys.argv[1])' \"$2\""
    python(tmp_path / "bin", old)
    assert make(tmp_path, tmp_path / "bin", "lab").startswith("Please install Python 3.11 or newer")


@needs_make
def test_missing_venv_is_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    without = f'exec {sys.executable} -c \'import sys; sys.modules["ensurepip"] = None; exec(sys.argv[1])\' "$2"'
    python(tmp_path / "bin", without)
    said = make(tmp_path, tmp_path / "bin", "lab")
    assert said.startswith(
        "Please install the venv module of python3, on Debian and Ubuntu with: apt install python3-venv"
    )


# What a test may not leave behind


def test_a_thread_left_behind_is_seen() -> None:
    before, end = conftest.alive(), threading.Event()
    thread = threading.Thread(target=end.wait, args=(10,), name="forgotten")
    thread.start()
    try:
        assert "thread 'forgotten'" in conftest.left_behind(before, settle=0)
    finally:
        end.set()
        thread.join(10)
    assert not conftest.left_behind(before)


@pytest.mark.skipif(not conftest.PROC.exists(), reason="this system has no /proc")
def test_a_process_left_behind_is_seen() -> None:
    before = conftest.alive()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert any(f"child process {child.pid}" in each for each in conftest.left_behind(before, settle=0))
    assert not conftest.left_behind(before)


@pytest.mark.skipif(not conftest.PROC.exists(), reason="this system has no /proc")
def test_a_socket_left_behind_is_seen() -> None:
    before = conftest.alive()
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        pull.bind("tcp://127.0.0.1:*")
        assert any("socket:" in each for each in conftest.left_behind(before, settle=0))
    assert not conftest.left_behind(before)
