# SPDX-License-Identifier: BSD-3-Clause
"""What belongs to one exercise, each in a room of its own, all under the stem of its lesson, such as `41_lazy_pirate`:

    checks/41_lazy_pirate.py        the scenes in which an answer is tried, and the labels of its misconceptions
    bank/41_lazy_pirate/*.py        answers; each begins with what is expected of it
    questions/41_lazy_pirate.toml   what the lesson has its reader predict and recall
    41_lazy_pirate.ipynb            what the learner edits
    solutions/41_lazy_pirate.ipynb  the explained solution

A check module has, beside its docstring (whose first line is the task in one sentence):

    ENTRY    the name of the function that the answer must define
    HINTS    three of them, vague to precise
    VARIANT  something to try after the explained solution
    LIMIT    one promise that a passing answer still does not make
    WHY      what to ask oneself after passing
    LABELS   misconception -> the idea to try next
    SCENES   functions of a Scene; a docstring names what an answer survives in each
    TRY      the scene that %try plays

Below the licence, an answer of the bank begins with the first line of its verdict: `# Passed: how it is built.` or
`# Not yet: the same REQ was asked twice.` The file `given.py` is what the learner starts from.
"""

from __future__ import annotations

import base64
import importlib
import json
import pickle
import re
import tomllib
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
EXPECTED = re.compile(r"(?:# SPDX.*\n)?# (Passed|Not yet|Not attempted): (.+)\.\n(?:#.*\n)*\n*")


@dataclass(frozen=True)
class Question:
    """A question with its options: letter -> (text, misconception); the right one has no misconception."""

    text: str
    options: dict[str, tuple[str, str]]
    why: str

    @property
    def answer(self) -> str:
        return next(letter for letter, (_, label) in self.options.items() if not label)


@dataclass(frozen=True)
class Banked:
    """An answer of the bank: its file's name, the verdict that is due, and its source without the first lines.

    kind   "passed", "not yet" or "not attempted"
    label  the misconception, or how a right answer is built
    """

    name: str
    kind: str
    label: str
    source: str


@dataclass(frozen=True)
class Task:
    """One exercise by its stem."""

    stem: str
    module: ModuleType

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    @property
    def title(self) -> str:
        return (self.module.__doc__ or "").strip().splitlines()[0]

    @cached_property
    def bank(self) -> tuple[Banked, ...]:
        """Every answer of the bank but what is given, in the order of the files' names."""
        files = sorted((HERE / "bank" / self.stem).glob("*.py"))
        return tuple(banked(path) for path in files if path.stem != "given")

    @property
    def right(self) -> tuple[Banked, ...]:
        return tuple(answer for answer in self.bank if answer.kind == "passed")

    @property
    def wrong(self) -> tuple[Banked, ...]:
        return tuple(answer for answer in self.bank if answer.kind != "passed")

    @cached_property
    def given(self) -> str:
        """The source that the learner starts from."""
        return banked(HERE / "bank" / self.stem / "given.py").source

    @cached_property
    def questions(self) -> dict[str, Question]:
        """Number -> Question, for the lesson's predictions and the recall."""
        return _questions(HERE / "questions" / f"{self.stem}.toml")

    @cached_property
    def solution(self) -> str:
        """The source in the check cell of the explained solution."""
        return check_cell(HERE / "solutions" / f"{self.stem}.ipynb", self.stem)

    @property
    def exercise(self) -> Path:
        return HERE / f"{self.stem}.ipynb"


def banked(path: Path) -> Banked:
    """An answer of the bank. Raises ValueError if it does not begin with what is expected of it."""
    text = path.read_text(encoding="utf-8")
    found = EXPECTED.match(text)
    if not found:
        raise ValueError(
            f"{path.name}: expected '# Passed: how it is built.' or '# Not yet: a label.' in the first lines"
        )
    return Banked(path.stem, found[1].lower(), found[2], text[found.end() :])


def _questions(path: Path) -> dict[str, Question]:
    read = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {number: _question(f"{path.name}: question {number}", asked) for number, asked in read.items()}


def _question(where: str, asked: dict[str, Any]) -> Question:
    options = asked.get("options", {})
    right = [letter for letter, option in options.items() if option.get("right")]
    if (
        len(right) != 1
        or len(options) < 2
        or not all(option.get("idea") or option.get("right") for option in options.values())
    ):
        raise ValueError(f"{where}: expected one right option and others that each say the idea behind them")
    return Question(
        asked["text"], {letter: (o["text"], o.get("idea", "")) for letter, o in options.items()}, asked["why"]
    )


def stems() -> list[str]:
    return sorted(p.stem for p in (HERE / "checks").glob("[0-9][0-9]_*.py"))


def find(name: str) -> str:
    """The stem of an exercise, from itself, its number ("41") or its slug ("lazy_pirate"). Raises ValueError that
    lists what there is."""
    wanted = name.strip()
    found = [s for s in stems() if wanted in (s, s[:2], s[3:])]
    if len(found) != 1:
        raise ValueError(f"there is no exercise {wanted!r}; there are {', '.join(stems())}")
    return found[0]


def load(name: str) -> Task:
    """The exercise that `find` finds, with its check module."""
    stem = find(name)
    return Task(stem, importlib.import_module(f"exercises.checks.{stem}"))


def question(number: str) -> Question:
    """The question of this number, such as 41.1. Raises ValueError that lists the lesson's questions."""
    lesson = number.split(".")[0]
    asked = load(lesson).questions
    if number not in asked:
        raise ValueError(f"there is no question {number!r}; lesson {lesson} has {', '.join(asked)}")
    return asked[number]


def hint(task: Task, given: int) -> str:
    """The hint after so many, or where to go when there is none left."""
    if given < len(task.HINTS):
        return f"Hint {given + 1} of {len(task.HINTS)}: {task.HINTS[given]}"
    where = f"exercises/solutions/{task.stem}.ipynb"
    return f"There are no more hints. The explained solution is in {where}. A variant to try: {task.VARIANT}"


def packed(value: Any) -> str:
    """A value of our own as text, small."""
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


def unpacked(text: str) -> Any:
    return pickle.loads(zlib.decompress(base64.b64decode(text)))


def check_cell(path: Path, stem: str) -> str:
    """The source of a notebook's `%%check` cell, without that line."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and re.match(rf"%%check {stem}\b", source):
            return source.split("\n", 1)[1]
    raise ValueError(f"{path.name} has no cell that begins with %%check {stem}")


def same(a: str, b: str) -> bool:
    """Whether two sources differ in white space only."""
    return [line.rstrip() for line in a.strip().splitlines()] == [line.rstrip() for line in b.strip().splitlines()]
