# SPDX-License-Identifier: BSD-3-Clause
"""Asks a judge about an answer: starts it as a process of its own, waits within a deadline, shows its verdict.

Nothing of an answer runs here, and a judge that fails in any way gives *the checker broke*, never *passed*.
"""

from __future__ import annotations

import html
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property

from diagrams.draw import Picture

from . import task as tasks

DEADLINE = 12.0  # seconds for a whole judgment

HEADS = {
    "passed": "Passed.",
    "not attempted": "Not attempted.",
    "not yet": "Not yet: {label}.",
    "raised": "Your code raised.",
    "took too long": "Took too long.",
    "broke": "The checker broke, not your answer.",
    "played": "Played, not judged.",
}


@dataclass
class Verdict:
    """What is said of an answer. `label` names a misconception; `dot` and `text` are the answer's own sequence."""

    kind: str
    label: str = ""
    happened: str = ""
    next: str = ""
    limit: str = ""
    printed: str = ""
    dot: str = ""
    text: str = ""

    @property
    def passed(self) -> bool:
        return self.kind == "passed"

    @property
    def head(self) -> str:
        return HEADS[self.kind].format(label=self.label or "something else was observed than the task asks for")

    @cached_property
    def picture(self) -> Picture | None:
        return Picture(self.dot, self.text) if self.dot else None

    def sentences(self) -> list[str]:
        """The verdict in words, without its head."""
        said = [self.happened]
        if self.kind == "passed":
            said += [f"It does not promise this: {self.limit}", f"Why did this work? {self.next}"]
        elif self.next:
            said.append(f"Next: {self.next}")
        if self.kind == "broke":
            said.append("Please report this text together with your answer.")
        return [s for s in said if s]

    def __repr__(self) -> str:
        parts = [self.head, *self.sentences()]
        if self.text:
            parts += ["", self.text]
        if self.printed:
            parts += ["", "Your answer printed:", self.printed]
        return "\n".join(parts)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        color = {"passed": "#1a7f37", "broke": "#6e40c9"}.get(self.kind, "#9a6700")
        body = "".join(f"<p>{_marked(s)}</p>" for s in self.sentences())
        shown = f'<div style="border-left:4px solid {color};padding:0.2em 1em"><b>{_marked(self.head)}</b>{body}'
        if self.picture:
            shown += self.picture.svg
        if self.printed:
            shown += f"<p>Your answer printed:</p><pre>{html.escape(self.printed)}</pre>"
        return {"text/html": shown + "</div>", "text/plain": repr(self)}


def _marked(text: str) -> str:
    """Escaped, with lines kept and `code` as such."""
    parts = html.escape(text).replace("\n", "<br>").split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(parts))


def check(name: str, source: str) -> Verdict:
    """The verdict on an answer. Raises ValueError if there is no such exercise."""
    return _ask(name, source, "check")


def play(name: str, source: str) -> Verdict:
    """What happens when the answer meets its peers in fair weather; no judgment."""
    return _ask(name, source, "try")


def _ask(name: str, source: str, mode: str) -> Verdict:
    order = json.dumps({"task": tasks.load(name).stem, "source": source, "mode": mode})
    # -P: what lies in the current folder must not shadow what the checker imports
    command = [sys.executable, "-P", "-c", "from exercises.judge import main; main()"]
    path = os.pathsep.join([str(tasks.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
        text=True,
    )
    try:
        out, err = process.communicate(order, DEADLINE)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        return Verdict("broke", happened=f"The judge had not ended after {DEADLINE:g} s.")
    try:
        return Verdict(**json.loads(out))
    except (ValueError, TypeError):
        return Verdict("broke", happened=f"The judge ended with code {process.returncode}. {err.strip()[-1500:]}")
