# SPDX-License-Identifier: BSD-3-Clause
"""Majordomo: workers offer services by name, a broker hands each request to one of them. MDP 0.1 to the letter (RFC 7).

    client DEALER --request--> ROUTER broker ROUTER --request--> DEALER worker
                  <--reply----                      <--reply----

    python -m patterns.majordomo broker
    python -m patterns.majordomo worker echo
    python -m patterns.majordomo client echo hello

Frames after the broker's routing id, each message from the empty frame on:
[""][MDPC01][service][body+] both ways of a client; [""][MDPW01][1 READY][service], [2 REQUEST or 3 REPLY][client][""]
[body+], [4 HEARTBEAT], [5 DISCONNECT] of a worker. `mmi.service` asks the broker itself (RFC 8).
Left out: storage (see `titanic`); many requests in flight from one client. Copy with `shell.py`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import zmq

from .shell import AT_ONCE, NEVER, WORK, Close, Effect, Open, Result, Send, Work, run, serve

ENDPOINT = "tcp://127.0.0.1:5555"
INTERVAL = 1.0  # seconds between two heartbeats
LIVENESS = 3  # silent intervals until a peer is taken for dead
EXPIRY = 60.0  # seconds that a request waits for a worker
TIMEOUT, TRIES = 2.5, 3  # of a client: seconds for one try, and how many

GUARANTEES = {
    "crash": ("duplicated", "test_a_dead_workers_job_goes_to_the_next"),
    "freeze": ("duplicated", "test_a_frozen_workers_job_goes_to_the_next"),
    "cut": ("duplicated", "test_a_lost_reply_is_asked_for_again"),
    "slow": ("safe", "test_a_job_longer_than_the_liveness_keeps_its_worker"),
    "restart": ("safe", "test_workers_register_again_with_a_broker_that_was_restarted"),
}
# Answered, or TimeoutError at the client within timeout x tries. In the textbook's words: at least once, for crashes
# and omissions. Work must be idempotent; where it is not, the service has to number and remember requests.

CLIENT, WORKER = b"MDPC01", b"MDPW01"
READY, REQUEST, REPLY, HEARTBEAT, DISCONNECT = (bytes([n]) for n in range(1, 6))


@dataclass(eq=False)
class _Request:
    client: bytes
    body: list[bytes]
    expiry: float


@dataclass(eq=False)
class _Worker:
    service: bytes
    expiry: float
    job: _Request | None = None


@dataclass(eq=False)
class _Service:
    waiting: deque[bytes] = field(default_factory=deque)  # workers without a job, least recently used first
    requests: deque[_Request] = field(default_factory=deque)


class Broker:
    """The broker's core: one ROUTER named "peers" for clients and workers alike."""

    def __init__(
        self, endpoint: str, interval: float = INTERVAL, liveness: int = LIVENESS, expiry: float = EXPIRY
    ) -> None:
        self.endpoint, self.interval, self.patience, self.expiry = endpoint, interval, interval * liveness, expiry
        self.workers: dict[bytes, _Worker] = {}
        self.services: dict[bytes, _Service] = {}
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """Every interval: drop what has expired, and let every worker know that we live."""
        if self.deadline == AT_ONCE:
            yield Open("peers", zmq.ROUTER, self.endpoint, bind=True)
        self.deadline = now + self.interval
        for name in [n for n, w in self.workers.items() if w.expiry <= now]:
            yield from self._forget(name, now)
        for service in self.services.values():
            service.requests = deque(r for r in service.requests if r.expiry > now)
        for name in self.workers:
            yield self._command(name, HEARTBEAT)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """One message from anybody. What is malformed is dropped; what is valid but not expected hangs up."""
        match frames:
            case [client, b"", b"MDPC01", name, first, *rest]:
                yield from self._request(client, name, [first, *rest], now)
            case [worker, b"", b"MDPW01", b"\x01", name] if name and not name.startswith(b"mmi."):
                yield from self._ready(worker, name, now)
            case [worker, b"", b"MDPW01", b"\x03", client, b"", first, *rest]:
                yield from self._reply(worker, client, [first, *rest], now)
            case [worker, b"", b"MDPW01", b"\x04"]:
                if known := self.workers.get(worker):
                    known.expiry = now + self.patience
                else:
                    yield self._command(worker, DISCONNECT)
            case [worker, b"", b"MDPW01", b"\x05"]:
                yield from self._forget(worker, now)
            case [worker, b"", b"MDPW01", b"\x01", _] | [worker, b"", b"MDPW01", b"\x02", _, b"", _, *_]:
                yield from self._hang_up(worker, now)  # valid, but not from a worker, or not for it
            case _:
                pass  # not ours

    def _request(self, client: bytes, name: bytes, body: list[bytes], now: float) -> Iterator[Effect]:
        if name.startswith(b"mmi."):
            known = any(w.service == body[0] for w in self.workers.values())
            code = (b"200" if known else b"404") if name == b"mmi.service" else b"501"
            yield Send("peers", [client, b"", CLIENT, name, code])
            return
        service = self.services.setdefault(name, _Service())
        service.requests.append(_Request(client, body, now + self.expiry))
        yield from self._dispatch(name, now)

    def _ready(self, worker: bytes, name: bytes, now: float) -> Iterator[Effect]:
        if worker in self.workers:
            yield from self._hang_up(worker, now)
            return
        self.workers[worker] = _Worker(name, now + self.patience)
        self.services.setdefault(name, _Service()).waiting.append(worker)
        yield from self._dispatch(name, now)

    def _reply(self, worker: bytes, client: bytes, body: list[bytes], now: float) -> Iterator[Effect]:
        known = self.workers.get(worker)
        if known is None or known.job is None or known.job.client != client:
            yield from self._hang_up(worker, now)
            return
        yield Send("peers", [client, b"", CLIENT, known.service, *body])
        known.job, known.expiry = None, now + self.patience
        self.services[known.service].waiting.append(worker)
        yield from self._dispatch(known.service, now)

    def _dispatch(self, name: bytes, now: float) -> Iterator[Effect]:
        """Bring requests and waiting workers of a service together, as far as both go."""
        service = self.services[name]
        while service.requests and service.waiting:
            request = service.requests.popleft()
            if request.expiry <= now:
                continue
            worker = service.waiting.popleft()
            self.workers[worker].job = request
            yield Send("peers", [worker, b"", WORKER, REQUEST, request.client, b"", *request.body])
        if not (service.requests or service.waiting or any(w.service == name for w in self.workers.values())):
            del self.services[name]

    def _hang_up(self, worker: bytes, now: float) -> Iterator[Effect]:
        yield self._command(worker, DISCONNECT)
        yield from self._forget(worker, now)

    def _forget(self, worker: bytes, now: float) -> Iterator[Effect]:
        """A worker is gone. The job in its hands goes first to the next."""
        if (known := self.workers.pop(worker, None)) is None:
            return
        service = self.services[known.service]
        if known.job:
            service.requests.appendleft(known.job)
        else:
            service.waiting.remove(worker)
        yield from self._dispatch(known.service, now)

    def _command(self, worker: bytes, command: bytes) -> Send:
        return Send("peers", [worker, b"", WORKER, command])


