# SPDX-License-Identifier: BSD-3-Clause
"""Paranoid Pirate: a queue hands requests to workers, each side hears the other's heart. PPP to the letter (RFC 6).

    client REQ --request--> ROUTER queue ROUTER --request--> DEALER worker, and the reply back
    python -m patterns.paranoid_pirate queue | worker         (each in a terminal of its own)
    python -m patterns.lazy_pirate client hello

Frames of a worker, behind its routing id at the queue: [1 READY], [2 HEARTBEAT], or an address stack, an empty frame
and a body of any number of frames: a request one way, its reply the other. The RFC calls the queue "client". Its
clients are Lazy Pirates: the queue repeats nothing, and whoever hears nothing asks again.
Left out: jobs of dead workers go to nobody, services have no names (see `majordomo`). Copy with `shell.py`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

import zmq

from .shell import AT_ONCE, NEVER, WORK, Close, Effect, Open, Send, Work, serve

FRONTEND, BACKEND = "tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556"  # for clients, for workers
INTERVAL, LIVENESS = 1.0, 3  # seconds from one heartbeat to the next; silent ones until a peer is taken for dead
PAUSE = 32.0  # seconds that a worker waits at most before it tries again; it begins with an interval and doubles
EXPIRY = 2.5  # seconds that a request waits for a worker: no longer than its client waits for the reply

# What each trouble of a worker, its connection or the queue does to one request of a Lazy Pirate.
GUARANTEES = {
    "crash": ("duplicated", "test_a_dead_workers_request_is_asked_again_and_goes_to_another"),
    "freeze": ("duplicated", "test_a_frozen_worker_gets_no_more_requests"),
    "cut": ("duplicated", "test_a_worker_behind_a_cut_begins_anew_when_it_is_healed"),
    "slow": ("duplicated", "test_a_job_longer_than_the_liveness_keeps_its_worker_and_is_asked_for_again"),
    "restart": ("duplicated", "test_workers_register_again_with_a_queue_that_was_restarted"),
}
# "Duplicated": answered, or TimeoutError within the client's timeout x tries, and the work may have been done more than
# once. In the textbook's words: at least once, or an error. Use something else for work that must not be done twice.

Context = zmq.Context[Any]
Job = Callable[[list[bytes]], list[bytes]]
READY, HEARTBEAT = b"\x01", b"\x02"


class State(StrEnum):  # of a worker, as its queue sees it
    UNKNOWN, IDLE, BUSY = "unknown", "idle", "busy"


Event = Enum("Event", ["READY", "HEARTBEAT", "REQUEST", "REPLY", "SILENCE"])  # of REPLY, the one that it owes
S, E = State, Event
TABLE: dict[tuple[State, Event], State] = {
    (S.UNKNOWN, E.READY): S.IDLE, (S.IDLE, E.READY): S.IDLE, (S.BUSY, E.READY): S.IDLE,
    (S.UNKNOWN, E.HEARTBEAT): S.UNKNOWN, (S.IDLE, E.HEARTBEAT): S.IDLE, (S.BUSY, E.HEARTBEAT): S.BUSY,
    (S.UNKNOWN, E.REQUEST): S.UNKNOWN, (S.IDLE, E.REQUEST): S.BUSY, (S.BUSY, E.REQUEST): S.BUSY,
    (S.UNKNOWN, E.REPLY): S.UNKNOWN, (S.IDLE, E.REPLY): S.IDLE, (S.BUSY, E.REPLY): S.IDLE,
    (S.UNKNOWN, E.SILENCE): S.UNKNOWN, (S.IDLE, E.SILENCE): S.UNKNOWN, (S.BUSY, E.SILENCE): S.UNKNOWN,
}  # fmt: skip


def _check(**limits: float) -> None:
    for name, value in limits.items():
        if not 0 < value < NEVER:
            raise ValueError(f"{name}: expected a finite number above 0, got {value!r}")


@dataclass(eq=False, slots=True)
class _Worker:
    expiry: float  # when it is taken for dead
    state: State = State.UNKNOWN
    owes: list[bytes] = field(default_factory=list)  # a reply, to this address stack; the empty frame is its last

    def pays(self, reply: list[bytes]) -> bool:
        """Whether this is the reply that it owes; any body will do."""
        return bool(self.owes) and len(reply) > len(self.owes) and reply[: len(self.owes)] == self.owes


class Queue:
    """The queue's core: ROUTER "workers" and ROUTER "clients".

    It knows a worker from its READY until liveness silent intervals are over. It reads its clients' requests also while
    no worker is idle; they wait in its memory, as many as come, until a worker takes them or they expire.
    """

    def __init__(
        self, frontend: str, backend: str, interval: float = INTERVAL, liveness: int = LIVENESS, expiry: float = EXPIRY
    ) -> None:
        _check(interval=interval, liveness=liveness, expiry=expiry)
        self.frontend, self.backend = frontend, backend
        self.interval, self.patience, self.expiry = interval, interval * liveness, expiry
        self.workers: dict[bytes, _Worker] = {}
        self.idle: dict[bytes, None] = {}  # a line, least recently used first
        self.requests: deque[tuple[float, list[bytes]]] = deque()  # when it expires, and the request
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """In every interval: forget who has been silent for too long, and let the others know that we live."""
        if self.deadline == AT_ONCE:  # workers first: what they have said is heard before there is work for them
            yield Open("workers", zmq.ROUTER, self.backend, bind=True)
            yield Open("clients", zmq.ROUTER, self.frontend, bind=True)
        for name in [name for name, worker in self.workers.items() if worker.expiry <= now]:
            self._step(name, E.SILENCE)
        while self.requests and self.requests[0][0] <= now:
            self.requests.popleft()
        for name in self.workers:
            yield Send("workers", [name, HEARTBEAT])
        self.deadline = now + self.interval

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """A client's request, or a word from a worker. What is neither is dropped."""
        worker = None
        match socket, frames:
            case "clients", [_, *rest] if b"" in rest[:-1]:
                self.requests.append((now + self.expiry, frames))
            case "workers", [name, b"\x01"]:
                worker = self._step(name, E.READY)
            case "workers", [name, b"\x02"] if worker := self.workers.get(name):
                self._step(name, E.HEARTBEAT)
            case "workers", [name, *reply] if (worker := self.workers.get(name)) and worker.pays(reply):
                self._step(name, E.REPLY)
                yield Send("clients", reply)
            case _:
                return
        if worker:
            worker.expiry = now + self.patience
        while self.requests and self.idle:
            name = next(iter(self.idle))
            if self.workers[name].expiry <= now:  # its time is over: no request is for it
                self._step(name, E.SILENCE)
            elif self.requests[0][0] <= now:
                self.requests.popleft()
            else:
                _, request = self.requests.popleft()
                self._step(name, E.REQUEST).owes = request[: request.index(b"", 1) + 1]
                yield Send("workers", [name, *request])

    def _step(self, name: bytes, event: Event) -> _Worker:
        worker = self.workers.get(name) or _Worker(NEVER)
        worker.state, worker.owes = TABLE[worker.state, event], worker.owes if event is E.HEARTBEAT else []
        self.idle.pop(name, None) if worker.state is not S.IDLE else self.idle.setdefault(name)
        if worker.state is S.UNKNOWN:
            self.workers.pop(name, None)
        else:
            self.workers[name] = worker
        return worker


