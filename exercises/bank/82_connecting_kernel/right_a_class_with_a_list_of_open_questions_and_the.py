# SPDX-License-Identifier: BSD-3-Clause
# Passed: a class with a list of open questions and the limit on the socket.
import time
from dataclasses import dataclass, field

import zmq


@dataclass
class Open:
    key: tuple
    text: bytes
    since: float = field(default_factory=time.monotonic)


class Book:
    def __init__(self, entries, patience):
        self.entries, self.patience, self.open = entries, patience, []

    def limit(self):
        """Milliseconds until the first has waited long enough; -1 if none waits."""
        if not self.open:
            return -1
        return max(0, int(1000 * (self.open[0].since + self.patience - time.monotonic())) + 1)

    def copy(self, way, a, b, number, text):
        if way == b"in":
            self.open.append(Open((b, a, number), text))
        elif way == b"out":
            for it in self.open:
                if it.key == (a, b, number):
                    self.open.remove(it)
                    self.write(it, str(round((time.monotonic() - it.since) * 1000)).encode())
                    break

    def tidy(self):
        while self.open and time.monotonic() - self.open[0].since >= self.patience:
            self.write(self.open.pop(0), b"")

    def write(self, it, took):
        client, engine, _ = it.key
        self.entries.send_multipart([client, engine, it.text, took])


def keep(ctx, monitor, book, patience):
    with ctx.socket(zmq.SUB) as copies, ctx.socket(zmq.PUSH) as entries:
        entries.connect(book)
        copies.setsockopt(zmq.SUBSCRIBE, b"")
        copies.connect(monitor)
        keeper = Book(entries, patience)
        while True:
            copies.rcvtimeo = keeper.limit()
            try:
                frames = copies.recv_multipart()
                if len(frames) == 5:
                    keeper.copy(*frames)
            except zmq.Again:
                pass
            keeper.tidy()
