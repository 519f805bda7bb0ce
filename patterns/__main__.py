# SPDX-License-Identifier: BSD-3-Clause
"""`python -m patterns` lists the recipes that can be run."""

import ast
import re
from pathlib import Path


def recipes() -> dict[str, tuple[str, list[str]]]:
    """Each module that ends with `play(...)`: the first line of its docstring, and its roles."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        if plays := re.search(r"^    play\((.+)\)$", source, re.MULTILINE):
            told = ast.get_docstring(ast.parse(source)) or ""
            found[path.stem] = told.partition("\n")[0], plays[1].split(", ")
    return found


def main() -> None:
    for name, (told, _) in recipes().items():
        print(f"{name:20} {told}")
    print("\npython -m patterns.NAME --help tells the roles of one, and how to run them.")


if __name__ == "__main__":
    main()
