# SPDX-License-Identifier: BSD-3-Clause
"""What the workbook consists of, read from the notebooks' own headers.

`python tests/workbook.py` writes what README.md shows of that anew: its parts between `<!-- name -->` and
`<!-- /name -->`, and its picture, which is one that a lesson has stored.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LESSONS, EXERCISES, SOLUTIONS = "guide_notebooks", "exercises", "exercises/solutions"
FIRST = "11_start_here"
PATHS = {
    "taster": "a first look",
    "short": "what most programs need",
    "long": "a course of many weeks",
    "science": "data, instruments and laboratories",
    "reliability": "when parts fail",
    "protocols": "designing conversations",
}

Notebook = dict[str, Any]
LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]+)\)")
NEED = re.compile(r"(?P<number>\d\d) (?P<slug>[a-z][a-z0-9_]*)")


@dataclass(frozen=True)
class Need:
    """A lesson that another one builds on; `link` is empty where it does not stand yet."""

    number: int
    stem: str
    link: str


@dataclass(frozen=True)
class Lesson:
    """The header of a lesson: its first cell."""

    stem: str
    title: str
    able: str
    needs: tuple[Need, ...]
    read: int  # minutes
    exercise: int  # minutes
    guide: str
    recipe: str  # a path from the root, or empty
    exercise_link: str
    paths: tuple[str, ...]

    @property
    def number(self) -> int:
        return int(self.stem[:2])


def notebooks(folder: str) -> list[Path]:
    """The numbered notebooks of a folder, in order."""
    return sorted((ROOT / folder).glob("[0-9][0-9]_*.ipynb"))


@cache
def load(path: Path) -> Notebook:
    notebook: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def source(cell: dict[str, Any]) -> str:
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def cells(notebook: Notebook, kind: str) -> Iterator[dict[str, Any]]:
    """The cells of one kind that hold anything."""
    return (cell for cell in notebook["cells"] if cell["cell_type"] == kind and source(cell).strip())


def prose(notebook: Notebook) -> str:
    return "\n\n".join(source(cell) for cell in cells(notebook, "markdown"))


def without_code(markdown: str) -> str:
    """Prose alone: fenced blocks and code spans are left out."""
    return re.sub(r"`[^`\n]+`", "`code`", re.sub(r"(?ms)^\s*(```|~~~).*?^\s*\1", "", markdown))


def headings(markdown: str, level: str = "#+") -> list[str]:
    return re.findall(rf"(?m)^{level} +(.+?)\s*$", without_code(markdown))


def links(markdown: str) -> list[str]:
    """Where a text points to within the workbook: relative paths, some with an anchor."""
    targets = [target for _, target in LINK.findall(without_code(markdown))]
    targets += re.findall(r'(?:src|href)="([^"]+)"', without_code(markdown))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def header(stem: str, text: str) -> Lesson:
    """Parse a lesson's first cell. Raises ValueError that says what is missing."""

    def one(what: str, pattern: str) -> str:
        found = re.findall(pattern, text, re.MULTILINE)
        if len(found) != 1:
            raise ValueError(f"{len(found)} lines of the form {what!r}")
        return str(found[0]).strip()

    facts = {name: one(f"- **{name}:** …", rf"^- \*\*{name}:\*\* (.+)$") for name in FACTS}
    minutes = re.fullmatch(r"(\d+) to read, (\d+) for the exercise", facts["Minutes"])
    if not minutes:
        raise ValueError(f"Minutes: {facts['Minutes']!r} is not of the form '35 to read, 25 for the exercise'")
    recipe = re.fullmatch(r"none|\[`(patterns/\w+\.py)`\]\(\.\./\1\)", facts["Recipe"])
    if not recipe:
        raise ValueError(
            f"Recipe: {facts['Recipe']!r} is not of the form '[`patterns/x.py`](../patterns/x.py)' or 'none'"
        )
    guide = re.fullmatch(r"none|\[.+\]\(https://zguide\.zeromq\.org/\S+\)", facts["Guide"])
    if not guide:
        raise ValueError(f"Guide: {facts['Guide']!r} does not link to the Guide")
    exercise = re.fullmatch(rf"\[{stem.replace('_', ' ', 1)}\]\(\.\./exercises/{stem}\.ipynb\)", facts["Exercise"])
    if not exercise:
        raise ValueError(f"Exercise: {facts['Exercise']!r} does not link to the exercise of the same name")
    paths = tuple(facts["Paths"].split(", "))
    if set(paths) - PATHS.keys() and paths != ("none",):
        raise ValueError(f"Paths: {facts['Paths']!r} names a path that is none of {', '.join(PATHS)}")
    return Lesson(
        stem,
        one("# Title", r"^# (.+)$"),
        one("**You will be able to** …", r"^\*\*You will be able to\*\* (.+)$"),
        _needs(facts["Needs"]),
        int(minutes[1]),
        int(minutes[2]),
        facts["Guide"],
        recipe[1] or "",
        facts["Exercise"],
        paths,
    )


