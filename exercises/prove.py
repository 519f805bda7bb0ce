# SPDX-License-Identifier: BSD-3-Clause
"""The author's gate: what is given neither passes nor raises, right answers pass, wrong ones fail under their names.

Four of its proofs need no author: an answer that opens no socket and returns what the solution returned before; right
answers with a Context of their own, and with odd results (those of a core are its effects and its deadline); and twenty
small mechanical mistakes in the solution.

Every proof is a row of a table; the exit code is 0 only when all hold.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

from . import checker, mutants
from . import task as tasks
from .scene import ELSEWHERE

SMALL = 12  # characters; shorter lines of a solution say nothing of it
LETTERS = "abc"  # of a question's options
REASON = re.compile(r"[:;]|\b(because|since|so that)\b|, (as|for|so) ")  # how an option's text gives one
SEED = 1  # of the first run; the next has the next
MUTANTS = 20  # small mistakes that are tried in a solution
SURVIVE = 1  # of them may pass

# Behind an answer; its function is called in these ways.
OWN = """

_asked_in_the_context_given = {entry}


{kind} {entry}(ctx, *args, **options):
    import zmq, zmq.asyncio

    return {wait} _asked_in_the_context_given({context}.instance(), *args, **options)
"""
ODD = """

_with_an_even_result = {entry}


{kind} {entry}(*args, **options):
    def swapped(value):
        match value:
            case str():
                return value.encode()
            case bytes():
                return value.decode("latin-1")
            case list() | tuple() | set():
                return type(value)(map(swapped, value))
            case dict():
                return {{swapped(key): swapped(each) for key, each in value.items()}}
        return value

    result = {wait} _with_an_even_result(*args, **options)
    return {odd}
"""
ODDS = ("None", "swapped(result)", "bytearray(str(result).encode())", "(result, result)", "float('nan')", "10**4000")
ODD_CORE = """

_with_an_even_core = {entry}


def {entry}(ctx, *args):
    def swapped(effect):
        if "frames" in dir(effect):
            return type(effect)(effect.socket, [frame.decode("latin-1") for frame in effect.frames])
        return effect

    def odd(effects, deadline):
        effects = list(effects)
        return {odd}

    class Odd:
        def __init__(self, core):
            self.core = core

        def tick(self, now):
            return odd(self.core.tick(now), 0.0)[0]

        def receive(self, socket, frames, now):
            return odd(self.core.receive(socket, frames, now), 0.0)[0]

        @property
        def deadline(self):
            return odd([], self.core.deadline)[1]

    *given, shell = args
    return _with_an_even_core(ctx, *given, lambda ctx, core: shell(ctx, Odd(core)))
"""
ODD_CORES = (
    *("None, deadline", "tuple(effects), deadline", "effects[:1] or 1, deadline", "[effects], deadline"),
    *("map(swapped, effects), deadline", "effects, None", "effects, float('nan')", "effects, str(deadline)"),
    *("effects, 10**4000", "effects, -deadline"),
)
NO_SOCKET = """\
import base64, pickle, time, zlib

KNOWN = pickle.loads(zlib.decompress(base64.b64decode("{known}")))  # arguments, result, error and seconds of every call


def {entry}(ctx, *args, **options):
    def alike(call):
        return sum(repr(one) == other for one, other in zip(args, call[0]))

    call = max(KNOWN, key=alike)
    KNOWN.remove(call) if len(KNOWN) > 1 else None
    time.sleep(call[3])
    if call[2]:
        raise TimeoutError(call[2])
    return call[1]
