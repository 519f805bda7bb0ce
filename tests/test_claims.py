# SPDX-License-Identifier: BSD-3-Clause
"""What is claimed of ZeroMQ is seen to happen: each line of claims.toml has a cell that shows it."""

import tomllib
from typing import Any

import pytest
import workbook
from workbook import LESSONS, ROOT

CLAIMS: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "tests" / "claims.toml").read_text(encoding="utf-8"))
SHOWN = {**{name: claim["lesson"] for name, claim in CLAIMS["talk"].items()}, **CLAIMS["guide"]}
OTHER = {"do", workbook.TABLE, "shows-the-mistake", "raises-exception", "nbval-ignore-output", "nbval-check-output"}


def tagged(stem: str) -> dict[str, list[dict[str, Any]]]:
    """The cells with code of a lesson, by their tags."""
    found: dict[str, list[dict[str, Any]]] = {}
    for cell in workbook.cells(workbook.load(ROOT / LESSONS / f"{stem}.ipynb"), "code"):
        for tag in cell["metadata"].get("tags", ()):
            found.setdefault(tag, []).append(cell)
    return found


@pytest.mark.parametrize(("name", "stem"), SHOWN.items(), ids=SHOWN)
def test_a_claim_is_shown_by_a_cell_that_runs(name: str, stem: str) -> None:
    cells = tagged(stem).get(name)
    assert cells, f"{stem} has no cell with the tag {name}"
    assert any(cell["execution_count"] and cell["outputs"] for cell in cells), f"{stem}: no cell {name} says anything"


@pytest.mark.parametrize("stem", [each.stem for each in workbook.notebooks(LESSONS)])
def test_a_tag_has_a_meaning(stem: str) -> None:
    assert tagged(stem).keys() <= SHOWN.keys() | OTHER
