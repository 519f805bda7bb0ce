# SPDX-License-Identifier: BSD-3-Clause
"""Titanic: requests are on disk before they are accepted, and wait there for their worker. TSP (RFC 9) over Majordomo.

    client DEALER --titanic.request--> broker --> DEALER titanic   200 and a UUID, once it is on disk
           titanic DEALER --request--> broker --> DEALER worker    when there is one; its reply is stored
    client DEALER --titanic.reply----> broker --> DEALER titanic   200 and the reply, or 300; then titanic.close
    python -m patterns.titanic titanic | request echo hello | reply UUID | close UUID      (broker, worker: `majordomo`)

Bodies of MDP messages: titanic.request [service][body+] -> [200][UUID]; titanic.reply [UUID] -> [200][body+], [300] not
yet, [400] nobody knows it; titanic.close [UUID] -> [200], always. [500]: the disk has failed, try again later.
`Once` is for the service itself: a job that comes twice is done once.
Left out: two requests of one service at a time; a limit to their number. Copy with `_store.py` and `majordomo.py`.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace

import zmq

from ._store import Deed, Once, Store
from .majordomo import ENDPOINT, INTERVAL, LIVENESS, NAME, TRIES, Client, Context, Worker
from .shell import AT_ONCE, NEVER, WORK, Effect, Result, Work, run, serve

STORE = "titanic.db"
LIMIT = 60.0  # seconds for one job of a service, the wait for a free worker included; then it is handed out again
RETRY = 1.0  # seconds until a service that nobody offers is asked for again
TIMEOUT, PAUSE = 2.5, 0.2  # seconds for one answer of the broker or Titanic; between two questions for a reply
PATIENCE = 10.0  # seconds that the role `reply` waits for one

GUARANTEES = {
    "crash": ("duplicated", "test_a_reply_that_dies_with_titanic_is_worked_for_again"),
    "freeze": ("blocked", "test_a_frozen_titanic_keeps_its_store_and_goes_on"),
    "cut": ("duplicated", "test_who_never_hears_that_it_was_accepted_has_it_stored_twice"),
    "slow": ("duplicated", "test_a_job_longer_than_the_limit_is_done_again"),
    "restart": ("duplicated", "test_a_job_in_hand_when_the_broker_restarts_is_done_again"),
}
# What each trouble does to a request that was accepted. None loses it: at least once. Once its reply is stored it is
# not handed out again. A service under `Once` makes of it, in the textbook's words, effectively once. Use something
# else when the disk may die as well (a replicated log), or when nobody needs the reply after a restart (`majordomo`).


class Titanic:
    """The core: three workers of Majordomo, and a client for each request that is under way.

    Each of these parts has a socket "broker" of its own, which is known here by the part's name. The store is asked in
    the loop: while the disk is at work nothing else goes on, and a disk that takes longer than interval x liveness for
    one answer costs the workers their connection, and nothing else.
    """

    def __init__(
        self, endpoint: str, store: Store, interval: float = INTERVAL, liveness: int = LIVENESS,
        limit: float = LIMIT, retry: float = RETRY,
    ) -> None:  # fmt: skip
        for name, value in (("limit", limit), ("retry", retry)):
            if not 0 < value < NEVER:
                raise ValueError(f"{name}: expected a finite number above 0, got {value!r}")
        self.endpoint, self.store, self.limit, self.retry = endpoint, store, limit, retry
        self.parts: dict[str, Worker | Client] = {
            name: Worker(endpoint, name.encode(), interval, liveness)
            for name in ("titanic.request", "titanic.reply", "titanic.close")
        }
        self.asked: dict[str, bytes] = {}  # for which service each client asks
        self.due = dict.fromkeys(store.services(), AT_ONCE)  # when each is to be asked for; NEVER: that is under way
        self.deadline = AT_ONCE

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """A message for one of the parts."""
        yield from self._does(socket, self.parts[socket].receive("broker", frames, now), now)
        yield from self._deliver(now)

    def tick(self, now: float) -> Iterator[Effect]:
        """Let every part tick whose time has come, and see what can be handed out."""
        for name, part in list(self.parts.items()):
            if part.deadline <= now:
                yield from self._does(name, part.tick(now), now)
        yield from self._deliver(now)

    def _does(self, name: str, effects: Iterable[Effect], now: float) -> Iterator[Effect]:
        """What a part wants done: work and results are for us, and the rest for the shell."""
        for effect in effects:
            match effect:
                case Work(job):
                    answer = self._answer(name, job, now)  # on disk, before a word of it is sent
                    yield from self._does(name, self.parts[name].receive(WORK, answer, now), now)
                case Result(value):
                    yield from self._heard(name, value, now)
                case _:
                    yield replace(effect, socket=name)

    def _answer(self, name: str, job: list[bytes], now: float) -> list[bytes]:
        """What TSP says to a client."""
        try:
            match name, job:
                case "titanic.request", [service, _, *_] if NAME.match(service):
                    uuid = self.store.add(service, job[1:])
                    self.due.setdefault(service, now)
                    return [b"200", uuid]
                case "titanic.reply", [uuid]:
                    return self.store.status(uuid)
                case "titanic.close", [uuid]:
                    self.store.forget(uuid)
                    return [b"200"]
        except sqlite3.Error:
            return [b"500"]
        return [b"400"]

    def _deliver(self, now: float) -> Iterator[Effect]:
        """For each service that is due: ask the broker whether somebody offers it."""
        for service in [service for service, due in self.due.items() if due <= now]:
            if uuid := self.store.first(service):
                self.due[service] = NEVER
                yield from self._ask(uuid, service, Client(self.endpoint, b"mmi.service", [[service]], TIMEOUT, 1), now)
            else:
                del self.due[service]
        self.deadline = min([part.deadline for part in self.parts.values()] + [*self.due.values()])

    def _ask(self, uuid: bytes, service: bytes, client: Client, now: float) -> Iterator[Effect]:
        name = uuid.decode()
        self.parts[name], self.asked[name] = client, service
        yield from self._does(name, client.tick(now), now)

    def _heard(self, name: str, value: list[bytes] | TimeoutError, now: float) -> Iterator[Effect]:
        """The end of a client: somebody offers the service, here is the reply, or neither."""
        part, uuid, service = self.parts.pop(name), name.encode(), self.asked.pop(name)
        self.due[service] = now + self.retry
        match part.service, value:
            case b"mmi.service", [b"200"]:
                if body := self.store.read(uuid, b"body"):  # not closed meanwhile
                    self.due[service] = NEVER
                    yield from self._ask(uuid, service, Client(self.endpoint, service, [body], self.limit, 1), now)
            case other, [*reply] if other != b"mmi.service":
                try:
                    self.store.finish(uuid, reply)
                    self.due[service] = now
                except sqlite3.Error:  # it stays where it is, and is handed out again
                    pass


def titanic(
    ctx: Context, store: str = STORE, endpoint: str = ENDPOINT, interval: float = INTERVAL, limit: float = LIMIT,
    retry: float = RETRY,
) -> None:  # fmt: skip
    """Offer the three services, and hand out what is in this file, for ever. It waits on its sockets alone."""
    with closing(Store(store)) as kept:
        serve(ctx, Titanic(endpoint, kept, interval, limit=limit, retry=retry))


def _call(ctx: Context, endpoint: str, service: bytes, body: list[bytes]) -> list[bytes]:
    """Ask Titanic once; the rest of what comes with 200, nothing with 300. Raises TimeoutError, ValueError."""
    answer: list[bytes] = next(run(ctx, Client(endpoint, b"titanic." + service, [body], TIMEOUT, TRIES)))
    status, *rest = answer
    if status[:3] == b"400":
        raise ValueError(f"titanic.{service.decode()} cannot do anything with {body[0].decode(errors='replace')!r}")
    if status[:3] == b"500":
        raise TimeoutError("Titanic cannot reach its disk: try again later")
    return rest


def request(ctx: Context, service: str, *body: str, endpoint: str = ENDPOINT) -> str:
    """Leave a request, whose body has these frames, and return its UUID. Stored twice if the first answer is lost."""
    [uuid] = _call(ctx, endpoint, b"request", [service.encode(), *(frame.encode() for frame in body)])
    return uuid.decode()


def reply(ctx: Context, uuid: str, endpoint: str = ENDPOINT, timeout: float = PATIENCE) -> list[bytes]:
    """Wait for the reply to a request, and return its frames. Raises TimeoutError when it is still not there."""
    until = time.monotonic() + timeout
    with ctx.socket(zmq.PAIR) as pause:  # never connected: to poll it is to wait, and to see the Context's end
        while not (frames := _call(ctx, endpoint, b"reply", [uuid.encode()])):
            if time.monotonic() >= until:
                raise TimeoutError(f"no reply to {uuid} for {timeout:g} s")
            pause.poll(PAUSE * 1000)
    return frames


def close(ctx: Context, uuid: str, endpoint: str = ENDPOINT) -> None:
    """Have a request and its reply forgotten."""
    _call(ctx, endpoint, b"close", [uuid.encode()])


def note(db: sqlite3.Connection, body: list[bytes]) -> list[bytes]:
    """What `worker` does unless it is given other work: note the body, and return under which number it stands."""
    db.execute("create table if not exists note (number integer primary key, body blob)")
    return [b"%d" % (db.execute("insert into note (body) values (?)", (b" ".join(body),)).lastrowid or 0)]


def worker(
    ctx: Context, service: str, store: str = "notes.db", endpoint: str = ENDPOINT, interval: float = INTERVAL,
    work: Deed = note,
) -> None:  # fmt: skip
    """Offer a service of Majordomo's under `Once`, for ever: bodies are [client][number][what is to be done]."""
    with closing(Once(store, work)) as once:
        serve(ctx, Worker(endpoint, service.encode(), interval), once)


if __name__ == "__main__":
    from .play import play

    play(titanic, worker, request, reply, close)