class Worker:
    """A worker's core: one DEALER named "queue" at a time, after a pause a new one when the queue is silent."""

    def __init__(
        self, endpoint: str, interval: float = INTERVAL, liveness: int = LIVENESS, longest: float = PAUSE
    ) -> None:
        _check(interval=interval, liveness=liveness, longest=longest)
        self.endpoint, self.interval, self.patience, self.longest = endpoint, interval, interval * liveness, longest
        self.pause = interval  # before the next try
        self.busy = False  # with a job, from this connection or from one that is gone
        self.owes: list[bytes] | None = None  # a reply, to this address stack; None: to nobody
        self.expiry = self.deadline = AT_ONCE  # no connection: to begin with, and during a pause

    def tick(self, now: float) -> Iterator[Effect]:
        """A heartbeat; or we hang up, because the queue is silent; or the pause is over, and we begin anew."""
        if self.expiry == AT_ONCE and self.busy:  # one job at a time: not before it is done
            self.deadline = NEVER
        elif self.expiry == AT_ONCE:
            self.expiry, self.deadline = now + self.patience, now + self.interval
            yield Open("queue", zmq.DEALER, self.endpoint)
            yield Send("queue", [READY])
        elif self.expiry <= now:
            self.expiry, self.owes = AT_ONCE, None
            self.deadline, self.pause = now + self.pause, min(2 * self.pause, self.longest)
            yield Close("queue")
        else:
            self.deadline = min(now + self.interval, self.expiry)
            yield Send("queue", [HEARTBEAT])

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """A word from the queue, each of which is a sign of life, or the result of our work."""
        if socket == WORK:
            if not frames:
                raise ValueError("work: expected a result of at least one frame, got none")
            self.busy, owed, self.owes = False, self.owes, None
            if owed is not None:
                yield Send("queue", [*owed, *frames])
            if self.deadline == NEVER:
                self.deadline = now
            return
        self.expiry, self.pause = now + self.patience, self.interval
        if frames != [HEARTBEAT] and not self.busy:
            body = frames.index(b"") + 1 if b"" in frames[:-1] else 0  # where it begins; the address stack is optional
            self.busy, self.owes = True, frames[:body]
            yield Work(frames[body:])


def queue(
    ctx: Context, frontend: str = FRONTEND, backend: str = BACKEND, interval: float = INTERVAL, expiry: float = EXPIRY
) -> None:
    """Hand requests to workers, for ever."""
    serve(ctx, Queue(frontend, backend, interval, expiry=expiry))


def echo(body: list[bytes]) -> list[bytes]:
    """What a worker does unless it is given something else: the request comes back."""
    return body


def worker(ctx: Context, backend: str = BACKEND, interval: float = INTERVAL, work: Job = echo) -> None:
    """Answer request after request, for ever; `work` makes a reply of each, and heartbeats go on meanwhile."""
    serve(ctx, Worker(backend, interval), work)


if __name__ == "__main__":
    from .play import play

    play(queue, worker)
