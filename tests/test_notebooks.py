# SPDX-License-Identifier: BSD-3-Clause
"""The form of the notebooks. Whether their outputs are true is for nbval, which lets pass what is checked here.

A check takes a notebook and where it stands, and yields what is wrong. Next to each check stands the change that
spoils a good notebook, and a test proves that the check sees it.
"""

import copy
import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import workbook
from workbook import EXERCISES, LESSONS, ROOT, SOLUTIONS, Notebook, cells, headings, prose, source

Cell = dict[str, Any]
Complaints = Iterator[str]

EVERYWHERE = (LESSONS, EXERCISES, SOLUTIONS)
ENDING = ["What it does not promise", "On your own", "Further"]
LONGEST, MEDIAN = 15, 5  # lines of a code cell
LONGEST_MEANING = 25  # words in which a word is explained in the glossary
WORDS = range(600, 3001)
NEUTRAL = "What happened:"  # a closed output still shows its first line, which must not tell
EXEMPT = re.compile(r"NBVAL_(IGNORE_OUTPUT|SKIP|RAISES_EXCEPTION)")
EXEMPT_TAGS = {"nbval-ignore-output", "nbval-skip", "skip"}
FORBIDDEN = {
    "time.sleep": r"\btime\.sleep\(|\bfrom time import .*\bsleep\b",
    "a fixed port": r"tcp://(\*|\[[^\]]*\]|[\w.]+):\d{2,5}\b",
    "Context.instance": r"\bContext\.instance\(",
    "destroy": r"\.destroy\(",
}
# Recall asks about earlier lessons; the first two have none to speak of.
FIRST_RECALL = 13


@dataclass(frozen=True)
class Check:
    sentence: str
    folders: tuple[str, ...]
    find: Callable[[Notebook, Path], Complaints]
    spoil: Callable[[Notebook], object]


CHECKS: list[Check] = []


def check(sentence: str, spoil: Callable[[Notebook], object], folders: tuple[str, ...] = EVERYWHERE) -> Any:
    def register(find: Callable[[Notebook, Path], Complaints]) -> Callable[[Notebook, Path], Complaints]:
        CHECKS.append(Check(sentence, folders, find, spoil))
        return find

    return register


# Small things the checks and their spoiled examples share.


def code(notebook: Notebook) -> list[Cell]:
    return list(cells(notebook, "code"))


def tags(cell: Cell) -> set[str]:
    return set(cell["metadata"].get("tags", ()))


def lines(cell: Cell) -> int:
    return sum(bool(line.strip()) for line in source(cell).splitlines())


def asked(cell: Cell, magic: str) -> list[str]:
    """The arguments of each line `%predict …` or `%reveal …` of a cell."""
    return [found.strip() for found in re.findall(rf"(?m)^\s*%{magic}\b(.*)$", source(cell))]


def shown(cell: Cell) -> str:
    """What a cell's stored outputs say as text."""
    texts = [output.get("text", output.get("data", {}).get("text/plain", "")) for output in cell["outputs"]]
    return "".join(text if isinstance(text, str) else "".join(text) for text in texts)


def at(cell: Cell) -> str:
    return f"the cell {source(cell).strip().splitlines()[0]!r}"


def add(kind: str, text: str, **more: Any) -> Callable[[Notebook], object]:
    """A change that adds a cell before the last one, run in order."""

    def change(notebook: Notebook) -> None:
        cell: Cell = {"id": "added", "cell_type": kind, "metadata": {}, "source": text}
        if kind == "code":
            count = 1 + max((each["execution_count"] for each in code(notebook)), default=0)
            cell |= {"execution_count": count, "outputs": []}
        notebook["cells"].insert(-1, cell | more)

    return change


def replace(old: str, new: str) -> Callable[[Notebook], object]:
    """A change of words, wherever they stand."""

    def change(notebook: Notebook) -> None:
        touched = [cell for cell in notebook["cells"] if old in source(cell)]
        assert touched, f"nothing to spoil: {old!r}"
        for cell in touched:
            cell["source"] = source(cell).replace(old, new)

    return change


def last(notebook: Notebook) -> Cell:
    return code(notebook)[-1]


# Every notebook.


@check("it has one top heading, and it comes first", add("markdown", "# Another"))
def _(notebook: Notebook, path: Path) -> Complaints:
    tops = headings(prose(notebook), "#")
    if len(tops) != 1:
        yield f"top headings: {tops}"
    if not source(notebook["cells"][0]).startswith("# "):
        yield "the first cell does not begin with it"


