# SPDX-License-Identifier: BSD-3-Clause
"""The magics of the workbook: %%check, %hint, %try, %reset for exercises; %predict, %reveal, %recipe for lessons."""

from __future__ import annotations

import importlib
import inspect
import operator
import re
import textwrap
from dataclasses import dataclass
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_cell_magic, line_magic, magics_class
from IPython.display import display

from . import checker
from . import task as tasks


@dataclass(frozen=True)
class Words:
    """Text that is shown as Markdown and compared as it is."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.text


@magics_class
class Workbook(Magics):
    """What a learner types beside Python."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._sources: dict[str, str] = {}  # the last answer to each exercise
        self._hints: dict[str, int] = {}  # how many hints have been given
        self._guesses: dict[str, str] = {}
        before = shell.find_magic("reset")
        self._ipython_reset = getattr(getattr(before, "__self__", None), "_ipython_reset", before)

    @cell_magic
    def check(self, line: str, cell: str) -> checker.Verdict:
        """%%check 41_lazy_pirate: judge the answer in this cell. A number behind it is an earlier verdict's seed."""
        name, _, seed = line.strip().partition(" ")
        stem = _stem(name)
        if seed and not seed.strip().isdigit():
            raise UsageError(f"%%check {stem}: expected a seed such as 4711 behind it, got {seed!r}")
        self._sources[stem] = cell
        return checker.check(stem, cell, int(seed) if seed else None)

    @line_cell_magic("try")
    def play(self, line: str, cell: str | None = None) -> checker.Verdict:
        """%try 41_lazy_pirate: play the last checked answer (or, as %%try, this cell) without judging it."""
        task = _task(line)
        source = self._sources.get(task.stem, task.given) if cell is None else cell
        return checker.play(task.stem, source)

    @line_magic
    def hint(self, line: str) -> Words:
        """%hint 41_lazy_pirate: the next of three hints, then where the explained solution is."""
        task = _task(line)
        given = self._hints.get(task.stem, 0)
        self._hints[task.stem] = given + 1
        return Words(tasks.hint(task, given))

    @line_magic
    def reset(self, line: str) -> Words | None:
        """%reset 41_lazy_pirate: bring back what was given. Without an exercise's name it is IPython's own %reset."""
        name = line.strip()
        if not re.match(r"\d\d(_|$)", name) and name not in {stem[3:] for stem in tasks.stems()}:
            return self._ipython_reset(line)  # type: ignore[no-any-return]
        task = _task(line)
        self._sources.pop(task.stem, None)
        self._hints.pop(task.stem, None)
        self.shell.set_next_input(f"%%check {task.stem}\n{task.given}", replace=True)
        return Words("The task as it was given stands in this cell now.")

    @line_magic
    def recipe(self, line: str) -> Words:
        """%recipe lazy_pirate.ask: the source of a recipe, or of a part of it, as it stands in `patterns`."""
        name, _, part = line.strip().partition(".")
        try:
            module = importlib.import_module(f"patterns.{name}")
            source = inspect.getsource(operator.attrgetter(part)(module) if part else module)
        except (ImportError, AttributeError, TypeError) as error:
            raise UsageError(
                f"%recipe: expected a recipe such as lazy_pirate or lazy_pirate.ask, got {line!r}"
            ) from error
        return Words(f"```python\n{textwrap.dedent(source).rstrip()}\n```")

    @line_magic
    def predict(self, line: str) -> None:
        """%predict 41.1 b: note what you expect. Without a letter it shows the question."""
        number, _, letter = line.strip().partition(" ")
        asked = _question(number)
        letter = letter.strip().lower()
        if not letter:
            options = "\n".join(f"- **{key}** {text}" for key, (text, _) in asked.options.items())
            display(
                Words(f"**{number}** {asked.text}\n\n{options}\n\nWrite your letter after the number and run the cell.")
            )
            return
        if letter not in asked.options:
            raise UsageError(f"%predict {number}: expected one of {', '.join(asked.options)}, got {letter!r}")
        self._guesses[number] = letter
        display(Words(f"**{number}** You expect **{letter}**: {asked.options[letter][0]}"))

    @line_magic
    def reveal(self, line: str) -> None:
        """%reveal 41.1: what happened, beside what was predicted."""
        number = line.strip()
        asked = _question(number)
        right, guess = asked.answer, self._guesses.get(number, "")
        said = "You made no prediction." if not guess else f"You expected **{guess}**."
        if guess == right:
            said += " That is it."
        elif guess:
            said += f" {asked.options[guess][1]}"
        display(Words(f"What happened:\n\n**{number} {right}** {asked.options[right][0]}\n\n{asked.why}\n\n{said}"))


def _stem(line: str) -> str:
    try:
        return tasks.find(line)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _task(line: str) -> tasks.Task:
    try:
        return tasks.load(line)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _question(number: str) -> tasks.Question:
    try:
        return tasks.question(number)
    except ValueError as error:
        raise UsageError(str(error)) from None
