# SPDX-License-Identifier: BSD-3-Clause
"""Exercises from the shell.

python -m exercises list                              the exercises
python -m exercises check 41_lazy_pirate answer.py    judge an answer; exit code 0 only on "passed"
python -m exercises try 41_lazy_pirate answer.py      play it without judging
python -m exercises hint 41_lazy_pirate 2             the second hint
python -m exercises prove [41_lazy_pirate ...]        the author's gate: given, right and wrong answers, hints
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from . import checker, prove
from . import task as tasks


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with an order."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(argv: list[str] | None = None) -> int:
    parser = _Parser("python -m exercises", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    for name in ("check", "try"):
        judged = commands.add_parser(name)
        judged.add_argument("exercise")
        judged.add_argument("answer", type=Path, help="a Python file")
        if name == "check":
            judged.add_argument("--seed", type=int, help="draw the texts and numbers of an earlier verdict")
    hinted = commands.add_parser("hint")
    hinted.add_argument("exercise")
    hinted.add_argument("number", type=int, nargs="?", default=1, help="which hint, from 1")
    proved = commands.add_parser("prove")
    proved.add_argument("exercises", nargs="*", metavar="exercise")
    proved.add_argument("--runs", type=int, default=1, help="how often each answer is judged")
    proved.add_argument("--quick", action="store_true", help="without small mistakes, and odd results of one answer")
    order = parser.parse_args(argv)
    try:
        return _run(order)
    except UnicodeDecodeError:
        parser.error(f"{order.answer} is not a text in UTF-8")
    except (ValueError, OSError) as error:
        parser.error(str(error))


def _run(order: argparse.Namespace) -> int:
    if order.command == "list":
        for stem in tasks.stems():
            print(f"{stem:24} {tasks.load(stem).title}")
        return 0
    if order.command == "prove":
        return prove.prove([tasks.load(n) for n in order.exercises or tasks.stems()], order.runs, order.quick)
    if order.command == "hint":
        if order.number < 1:
            raise ValueError(f"hints are counted from 1, got {order.number}")
        task = tasks.load(order.exercise)
        print(tasks.hint(task, order.number - 1))
        if order.number < len(task.HINTS):
            print(f"The next: python -m exercises hint {order.exercise} {order.number + 1}")
        return 0
    stem, source = tasks.find(order.exercise), order.answer.read_text(encoding="utf-8-sig")
    verdict = checker.check(stem, source, order.seed) if order.command == "check" else checker.play(stem, source)
    encoding = sys.stdout.encoding or "utf-8"
    print(repr(verdict).encode(encoding, "backslashreplace").decode(encoding))  # some terminals know no arrows
    return 0 if verdict.passed or verdict.kind == "played" else 1


if __name__ == "__main__":
    sys.exit(main())
