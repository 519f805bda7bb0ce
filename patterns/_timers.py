# SPDX-License-Identifier: BSD-3-Clause
"""Deadlines of a core, in an ordered list: it is woken for the earliest, and for nothing else.

    timers["ping", server] = now + 1.0      set it, or move it
    timers.pop(("ping", server), None)      clear it
    self.deadline = timers.next()           what the shell waits for
    for what, who in timers.due(now): ...   take out what is due, the earliest first

No tick in every interval that looks who is due: with nothing to do, nothing happens.
"""

import heapq
from collections.abc import Iterator

from .shell import NEVER

Name = tuple[str, bytes]  # what is due, and for whom


class Timers(dict[Name, float]):
    """Deadlines by their names, and an ordered list of them, where some have moved since or are gone."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, Name]] = []

    def __setitem__(self, name: Name, when: float) -> None:
        super().__setitem__(name, when)
        heapq.heappush(self._heap, (when, name))
        if len(self._heap) > 64 + 4 * len(self):
            self._heap = sorted((when, name) for name, when in self.items())

    def next(self) -> float:
        """The earliest deadline; NEVER if there is none."""
        while self._heap and self.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else NEVER

    def due(self, now: float) -> Iterator[Name]:
        """Take out what is due, the earliest first; of two due at the same time, the first by name."""
        while self.next() <= now:
            del self[name := self._heap[0][1]]
            yield name
