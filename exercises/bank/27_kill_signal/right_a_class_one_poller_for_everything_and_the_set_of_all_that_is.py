# SPDX-License-Identifier: BSD-3-Clause
# Passed: a class, one poller for everything, and the set of all that is due.

import os
import signal
import time
from dataclasses import dataclass, field

import zmq


@dataclass
class Day:
    found: dict = field(default_factory=dict)
    count: int = -1
    workers: int = 0
    deadline: float | None = None
    over: bool = False

    def brought(self, first, second):
        if first == b"END":
            self.count = int(second)
        else:
            self.found[int(first)] = second
        self.over = self.over or self.count == len(self.found)

    def wait(self):
        return None if self.deadline is None or self.over else max(0.0, self.deadline - time.monotonic())


def sink(ctx, results, control, grace):
    day = Day()
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    old = signal.signal(signal.SIGTERM, lambda *_: None)
    signal.set_wakeup_fd(writes)
    pull, kill = ctx.socket(zmq.PULL), ctx.socket(zmq.XPUB)
    try:
        kill.xpub_verboser = 1
        kill.bind(control)
        pull.bind(results)
        while not day.over or day.workers or kill.poll(0):
            ready = zmq.select([pull, kill, reads], [], [], day.wait())[0]
            if pull in ready:
                day.brought(*pull.recv_multipart())
            if reads in ready and os.read(reads, 1) and day.deadline is None:
                day.deadline = time.monotonic() + grace
            if kill in ready:
                day.workers += 1 if kill.recv()[0] else -1
                if day.over:
                    kill.send(b"KILL")
            if not day.over and day.deadline is not None and time.monotonic() >= day.deadline:
                day.over = True
            if day.over and day.workers:
                kill.send(b"KILL")
        return day.found
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, old)
        os.close(reads)
        os.close(writes)
        kill.close()
        pull.close()