FACTS = ("Needs", "Minutes", "Guide", "Recipe", "Exercise", "Paths")


def _needs(text: str) -> tuple[Need, ...]:
    if text == "nothing":
        return ()
    needs = []
    for part in text.split(", "):
        linked = LINK.fullmatch(part)
        name = NEED.fullmatch(linked[1] if linked else part)
        if not name:
            raise ValueError(f"Needs: {part!r} is not of the form '12 request_reply', with a link where it stands")
        needs.append(Need(int(name["number"]), f"{name['number']}_{name['slug']}", linked[2] if linked else ""))
    return tuple(needs)


def lesson(path: Path) -> Lesson:
    return header(path.stem, source(load(path)["cells"][0]))


def lessons() -> list[Lesson]:
    return [lesson(path) for path in notebooks(LESSONS)]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# What README.md says is written from the above, so that it cannot be wrong.


def address() -> str:
    return str(project()["project"]["urls"]["Repository"])


def badge() -> str:
    name = address().removeprefix("https://github.com/")
    page = f"https://mybinder.org/v2/gh/{name}/HEAD?labpath={LESSONS}/{FIRST}.ipynb"
    return f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({page})"


def clone() -> str:
    return f"```sh\ngit clone {address()}\ncd {address().rsplit('/', 1)[1]}\n```"


def table() -> str:
    rows = ["| lesson | what you learn to do | minutes | recipe | exercise | solution |", "|---|---|---|---|---|---|"]
    for each in lessons():
        recipe = f"[`{each.recipe}`]({each.recipe})" if each.recipe else ""
        rows.append(
            f"| [{each.stem.replace('_', ' ', 1)}]({LESSONS}/{each.stem}.ipynb) | {each.title} "
            f"| {each.read} + {each.exercise} | {recipe} "
            f"| [exercise]({EXERCISES}/{each.stem}.ipynb) | [solution]({SOLUTIONS}/{each.stem}.ipynb) |"
        )
    return "\n".join(rows)


def paths() -> str:
    lines = []
    for name, meaning in PATHS.items():
        steps = [each for each in lessons() if name in each.paths]
        if steps:
            way = " → ".join(f"[{each.number}]({LESSONS}/{each.stem}.ipynb)" for each in steps)
            read, practice = sum(each.read for each in steps), sum(each.exercise for each in steps)
            lines.append(f"- **{name}** ({meaning}): {way}; {read} minutes to read, {practice} for the exercises")
    return "\n".join(lines)


GENERATED = {"badge": badge, "clone": clone, "lessons": table, "paths": paths}


def written(text: str) -> str:
    """README's text with its generated parts written anew."""
    for name, write in GENERATED.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"README.md needs one place for {name!r}: {begin!r} … {end!r}")
        text = text[: text.index(begin)] + f"{begin}\n{write()}\n\n" + text[text.index(end) :]
    return text


# README's picture: the drawing that this cell of this lesson has stored.
PICTURE, PICTURE_FROM, PICTURE_CELL = "diagrams/lazy_pirate.svg", "41_lazy_pirate", 'lossy("back")'


def picture() -> str:
    """The SVG of the cell that README shows. Raises ValueError where the lesson has none."""
    for cell in cells(load(ROOT / LESSONS / f"{PICTURE_FROM}.ipynb"), "code"):
        if source(cell) == PICTURE_CELL:
            for output in cell["outputs"]:
                if "image/svg+xml" in output.get("data", {}):
                    return "".join(output["data"]["image/svg+xml"]).rstrip() + "\n"
    raise ValueError(f"{PICTURE_FROM} has no picture under {PICTURE_CELL!r}")


if __name__ == "__main__":
    (ROOT / PICTURE).write_text(picture(), encoding="utf-8")
    readme = ROOT / "README.md"
    readme.write_text(written(readme.read_text(encoding="utf-8")), encoding="utf-8")
