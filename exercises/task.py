# SPDX-License-Identifier: BSD-3-Clause
"""What belongs to one exercise: its check module in `exercises/checks`, and its three notebooks.

A check module has, beside its docstring (whose first line is the task in one sentence):

    ENTRY        the name of the function that the answer must define
    GIVEN        the source that the learner starts from
    HINTS        three of them, vague to precise
    VARIANT      something to try after the explained solution
    LIMIT        one promise that a passing answer still does not make
    WHY          what to ask oneself after passing
    QUESTIONS    number -> Question, for the lesson's predictions and the recall
    LABELS       misconception -> the idea to try next
    SCENES       functions of a Scene; a docstring names what an answer survives in each
    TRY          the scene that %try plays
    WRONG        misconception -> an answer that has it; more than one of a name as "name", "name (2)"
    RIGHT        name -> another right answer
"""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


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
class Task:
    """One exercise by its stem, such as `41_lazy_pirate`."""

    stem: str
    module: ModuleType

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    @property
    def title(self) -> str:
        return (self.module.__doc__ or "").strip().splitlines()[0]

    @property
    def solution(self) -> str:
        """The source in the check cell of the explained solution."""
        return check_cell(HERE / "solutions" / f"{self.stem}.ipynb", self.stem)

    @property
    def exercise(self) -> Path:
        return HERE / f"{self.stem}.ipynb"


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
    asked: dict[str, Question] = load(lesson).QUESTIONS
    if number not in asked:
        raise ValueError(f"there is no question {number!r}; lesson {lesson} has {', '.join(asked)}")
    return asked[number]


def hint(task: Task, given: int) -> str:
    """The hint after so many, or where to go when there is none left."""
    if given < len(task.HINTS):
        return f"Hint {given + 1} of {len(task.HINTS)}: {task.HINTS[given]}"
    where = f"exercises/solutions/{task.stem}.ipynb"
    return f"There are no more hints. The explained solution is in {where}. A variant to try: {task.VARIANT}"


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
