# SPDX-License-Identifier: BSD-3-Clause
"""What a verdict says and how it looks, what the judge believes, and that a fault of the checker's never passes."""

import contextlib
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from workbook import ROOT

from exercises import __main__ as shell
from exercises import answer, checker, judge, scene, task
from exercises.answer import Outcome
from exercises.checker import Verdict

BOUND = 60.0  # seconds for what takes a few
linux = pytest.mark.skipif(sys.platform != "linux", reason="the judge sweeps with what Linux tells in /proc")


@pytest.fixture(autouse=True)
def no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever else is checked on this machine does not hold up these tests: their places are their own."""
    monkeypatch.setattr(checker, "PLACE", f"test-{os.getpid()}")


# What a verdict says.

PASS = Verdict("passed", happened="It survived rain.", limit="snow.", next="why?")
LATE = Verdict("took too long", happened="After 4 s it stood.", dot="digraph {}", text="Sequence of nobody")
VERDICTS = {
    "passed says what it survived, what it does not promise, and asks why": (
        PASS,
        "Passed.\nIt survived rain.\nIt does not promise this: snow.\nWhy did this work? why?",
    ),
    "not attempted says so": (Verdict("not attempted", happened="As given."), "Not attempted.\nAs given."),
    "not yet begins with its label and ends with the next idea": (
        Verdict("not yet", "it was asked twice", "It sent again.", "which socket?"),
        "Not yet: it was asked twice.\nIt sent again.\nNext: which socket?",
    ),
    "an unknown mistake gets what was observed and no idea": (
        Verdict("not yet", "", "It gave 7."),
        "Not yet: something else was observed than the task asks for.\nIt gave 7.",
    ),
    "raised shows the error": (Verdict("raised", happened="E: x\nline 1"), "Your code raised.\nE: x\nline 1"),
    "took too long shows the picture's text": (LATE, "Took too long.\nAfter 4 s it stood.\n\nSequence of nobody"),
    "the checker broke asks for a report": (
        Verdict("broke", happened="Fault."),
        "The checker broke, not your answer.\nFault.\nPlease report this text together with your answer.",
    ),
    "what was printed stands below everything": (
        Verdict("raised", happened="E", printed="hello", text="Sequence"),
        "Your code raised.\nE\n\nSequence\n\nYour answer printed:\nhello",
    ),
}


@pytest.mark.parametrize(("verdict", "text"), VERDICTS.values(), ids=VERDICTS)
def test_a_verdict_in_words(verdict: Verdict, text: str) -> None:
    assert repr(verdict) == text
    assert verdict._repr_mimebundle_()["text/plain"] == text


def test_a_verdict_in_html_has_every_sentence_and_escapes_all_of_them() -> None:
    evil = "<script>alert(1)</script>"
    shown = Verdict("not yet", evil, f"{evil} `{evil}`", evil, printed=evil, text=evil)._repr_mimebundle_()["text/html"]
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 6
    assert "<code>&lt;script" in shown


def test_a_picture_that_cannot_be_drawn_is_shown_as_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(dot: str) -> str:
        raise RuntimeError("no engine")

    monkeypatch.setattr("diagrams.draw._render", fails)
    late = Verdict("took too long", dot="digraph {}", text="Sequence of nobody")
    assert "<pre>Sequence of nobody</pre>" in late._repr_mimebundle_()["text/html"]


def test_only_the_pass_is_a_pass() -> None:
    assert [kind for kind in checker.HEADS if Verdict(kind).passed] == ["passed"]


# What real answers are told.


def said(name: str, source: str, wanted: str) -> str:
    verdict = checker.check(name, source)
    assert verdict.kind == wanted, verdict
    return repr(verdict)


GIVEN = task.load("41").given


@pytest.mark.parametrize(
    "source",
    [GIVEN, "", "\n  \n", f"\n\n{GIVEN}\n\n", GIVEN.replace("\n", "  \n"), GIVEN.replace("\n", "\r\n")],
    ids=["as it stands", "empty", "white space", "between empty lines", "with spaces at the ends", "other line ends"],
)
def test_what_was_given_is_not_attempted(source: str) -> None:
    assert said("41", source, "not attempted").startswith("Not attempted.\n")


def test_not_yet_has_label_event_idea_and_a_picture_whose_row_shows_it() -> None:
    text = said(
        "41", next(a.source for a in task.load("41").wrong if a.label == "the same REQ was asked twice"), "not yet"
    )
    head, happened, idea, seed, empty, picture, *rows = text.split("\n")
    assert head == "Not yet: the same REQ was asked twice."
    row = re.search(r"\(Row (\d+) of the picture\.\)$", happened)
    assert row
    assert "refused: EFSM" in next(line for line in rows if line.startswith(f"{row[1]:>2}. "))
    assert idea == f"Next: {task.load('41').LABELS['the same REQ was asked twice']}"
    assert re.fullmatch(r"\(Seed \d+ draws the same texts and numbers again\.\)", seed)
    assert (empty, picture.partition(" of ")[0]) == ("", "Sequence")


def test_not_yet_points_to_the_row_although_earlier_ones_are_cropped() -> None:
    source = task.load("41").given.replace("with ctx", "for _ in range(30): ctx.socket(zmq.REQ).close()\n    with ctx")
    text = said("41", source, "not yet")
    row = re.search(r"\(Row (\d+) of the picture\.\)", text)
    assert row
    assert int(row[1]) > judge.SHOWN
    shown = re.findall(r"(?m)^ ?(\d+)\. ", text)
    assert len(shown) == judge.SHOWN
    assert row[1] in shown


def test_raised_shows_the_learners_own_lines_and_no_others() -> None:
    source = (
        "import json\n\ndef inner(text):\n    return json.loads(text)\n\ndef take(*given):\n    return inner('{')\n"
    )
    lines = said("11", source, "raised").split("\n")
    assert lines[0] == "Your code raised."
    assert lines[1].startswith("JSONDecodeError: ")
    assert lines[2:-1] == ["line 7, in take: return inner('{')", "line 4, in inner: return json.loads(text)"]


def test_a_pass_names_every_scene_and_shows_the_end_of_what_was_printed() -> None:
    source = task.load("11").solution.replace("    with", "    print('<b>' + 'x' * 5000 + 'end')\n    with", 1)
    verdict = checker.check("11", source)
    assert verdict.passed
    survived = ", ".join((scene.__doc__ or "").strip() for scene in task.load("11").SCENES)
    assert f"It survived {survived}.\n" in repr(verdict)
    assert verdict.limit
    assert verdict.next
    assert len(verdict.printed) <= judge.PRINTED + 2
    assert verdict.printed.endswith("xxxend")


def test_trying_an_answer_shows_what_it_gave_and_the_picture() -> None:
    verdict = checker.play("41", GIVEN)
    assert re.match(r"Played, not judged\.\nIt gave b'.+'\.\n\nSequence of ask, server\n", repr(verdict))
    assert verdict.picture is not None
    assert verdict.picture.html in verdict._repr_mimebundle_()["text/html"]


def test_trying_an_answer_that_hangs_says_where_it_stood() -> None:
    verdict = checker.play("41", "def ask(*given):\n    while True: pass\n")
    assert verdict.kind == "played"
    assert "line 2: `while True: pass`" in verdict.happened


# What leaves an answer's process, and what its judge believes of it.

PLAIN: dict[str, tuple[Any, Any]] = {
    "plain data stay": ([1, 2.5, "a", b"b", None, True, (1,), {"k": [2]}],) * 2,
    "what is derived from plain data becomes plain": (type("Text", (str,), {})("a"), "a"),
    "other objects become their repr": ({"k": {1}}, {"k": "{1}"}),
    "what is too deep becomes its repr": ([[[[[[[[[[]]]]]]]]]], [[[[[[[["[[]]"]]]]]]]]),
    "long text is cut": ("x" * (answer.OUTPUT + 1), "'" + "x" * (answer.SAID - 1) + " …"),
    "text of the greatest length stays": ("x" * answer.OUTPUT,) * 2,
    "a great number stays": (1 << 1023,) * 2,
}


@pytest.mark.parametrize(("value", "plain"), PLAIN.values(), ids=PLAIN)
def test_what_leaves_an_answers_process(value: Any, plain: Any) -> None:
    left = answer._plain(value)
    assert left == plain
    assert type(left) is type(plain)


GOOD = Outcome(2, seconds=0.5)
FAILED = Outcome(raised=("KeyError", "Exception"))


class Runs:
    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit",)


@pytest.mark.parametrize("outcomes", [[GOOD, GOOD], [GOOD, FAILED], [FAILED]], ids=["two", "a failure", "an early end"])
def test_outcomes_of_two_calls_are_believed(outcomes: list[Outcome]) -> None:
    assert scene._outcomes(pickle.dumps((True, outcomes)), 2) == (True, outcomes)


FORGED: dict[str, Any] = {
    "no pair": 3,
    "an error": (False, ValueError("x")),
    "no list": (True, GOOD),
    "no outcomes": (True, [1, 2]),
    "none at all": (True, []),
    "fewer than calls": (True, [GOOD]),
    "more than calls": (True, [GOOD] * 3),
    "a time that is no number": (True, [GOOD, Outcome(seconds="0")]),  # type: ignore[arg-type]
    "names that are no words": (True, [Outcome(raised=(1,))]),  # type: ignore[arg-type]
    "something that runs": (True, [Runs(), GOOD]),
    "something that runs in the place of a value": (True, [GOOD, Outcome(Runs())]),
}


@pytest.mark.parametrize("sent", FORGED.values(), ids=FORGED)
def test_a_forged_result_is_refused(sent: Any) -> None:
    with pytest.raises((ValueError, TypeError, pickle.UnpicklingError)):
        scene._outcomes(pickle.dumps(sent), 2)


def test_a_broken_result_is_refused() -> None:
    for packed in (b"", b"rubbish", pickle.dumps((True, [GOOD]))[:-5]):
        with pytest.raises((ValueError, EOFError, pickle.UnpicklingError)):
            scene._outcomes(packed, 1)


STANDS = """
import os

