# SPDX-License-Identifier: BSD-3-Clause
"""The author's gate: each of its proofs can fail. And how many small mistakes in a solution the checks find.

`python tests/test_prove.py [41_lazy_pirate ...]` makes every small mistake in the solutions and prints those that pass.
"""

import ast
import copy
import json
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exercises import __main__ as shell
from exercises import checker, prove, task
from exercises.checker import Verdict
from exercises.task import Question, Task

TASK = task.load("41")
OPTIONS = {"a": ("yes", ""), "b": ("no", "an idea")}


def changed(**parts: Any) -> Task:
    """Exercise 41 with other parts."""
    return Task(TASK.stem, SimpleNamespace(**{**vars(TASK.module), **parts}))  # type: ignore[arg-type]


def marked(capsys: pytest.CaptureFixture[str], code: int) -> list[str]:
    """The rows that do not hold. The exit code says the same."""
    *rows, last = capsys.readouterr().out.splitlines()
    rows = [row for row in rows if " verdicts: median " not in row]
    failed = [row for row in rows if row.startswith("✗ ")]
    assert code == bool(failed)
    assert last == f"{len(rows) - len(failed)} of {len(rows)} proofs hold"
    return failed


# What needs no run.

DOUBLE = Question("?", {"a": ("yes", ""), "b": ("no", "")}, "")
NONE = Question("?", {"a": ("yes", "an idea"), "b": ("no", "another")}, "")
SINGLE = Question("?", {"a": ("yes", "")}, "")
LINE = next(line.strip() for line in TASK.solution.splitlines() if "share = max" in line)
STILL: dict[str, tuple[dict[str, Any], str, str]] = {
    "two hints": ({"HINTS": TASK.HINTS[:2]}, "there are three hints", "2"),
    "four hints": ({"HINTS": (*TASK.HINTS, "four")}, "there are three hints", "4"),
    "five misconceptions, one of them twice": (
        {"WRONG": {**{f"{n}": "" for n in range(5)}, "4 (2)": ""}, "LABELS": {f"{n}": "" for n in range(5)}},
        "there are six misconceptions in the bank",
        "5",
    ),
    "one right answer": ({"RIGHT": {"another": ""}}, "there are two right answers beside the solution", "1"),
    "a misconception without an idea": (
        {"WRONG": {**TASK.WRONG, "it sang": ""}},
        "every misconception has a next idea",
        "['it sang']",
    ),
    "an idea without a misconception": (
        {"LABELS": {**TASK.LABELS, "it sang": "who listens?"}},
        "every next idea is of a misconception in the bank",
        "['it sang']",
    ),
    "no questions": ({"QUESTIONS": {}}, "there are questions", ""),
    "a question with two right options": ({"QUESTIONS": {"41.1": DOUBLE}}, "question 41.1 has one right", "['a', 'b']"),
    "a question with no right option": ({"QUESTIONS": {"41.1": NONE}}, "question 41.1 has one right option", "[]"),
    "a question with one option": ({"QUESTIONS": {"41.1": SINGLE}}, "question 41.1 has one right option", "['a']"),
    "a notebook that gives something else": (
        {"GIVEN": TASK.GIVEN.replace("answer", "reply")},
        "the exercise holds what is given",
        "differs",
    ),
    "a line of the solution in a hint": (
        {"HINTS": (f"Write {LINE} here", "b", "c")},
        "no line of the solution is leaked",
        LINE,
    ),
    "a line of the solution in an idea": (
        {"LABELS": {**TASK.LABELS, "a socket was left open": f"why not {LINE}?"}},
        "no line of the solution is leaked",
        LINE,
    ),
    "a line of the solution in the variant": ({"VARIANT": LINE}, "no line of the solution is leaked", LINE),
}


@pytest.mark.parametrize(("parts", "what", "found"), STILL.values(), ids=STILL)
def test_a_proof_that_needs_no_run_fails(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    parts: dict[str, Any],
    what: str,
    found: str,
) -> None:
    monkeypatch.setattr(prove, "_judged", lambda each, what, *given: prove.Proof(each.stem, what, True, ""))
    [row] = marked(capsys, prove.prove([changed(**parts)]))
    assert what in row
    assert found in row


def test_what_needs_no_run_holds_for_an_exercise_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prove, "_judged", lambda each, what, *given: prove.Proof(each.stem, what, True, ""))
    assert marked(capsys, prove.prove([TASK])) == []


# What the checker is asked.

