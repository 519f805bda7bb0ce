# SPDX-License-Identifier: BSD-3-Clause
"""A diode with a limit, to be steered: the more current comes in, the more its electrons slow each other down.

    python -m patterns.diode diode          then in another terminal: python -m patterns.steering steer run

Copy with `steering.py` and what goes with it. The limit is known as Bursian's. Sheets of charge as in C. K. Birdsall
and W. B. Bridges, Space-charge instabilities in electron diodes and plasma converters, J. Appl. Phys. 32 (1961).
"""

from typing import Any

import numpy as np
import zmq

from .steering import COMMANDS, EVERY, TELEMETRY, Knob, Steered, steered

KNOBS = {"current": Knob(1.0, 0.0, 3.0)}  # that comes in; 16/9 is the limit of what gets through
DT = 0.04  # of the time in which an electron would cross the empty gap


class Diode:
    """Electrons that cross a gap, as sheets of charge that push each other away; one comes in with every step.

    The gap is 1 wide, and they come in with speed 1. Up to the limit all that comes in gets through. Beyond it some
    turn back, and a cloud of slow ones builds up in the gap, which then lets less through than before.
    Only +, -, *, / and sums in a fixed order are used, so every machine computes the same numbers.
    """

    def __init__(self) -> None:
        self.sheets = np.empty((3, 0))  # of each: its place, its speed, its charge
        self.out = 0.0  # the current that gets through, averaged over a crossing

    def step(self, knobs: dict[str, float]) -> dict[str, float]:
        """Let one sheet come in, move them all, and let those go that have crossed the gap, or turned back."""
        entering = [[DT / 2], [1.0], [knobs["current"] * DT]]
        sheets = np.concatenate((entering, self.sheets), axis=1)
        place, speed, charge = sheets = sheets[:, sheets[0].argsort(kind="stable")]
        behind = np.cumsum(charge) - charge / 2
        speed += (behind - np.cumsum(charge * (1 - place))[-1]) * DT  # both grids are held at 0 volts
        place += speed * DT
        arrived = sum(charge[place >= 1].tolist()) / DT
        self.out += (arrived - self.out) * DT
        self.sheets = sheets[:, (place > 0) & (place < 1)]
        return {"out": self.out, "slowest": float(speed.min())}


def diode(
    ctx: zmq.Context[Any],
    commands: str = COMMANDS,
    telemetry: str = TELEMETRY,
    log: str = "",
    every: int = EVERY,
    pace: float = 0.0,
) -> list[str]:
    """Steer a diode by its knob `current` until it is told to stop. Returns its log."""
    return steered(ctx, Steered(Diode().step, KNOBS, commands, telemetry, every, pace), log)


if __name__ == "__main__":
    from .play import play

    play(diode)
