# SPDX-License-Identifier: BSD-3-Clause
"""Majordomo: workers offer services by name, a broker hands each request to one of them. MDP 0.1 to the letter (RFC 7).

    client DEALER --request--> ROUTER broker ROUTER --request--> DEALER worker, and the reply back
    python -m patterns.majordomo broker | worker echo | client echo hello      (each in a terminal of its own)

Frames, at the broker behind the peer's routing id: [""][MDPC01][service][body+] both ways of a client; of a worker
[""][MDPW01][1 READY][service], [2 REQUEST or 3 REPLY][client][""][body+], [4 HEARTBEAT], [5 DISCONNECT].
The broker itself answers `mmi.service`: 200 while a worker offers the service that the body names, else 404 (RFC 8).
Left out: storage (see `titanic`), back-off, many requests of one client in flight. Copy with `shell.py`.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import zmq

from .shell import AT_ONCE, NEVER, WORK, Close, Effect, Open, Result, Send, Work, run, serve

ENDPOINT = "tcp://127.0.0.1:5555"
INTERVAL, LIVENESS = 1.0, 5  # seconds in which a peer says something; silent ones until it is taken for dead
EXPIRY = 60.0  # seconds that a request waits for a worker
TIMEOUT, TRIES = 2.5, 3  # of a client: seconds for one try, and how many

GUARANTEES = {
    "crash": ("duplicated", "test_a_dead_workers_job_goes_to_the_next"),
    "freeze": ("duplicated", "test_a_frozen_workers_job_goes_to_the_next"),
    "cut": ("duplicated", "test_a_lost_reply_is_asked_for_again"),
    "slow": ("duplicated", "test_a_job_longer_than_the_clients_timeout_is_done_again"),
    "restart": ("duplicated", "test_a_job_in_hand_when_the_broker_restarts_is_done_again"),
}
# "Duplicated": answered, or TimeoutError within timeout x tries, and the work may have been done more than once. In the
# textbook's words: at least once, or an error. Use something else for work that must not be done twice.

Context = zmq.Context[Any]
Job = Callable[[list[bytes]], list[bytes]]
CLIENT, WORKER = b"MDPC01", b"MDPW01"
READY, REQUEST, REPLY, HEARTBEAT, DISCONNECT = (bytes([n]) for n in range(1, 6))
NAME = re.compile(rb"[^\0-\x1f\x7f]+\Z")  # of a service: a "printable string"


def _check(service: bytes = b"-", **limits: float) -> None:
    if not NAME.match(service):
        raise ValueError(f"service: expected a printable name, got {service!r}")
    for name, value in limits.items():
        if not 0 < value < NEVER:
            raise ValueError(f"{name}: expected a finite number above 0, got {value!r}")


@dataclass(eq=False)
class _Service:
    workers: set[bytes] = field(default_factory=set)
    waiting: deque[bytes] = field(default_factory=deque)  # those without a job, least recently used first
    requests: deque[tuple[float, list[bytes]]] = field(default_factory=deque)  # when it expires, and the job


@dataclass(eq=False)
class _Worker:
    service: bytes
    expiry: float  # when it is taken for dead
    due: float  # when it has to hear from us


class Broker:
    """The broker's core: one ROUTER named "peers" for clients and workers alike.

    So it cannot leave requests unread while no worker is free, as the broker of `load_balancing` does: they wait in its
    memory, as many as the clients send, until a worker takes them or they expire. A client that asks and asks and does
    not read loses the replies for which its queues have no room.
    """

    def __init__(
        self, endpoint: str, interval: float = INTERVAL, liveness: int = LIVENESS, expiry: float = EXPIRY
    ) -> None:
        _check(interval=interval, liveness=liveness, expiry=expiry)
        self.endpoint, self.interval, self.patience, self.expiry = endpoint, interval, interval * liveness, expiry
        self.workers: dict[bytes, _Worker] = {}
        self.jobs: dict[bytes, list[bytes]] = {}  # in whose hands which one is: [client][""][body+]
        self.services: dict[bytes, _Service] = {}  # those that have a worker or a request
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """Drop what has expired, and let workers to whom we have said nothing know that we live."""
        if self.deadline == AT_ONCE:
            yield Open("peers", zmq.ROUTER, self.endpoint, bind=True)
        for name in sorted((n for n, w in self.workers.items() if w.expiry <= now), key=self.jobs.__contains__):
            yield from self._forget(name, now)  # the idle first: no job may go to one of them
        for name, service in list(self.services.items()):
            while service.requests and service.requests[0][0] <= now:
                service.requests.popleft()
            yield from self._dispatch(name, now)
        for name, worker in self.workers.items():
            if worker.due <= now + self.interval / 8:  # a little early, so that many workers need few ticks
                worker.due = now + self.interval
                yield Send("peers", [name, b"", WORKER, HEARTBEAT])
        self.deadline = min((w.due for w in self.workers.values()), default=now + self.interval)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """One message from anybody: a client's request, or a command of a worker, which counts as a heartbeat."""
        match frames:
            case [peer, b"", b"MDPC01", name, _, *_] | [peer, b"", b"MDPW01", b"\x01", name] if not NAME.match(name):
                yield from self._forget(peer, now)  # malformed
            case [client, b"", b"MDPC01", name, first, *_] if name.startswith(b"mmi."):
                code = b"200" if first in self.services and self.services[first].workers else b"404"
                yield Send("peers", [client, b"", CLIENT, name, code if name == b"mmi.service" else b"501"])
            case [client, b"", b"MDPC01", name, first, *rest]:
                job = [client, b"", first, *rest]
                self.services.setdefault(name, _Service()).requests.append((now + self.expiry, job))
                yield from self._dispatch(name, now)
            case [worker, b"", b"MDPW01", b"\x01", name] if worker not in self.workers and not name.startswith(b"mmi."):
                self.workers[worker] = _Worker(name, now + self.patience, now + self.interval)
                service = self.services.setdefault(name, _Service())
                service.workers.add(worker)
                service.waiting.append(worker)
                yield from self._dispatch(name, now)
            case [worker, b"", b"MDPW01", b"\x03", client, b"", _, *_] if client in self.jobs.get(worker, ())[:1]:
                del self.jobs[worker]
                name, self.workers[worker].expiry = self.workers[worker].service, now + self.patience
                self.services[name].waiting.append(worker)
                yield Send("peers", [client, b"", CLIENT, name, *frames[6:]])
                yield from self._dispatch(name, now)
            case [worker, b"", b"MDPW01", b"\x04"] if worker in self.workers:
                self.workers[worker].expiry = now + self.patience
            case (
                [peer, b"", b"MDPW01", b"\x01", _]
                | [peer, b"", b"MDPW01", b"\x02" | b"\x03", _, b"", _, *_]
                | [peer, b"", b"MDPW01", b"\x04"]
            ):
                yield Send("peers", [peer, b"", WORKER, DISCONNECT])  # valid, but not now
                yield from self._forget(peer, now)
            case [peer, *_]:
                yield from self._forget(peer, now)  # DISCONNECT, or malformed

    def _dispatch(self, name: bytes, now: float) -> Iterator[Effect]:
        """Bring requests and waiting workers of a service together, as far as both go."""
        service = self.services[name]
        while service.requests and service.waiting:
            expiry, job = service.requests.popleft()
            if expiry > now:
                worker = service.waiting.popleft()
                self.jobs[worker], self.workers[worker].due = job, now + self.interval
                yield Send("peers", [worker, b"", WORKER, REQUEST, *job])
        if not service.requests and not service.workers:
            del self.services[name]

    def _forget(self, name: bytes, now: float) -> Iterator[Effect]:
        """Forget this peer, if it is a worker. The job in its hands goes to the front of the line."""
        if worker := self.workers.pop(name, None):
            service = self.services[worker.service]
            service.workers.remove(name)
            if job := self.jobs.pop(name, None):
                service.requests.appendleft((now + self.expiry, job))
            else:
                service.waiting.remove(name)
            yield from self._dispatch(worker.service, now)


