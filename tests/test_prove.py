# SPDX-License-Identifier: BSD-3-Clause
"""The author's gate: each of its proofs can fail."""

import ast
import asyncio
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exercises import __main__ as shell
from exercises import checker, mutants, prove, task
from exercises.checker import Verdict
from exercises.scene import ELSEWHERE
from exercises.task import Banked, Question, Task
from patterns.shell import Close, Send

TASK = task.load("41")


def changed(**parts: Any) -> Task:
    """Exercise 41 with other parts: in capitals what its check module has, else what stands in files."""
    module = {name: part for name, part in parts.items() if name.isupper()}
    task = Task(TASK.stem, SimpleNamespace(**{**vars(TASK.module), **module}))  # type: ignore[arg-type]
    vars(task).update({name: part for name, part in parts.items() if not name.isupper()})
    return task


def wrong(*labels: str) -> tuple[Banked, ...]:
    """Answers with these misconceptions, and two that are right."""
    right = [Banked(f"right_{n}", "passed", "", "RIGHT") for n in (1, 2)]
    return (*right, *(Banked(f"wrong_{n}", "not yet", label, "WRONG") for n, label in enumerate(labels)))


def marked(capsys: pytest.CaptureFixture[str], code: int) -> list[str]:
    """The rows that do not hold. The exit code says the same."""
    *rows, last = capsys.readouterr().out.splitlines()
    rows = [row for row in rows if " verdicts: median " not in row]
    failed = [row for row in rows if row.startswith("✗ ")]
    assert code == bool(failed)
    assert last == f"{len(rows) - len(failed)} of {len(rows)} proofs hold"
    return failed


# What needs no run.

LINE = next(line.strip() for line in TASK.solution.splitlines() if "share = max" in line)


def asked(right: str, texts: str = "x x x") -> dict[str, Question]:
    """Questions with these right letters. The first has options with these texts."""
    made = {
        f"41.{n}": Question("", {letter: ("x", "" if letter == each else "idea") for letter in "abc"}, "")
        for n, each in enumerate(right)
    }
    made["41.0"].options.update(
        {letter: (text, made["41.0"].options[letter][1]) for letter, text in zip("abc", texts.split(), strict=True)}
    )
    return made