class Worker:
    """A worker's core: one DEALER named "broker" at a time, a new one whenever the broker is gone or hangs up."""

    def __init__(self, endpoint: str, service: bytes, interval: float = INTERVAL, liveness: int = LIVENESS) -> None:
        if not service:
            raise ValueError("service: expected a name, got nothing")
        self.endpoint, self.service, self.interval, self.patience = endpoint, service, interval, interval * liveness
        self.client: bytes | None = None  # whose job we have
        self.stale = 0  # jobs under way whose connection is gone: their results are nobody's
        self.expiry = self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """Every interval: a heartbeat; a new connection if the broker has been silent for too long."""
        if self.expiry <= now:
            yield from self._connect(now)
        else:
            yield self._command(HEARTBEAT)
        self.deadline = now + self.interval

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        if socket == WORK:
            if self.stale:
                self.stale -= 1
            elif self.client is not None:
                client, self.client = self.client, None
                yield self._command(REPLY, client, b"", *frames)
            return
        match frames:
            case [b"", b"MDPW01", b"\x02", client, b"", first, *rest]:
                self.expiry = now + self.patience
                if self.client is None:
                    self.client = client
                    yield Work([first, *rest])
            case [b"", b"MDPW01", b"\x04"]:
                self.expiry = now + self.patience
            case [b"", b"MDPW01", b"\x05"]:
                yield from self._connect(now)
            case _:
                pass  # not ours

    def _connect(self, now: float) -> Iterator[Effect]:
        if self.client is not None:
            self.client, self.stale = None, self.stale + 1
        yield Close("broker")
        yield Open("broker", zmq.DEALER, self.endpoint)
        yield self._command(READY, self.service)
        self.expiry = now + self.patience
        self.deadline = now + self.interval

    def _command(self, command: bytes, *frames: bytes) -> Send:
        return Send("broker", [b"", WORKER, command, *frames])


class Client:
    """A client's core for one request: ask, wait, ask again on a new socket, give up."""

    def __init__(
        self, endpoint: str, service: bytes, body: list[bytes], timeout: float = TIMEOUT, tries: int = TRIES
    ) -> None:
        if not service or not body:
            raise ValueError(f"service, body: expected a name and at least one frame, got {service!r}, {body!r}")
        self.endpoint, self.service, self.body = endpoint, service, body
        self.timeout, self.tries, self.left = timeout, tries, tries
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        yield Close("broker")
        if not self.left:
            self.deadline = NEVER
            yield Result(TimeoutError(f"{self.service.decode()} did not answer {self.tries} times, {self.timeout:g} s each"))
            return
        self.left -= 1
        self.deadline = now + self.timeout
        yield Open("broker", zmq.DEALER, self.endpoint)
        yield Send("broker", [b"", CLIENT, self.service, *self.body])

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        match frames:
            case [b"", b"MDPC01", service, first, *rest] if service == self.service and self.deadline != NEVER:
                self.deadline = NEVER
                yield Close("broker")
                yield Result([first, *rest])


def client(
    ctx: zmq.Context[Any], service: str, *words: str, endpoint: str = ENDPOINT, timeout: float = TIMEOUT, tries: int = TRIES
) -> list[bytes]:
    """Ask a service and return the frames of its reply. Raises TimeoutError that says who did not answer."""
    core = Client(endpoint, service.encode(), [w.encode() for w in words], timeout, tries)
    return next(run(ctx, core))  # type: ignore[no-any-return]


def broker(ctx: zmq.Context[Any], endpoint: str = ENDPOINT, interval: float = INTERVAL, expiry: float = EXPIRY) -> None:
    """Hand requests to workers, for ever."""
    serve(ctx, Broker(endpoint, interval, expiry=expiry))


def echo(body: list[bytes]) -> list[bytes]:
    """The service that a worker offers unless it is given another: the request comes back."""
    return body


def worker(
    ctx: zmq.Context[Any],
    service: str,
    endpoint: str = ENDPOINT,
    interval: float = INTERVAL,
    work: Callable[[list[bytes]], list[bytes]] = echo,
) -> None:
    """Offer a service, for ever; `work` makes a reply of a request, and heartbeats go on meanwhile."""
    serve(ctx, Worker(endpoint, service.encode(), interval), work)


if __name__ == "__main__":
    from .play import play

    play(broker, worker, client)