ASKED: dict[str, tuple[dict[str, Verdict], str]] = {
    "given passes": ({"GIVEN": Verdict("passed")}, "given "),
    "given raises": ({"GIVEN": Verdict("raised", happened="ValueError")}, "given "),
    "given raises once it is touched": ({"TOUCHED": Verdict("raised", happened="ValueError")}, "given, touched"),
    "given breaks the checker": ({"GIVEN": Verdict("broke", happened="it is late")}, "given "),
    "the solution is rejected": ({"SOLUTION": Verdict("not yet", "it sang")}, "solution "),
    "the solution takes too long": ({"SOLUTION": Verdict("took too long")}, "solution "),
    "a right answer is rejected": ({"RIGHT": Verdict("not yet", "it sang")}, "right: a dealer "),
    "a wrong answer passes": ({"WRONG": Verdict("passed")}, "wrong: it fell silent "),
    "a wrong answer fails under another name": ({"WRONG": Verdict("not yet", "it sang")}, "wrong: it fell silent "),
    "a wrong answer fails without a name": ({"WRONG": Verdict("not yet", "")}, "wrong: it fell silent "),
    "a wrong answer raises": ({"WRONG": Verdict("raised", happened="x")}, "wrong: it fell silent "),
    "a wrong answer takes too long": ({"WRONG": Verdict("took too long")}, "wrong: it fell silent "),
    "a wrong answer breaks the checker": ({"WRONG": Verdict("broke")}, "wrong: it fell silent "),
}


def bank(monkeypatch: pytest.MonkeyPatch, verdicts: dict[str, list[Verdict]]) -> Task:
    """A task whose answers get the verdict that is due, or those of `verdicts` in turn."""
    due = {
        "GIVEN": Verdict("not attempted"),
        "TOUCHED": Verdict("not yet", "it fell silent"),
        "SOLUTION": Verdict("passed"),
        "RIGHT": Verdict("passed"),
        "WRONG": Verdict("not yet", "it fell silent"),
    }

    def check(name: str, source: str) -> Verdict:
        kind = "TOUCHED" if source.startswith("GIVEN\n") else source
        given = verdicts.get(kind, [])
        return given.pop(0) if given else due[kind]

    monkeypatch.setattr(checker, "check", check)
    monkeypatch.setattr(prove, "_still", lambda each: iter(()))
    monkeypatch.setattr(Task, "solution", "SOLUTION")
    return changed(
        GIVEN="GIVEN", RIGHT={"a dealer": "RIGHT"}, WRONG={"it fell silent": "WRONG", "it fell silent (2)": "WRONG"}
    )


@pytest.mark.parametrize(("verdicts", "row"), ASKED.values(), ids=ASKED)
def test_a_proof_that_needs_a_run_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verdicts: dict[str, Verdict], row: str
) -> None:
    each = bank(monkeypatch, {kind: [verdict] for kind, verdict in verdicts.items()})
    [found] = marked(capsys, prove.prove([each]))
    assert row in found.replace(" (2)", "")
    assert next(iter(verdicts.values())).head in found


def test_a_verdict_that_is_wrong_once_in_many_runs_is_seen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    each = bank(monkeypatch, {"RIGHT": [Verdict("passed")] * 3 + [Verdict("took too long")]})
    [found] = marked(capsys, prove.prove([each], 5))
    assert "right: a dealer" in found


def test_a_bank_without_fault_holds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert marked(capsys, prove.prove([bank(monkeypatch, {})], 3)) == []