class Worker:
    """A worker's core: one DEALER named "broker" at a time, a new one when the broker is silent or hangs up."""

    def __init__(self, endpoint: str, service: bytes, interval: float = INTERVAL, liveness: int = LIVENESS) -> None:
        _check(service, interval=interval, liveness=liveness)
        self.endpoint, self.service, self.interval, self.patience = endpoint, service, interval, interval * liveness
        self.client: bytes | None = None  # whose job we have from this connection
        self.busy = False  # with that job, or with one whose connection is gone: its result is nobody's
        self.opened = self.expiry = self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """An interval after our last word: a heartbeat, or a new connection if the broker is silent for too long."""
        yield from self._tell(now, HEARTBEAT) if now < self.expiry else self._connect(now)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """A command of the broker, or the result of our work."""
        match frames:
            case [] if socket == WORK:
                raise ValueError("work: expected a result of at least one frame, got none")
            case result if socket == WORK:
                self.busy, client, self.client = False, self.client, None
                yield from self._connect(now) if client is None else self._tell(now, REPLY, client, b"", *result)
            case [b"", b"MDPW01", b"\x02", client, b"", first, *rest] if not self.busy:
                self.busy, self.client, self.expiry = True, client, now + self.patience
                yield Work([first, *rest])
            case [b"", b"MDPW01", b"\x04"] | [b"", b"MDPW01", b"\x02", _, b"", _, *_]:
                self.expiry = now + self.patience
            case [b"", b"MDPW01", b"\x05"]:
                yield from self._connect(now)

    def _connect(self, now: float) -> Iterator[Effect]:
        """Begin anew: not before the job in hand is done, for we do one at a time; once in an interval at most."""
        self.client, self.expiry = None, AT_ONCE
        yield Close("broker")
        self.deadline = NEVER if self.busy else self.opened + self.interval
        if self.deadline <= now:
            self.opened, self.expiry = now, now + self.patience
            yield Open("broker", zmq.DEALER, self.endpoint)
            yield from self._tell(now, READY, self.service)

    def _tell(self, now: float, *frames: bytes) -> Iterator[Effect]:
        self.deadline = now + self.interval
        yield Send("broker", [b"", WORKER, *frames])


