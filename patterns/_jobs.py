# SPDX-License-Identifier: BSD-3-Clause
"""What `shell` does outside its loop: one job after the other, in a thread of their own."""

import contextlib
import queue
import socket as network
import threading
from collections import deque
from collections.abc import Callable, Iterator

Worker = Callable[[list[bytes]], list[bytes]]


class Jobs:
    """A thread that works while the loop goes on, and a bell that wakes the loop when it has finished something."""

    def __init__(self, work: Worker) -> None:
        self._work = work
        self._wanted: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()
        self._done: deque[list[bytes] | BaseException] = deque()
        self._ear, self._hand = network.socketpair()
        self.bell = self._ear.fileno()
        self._thread = threading.Thread(target=self._play, name="jobs", daemon=True)

    def start(self, job: list[bytes]) -> None:
        if not self._thread.ident:  # the first one
            self._thread.start()
        self._wanted.put(job)

    def _play(self) -> None:
        with self._hand:
            while (job := self._wanted.get()) is not None:
                try:
                    self._done.append(self._work(job))
                except BaseException as error:
                    self._done.append(error)
                with contextlib.suppress(OSError):  # nobody listens any more
                    self._hand.send(b"!")

    def finished(self) -> Iterator[list[bytes]]:
        self._ear.recv(4096)
        while self._done:
            result = self._done.popleft()
            if isinstance(result, BaseException):
                raise result
            yield result

    def close(self, patience: float) -> None:
        """Start no more jobs, and wait for the one at hand; one that takes longer ends by itself, unheard."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._wanted.get_nowait()
        self._wanted.put(None)
        self._ear.close()
        if self._thread.ident:
            self._thread.join(patience)
        else:
            self._hand.close()
