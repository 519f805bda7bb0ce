# SPDX-License-Identifier: BSD-3-Clause
"""The diode: what its electrons do is what theory says. How it is steered is in `test_steering`."""

import pytest

from patterns.diode import DT, Diode


def settles(current: float, steps: int = 1000) -> dict[str, float]:
    """What is measured after so many steps at this current, or once electrons turn back."""
    device, measured = Diode(), {"slowest": 1.0}
    for _ in range(steps):
        if measured["slowest"] > 0:
            measured = device.step({"current": current})
    return measured


@pytest.mark.parametrize("current", [0.5, 1.0, 1.5, 1.7])
def test_below_the_limit_all_gets_through_as_fast_as_theory_says(current: float) -> None:
    measured = settles(current)
    assert measured["out"] == pytest.approx(current, rel=0.01)
    slow = measured["slowest"]  # J = 8/9 (1 - u) (1 + 2u)^2 where u is the slowest speed
    assert 8 / 9 * (1 - slow) * (1 + 2 * slow) ** 2 == pytest.approx(current, rel=0.02)


def test_the_limit_is_sixteen_ninths() -> None:
    assert settles(16 / 9 - 0.02)["slowest"] > 0.5
    assert settles(16 / 9 + 0.02)["slowest"] < 0


def test_what_has_turned_back_stays_until_the_current_is_well_below_the_limit() -> None:
    device, out = Diode(), {}
    for current in (2.0, 1.5, 1.0):
        for _ in range(int(20 / DT)):
            out[current] = device.step({"current": current})["out"]
    assert out[2.0] < 1.0
    assert out[1.5] < 1.2
    assert out[1.0] == pytest.approx(1.0, rel=0.01)


def test_an_empty_gap_lets_the_first_electron_through() -> None:
    device = Diode()
    measured = [device.step({"current": 0.0}) for _ in range(int(2 / DT))]
    assert measured[-1] == {"out": 0.0, "slowest": 1.0}
