# SPDX-License-Identifier: BSD-3-Clause
"""What the workbook consists of, read from the lessons: their headers, their metadata and what their cells printed.

`make index` writes anew what is made of that: the parts of README.md and patterns/README.md between `<!-- name -->`
and `<!-- /name -->`, the picture, which is one that a lesson has stored, the index of the lessons, and its picture.

A lesson's metadata hold, under "workbook", the words that it introduces, each with its meaning, and the symptoms that
it explains, by groups. A cell tagged `socket-table` prints a table of socket types, one heading and a line each; one
tagged `do` is for the reader to change.

`python guide_notebooks/workbook.py minutes [41 ...]` compares the minutes in the headers with what is there to read.
"""

import ast
import base64
import importlib
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LESSONS, EXERCISES, SOLUTIONS, RECIPES = "guide_notebooks", "exercises", "exercises/solutions", "patterns"
TROUBLES = ("crash", "freeze", "cut", "slow", "restart")  # what a recipe's GUARANTEES speak of
FIRST = "11_start_here"
PATHS = {
    "taster": "a first look",
    "short": "what most programs need",
    "long": "a course of many weeks",
    "science": "data, instruments and laboratories",
    "reliability": "when parts fail",
    "protocols": "designing conversations",
}

EXAM = {"short": 28}  # the lesson that a course keeps for its last evening
WORDS = 180  # that are read in a minute
LINE, QUESTION, PLACE = 4, 40, 120  # seconds for a line of code, a question, and a place to do something
GROUPS = (  # of symptoms, in the order in which one looks
    "it says",
    "nothing comes",
    "too little comes",
    "too much comes",
    "something wrong comes",
    "it hangs",
    "it does not end",
    "it is slow, or busy with nothing",
    "it grows",
)
TABLE = "socket-table"  # the tag of a cell that prints such a table

Notebook = dict[str, Any]
LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]+)\)")
NAMED = re.compile(r"(?<![\d,.])\d\d [a-z][a-z0-9]*_[a-z0-9_]+|(?<=[Ll]esson )\d\d [a-z]\w+")  # a lesson
DRAWN = re.compile(r'(?s)<svg.*</svg>|<img [^>]*src="data:image/png;base64,([^"]+)"')
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

    @property
    def name(self) -> str:
        return self.stem.replace("_", " ", 1)

    @property
    def minutes(self) -> int:
        return self.read + self.exercise


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


def pictures(cell: dict[str, Any]) -> list[tuple[re.Match[str], str]]:
    """The pictures that a cell's outputs hold, each with its alternative in words. A PNG is the match's first group."""
    found = []
    for data in (output.get("data", {}) for output in cell["outputs"]):
        if drawn := DRAWN.search("".join(data.get("image/svg+xml", data.get("text/html", "")))):
            found.append((drawn, "".join(data.get("text/plain", ""))))
    return found


def prose(notebook: Notebook) -> str:
    return "\n\n".join(source(cell) for cell in cells(notebook, "markdown"))


def without_code(markdown: str) -> str:
    """Prose alone: fenced blocks and code spans are left out."""
    return re.sub(r"`[^`\n]+`", "`code`", re.sub(r"(?ms)^\s*(```|~~~).*?^\s*\1", "", markdown))


def running(notebook: Notebook) -> str:
    """A lesson's prose up to its further reading, without code, links and the names of other lessons."""
    text = re.sub(r"\]\([^)]*\)", "]", without_code(prose(notebook).partition("\n## Further")[0]))
    return re.sub(r"(?<![\d,])\d\d [a-z][a-z0-9_]*", "", text)


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


def along(path: str) -> list[Lesson]:
    """The lessons of a path in the order in which they are read."""
    return sorted((each for each in lessons() if path in each.paths), key=lambda each: each.number == EXAM.get(path))


def metadata(each: Lesson) -> dict[str, Any]:
    """What a lesson says of itself: its words with their meanings, and its symptoms."""
    told: dict[str, Any] = load(ROOT / LESSONS / f"{each.stem}.ipynb")["metadata"].get("workbook", {})
    return {"words": {}, "symptoms": {}} | told


def printed(each: Lesson) -> list[list[str]]:
    """The rows of the socket tables that a lesson has printed, with its heading first; none where it has no table."""
    tables = [
        "".join("".join(output.get("text", "")) for output in cell["outputs"])
        for cell in cells(load(ROOT / LESSONS / f"{each.stem}.ipynb"), "code")
        if TABLE in cell["metadata"].get("tags", ())
    ]
    return [[part.strip() for part in line.split("|")] for text in tables for line in text.splitlines() if "|" in line]


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
            f"| [{each.name}]({LESSONS}/{each.stem}.ipynb) | {each.title} "
            f"| {each.read} + {each.exercise} | {recipe} "
            f"| [exercise]({EXERCISES}/{each.stem}.ipynb) | [solution]({SOLUTIONS}/{each.stem}.ipynb) |"
        )
    return "\n".join(rows)