def test_the_gate_from_the_shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real checker, on the smallest exercise, with a bank that is wrong."""
    first = task.load("11")
    monkeypatch.setattr(first.module, "RIGHT", {"a number": "take = 1"})
    monkeypatch.setattr(first.module, "WRONG", {"it did not wait at all": first.solution})
    rows = marked(capsys, shell.main(["prove", "11_start_here"]))
    assert [re.sub(r"✗ \w+ +(.*?)  .*", r"\1", row) for row in rows] == [
        "there are six misconceptions in the bank",
        "there are two right answers beside the solution",
        "every next idea is of a misconception in the bank",
        "right: a number",
        "wrong: it did not wait at all",
    ]


# What belongs to an exercise.


@pytest.mark.parametrize("stem", task.stems())
def test_an_exercise_is_found_by_stem_number_and_slug(stem: str) -> None:
    assert {task.find(name) for name in (stem, stem[:2], stem[3:], f" {stem} ")} == {stem}


@pytest.mark.parametrize("name", ["", "4", "41_", "lazy", "41.1", "../41_lazy_pirate"])
def test_nothing_else_is_an_exercise(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"there is no exercise {name!r}; there are 11_start_here, ")):
        task.find(name)


def test_a_check_cell_is_found_by_its_first_line(tmp_path: Path) -> None:
    def cell(kind: str, *lines: str) -> dict[str, Any]:
        return {"cell_type": kind, "source": [line + "\n" for line in lines]}

    cells = [
        cell("markdown", "%%check 41_lazy_pirate", "prose"),
        cell("code", "# %%check 41_lazy_pirate", "no"),
        cell("code", "%%check 41_lazy_pirates", "no"),
        cell("code", "%%check 41_lazy_pirate", "one", "two"),
    ]
    (tmp_path / "x.ipynb").write_text(json.dumps({"cells": cells}))
    assert task.check_cell(tmp_path / "x.ipynb", "41_lazy_pirate") == "one\ntwo\n"
    with pytest.raises(ValueError, match=r"x\.ipynb has no cell that begins with %%check 42_x"):
        task.check_cell(tmp_path / "x.ipynb", "42_x")


SAME = {
    "the same": ("a\n b\n", "a\n b\n", True),
    "empty lines around": ("\n\na\n b\n\n", "a\n b", True),
    "spaces at the end of lines": ("a  \n b\t\n", "a\n b\n", True),
    "another indent": ("a\n  b\n", "a\n b\n", False),
    "a line more": ("a\n b\nc\n", "a\n b\n", False),
    "an empty line within": ("a\n\n b\n", "a\n b\n", False),
}


@pytest.mark.parametrize(("one", "other", "same"), SAME.values(), ids=SAME)
def test_sources_are_compared_without_white_space_at_the_ends(one: str, other: str, same: bool) -> None:
    assert task.same(one, other) is same


# Small mistakes.

OTHER = {"REQ": "DEALER", "REP": "PULL", "PULL": "SUB", "PUSH": "PUB", "DEALER": "REQ", "ROUTER": "DEALER"}
TURNED = {ast.Lt: ast.GtE, ast.Gt: ast.LtE, ast.Eq: ast.NotEq, ast.In: ast.NotIn, ast.Is: ast.IsNot, ast.LtE: ast.Gt}
CALLED = {
    "bind": "connect",
    "connect": "bind",
    "send_multipart": "send",
    "recv_multipart": "recv",
    "recv_string": "recv",
}


def mistakes(source: str) -> Iterator[tuple[str, str]]:
    """Every small mechanical change to a source: what was changed, and what came of it.

    A statement dropped, a number one more or one less (or ten times as much, or a tenth), the first two of a list
    swapped, a condition turned round, a branch always taken, another socket type, another call.
    """
    tree = ast.parse(source)
    for number, _ in enumerate(ast.walk(tree)):
        for kind in ("drop", "more", "less", "swap", "turn", "always", "type", "call"):
            spoilt = copy.deepcopy(tree)
            node = list(ast.walk(spoilt))[number]
            before = ast.unparse(node) if isinstance(node, (ast.expr, ast.stmt)) else ""
            if _spoil(spoilt, node, kind):
                line = getattr(node, "lineno", 0)
                yield f"line {line}, {kind}: {before.splitlines()[0]}", ast.unparse(ast.fix_missing_locations(spoilt))


def _spoil(tree: ast.AST, node: ast.AST, kind: str) -> bool:
    """Make one mistake at this node. Whether it could be made."""
    match kind, node:
        case "drop", ast.Return(value=None | ast.Constant(value=None)):
            return False  # the end of a function does the same
        case "drop", ast.Expr(value=ast.Call()) | ast.Assign() | ast.Return() | ast.Raise():
            for parent in ast.walk(tree):
                for field in ("body", "orelse", "finalbody"):
                    block = getattr(parent, field, None)
                    if isinstance(block, list) and node in block:
                        block[block.index(node)] = ast.Pass()
                        return True
        case "more" | "less", ast.Constant(value=int() as value) if not isinstance(value, bool):
            if value >= 100:  # off by one is nothing here
                node.value = value * 10 if kind == "more" else value // 10
            else:
                node.value = value + 1 if kind == "more" else value - 1
            return True
        case "swap", ast.List(elts=[first, second, *rest]) | ast.Tuple(elts=[first, second, *rest]):
            node.elts = [second, first, *rest]
            return True
        case "turn", ast.Compare(ops=[op]) if type(op) in TURNED:
            node.ops = [TURNED[type(op)]()]
            return True
        case "always", ast.If():
            node.test = ast.Constant(True)
            return True
        case "type", ast.Attribute(value=ast.Name(id="zmq"), attr=name) if name in OTHER:
            node.attr = OTHER[name]
            return True
        case "call", ast.Attribute(attr=name) if name in CALLED:
            node.attr = CALLED[name]
            return True
    return False


def survivors(stem: str) -> tuple[int, list[str]]:
    """How many small mistakes there are in a solution, and which of them the checker lets pass."""
    made = list(mistakes(task.load(stem).solution))
    with ThreadPoolExecutor(2) as pool:
        verdicts = pool.map(lambda change: checker.check(stem, change[1]), made)
        return len(made), [what for (what, _), verdict in zip(made, verdicts, strict=True) if verdict.passed]


def test_mistakes_are_made_one_at_a_time() -> None:
    source = "def f(s):\n    s.bind('x')\n    if s.n < 3:\n        return [s, 1]\n"
    found = dict(mistakes(source))
    assert len(found) == 10
    assert {what: text.splitlines() for what, text in found.items()}["line 2, drop: s.bind('x')"][1] == "    pass"
    assert all(text != ast.unparse(ast.parse(source)) for text in found.values())


def test_nine_of_ten_small_mistakes_are_rejected() -> None:
    made, passed = survivors("11_start_here")
    assert made >= 8
    assert len(passed) <= made / 10, passed


if __name__ == "__main__":
    for name in sys.argv[1:] or task.stems():
        total, left = survivors(task.find(name))
        print(f"{name}: {total - len(left)} of {total} small mistakes are rejected")
        print("".join(f"    {what}\n" for what in left), end="", flush=True)