STILL: dict[str, tuple[dict[str, Any], str, str]] = {
    "two hints": ({"HINTS": TASK.HINTS[:2]}, "there are three hints", "2"),
    "four hints": ({"HINTS": (*TASK.HINTS, "four")}, "there are three hints", "4"),
    "five misconceptions, one of them twice": (
        {"bank": wrong(*"012344"), "LABELS": dict.fromkeys("01234", "")},
        "there are six misconceptions in the bank",
        "5",
    ),
    "one right answer": ({"bank": TASK.wrong + TASK.right[:1]}, "there are two right answers beside the solution", "1"),
    "a misconception without an idea": (
        {"bank": TASK.bank + wrong("it sang")},
        "every misconception has a next idea",
        "['it sang']",
    ),
    "an idea without a misconception": (
        {"LABELS": {**TASK.LABELS, "it sang": "who listens?"}},
        "every next idea is of a misconception in the bank",
        "['it sang']",
    ),
    "a letter that is right too often": (
        {"questions": asked("aaaaabbc")},
        "the right letters are dealt evenly",
        "['a 5', 'b 2', 'c 1']",
    ),
    "a letter that is never right": (
        {"questions": asked("aaabbb")},
        "the right letters are dealt evenly",
        "['a 3', 'b 3']",
    ),
    "one option with a reason": (
        {"questions": asked("abcabc", "yes:because no never")},
        "options have a reason, all or none of a question",
        "['41.0']",
    ),
    "a notebook that gives something else": (
        {"given": TASK.given.replace("answer", "reply")},
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
    monkeypatch.setattr(prove, "_claims", lambda *given: ())
    [row] = marked(capsys, prove.prove([changed(**parts)], quick=True))
    assert what in row
    assert found in row


def test_what_needs_no_run_holds_for_an_exercise_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prove, "_claims", lambda *given: ())
    assert marked(capsys, prove.prove([TASK], quick=True)) == []


# What the checker is asked.

ASKED: dict[str, tuple[dict[str, Verdict], str]] = {
    "given passes": ({"GIVEN": Verdict("passed")}, "given "),
    "given raises": ({"GIVEN": Verdict("raised", happened="ValueError")}, "given "),
    "given raises once it is touched": ({"TOUCHED": Verdict("raised", happened="ValueError")}, "given, touched"),
    "given breaks the checker": ({"GIVEN": Verdict("broke", happened="it is late")}, "given "),
    "the solution is rejected": ({"SOLUTION": Verdict("not yet", "it sang")}, "solution "),
    "the solution takes too long": ({"SOLUTION": Verdict("took too long")}, "solution "),
    "a right answer is rejected": ({"RIGHT": Verdict("not yet", "it sang")}, "right_a_dealer "),
    "a wrong answer passes": ({"WRONG": Verdict("passed")}, "wrong_silent"),
    "a wrong answer fails under another name": ({"WRONG": Verdict("not yet", "it sang")}, "wrong_silent"),
    "a wrong answer fails without a name": ({"WRONG": Verdict("not yet", "")}, "wrong_silent"),
    "a wrong answer raises": ({"WRONG": Verdict("raised", happened="x")}, "wrong_silent"),
    "a wrong answer takes too long": ({"WRONG": Verdict("took too long")}, "wrong_silent"),
    "a wrong answer breaks the checker": ({"WRONG": Verdict("broke")}, "wrong_silent"),
    "yesterday's results pass": ({"NO_SOCKET": Verdict("passed")}, "no socket, and the solution's results"),
    "a Context of its own passes": ({"OWN": Verdict("passed")}, "solution, its own Context"),
    "a Context of its own has another name": ({"OWN": Verdict("not yet", "it sang")}, "solution, its own Context"),
    "an odd result breaks the checker": ({"ODD": Verdict("broke")}, "solution, result None"),
}


def bank(monkeypatch: pytest.MonkeyPatch, verdicts: dict[str, list[Verdict]]) -> Task:
    """A task whose answers get the verdict that is due, or those of `verdicts` in turn."""
    due = {
        "GIVEN": Verdict("not attempted"),
        "TOUCHED": Verdict("not yet", "it fell silent"),
        "SOLUTION": Verdict("passed"),
        "RIGHT": Verdict("passed"),
        "WRONG": Verdict("not yet", "it fell silent"),
        "NO_SOCKET": Verdict("raised"),
        "OWN": Verdict("not yet", ELSEWHERE),
        "ODD": Verdict("not yet", "it fell silent"),
        "MUTANT": Verdict("took too long"),
    }

    def check(name: str, source: str, seed: int) -> Verdict:
        marks = {"touched": "TOUCHED", "no_socket": "NO_SOCKET", "instance()": "OWN", "swapped": "ODD", "+ 1": "MUTANT"}
        kind = next((kind for mark, kind in marks.items() if mark in source), source.split()[0])
        given = verdicts.get(kind, [])
        return given.pop(0) if given else due[kind]

    monkeypatch.setattr(checker, "check", check)
    monkeypatch.setattr(prove, "_still", lambda each: iter(()))
    monkeypatch.setattr(prove, "_no_socket", lambda each: "no_socket")
    monkeypatch.setattr(mutants, "mistakes", lambda source: [(f"line {n}", f"{n} + 1") for n in range(30)])
    answers = Banked("right_a_dealer", "passed", "", "RIGHT ctx.socket"), *wrong(*["it fell silent"] * 2)[2:]
    return changed(given="GIVEN", solution="SOLUTION ctx.socket", bank=answers, EQUIVALENT={"line 3": "the same"})


@pytest.mark.parametrize(("verdicts", "row"), ASKED.values(), ids=ASKED)
def test_a_proof_that_needs_a_run_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verdicts: dict[str, Verdict], row: str
) -> None:
    monkeypatch.setattr(checker, "PLACES", 1)  # the first that is asked gets the verdict
    each = bank(monkeypatch, {kind: [verdict] for kind, verdict in verdicts.items()})
    [found] = marked(capsys, prove.prove([each]))
    assert row.replace("wrong_silent", "wrong_0") in found
    assert next(iter(verdicts.values())).head in found