def first():
    while not os.path.exists("go on"):
        pass

def second():
    while True:
        pass

def walk(ctx):
    first()
    second()
"""


@linux
def test_where_an_answer_stands_is_told_anew_each_time(tmp_path: Path) -> None:
    trial = scene.Scene(STANDS, "walk", tmp_path)
    try:
        walking = trial.answer(answer.Call(()))
        walking.begun()
        assert any("in `first`" in walking.stood() for _ in range(100))
        (tmp_path / "go on").touch()
        assert any("in `second`" in walking.stood() for _ in range(100))
    finally:
        trial.stop()
        trial.end()


COROUTINE = """
import asyncio
import zmq

turns, kept = [], []

async def on():
    while True:
        turns.append("turn")
        await asyncio.sleep(0)

async def count(ctx):
    with ctx.socket(zmq.PULL) as pull:
        for _ in range(3):
            await pull.poll(1)
    kept.append(asyncio.create_task(on()))
    return len(turns)
"""


def test_a_coroutine_is_awaited_and_what_it_has_started_goes_on_in_its_next_call(tmp_path: Path) -> None:
    trial = scene.Scene(COROUTINE, "count", tmp_path)
    try:
        first, second = trial.answer(answer.Call(()), answer.Call(())).outcomes(BOUND)
    finally:
        trial.stop()
        trial.end()
    assert (first.error, first.value, first.left_open) == ("", 0, 0)
    assert second.value > answer.TURNS


@linux
def test_a_call_takes_as_long_as_its_judge_has_seen(tmp_path: Path) -> None:
    forged = "import sys, time\nsys.modules['exercises.answer'].monotonic = lambda: 0.0\n"
    trial = scene.Scene(forged + "def f(ctx): time.sleep(1)\n", "f", tmp_path)
    outcome = trial.call()
    trial.stop()
    trial.end()
    assert 0.2 < outcome.seconds < BOUND  # it says 0.0


SEEN = {
    "a\tb\nc": "a\tb\nc",
    "größer → 大きい 👩\u200d🔬": "größer → 大きい 👩\u200d🔬",
    "\0\a\b\r\x1b[2J\x7f\x85\x9b": r"\x00\x07\x08\r\x1b[2J\x7f\x85\x9b",
    "\u2028\u202e\u2066\ud800": r"\u2028\u202e\u2066\ud800",
}


@pytest.mark.parametrize(("text", "shown"), SEEN.items(), ids=["white space", "letters", "control", "direction"])
def test_no_character_of_a_verdict_is_obeyed(monkeypatch: pytest.MonkeyPatch, text: str, shown: str) -> None:
    told = json.dumps(
        {"seal": "SEAL", "kind": "not yet"} | dict.fromkeys(("label", "happened", "printed", "text"), text)
    )
    monkeypatch.setattr(checker.secrets, "token_hex", lambda size: "SEAL")
    monkeypatch.setattr(checker, "_judged", lambda order, folder: (0, told, text))
    verdict = checker.check("11", "x = 1")
    assert {verdict.label, verdict.happened, verdict.printed, verdict.text} == {shown}


# A fault of the checker's own.

HEAD = '"""Faulty."""\nimport os, signal, sys, threading\nfrom exercises.judge import NotYet\n'
TAIL = """
ENTRY, LIMIT, WHY, LABELS, HINTS = "f", "nothing.", "why?", {}, ()
def right(scene): "a call"; assert scene.call().value == 2
def wrong(scene): "another"; raise NotYet("a label", "It was wrong.")
"""
PASSED = '{"kind": "passed"}'
FAULTS = {
    "a scene raises": ("def fault(scene): 1 / 0", "ZeroDivisionError"),
    "a scene leaves Python": ("def fault(scene): sys.exit(0)", "SystemExit"),
    "a scene fails before a wrong answer shows": ("def fault(scene): assert False\nORDER = 'first'", "AssertionError"),
    "a scene hangs for ever": ("def fault(scene): threading.Event().wait()", "had not ended after 2 s"),
    "a peer raises": ("def peer(ctx): 1 / 0\ndef fault(scene): scene.stage.play(peer)", "ZeroDivisionError"),
    "a check module cannot be imported": ("def fault(scene): pass\nimport nowhere", "No module named 'nowhere'"),
    "a check module lacks a part": (
        "def fault(scene): pass\ndel sys.modules[__name__].__dict__['sys']\nNO = 'WHY'",
        "",
    ),
    "the judge is killed": ("def fault(scene): os.kill(os.getpid(), signal.SIGKILL)", "code 137"),
    "the judge ends early": ("def fault(scene): os._exit(0)", "code 0"),
    "the judge prints rubbish and ends": ("def fault(scene): os.write(1, b'rubbish'); os._exit(0)", "rubbish"),
    "the judge prints a pass and ends": (f"def fault(scene): os.write(1, b'{PASSED}'); os._exit(0)", "passed"),
    "the judge prints a pass where it tells its verdict": (
        "def fault(scene):\n    for n in range(3, 20):\n        try:\n"
        f"            os.write(n, b'{PASSED}')\n        except OSError: pass\n    os._exit(0)",
        "code 0",
    ),
    "there is no memory": (
        "import resource\ndef fault(scene):\n    resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))\n"
        "    bytearray(9 << 20)",
        "",
    ),
    "there are no descriptors": (
        "import resource\ndef fault(scene):\n    resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))\n    scene.call()",
        "",
    ),
}


@pytest.fixture(scope="module")
def house() -> Iterator[Path]:
    """A copy of the workbook's code with faulty exercises, whose judge gives up on itself after 2 s."""
    with tempfile.TemporaryDirectory() as folder:
        for part in ("diagrams", "exercises", "patterns"):
            shutil.copytree(ROOT / part, Path(folder, part), ignore=shutil.ignore_patterns("__pycache__"))
        module = Path(folder, "exercises", "judge.py")
        module.write_text(re.sub(r"(?m)^LAST = .*$", "LAST = 2.0", module.read_text()))
        for number, (fault, _) in enumerate(FAULTS.values(), 60):
            scenes = "fault, wrong" if "ORDER" in fault else "right, fault"
            text = f"{HEAD}{fault}\n{TAIL}\nSCENES, TRY = ({scenes}), fault\n"
            if "NO = 'WHY'" in fault:
                text += "del WHY\n"
            _write(Path(folder, "exercises"), f"{number}_fault", text)
        yield Path(folder)