@check("every code cell was run, in order", lambda nb: last(nb).update(execution_count=None))
def _(notebook: Notebook, path: Path) -> Complaints:
    counts = [cell["execution_count"] for cell in code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"the cells were run as {counts}"


@check(
    "no code cell ended in an error, but those that are to",
    lambda nb: last(nb).update(
        outputs=[{"output_type": "error", "ename": "ValueError", "evalue": "", "traceback": []}]
    ),
)
def _(notebook: Notebook, path: Path) -> Complaints:
    for cell in code(notebook):
        failed = any(output["output_type"] == "error" for output in cell["outputs"])
        if failed and "raises-exception" not in tags(cell):
            yield f"{at(cell)} ended in an error"
        if not failed and "raises-exception" in tags(cell):  # nbval would not notice
            yield f"{at(cell)} is tagged raises-exception and did not raise"


@check(
    "at most one code cell in ten is exempt from comparison, each with its reason",
    add("code", "# NBVAL_IGNORE_OUTPUT\n1"),
)
def _(notebook: Notebook, path: Path) -> Complaints:
    exempt = [cell for cell in code(notebook) if EXEMPT.search(source(cell)) or tags(cell) & EXEMPT_TAGS]
    if len(exempt) > max(1, len(code(notebook)) / 10):
        yield f"{len(exempt)} of {len(code(notebook))} code cells"
    for cell in exempt:
        comments = EXEMPT.sub("", " ".join(re.findall(r"(?m)#(.*)$", source(cell))))
        if len(re.findall(r"\w+", comments)) < 3:
            yield f"{at(cell)} gives no reason in a comment"


@check("a comment to nbval stands alone on its line, or nbval does not see it", add("code", "# NBVAL_SKIP: why not\n1"))
def _(notebook: Notebook, path: Path) -> Complaints:
    for cell in code(notebook):
        lines = [line for line in source(cell).splitlines() if EXEMPT.search(line)]
        yield from (f"{at(cell)}: {line}" for line in lines if not re.fullmatch(rf"\s*#\s*{EXEMPT.pattern}\s*", line))


@check(
    "no sleep, fixed port, global context or destroy, unless it shows the mistake", add("code", "time" + ".sleep(1)")
)
def _(notebook: Notebook, path: Path) -> Complaints:
    for cell in code(notebook):
        if "shows-the-mistake" not in tags(cell):
            yield from (f"{at(cell)} has {name}" for name, form in FORBIDDEN.items() if re.search(form, source(cell)))


@check(
    "what a cell is to show, as a recipe is, stands last in it",
    add("code", "%recipe clone.Server\n%recipe clone.change"),
)
def _(notebook: Notebook, path: Path) -> Complaints:
    for cell in code(notebook):
        if re.search(r"(?m)^%recipe .*\n(?=.)", source(cell)):
            yield f"{at(cell)} is not shown"


@check("its links within the workbook lead somewhere", add("markdown", "[there](../no_such_file.md)"))
def _(notebook: Notebook, path: Path) -> Complaints:
    for target in workbook.links(prose(notebook)):
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists():
            yield f"{target} is not there"
        elif anchor and there.suffix == ".ipynb":
            text = prose(notebook if there == path else workbook.load(there))
            if anchor not in {heading.replace(" ", "-") for heading in headings(text)}:
                yield f"{target}: no such heading"


@check("every cell has an id of its own", lambda nb: last(nb).pop("id"))
def _(notebook: Notebook, path: Path) -> Complaints:
    ids = [cell.get("id") for cell in notebook["cells"]]
    if None in ids or len(set(ids)) < len(ids):
        yield "an id is missing or used twice"
    if (notebook["nbformat"], notebook["nbformat_minor"]) < (4, 5):
        yield "the format is older than 4.5, which brought ids"


@check(
    "its metadata tell nothing of the kernel that ran it",
    lambda nb: nb["metadata"]["language_info"].update(version="3.12.1"),
)
def _(notebook: Notebook, path: Path) -> Complaints:
    metadata = notebook["metadata"]
    if extra := metadata.keys() - {"kernelspec", "language_info", "workbook"}:
        yield f"metadata has {sorted(extra)}"
    if metadata.get("kernelspec", {}).get("name") != "python3":
        yield "the kernel is not python3, so a reader would be asked for one"
    if metadata.get("language_info", {}).get("version") not in {None, "3", "3.11"}:
        yield "language_info has the version of one kernel (leave it out)"
    for cell in notebook["cells"]:
        if extra := cell["metadata"].keys() - {"tags", "jupyter", "nbgrader"}:
            yield f"{at(cell)} has the metadata {sorted(extra)}"


@check("nothing is chosen as stored", add("code", "%predict 41.9 b"))
def _(notebook: Notebook, path: Path) -> Complaints:
    for cell in code(notebook):
        yield from (f"%predict {given} has chosen" for given in asked(cell, "predict") if len(given.split()) != 1)


@check("its voice is calm", add("markdown", "Simply run it!"))
def _(notebook: Notebook, path: Path) -> Complaints:
    text = workbook.LINK.sub(r"\1", workbook.without_code(prose(notebook)))
    yield from re.findall(r"(?i)[^.\n]*\bsimply\b[^.\n]*", text)
    yield from re.findall(r"[^.\n]*\w!(?!\w)", text)


# Lessons.


@check("its header is complete", replace("- **Minutes:** 35 to read, 25 for the exercise\n", ""), (LESSONS,))
def _(notebook: Notebook, path: Path) -> Complaints:
    try:
        workbook.header(path.stem, source(notebook["cells"][0]))
    except ValueError as error:
        yield str(error)


@check(
    "what it needs comes before it, with a link as soon as it stands",
    replace("11 start_here", "77 far_ahead"),
    (LESSONS,),
)
def _(notebook: Notebook, path: Path) -> Complaints:
    lesson = workbook.header(path.stem, source(notebook["cells"][0]))
    for need in lesson.needs:
        stands = (ROOT / LESSONS / f"{need.stem}.ipynb").exists()
        if need.number >= lesson.number:
            yield f"{need.stem} does not come before it"
        if stands and need.link != f"{need.stem}.ipynb":
            yield f"{need.stem} stands, but is not linked"
        if not stands and need.link:
            yield f"{need.stem} is linked, but does not stand"


@check("it asks for a recall of earlier lessons, from lesson 13 on", replace("## Recall", "## Again"), (LESSONS,))
def _(notebook: Notebook, path: Path) -> Complaints:
    if int(path.stem[:2]) >= FIRST_RECALL and "Recall" not in headings(prose(notebook), "##"):
        yield "no section 'Recall'"


@check("it ends with promise, exercise and further reading", replace("## On your own", "## Bye"), (LESSONS,))
def _(notebook: Notebook, path: Path) -> Complaints:
    if (sections := headings(prose(notebook), "##"))[-len(ENDING) :] != ENDING:
        yield f"its last sections are {sections[-len(ENDING) :]}"


@check("it is read in half an hour", lambda nb: nb["cells"].pop(1), (LESSONS,))
def _(notebook: Notebook, path: Path) -> Complaints:
    words = len(prose(notebook).split())
    if words not in WORDS:
        yield f"{words} words"


@check("no code cell is long", add("code", "x = 1\n" * (LONGEST + 1)), (LESSONS,))
def _(notebook: Notebook, path: Path) -> Complaints:
    yield from (f"{at(cell)} has {lines(cell)} lines" for cell in code(notebook) if lines(cell) > LONGEST)


@check("most code cells are short", lambda nb: [add("code", "x = 1\n" * 9)(nb) for _ in range(20)], (LESSONS,))
def _(notebook: Notebook, path: Path) -> Complaints:
    if (median := statistics.median(map(lines, code(notebook)))) > MEDIAN:
        yield f"the median is {median:g} lines"


@check("it shows a picture of a run", lambda nb: [cell.update(outputs=[]) for cell in code(nb)], (LESSONS,))
def _(notebook: Notebook, path: Path) -> Complaints:
    drawn = [words for cell in code(notebook) for _, words in workbook.pictures(cell)]
    if not drawn:
        yield "none of its cells shows one"
    if not all(drawn):
        yield "a picture has no text alternative"


@check("it asks for a prediction", replace("%predict", "#"), (LESSONS,))
def _(notebook: Notebook, path: Path) -> Complaints:
    questions = [given for cell in code(notebook) for given in asked(cell, "predict")]
    if not questions:
        yield "no %predict"
    yield from (f"%predict {given} is of a later lesson" for given in questions if given[:2] > path.stem[:2])
    yield from (f"%predict {given} stands twice" for given in set(questions) if questions.count(given) > 1)


@check("each prediction is compared afterwards, and only then", replace("%reveal 41.1", "pass"), (LESSONS,))
def _(notebook: Notebook, path: Path) -> Complaints:
    said = [(magic, given.split()[0]) for cell in code(notebook) for magic, given in _asked_in_order(cell)]
    predicted = [name for magic, name in said if magic == "predict"]
    revealed = [name for magic, name in said if magic == "reveal"]
    for name in sorted(set(predicted) ^ set(revealed)):
        yield f"{name} is {'predicted' if name in predicted else 'revealed'} only"
    for name in set(predicted) & set(revealed):
        if said.index(("reveal", name)) < said.index(("predict", name)):
            yield f"{name} is revealed before it is predicted"


def _asked_in_order(cell: Cell) -> list[tuple[str, str]]:
    return re.findall(r"(?m)^\s*%(predict|reveal)[ \t]+(\S.*)$", source(cell))


def _reveals(notebook: Notebook) -> list[Cell]:
    return [cell for cell in code(notebook) if asked(cell, "reveal")]


@check("a stored answer is closed", lambda nb: _reveals(nb)[0]["metadata"].pop("jupyter"), (LESSONS,))
def _(notebook: Notebook, path: Path) -> Complaints:
    for cell in _reveals(notebook):
        if cell["metadata"].get("jupyter", {}).get("outputs_hidden") is not True:
            yield f"{at(cell)} lacks jupyter.outputs_hidden"


@check(
    "a closed output does not tell by its first line",
    lambda nb: _reveals(nb)[0].update(outputs=[{"output_type": "stream", "name": "stdout", "text": "It was b.\n"}]),
    (LESSONS,),
)
def _(notebook: Notebook, path: Path) -> Complaints:
    for cell in (each for each in code(notebook) if each["metadata"].get("jupyter", {}).get("outputs_hidden")):
        if (first := shown(cell).partition("\n")[0]) != NEUTRAL:
            yield f"the first line of {at(cell)} is {first!r}, not {NEUTRAL!r}"


@check(
    "its words are explained once, where they stand in bold",
    lambda nb: nb["metadata"]["workbook"]["words"].update(forgotten="what nobody explains"),
    (LESSONS,),
)
def _(notebook: Notebook, path: Path) -> Complaints:
    words = notebook["metadata"].get("workbook", {}).get("words", {})
    bold = [found.lower() for found in re.findall(r"\*\*([^*\n]+)\*\*", workbook.without_code(prose(notebook)))]
    if not words:
        yield "its metadata name no word"
    for word, meaning in words.items():
        times = bold.count(word.lower()) + bold.count(f"{word.lower()}s")
        if times != 1:
            yield f"{word!r} stands in bold {times} times"
        if len(meaning.split()) > LONGEST_MEANING or meaning.endswith(".") or "|" in meaning:
            yield f"the meaning of {word!r} is not a short phrase without a full stop: {meaning!r}"


@check(
    "it names what its readers may have seen go wrong",
    lambda nb: nb["metadata"]["workbook"].update(symptoms={}),
    (LESSONS,),
)
def _(notebook: Notebook, path: Path) -> Complaints:
    groups = notebook["metadata"].get("workbook", {}).get("symptoms", {})
    yield from (f"{group!r} is no group of symptoms" for group in groups if group not in workbook.GROUPS)
    symptoms = [symptom for group in groups.values() for symptom in group]
    if not 1 <= len(symptoms) <= 8:
        yield f"its metadata name {len(symptoms)} symptoms"
    yield from (f"{symptom!r} ends with a full stop" for symptom in symptoms if symptom.endswith((".", "|")))


@check(
    "a table of sockets has the form of all others", add("code", "1", metadata={"tags": ["socket-table"]}), (LESSONS,)
)
def _(notebook: Notebook, path: Path) -> Complaints:
    for cell in code(notebook):
        if workbook.TABLE in tags(cell):
            rows = [line.count("|") for line in shown(cell).splitlines()]
            if len(rows) < 2 or len(set(rows)) > 1:
                yield f"{at(cell)} prints no heading with rows of the same form"


# A good lesson, to be spoiled.

HEADER = """# Ask, wait, give up, ask again

**You will be able to** say what a reply that does not come can mean; ask again without asking twice.

- **Needs:** 11 start_here
- **Minutes:** 35 to read, 25 for the exercise
- **Guide:** [chapter 4](https://zguide.zeromq.org/docs/chapter4/#Client-Side-Reliability-Lazy-Pirate-Pattern)
- **Recipe:** [`patterns/lazy_pirate.py`](../patterns/lazy_pirate.py)
- **Exercise:** [41 lazy_pirate](../exercises/41_lazy_pirate.ipynb)
- **Paths:** taster, short"""


def good_lesson() -> Notebook:
    picture = {"image/svg+xml": ["<svg></svg>"], "text/plain": ["alice asks bob"]}
    parts: list[tuple[str, str, dict[str, Any]]] = [
        ("markdown", HEADER, {}),
        ("markdown", "word " * 600 + "a **word**", {}),
        ("markdown", "## Recall", {}),
        ("code", "%predict 41.1", {}),
        ("code", "draw()", {"outputs": [{"output_type": "display_data", "data": picture, "metadata": {}}]}),
        (
            "code",
            "%reveal 41.1",
            {
                "metadata": {"jupyter": {"outputs_hidden": True}},
                "outputs": [{"output_type": "stream", "name": "stdout", "text": [f"{NEUTRAL}\n", "b, as it was\n"]}],
            },
        ),
        ("markdown", "".join(f"## {section}\n\nText, `not!`\n\n" for section in ENDING), {}),
    ]
    notebook: Notebook = {
        "cells": [],
        "metadata": {
            "kernelspec": {"name": "python3"},
            "language_info": {"name": "python"},
            "workbook": {
                "words": {"word": "what a sentence is made of"},
                "symptoms": {"nothing comes": ["nothing at all"]},
            },
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    counts = iter(range(1, len(parts)))
    for number, (kind, text, more) in enumerate(parts):
        cell: Cell = {"id": f"cell-{number}", "cell_type": kind, "metadata": {}, "source": text}
        if kind == "code":
            cell |= {"execution_count": next(counts), "outputs": []}
        notebook["cells"].append(copy.deepcopy(cell | more))
    return notebook


@pytest.fixture
def standing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where lesson 41 stands alone with what it links to; the path of the lesson."""
    for file in ("patterns/lazy_pirate.py", f"{EXERCISES}/41_lazy_pirate.ipynb"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    (tmp_path / LESSONS).mkdir()
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    return tmp_path / LESSONS / "41_lazy_pirate.ipynb"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.sentence)
def test_a_good_lesson_passes_and_a_spoiled_one_does_not(check: Check, standing: Path) -> None:
    notebook = good_lesson()
    assert list(check.find(notebook, standing)) == []
    check.spoil(notebook)
    assert list(check.find(notebook, standing)), "the check did not see what was spoiled"


def test_a_need_that_stands_must_be_linked(standing: Path) -> None:
    (standing.parent / "11_start_here.ipynb").touch()
    [needs] = [check for check in CHECKS if check.sentence.startswith("what it needs")]
    assert list(needs.find(good_lesson(), standing)) == ["11_start_here stands, but is not linked"]


STANDING = [(folder, path) for folder in EVERYWHERE for path in workbook.notebooks(folder)]


@pytest.mark.parametrize(
    ("path", "check"),
    [
        pytest.param(path, check, id=f"{path.relative_to(ROOT)}: {check.sentence}")
        for folder, path in STANDING
        for check in CHECKS
        if folder in check.folders
    ],
)
def test_form(path: Path, check: Check) -> None:
    complaints = list(check.find(workbook.load(path), path))
    assert not complaints, "\n".join(complaints)


STEMS = sorted(
    {path.stem for _, path in STANDING} | {path.stem for path in (ROOT / EXERCISES / "checks").glob("[0-9]*.py")}
)
FAMILY = (f"{LESSONS}/{{}}.ipynb", f"{EXERCISES}/{{}}.ipynb", f"{SOLUTIONS}/{{}}.ipynb", f"{EXERCISES}/checks/{{}}.py")


@pytest.mark.parametrize("stem", STEMS)
def test_lesson_exercise_solution_and_checks_stand_together(stem: str) -> None:
    missing = [form.format(stem) for form in FAMILY if not (ROOT / form.format(stem)).is_file()]
    assert not missing


def test_no_notebook_stands_under_another_name() -> None:
    found = {path for folder in EVERYWHERE for path in (ROOT / folder).glob("*.ipynb")}
    odd = [path.name for path in found if not re.fullmatch(r"[1-8][1-9]_[a-z0-9_]+\.ipynb|index\.ipynb", path.name)]
    numbers = [path.stem[:2] for path in workbook.notebooks(LESSONS)]
    assert not odd
    assert len(numbers) == len(set(numbers)), "two lessons have one number"