class Client:
    """A client's core: ask one after the other; wait, ask again on a new socket, give up."""

    def __init__(
        self, endpoint: str, service: bytes, bodies: list[list[bytes]], timeout: float = TIMEOUT, tries: int = TRIES
    ) -> None:
        _check(service, timeout=timeout, tries=tries, frames=min(map(len, bodies), default=0))
        self.endpoint, self.service, self.bodies = endpoint, service, deque(bodies)
        self.timeout, self.tries, self.left, self.deadline = timeout, tries, tries, AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """Ask on a new socket, where no late reply finds us; or give up."""
        yield Close("broker")
        if self.left > 0:
            yield Open("broker", zmq.DEALER, self.endpoint)  # no REQ: a reply that is not ours would use up the try
            yield self._ask(now)
        else:
            self.deadline, who = NEVER, self.service.decode(errors="replace")
            yield Result(TimeoutError(f"{who} did not answer {self.tries} times, {self.timeout:g} s each"))

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """The reply: hand it on and ask the next. Anything else is not ours."""
        match frames:
            case [b"", b"MDPC01", self.service, _, *_] if self.bodies:
                self.bodies.popleft()
                self.left, self.deadline = self.tries, NEVER
                yield self._ask(now) if self.bodies else Close("broker")
                yield Result(frames[3:])

    def _ask(self, now: float) -> Send:
        self.left, self.deadline = self.left - 1, now + self.timeout
        return Send("broker", [b"", CLIENT, self.service, *self.bodies[0]])


def client(
    ctx: Context, service: str, *asked: str, endpoint: str = ENDPOINT, timeout: float = TIMEOUT, tries: int = TRIES
) -> list[bytes]:
    """Ask each request in turn and return the frames of the replies. Raises TimeoutError that says who was silent."""
    core = Client(endpoint, service.encode(), [[a.encode()] for a in asked], timeout, tries)
    return [frame for _, reply in zip(asked, run(ctx, core), strict=False) for frame in reply]


def broker(ctx: Context, endpoint: str = ENDPOINT, interval: float = INTERVAL, expiry: float = EXPIRY) -> None:
    """Hand requests to workers, for ever."""
    serve(ctx, Broker(endpoint, interval, expiry=expiry))


def echo(body: list[bytes]) -> list[bytes]:
    """The service that a worker offers unless it is given another: the request comes back."""
    return body


def worker(ctx: Context, service: str, endpoint: str = ENDPOINT, interval: float = INTERVAL, work: Job = echo) -> None:
    """Offer a service, for ever; `work` makes a reply of a request, and heartbeats go on meanwhile."""
    serve(ctx, Worker(endpoint, service.encode(), interval), work)


if __name__ == "__main__":
    from .play import play

    play(broker, worker, client)