def to_come() -> str:
    """The lessons that others name and that do not stand yet."""
    told = " ".join(LINK.sub("", prose(load(path))) for path in notebooks(LESSONS))
    standing = {each.number for each in lessons()}
    named = {name for name in NAMED.findall(told) if int(name[:2]) not in standing}
    return f"Named in these, and to come: {', '.join(sorted(named))}." if named else ""


def paths(folder: str = f"{LESSONS}/") -> str:
    rows = ["| path | for | lessons | minutes |", "|---|---|---|---|"]
    for name, meaning in PATHS.items():
        if steps := along(name):
            way = ", ".join(f"[{each.number}]({folder}{each.stem}.ipynb)" for each in steps)
            read, practice = sum(each.read for each in steps), sum(each.exercise for each in steps)
            rows.append(f"| **{name}** | {meaning} | {way} | {read} + {practice} |")
    return "\n".join(rows)


def taken_along(recipe: str) -> list[str]:
    """The files of `patterns` that a recipe needs beside itself, by what they import; `play` is for the shell alone."""
    found, more = list[str](), [recipe]
    while more:
        found.append(more.pop(0))
        tree = ast.parse((ROOT / RECIPES / f"{found[-1]}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                more += [node.module] if node.module else [each.name for each in node.names]
        more = [name for name in dict.fromkeys(more) if name not in [*found, "play"]]
    return [f"{name}.py" for name in sorted(found[1:])]


def recipes() -> str:
    rows = [f"| recipe | lesson | take along | {' | '.join(TROUBLES)} |", "|---" * (3 + len(TROUBLES)) + "|"]
    for each in lessons():
        if each.recipe:
            name = Path(each.recipe).stem
            told: dict[str, tuple[str, str]] = importlib.import_module(f"{RECIPES}.{name}").GUARANTEES
            files = ", ".join(f"`{file}`" for file in taken_along(name))
            outcomes = " | ".join(told[trouble][0] for trouble in TROUBLES)
            lesson = f"[{each.number}](../{LESSONS}/{each.stem}.ipynb)"
            rows.append(f"| [`{name}`]({name}.py) | {lesson} | {files or 'nothing'} | {outcomes} |")
    return "\n".join(rows)


GENERATED: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {
        "badge": badge,
        "picture": lambda: f"![{SHOWN}]({picture()[0]})",
        "clone": clone,
        "lessons": lambda: f"{table()}\n\n{to_come()}".strip(),
        "paths": paths,
    },
    f"{RECIPES}/README.md": {"recipes": recipes},
}


def written(file: str, text: str) -> str:
    """The text of this file with its generated parts written anew."""
    for name, write in GENERATED[file].items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{file} needs one place for {name!r}: {begin!r} … {end!r}")
        text = text[: text.index(begin)] + f"{begin}\n{write()}\n\n" + text[text.index(end) :]
    return text


# README's picture: the drawing that this cell of this lesson has stored.
PICTURE, PICTURE_FROM, PICTURE_CELL = "diagrams/lazy_pirate", "41_lazy_pirate", 'lossy("back")'
SHOWN = "A client asks, hears nothing, gives up, and asks again on a new socket"


def picture() -> tuple[str, bytes]:
    """The file that README shows, and what it holds. Raises ValueError where the lesson has no such picture."""
    for cell in cells(load(ROOT / LESSONS / f"{PICTURE_FROM}.ipynb"), "code"):
        if source(cell) == PICTURE_CELL:
            for drawn, _ in pictures(cell):
                if drawn[1]:
                    return f"{PICTURE}.png", base64.b64decode(drawn[1])
                return f"{PICTURE}.svg", drawn[0].encode() + b"\n"
    raise ValueError(f"{PICTURE_FROM} has no picture under {PICTURE_CELL!r}")


# The index of the lessons: a notebook of prose, written as a whole.

INDEX, MAP = f"{LESSONS}/index.ipynb", "diagrams/lessons.svg"


def course() -> str:
    """The short path as a course of two days and an evening: each day is about half of the minutes."""
    days: dict[str, list[Lesson]] = {"First day": [], "Second day": [], "Last evening": []}
    steps = along("short")
    whole = sum(each.minutes for each in steps if each.number != EXAM["short"])
    for each in steps:
        half = sum(e.minutes for e in days["First day"]) + each.minutes / 2 > whole / 2
        days["Last evening" if each.number == EXAM["short"] else "Second day" if half else "First day"].append(each)
    lines = ["| | lessons | minutes |", "|---|---|---|"]
    for day, own in days.items():
        lines.append(f"| {day} | {', '.join(map(_link, own))} | {sum(each.minutes for each in own)} |")
    return "\n".join(lines)


def symptoms() -> str:
    parts = []
    for group in GROUPS:
        found: dict[str, list[Lesson]] = {}
        for each in lessons():
            for symptom in metadata(each)["symptoms"].get(group, []):
                found.setdefault(symptom, []).append(each)
        ordered = sorted(found.items(), key=lambda each: each[0].lower().lstrip('`"'))
        rows = [f"| {what} | {', '.join(map(_link, where))} |" for what, where in ordered]
        parts.append("\n".join([f"| {group} | where it is explained |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def sockets() -> str:
    """The rows that lessons have printed, each with its lesson. Raises ValueError where two headings differ."""
    tables = {each: rows for each in lessons() if (rows := printed(each))}
    headings = {tuple(rows[0]) for rows in tables.values()}
    if len(headings) > 1:
        raise ValueError(f"socket tables have different headings: {sorted(headings)}")
    lines = [f"| {' | '.join(heading)} | lesson |\n|{'---|' * (len(heading) + 1)}" for heading in headings]
    for each, rows in tables.items():
        lines += [f"| {' | '.join(row)} | {_link(each)} |" for row in rows if tuple(row) not in headings]
    return "\n".join(lines)


def glossary() -> str:
    words = {word: (means, each) for each in lessons() for word, means in metadata(each)["words"].items()}
    lines = ["| word | what it means | introduced in |", "|---|---|---|"]
    return "\n".join(
        lines + [f"| {word} | {words[word][0]} | {_link(words[word][1])} |" for word in sorted(words, key=str.lower)]
    )


def _link(each: Lesson) -> str:
    return f"[{each.name}]({each.stem}.ipynb)"


def drawing() -> tuple[str, str]:
    """Which lesson needs which, as DOT and in words. What follows from other needs is not drawn."""
    standing = {each.stem: each for each in lessons()}
    needs = {stem: [need.stem for need in each.needs if need.stem in standing] for stem, each in standing.items()}

    def behind(stem: str) -> set[str]:
        return {stem}.union(*(behind(need) for need in needs[stem]))

    dot = ['graph [layout="dot", rankdir="LR", ranksep="0.35", nodesep="0.15", bgcolor="white"];']
    dot += ['node [shape="box", style="rounded,filled", fillcolor="#e8eef7", fontname="Helvetica,Arial,sans-serif"];']
    words = []
    for stem, each in standing.items():
        label = "\\n".join([str(each.number), *stem[3:].split("_"), f"{each.read} + {each.exercise}"])
        dot.append(f'"{stem}" [label="{label}", fontsize="11", margin="0.08,0.04"];')
        direct = [n for n in needs[stem] if not any(n in behind(other) for other in needs[stem] if other != n)]
        dot += [f'"{need}" -> "{stem}" [arrowsize="0.6"];' for need in direct]
        words.append(f"{each.name} needs {', '.join(standing[n].name for n in direct) or 'nothing'}")
    return "digraph {\n" + "\n".join(dot) + "\n}\n", "\n".join(["Which lesson needs which", *words])


def index() -> Notebook:
    """The index as a notebook."""
    _, words = drawing()
    parts = [
        f"# The index\n\nStart with [{FIRST.replace('_', ' ', 1)}]({FIRST}.ipynb), or take a path, a symptom, a socket "
        "type or a word from here. Minutes are those to read and those for the exercise.",
        f"## Lessons\n\n![Which lesson needs which: {'; '.join(words.splitlines()[1:])}.](../{MAP})",
        f"## Paths\n\n{paths('')}\n\nThe short path as a course of two days:\n\n{course()}",
        f"## I see this\n\n{symptoms()}",
        f"## Which socket?\n\nEvery row was printed by the lesson behind it, from a run.\n\n{sockets()}",
        f"## Words\n\n{glossary()}",
    ]
    cells = [
        {"cell_type": "markdown", "id": f"index-{n}", "metadata": {}, "source": part.splitlines(keepends=True)}
        for n, part in enumerate(parts)
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}


def reading(notebook: Notebook) -> float:
    """The minutes that a lesson takes: its words, its lines of code, its questions, and what is to be done in it."""
    words = len(re.findall(r"\w+", running(notebook)))
    lines = questions = places = 0
    for cell in cells(notebook, "code"):
        text = [line for line in source(cell).splitlines() if line.strip()]
        questions += sum(line.startswith("%predict") for line in text)
        lines += sum(not line.startswith("%") for line in text)
        if text[0].startswith("%recipe"):
            shown = "".join("".join(output.get("data", {}).get("text/plain", "")) for output in cell["outputs"])
            lines += sum(bool(line.strip()) for line in shown.splitlines())
        places += "do" in cell["metadata"].get("tags", ())
    return words / WORDS + (lines * LINE + questions * QUESTION + places * PLACE) / 60


def compare_minutes(numbers: list[str]) -> None:
    """Print what the headers say beside what the lessons take."""
    for path in notebooks(LESSONS):
        if not numbers or path.stem[:2] in numbers:
            print(f"{path.stem:24} header {lesson(path).read:3}, measured {reading(load(path)):5.1f}")


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from diagrams.draw import Picture

    file, drawn = picture()
    (ROOT / file).write_bytes(drawn)
    (ROOT / MAP).write_text(Picture(*drawing()).svg, encoding="utf-8")
    (ROOT / INDEX).write_text(json.dumps(index(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for file in GENERATED:
        (ROOT / file).write_text(written(file, (ROOT / file).read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    compare_minutes(sys.argv[2:]) if sys.argv[1:2] == ["minutes"] else main()