def _write(exercises: Path, stem: str, check: str) -> None:
    """One exercise more."""
    (exercises / "checks" / f"{stem}.py").write_text(check)
    (exercises / "bank" / stem).mkdir()
    (exercises / "bank" / stem / "given.py").write_text("# Not attempted: as given.\ngiven\n")


@pytest.fixture
def faulty(house: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The checker looks into the copy, and must leave nothing in the folder for temporary files."""
    monkeypatch.setattr(task, "ROOT", house)
    monkeypatch.setattr(task, "HERE", house / "exercises")
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.setenv("TEST_CHECKER", folder)
        yield house
        assert remains(folder) == []


def remains(folder: str) -> list[str]:
    """What is left of the checks that were made with this folder: processes, ended or not, and files."""
    left = [str(path) for path in Path(folder).rglob("*")]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.name != str(os.getpid()) and f"={folder}".encode() in (process / "environ").read_bytes():
                left.append((process / "cmdline").read_text().replace("\0", " "))
    return left


@linux
@pytest.mark.parametrize(("number", "says"), [(n, says) for n, (_, says) in enumerate(FAULTS.values(), 60)], ids=FAULTS)
def test_a_fault_of_the_checkers_is_told_as_such(faulty: Path, number: int, says: str) -> None:
    verdict = checker.check(str(number), "def f(ctx): return 2")
    assert repr(verdict).startswith("The checker broke, not your answer.\n")
    assert says in verdict.happened


@linux
def test_trying_does_not_hide_a_fault(faulty: Path) -> None:
    assert checker.play("60", "def f(ctx): return 2").kind == "broke"


@linux
def test_what_a_check_module_prints_does_not_spoil_the_verdict(faulty: Path) -> None:
    text = f"{HEAD}print('loaded')\n{TAIL}\nSCENES, TRY = (right,), right\n"
    _write(faulty / "exercises", "90_prints", text)
    assert checker.check("90", "def f(ctx): return 2").passed


def starting(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Verdict:
    def fails(*given: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(checker.subprocess, "Popen", fails)
    return checker.check("11", "x = 1")


@pytest.mark.parametrize("error", [OSError(12, "no memory"), MemoryError()], ids=["of the system", "of Python"])
def test_a_judge_that_cannot_be_started_is_a_fault(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    verdict = starting(monkeypatch, error)
    assert verdict.kind == "broke"
    assert repr(error) in verdict.happened


TOLD = {
    "nothing": "",
    "no JSON": "Passed.",
    "no object": "[]",
    "null": "null",
    "another seal": '{"seal": "x", "kind": "passed"}',
    "no seal": '{"kind": "passed"}',
    "an unknown kind": '{"seal": "SEAL", "kind": "good"}',
    "no kind": '{"seal": "SEAL"}',
    "an unknown part": '{"seal": "SEAL", "kind": "passed", "mood": "x"}',
    "two verdicts": '{"seal": "SEAL", "kind": "broke"}{"seal": "SEAL", "kind": "passed"}',
}


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
def test_what_is_no_verdict_is_a_fault(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setattr(checker.secrets, "token_hex", lambda size: "SEAL")
    monkeypatch.setattr(checker, "_judged", lambda order, folder: (0, told, "complaint"))
    verdict = checker.check("11", "x = 1")
    assert verdict.kind == "broke"
    assert verdict.happened == "The judge ended with code 0. complaint"


def test_a_pass_from_a_judge_that_did_not_end_well_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker.secrets, "token_hex", lambda size: "SEAL")
    for code, kind in ((0, "passed"), (1, "broke"), (-9, "broke")):
        monkeypatch.setattr(
            checker, "_judged", lambda *given, code=code: (code, '{"seal": "SEAL", "kind": "passed"}', "")
        )
        assert checker.check("11", "x = 1").kind == kind


def test_an_unknown_exercise_is_refused_before_anything_is_started() -> None:
    with pytest.raises(ValueError, match=r"there is no exercise '99'; there are 11_start_here, 12_"):
        checker.check("99", "")


@linux
def test_thirty_at_once_all_get_their_verdict() -> None:
    sources = {
        "passed": task.load("11").solution,
        "not yet": "def take(*given): pass\n",
        "raised": "import os\nos._exit(1)\n",
        "not attempted": "",
        "took too long": "def take(*given):\n    while True: pass\n",
    }
    wanted = [*list(sources)[:4] * 7, "took too long", "passed"]
    found: dict[int, str] = {}

    def learner(number: int) -> None:
        verdict = checker.check("11", sources[wanted[number]])
        found[number] = "took too long" if "longer than" in verdict.label else verdict.kind

    learners = [threading.Thread(target=learner, args=(number,)) for number in range(30)]
    for thread in learners:
        thread.start()
    for thread in learners:
        thread.join(BOUND)
    assert [found.get(number) for number in range(30)] == wanted


# The shell.


def run(*words: str) -> int:
    try:
        return shell.main(list(words))
    except SystemExit as end:
        return int(end.code or 0)


def test_list_names_every_exercise(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    assert capsys.readouterr().out.startswith("11_start_here            Take one message as text, ")


@pytest.mark.parametrize(
    ("source", "code", "head"),
    [("SOLUTION", 0, "Passed."), ("GIVEN", 1, "Not attempted."), ("1 / 0", 1, "Your code raised."), ("", 1, "Not att")],
    ids=["a right answer", "what was given", "an error", "an empty file"],
)
def test_check_ends_well_only_on_a_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, code: int, head: str
) -> None:
    known = {"SOLUTION": task.load("11").solution, "GIVEN": task.load("11").given}
    (tmp_path / "answer.py").write_text(known.get(source, source), encoding="utf-8-sig")
    assert run("check", "11_start_here", str(tmp_path / "answer.py")) == code
    assert capsys.readouterr().out.startswith(head)


def test_check_says_1_when_the_checker_broke(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "answer.py").write_text("1 / 0")
    monkeypatch.setattr(checker, "_judged", lambda order, folder: (0, "", ""))
    assert run("check", "11", str(tmp_path / "answer.py")) == 1
    assert capsys.readouterr().out.startswith("The checker broke")


def test_try_plays_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "answer.py").write_text(task.load("11").solution)
    assert run("try", "11", str(tmp_path / "answer.py")) == 0
    assert capsys.readouterr().out.startswith("Played, not judged.\nIt gave '")


def test_hint_gives_the_one_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for number, start in ((1, "Hint 1 of 3: "), (3, "Hint 3 of 3: "), (4, "There are no more hints. The explained")):
        assert run("hint", "41", str(number)) == 0
        assert capsys.readouterr().out.startswith(start)
    assert run("hint", "41") == 0
    assert capsys.readouterr().out.startswith("Hint 1 of 3: ")


USAGE = {
    "nothing": ([], "required: command"),
    "an unknown command": (["judge"], "invalid choice: 'judge'"),
    "an unknown exercise": (["check", "99", __file__], "there is no exercise '99'; there are 11_start_here"),
    "no answer": (["check", "11"], "required: answer"),
    "an answer that is not there": (["check", "11", "nowhere.py"], "No such file or directory: 'nowhere.py'"),
    "a folder": (["check", "11", "/"], "Is a directory: '/'"),
    "no text": (["check", "11", "BYTES"], "is not a text in UTF-8"),
    "a hint before the first": (["hint", "41", "0"], "hints are counted from 1, got 0"),
    "a hint that is no number": (["hint", "41", "x"], "invalid int value: 'x'"),
    "a proof of nothing": (["prove", "99"], "there is no exercise '99'"),
}


@pytest.mark.parametrize(("words", "says"), USAGE.values(), ids=USAGE)
def test_bad_usage_ends_with_2_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    (tmp_path / "BYTES").write_bytes(b"\xff\xfe\0")
    words = [str(tmp_path / word) if word == "BYTES" else word for word in words]
    assert run(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert says in err


def test_a_terminal_that_knows_no_arrows_gets_the_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checker, "check", lambda name, source, seed: Verdict("not yet", "x", "a → b"))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True))
    (tmp_path / "answer.py").write_text("")
    assert run("check", "11", str(tmp_path / "answer.py")) == 1
    assert sys.stdout.buffer.getvalue() == b"Not yet: x.\na \\u2192 b\n"  # type: ignore[attr-defined]


def test_the_shell_needs_no_notebook() -> None:
    code = "import sys, exercises.__main__; sys.exit('IPython' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=BOUND).returncode == 0