def test_a_verdict_that_is_wrong_once_in_many_runs_is_seen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    each = bank(monkeypatch, {"RIGHT": [Verdict("passed")] * 3 + [Verdict("took too long")]})
    [found] = marked(capsys, prove.prove([each], 5))
    assert "right_a_dealer" in found


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_an_odd_result_comes_the_way_the_answers_own_does(kind: str) -> None:
    """A coroutine's is awaited, as the answer's is."""
    source = f"{kind} sing(ctx):\n    return [b'la']\n"
    module: dict[str, Any] = {}
    exec(source + prove.ODD.format(**prove._way(source, "sing"), odd="swapped(result)"), module)
    result = module["sing"](None)
    assert (asyncio.run(result) if kind == "async def" else result) == ["la"]


def test_a_core_is_proved_by_what_it_gives_to_its_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by what its function returns; and a shell that is given another Context tells on it."""
    core = changed(solution="SOLUTION shell(ctx, Core())", bank=())
    monkeypatch.setattr(prove, "_no_socket", lambda each: "no_socket")
    claims = [what for what, *_ in prove._claims(core, quick=True)]
    assert "solution, its own Context" in claims
    assert [what for what in claims if what.startswith("solution, result ")] == [
        f"solution, result {odd}" for odd in prove.ODD_CORES[:2]
    ]


@pytest.mark.parametrize("odd", prove.ODD_CORES)
def test_a_core_with_an_odd_result_is_odd_in_one_way(odd: str) -> None:
    even, given = ([Send("a", [b"b"]), Close("a")], 1.0), []

    def core() -> Any:
        return SimpleNamespace(tick=lambda now: even[0], receive=lambda socket, frames, now: even[0], deadline=even[1])

    def role(ctx: object, shell: Any) -> None:
        shell(ctx, core())

    namespace: dict[str, Any] = {"role": role}
    exec(prove.ODD_CORE.format(entry="role", odd=odd), namespace)
    namespace["role"](None, lambda ctx, core: given.extend((core.tick(0.0), core.receive("a", [], 0.0), core.deadline)))
    tick, receive, deadline = (list(each) if isinstance(each, map) else each for each in given)
    assert tick == receive
    assert (tick == even[0]) is not (deadline == even[1])


@pytest.mark.parametrize("passed", [1, 2])
def test_one_small_mistake_in_twenty_may_pass(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, passed: int
) -> None:
    rows = marked(capsys, prove.prove([bank(monkeypatch, {"MUTANT": [Verdict("passed")] * passed})]))
    assert len(rows) == passed - 1
    assert all("19 of 20 small mistakes are rejected" in row and row.count("line ") == 2 for row in rows)


def test_what_is_called_the_same_must_be_a_mistake_that_is_made(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    each = bank(monkeypatch, {"MUTANT": [Verdict("passed")]})
    each.EQUIVALENT["line 99"] = "it is gone"
    [row] = marked(capsys, prove.prove([each]))
    assert "no such mistake: line 99" in row


def test_the_quick_gate_leaves_out_small_mistakes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    each = bank(monkeypatch, {"MUTANT": [Verdict("passed")] * 9})
    assert marked(capsys, prove.prove([each], quick=True)) == []


def test_the_quick_gate_tries_the_first_wrong_answer_of_each_misconception(monkeypatch: pytest.MonkeyPatch) -> None:
    each = changed(bank=tuple(Banked(f"wrong_{n}", "not yet", label, "") for n, label in enumerate("abacb")))
    monkeypatch.setattr(prove, "_no_socket", lambda task: "")
    for quick, tried in (True, "013"), (False, "01234"):
        claims = [what for what, *_ in prove._claims(each, quick)]
        assert [what[-1] for what in claims if what.startswith("wrong_")] == list(tried)


def test_a_bank_without_fault_holds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert marked(capsys, prove.prove([bank(monkeypatch, {})], 3)) == []


def test_the_gate_from_the_shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real checker, on the smallest exercise, with a bank that is wrong."""
    first = task.load("11")
    vars(first)["bank"] = (
        Banked("right_a_number", "passed", "", "take = 1"),
        Banked("wrong_nothing", "not yet", "it gave up before the time was over", first.solution),
    )
    monkeypatch.setattr(task, "load", lambda name: first)
    rows = marked(capsys, shell.main(["prove", "--quick", "11_start_here"]))
    assert [re.sub(r"✗ \w+ +(.*?)  .*", r"\1", row) for row in rows] == [
        "there are six misconceptions in the bank",
        "there are two right answers beside the solution",
        "every next idea is of a misconception in the bank",
        "right_a_number",
        "wrong_nothing",
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


# What stands in files.

HEADERS = {
    "a right answer": ("# Passed: a dealer.\n\nimport zmq\n", ("passed", "a dealer", "import zmq\n")),
    "a wrong one": ("# Not yet: it sang.\n\n\nx = 1\n", ("not yet", "it sang", "x = 1\n")),
    "a licence and a reason": ("# SPDX\n# Not yet: it sang.\n# Why.\n# Because.\n\nx\n", ("not yet", "it sang", "x\n")),
    "what is given": ("# SPDX\n# Not attempted: as it is.\n\nx\n", ("not attempted", "as it is", "x\n")),
}


@pytest.mark.parametrize(("text", "read"), HEADERS.values(), ids=HEADERS)
def test_an_answer_says_what_is_expected_of_it(tmp_path: Path, text: str, read: tuple[str, str, str]) -> None:
    (tmp_path / "x.py").write_text(text)
    found = task.banked(tmp_path / "x.py")
    assert (found.kind, found.label, found.source) == read


@pytest.mark.parametrize("text", ["import zmq\n", "# Passed\n", "# Broke: it.\n", "x = 1\n# Passed: a dealer.\n"])
def test_an_answer_that_does_not_say_it_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.py").write_text(text)
    with pytest.raises(ValueError, match=r"x\.py: expected '# Passed: how it is built\.' or '# Not yet: a label\.'"):
        task.banked(tmp_path / "x.py")


OPTIONS = {
    "two right": {"a": {"text": "yes", "right": True}, "b": {"text": "no", "right": True}},
    "none right": {"a": {"text": "yes", "idea": "x"}, "b": {"text": "no", "idea": "y"}},
    "one option": {"a": {"text": "yes", "right": True}},
    "no idea": {"a": {"text": "yes", "right": True}, "b": {"text": "no"}},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_question_has_one_right_option_and_ideas_behind_the_others(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"question 1\.1: expected one right option and others that each say the idea"):
        task._question("question 1.1", {"text": "?", "why": "", "options": options})


# Small mistakes.


def test_mistakes_are_made_one_at_a_time() -> None:
    source = "def f(s):\n    s.bind('x')\n    if s.n < 3:\n        return [s, 1]\n"
    found = dict(mutants.mistakes(source))
    assert len(found) == 10
    assert {what: text.splitlines() for what, text in found.items()}["line 2, drop: s.bind('x')"][1] == "    pass"
    assert all(text != ast.unparse(ast.parse(source)) for text in found.values())