"""


@dataclass(frozen=True)
class Proof:
    """One statement about an exercise and whether it holds."""

    stem: str
    what: str
    holds: bool
    found: str
    seconds: tuple[float, ...] = ()


Wanted = Callable[[checker.Verdict], bool]
Claim = tuple[str, str, Wanted]  # what is said of which source


def prove(chosen: list[tasks.Task], runs: int = 1, quick: bool = False) -> int:
    """Print the table of proofs; 0 when all hold, else 1. Quick tries one wrong answer for each misconception, and
    leaves out small mistakes and most odd results."""
    times: list[float] = []
    failed = total = 0
    with ThreadPoolExecutor(checker.PLACES) as pool:
        begun = [proofs(task, pool, runs, quick) for task in chosen]
        for proof in (proof for told in begun for proof in told):
            total += 1
            failed += not proof.holds
            times += proof.seconds
            print(f"{'  ' if proof.holds else '✗ '}{proof.stem:20} {proof.what:74.74} {proof.found}", flush=True)
    if times:
        times.sort()
        middle, late = statistics.median(times), times[min(len(times) - 1, int(len(times) * 0.95))]
        print(f"{len(times)} verdicts: median {middle:.2f} s, 95 % within {late:.2f} s, slowest {times[-1]:.2f} s")
    print(f"{total - failed} of {total} proofs hold")
    return 1 if failed else 0


def proofs(task: tasks.Task, pool: Executor, runs: int = 1, quick: bool = False) -> Iterator[Proof]:
    """Every proof of one exercise. Its verdicts are asked for at once."""
    judged = pool.map(lambda claim: _judged(task, *claim, runs), _claims(task, quick))
    if quick:
        return chain(_still(task), judged)
    made = mutants.some(task.solution, MUTANTS, tuple(_same(task)))
    verdicts = pool.map(lambda mistake: checker.check(task.stem, mistake[1], SEED), made)
    return chain(_still(task), judged, _mutants(task, made, verdicts))


def _claims(task: tasks.Task, quick: bool) -> Iterator[Claim]:
    right = [("solution", task.solution), *((answer.name, answer.source) for answer in task.right)]
    first = {answer.label: answer for answer in reversed(task.wrong)}.values()
    core = "shell(ctx, " in task.solution  # then all that counts is what it gives to its shell
    odds = ODD_CORES if core else ODDS
    yield "given", task.given, _fails
    yield "given, touched", task.given + "\n# touched\n", _fails  # or it would not be run
    for name, source in right:
        yield name, source, lambda verdict: verdict.passed
    for answer in (answer for answer in task.wrong if answer in first or not quick):
        yield answer.name, answer.source, _named(answer.label)
    yield "no socket, and the solution's results", _no_socket(task), _rejects
    for name, source in right[:1] if quick else right:
        if core or "ctx.socket" in source or "Context" in source:
            yield f"{name}, its own Context", source + OWN.format(**_way(source, task.ENTRY)), _named(ELSEWHERE)
        for odd in odds[:2] if quick else odds:
            text = (ODD_CORE if core else ODD).format(**_way(source, task.ENTRY), odd=odd)
            yield f"{name}, result {odd}", source + text, _speaks


def _way(source: str, entry: str) -> dict[str, str]:
    """How an answer's function is defined and called: it may be a coroutine."""
    if re.search(rf"(?m)^async def {entry}\b", source):
        return {"entry": entry, "kind": "async def", "wait": "await", "context": "zmq.asyncio.Context"}
    return {"entry": entry, "kind": "def", "wait": "", "context": "zmq.Context"}


def _fails(verdict: checker.Verdict) -> bool:
    return verdict.kind in ("not attempted", "not yet")


def _rejects(verdict: checker.Verdict) -> bool:
    return verdict.kind in ("not yet", "raised", "took too long")


def _speaks(verdict: checker.Verdict) -> bool:
    return verdict.kind != "broke"


def _named(label: str) -> Wanted:
    return lambda verdict: verdict.kind == "not yet" and repr(verdict).startswith(f"Not yet: {label}.")


def _judged(task: tasks.Task, what: str, source: str, wanted: Wanted, runs: int) -> Proof:
    seconds, found = [], set()
    for seed in range(SEED, SEED + runs):
        start = time.monotonic()
        verdict = checker.check(task.stem, source, seed)
        seconds.append(time.monotonic() - start)
        if not wanted(verdict):
            found.add(f"got {verdict.head} {verdict.happened}")
    return Proof(task.stem, what, not found, "; ".join(sorted(found)), tuple(seconds))


