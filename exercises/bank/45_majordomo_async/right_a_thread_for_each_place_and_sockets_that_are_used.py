# SPDX-License-Identifier: BSD-3-Clause
# Passed: a thread for each place, and sockets that are used again when a reply is complete.

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import zmq


@dataclass
class Place:
    ctx: zmq.Context
    endpoint: str
    service: bytes
    timeout: float
    socket: zmq.Socket | None = None
    parts: list[list[bytes]] = field(default_factory=list)

    def once(self, body):
        if self.socket is None:
            self.socket = self.ctx.socket(zmq.DEALER)
            self.socket.linger = 0
            self.socket.connect(self.endpoint)
        self.socket.send_multipart([b"MDPC02", b"\x01", self.service, *body])
        self.parts, end = [], time.monotonic() + self.timeout
        while (left := end - time.monotonic()) > 0:
            if not self.socket.poll(left * 1000 + 1):
                continue
            head, frames = [], self.socket.recv_multipart()
            head, part = frames[:3], frames[3:]
            if part and head in ([b"MDPC02", b"\x02", self.service], [b"MDPC02", b"\x03", self.service]):
                self.parts.append(part)
                end = time.monotonic() + self.timeout
                if head[1] == b"\x03":
                    return True
        self.close()
        return False

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def ask(ctx, endpoint, service, requests, window, timeout, tries):
    todo, replies = SimpleQueue(), {}
    for item in enumerate(requests):
        todo.put(item)

    def work():
        place = Place(ctx, endpoint, service, timeout)
        try:
            while True:
                number, body = todo.get_nowait()
                done = any(place.once(body) for _ in range(tries))
                replies[number] = place.parts if done else None
        except Empty:
            place.close()

    with ThreadPoolExecutor(window) as pool:
        for done in [pool.submit(work) for _ in range(window)]:
            done.result()
    return [replies[number] for number in range(len(requests))]
