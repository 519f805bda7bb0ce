# SPDX-License-Identifier: BSD-3-Clause
"""The author's gate: what is given neither passes nor raises, right answers pass, wrong ones fail under their names.

Every proof is a row of a table; the exit code is 0 only when all hold.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from . import checker
from . import task as tasks

SMALL = 12  # characters; shorter lines of a solution say nothing of it


@dataclass(frozen=True)
class Proof:
    """One statement about an exercise and whether it holds."""

    stem: str
    what: str
    holds: bool
    found: str
    seconds: tuple[float, ...] = ()


def prove(chosen: list[tasks.Task], runs: int = 1) -> int:
    """Print the table of proofs; 0 when all hold, else 1."""
    times: list[float] = []
    failed = total = 0
    for task in chosen:
        for proof in proofs(task, runs):
            total += 1
            failed += not proof.holds
            times += proof.seconds
            print(f"{'  ' if proof.holds else '✗ '}{task.stem:20} {proof.what:74.74} {proof.found}", flush=True)
    if times:
        times.sort()
        middle, late = statistics.median(times), times[min(len(times) - 1, int(len(times) * 0.95))]
        print(f"{len(times)} verdicts: median {middle:.2f} s, 95 % within {late:.2f} s, slowest {times[-1]:.2f} s")
    print(f"{total - failed} of {total} proofs hold")
    return 1 if failed else 0


def proofs(task: tasks.Task, runs: int) -> Iterator[Proof]:
    """Every proof of one exercise."""
    yield from _still(task)
    touched = task.GIVEN + "\n# touched\n"  # or it would not be run
    answers = [("given", task.GIVEN, ""), ("given, touched", touched, ""), ("solution", task.solution, "passed")]
    answers += [(f"right: {name}", source, "passed") for name, source in task.RIGHT.items()]
    answers += [(f"wrong: {name}", source, re.sub(r" \(\d+\)$", "", name)) for name, source in task.WRONG.items()]
    with ThreadPoolExecutor(2) as pool:  # a judge mostly waits; two keep both cores of a small machine busy
        yield from pool.map(lambda answer: _judged(task, *answer, runs), answers)


def _judged(task: tasks.Task, what: str, source: str, wanted: str, runs: int) -> Proof:
    seconds, found = [], set()
    for _ in range(runs):
        start = time.monotonic()
        verdict = checker.check(task.stem, source)
        seconds.append(time.monotonic() - start)
        found.add(_told(verdict, wanted))
    return Proof(task.stem, what, found == {""}, "; ".join(sorted(filter(None, found))), tuple(seconds))


def _told(verdict: checker.Verdict, wanted: str) -> str:
    """Nothing if the verdict is the wanted one, else what it was."""
    if not wanted:
        well = verdict.kind in ("not attempted", "not yet")
    elif wanted == "passed":
        well = verdict.passed
    else:
        well = verdict.kind == "not yet" and verdict.label == wanted and repr(verdict).startswith(f"Not yet: {wanted}.")
    return "" if well else f"got {verdict.head} {verdict.happened}"


def _still(task: tasks.Task) -> Iterator[Proof]:
    """What needs no run: numbers, names and leaks."""
    wrong = {re.sub(r" \(\d+\)$", "", name) for name in task.WRONG}
    for what, holds, found in [
        ("there are three hints", len(task.HINTS) == 3, f"{len(task.HINTS)}"),
        ("there are six misconceptions in the bank", len(wrong) >= 6, f"{len(wrong)}"),
        ("there are two right answers beside the solution", len(task.RIGHT) >= 2, f"{len(task.RIGHT)}"),
        ("every misconception has a next idea", wrong <= set(task.LABELS), f"{sorted(wrong - set(task.LABELS))}"),
        (
            "every next idea is of a misconception in the bank",
            set(task.LABELS) <= wrong,
            f"{sorted(set(task.LABELS) - wrong)}",
        ),
        ("there are questions", bool(task.QUESTIONS), ""),
        (
            "the exercise holds what is given",
            tasks.same(tasks.check_cell(task.exercise, task.stem), task.GIVEN),
            "differs",
        ),
    ]:
        yield Proof(task.stem, what, holds, "" if holds else found)
    for number, asked in task.QUESTIONS.items():
        right = [letter for letter, (_, label) in asked.options.items() if not label]
        holds = len(right) == 1 and len(asked.options) >= 2
        yield Proof(task.stem, f"question {number} has one right option", holds, "" if holds else f"right: {right}")
    yield _leaks(task)


def _leaks(task: tasks.Task) -> Proof:
    """No line of the solution in a hint, an idea or a variant, unless the lesson or what is given shows it."""
    lesson = tasks.ROOT / "guide_notebooks" / f"{task.stem}.ipynb"
    shown = lesson.read_text(encoding="utf-8").replace("\\n", "\n").replace('\\"', '"') + task.GIVEN
    told = "\n".join([*task.HINTS, *task.LABELS.values(), task.VARIANT, task.WHY, task.LIMIT])
    lines = [line.strip() for line in task.solution.splitlines()]
    leaked = [line for line in lines if len(line) >= SMALL and line in told and line not in shown]
    return Proof(task.stem, "no line of the solution is leaked", not leaked, "; ".join(leaked))