def _no_socket(task: tasks.Task) -> str:
    """An answer that knows what the solution returned with another seed, and to which arguments."""
    known = tasks.packed(checker.calls(task.stem, task.solution, SEED - 1))
    return NO_SOCKET.format(entry=task.ENTRY, known=known)


def _same(task: tasks.Task) -> dict[str, str]:
    """The small mistakes that are none, each with the reason."""
    same: dict[str, str] = getattr(task.module, "EQUIVALENT", {})
    return same


def _mutants(task: tasks.Task, made: list[tuple[str, str]], verdicts: Iterator[checker.Verdict]) -> Iterator[Proof]:
    """That small mistakes in the solution are rejected. What does the same by another way is named in the check."""
    known = {what for what, _ in mutants.mistakes(task.solution)}
    judged = zip(made, verdicts, strict=True)
    passed = [f"{what}: {verdict.head}" for (what, _), verdict in judged if not _rejects(verdict)]
    passed += [f"no such mistake: {what}" for what in _same(task) if what not in known]
    what = f"{len(made) - SURVIVE} of {len(made)} small mistakes are rejected"
    yield Proof(task.stem, what, len(passed) <= SURVIVE, "; ".join(passed))


def _still(task: tasks.Task) -> Iterator[Proof]:
    """What needs no run: numbers, names and leaks."""
    wrong = {answer.label for answer in task.wrong}
    right = [question.answer for question in task.questions.values()]
    dealt = [f"{letter} {right.count(letter)}" for letter in sorted(set(right))]
    least, most = len(right) // len(LETTERS), -(-len(right) // 2)
    level = [f"{letter} {min(max(right.count(letter), least), most)}" for letter in LETTERS]
    mixed = [number for number, question in task.questions.items() if _mixed(question)]
    for what, holds, found in [
        ("there are three hints", len(task.HINTS) == 3, f"{len(task.HINTS)}"),
        ("there are six misconceptions in the bank", len(wrong) >= 6, f"{len(wrong)}"),
        ("there are two right answers beside the solution", len(task.right) >= 2, f"{len(task.right)}"),
        ("every misconception has a next idea", wrong <= set(task.LABELS), f"{sorted(wrong - set(task.LABELS))}"),
        (
            "every next idea is of a misconception in the bank",
            set(task.LABELS) <= wrong,
            f"{sorted(set(task.LABELS) - wrong)}",
        ),
        ("the right letters are dealt evenly", bool(right) and dealt == level, f"{dealt}"),
        ("options have a reason, all or none of a question", not mixed, f"{mixed}"),
        (
            "the exercise holds what is given",
            tasks.same(tasks.check_cell(task.exercise, task.stem), task.given),
            "differs",
        ),
    ]:
        yield Proof(task.stem, what, holds, "" if holds else found)
    yield _leaks(task)


def _mixed(question: tasks.Question) -> bool:
    """Whether some options give a reason and others do not: then a guess need not look at what they say."""
    return len({bool(REASON.search(text)) for text, _ in question.options.values()}) > 1


def _leaks(task: tasks.Task) -> Proof:
    """No line of the solution in a hint, an idea or a variant, unless the lesson or what is given shows it."""
    lesson = tasks.ROOT / "guide_notebooks" / f"{task.stem}.ipynb"
    shown = lesson.read_text(encoding="utf-8").replace("\\n", "\n").replace('\\"', '"') + task.given
    told = "\n".join([*task.HINTS, *task.LABELS.values(), task.VARIANT, task.WHY, task.LIMIT])
    lines = [line.strip() for line in task.solution.splitlines()]
    leaked = [line for line in lines if len(line) >= SMALL and line in told and line not in shown]
    return Proof(task.stem, "no line of the solution is leaked", not leaked, "; ".join(leaked))
