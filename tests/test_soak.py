# SPDX-License-Identifier: BSD-3-Clause
"""What `make soak` lives through: a bad hour is the same each time, so one that fails can be looked at."""

import pytest
import soak

from diagrams import draw
from diagrams.recording import Recording


@pytest.mark.parametrize("recipe", soak.RECIPES)
def test_a_bad_hour_replays_and_can_be_drawn(recipe: str) -> None:
    one, two = Recording(), Recording()
    soak.hostile(recipe)(1, one.write)
    soak.hostile(recipe)(1, two.write)
    assert [(e.actor, e.kind, e.frames) for e in one] == [(e.actor, e.kind, e.frames) for e in two]
    assert draw.sequence(one, rows=40).text == draw.sequence(two, rows=40).text
