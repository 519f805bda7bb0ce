# SPDX-License-Identifier: BSD-3-Clause
"""Majordomo with many requests in flight, replies in parts and a bound on what is kept. MDP 0.2 to the letter (RFC 18).

    client DEALERs --request--> ROUTER broker ROUTER --request--> DEALER worker, and the reply back, part by part
    python -m patterns.majordomo_v2 broker | worker words | client words "one two"   (each in a terminal of its own)

Frames, at the broker behind the peer's routing id: of a client [MDPC02][1 REQUEST, 2 PARTIAL, 3 FINAL][service][body+];
of a worker [MDPW02][1 READY][service], [2 REQUEST, 3 PARTIAL, 4 FINAL][client][""][body+], [5 HEARTBEAT],
[6 DISCONNECT]. A request is answered by any number of PARTIALs and one FINAL.
MDP has no number for a request, and a client's dialogue is synchronous: one request, its whole reply, the next. So each
request in flight has a DEALER of its own, and the socket tells the replies apart. `mmi.service` is as in RFC 8.
Left out: storage (see `titanic`), back-off. Copy with `majordomo.py`, `shell.py`.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

import zmq

from . import majordomo
from .majordomo import ENDPOINT, INTERVAL, LIVENESS, NAME, TIMEOUT, TRIES
from .shell import AT_ONCE, NEVER, WORK, Close, Effect, Open, Result, Send, Work, run, serve

WINDOW = 8  # requests that a client has in flight at most
ROOM = 1000  # requests that a broker keeps at most, whether they wait or a worker has them
EXPIRY = TIMEOUT  # seconds that a request waits for a worker: no longer than its client waits for it

GUARANTEES = {
    "crash": ("duplicated", "test_a_dead_workers_job_goes_to_the_next_unless_its_reply_has_begun"),
    "freeze": ("duplicated", "test_a_frozen_workers_job_goes_to_the_next"),
    "cut": ("duplicated", "test_a_lost_reply_is_asked_for_again"),
    "slow": ("blocked", "test_a_slow_worker_holds_up_whoever_makes_the_requests"),
    "restart": ("duplicated", "test_what_a_broker_kept_is_asked_for_again_when_it_is_restarted"),
}
# "Duplicated": answered, or its client is told within timeout x tries, and the work may have been done more than once.
# A reply that has begun is not begun again: its rest comes, or its client is told. "Blocked": until that limit.

Context = zmq.Context[Any]
Job = Callable[[list[bytes]], Generator[list[bytes], None, list[bytes]]]  # it yields PARTIALs and returns FINAL
CLIENT, WORKER = b"MDPC02", b"MDPW02"
C_REQUEST, C_PARTIAL, C_FINAL = (bytes([n]) for n in range(1, 4))  # between client and broker
READY, REQUEST, PARTIAL, FINAL, HEARTBEAT, DISCONNECT = (bytes([n]) for n in range(1, 7))  # between broker and worker
NEW = {bytes([n + 1]): new for n, new in enumerate([READY, REQUEST, FINAL, HEARTBEAT, DISCONNECT])}  # of 0.1's commands
OLD = {new: old for old, new in NEW.items()} | {PARTIAL: majordomo.REPLY}


class State(StrEnum):  # of a client's dialogue, at both of its ends
    FREE, ASKED, BEGUN = "free", "asked", "begun"


Event = Enum("Event", ["REQUEST", "PARTIAL", "FINAL", "LOSS", "EXPIRY"])  # LOSS of one try, EXPIRY when it was the last
S, E = State, Event
TABLE: dict[tuple[State, Event], State] = {
    (S.FREE, E.REQUEST): S.ASKED, (S.ASKED, E.REQUEST): S.ASKED, (S.BEGUN, E.REQUEST): S.BEGUN,
    (S.FREE, E.PARTIAL): S.FREE, (S.ASKED, E.PARTIAL): S.BEGUN, (S.BEGUN, E.PARTIAL): S.BEGUN,
    (S.FREE, E.FINAL): S.FREE, (S.ASKED, E.FINAL): S.FREE, (S.BEGUN, E.FINAL): S.FREE,
    (S.FREE, E.LOSS): S.FREE, (S.ASKED, E.LOSS): S.ASKED, (S.BEGUN, E.LOSS): S.FREE,
    (S.FREE, E.EXPIRY): S.FREE, (S.ASKED, E.EXPIRY): S.FREE, (S.BEGUN, E.EXPIRY): S.FREE,
}  # fmt: skip


class Broker(majordomo.Broker):
    """The broker's core: the one of MDP 0.1, which hears and speaks 0.2.

    Of each client it keeps one request, and `room` in all. What comes beyond that is dropped: MDP has no word for "not
    now", so a client learns of it as of any other loss, by silence. While the windows of all clients together are no
    larger than `room`, nothing is dropped.
    """

    def __init__(self, endpoint: str, interval: float = INTERVAL, liveness: int = LIVENESS, expiry: float = EXPIRY,
                 room: int = ROOM) -> None:  # fmt: skip
        super().__init__(endpoint, interval, liveness, expiry)
        majordomo._check(room=room)
        self.room = room
        self.dialogues: dict[bytes, State] = {}  # of the clients whose requests it keeps; all others are free

    def tick(self, now: float) -> Iterator[Effect]:
        """What 0.1 does in time, and forget the dialogues whose requests have expired."""
        yield from _today(super().tick(now))
        kept = {job[0] for service in self.services.values() for _, job in service.requests}
        kept.update(job[0] for job in self.jobs.values())
        for client in self.dialogues.keys() - kept:
            self._step(client, E.EXPIRY)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """One message from anybody: a client's request is counted, a part of a reply passed on; all else is 0.1's."""
        match frames:
            case [client, b"MDPC02", b"\x01", name, _, *_] if NAME.match(name) and not name.startswith(b"mmi."):
                if client in self.dialogues or len(self.dialogues) >= self.room:
                    return
                self._step(client, E.REQUEST)
            case [worker, b"MDPW02", b"\x03", client, b"", _, *_] if client in self.jobs.get(worker, ())[:1]:
                self._step(client, E.PARTIAL)
                self.workers[worker].expiry = now + self.patience
                yield Send(socket, [client, CLIENT, C_PARTIAL, self.workers[worker].service, *frames[5:]])
                return
            case [worker, b"MDPW02", b"\x04", client, b"", _, *_] if client in self.jobs.get(worker, ())[:1]:
                self._step(client, E.FINAL)
        yield from _today(super().receive(socket, _yesterday(frames), now))

    def _forget(self, name: bytes, now: float) -> Iterator[Effect]:
        """Forget this peer, as 0.1 does. A reply that has begun is nobody else's to finish: its job is dropped."""
        if (job := self.jobs.get(name)) and self._step(job[0], E.LOSS) is S.FREE:
            del self.jobs[name]
            self.services[self.workers[name].service].waiting.append(name)  # as if it had none
        yield from super()._forget(name, now)

    def _step(self, client: bytes, event: Event) -> State:
        state = TABLE[self.dialogues.pop(client, S.FREE), event]
        if state is not S.FREE:
            self.dialogues[client] = state
        return state


def _yesterday(frames: list[bytes]) -> list[bytes]:
    """A message to a broker or worker in the words of 0.1; of one that is malformed only who sent it."""
    match frames:
        case [client, b"MDPC02", b"\x01", *rest]:
            return [client, b"", majordomo.CLIENT, *rest]
        case [peer, b"MDPW02", command, *rest] if command in OLD:
            return [peer, b"", majordomo.WORKER, OLD[command], *rest]
    return frames[:1]


def _today(effects: Iterable[Effect]) -> Iterator[Effect]:
    """What the broker of 0.1 says, in the words of 0.2."""
    for effect in effects:
        if isinstance(effect, Send):
            _, _, header, first, *_ = effect.frames
            effect.frames[1:4] = [CLIENT, C_FINAL, first] if header == majordomo.CLIENT else [WORKER, NEW[first]]
        yield effect


class Worker(majordomo.Worker):
    """A worker's core: the one of MDP 0.1, whose reply comes part by part. Played with `steps(work)`."""

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """A command of the broker, or a part of our reply; what follows one that nobody wants any more is not made."""
        match frames:
            case [b"\x03", *part] if socket == WORK and part and self.client is not None:
                self.deadline = now + self.interval
                yield Send("broker", [WORKER, PARTIAL, self.client, b"", *part])
                yield Work([])
            case [_, *part] if socket == WORK:
                yield from super().receive(socket, part, now)
            case _:
                yield from super().receive(socket, _yesterday([b"broker", *frames])[1:], now)

    def _tell(self, now: float, *frames: bytes) -> Iterator[Effect]:
        self.deadline = now + self.interval
        yield Send("broker", [WORKER, NEW[frames[0]], *frames[1:]])


def steps(work: Job) -> Callable[[list[bytes]], list[bytes]]:
    """Work as the shell does it, one part at a time: a request begins a reply, [] asks for its next part."""
    parts: Generator[list[bytes], None, list[bytes]]

    def step(job: list[bytes]) -> list[bytes]:
        nonlocal parts
        parts = work(job) if job else parts
        try:
            return [PARTIAL, *next(parts)]
        except StopIteration as end:
            return [FINAL, *end.value]

    return step


@dataclass(frozen=True, slots=True)
class Reply:
    """What has become of a request: a PARTIAL or FINAL body; or EXPIRY, there is no reply; or LOSS, it broke off."""

    number: int  # of the request, from 0
    event: Event
    body: list[bytes]


@dataclass(eq=False, slots=True)
class _Dialogue:
    state: State = S.FREE
    number: int = -1
    body: list[bytes] = field(default_factory=list)
    left: int = 0  # tries
    deadline: float = AT_ONCE  # of this try


class Client:
    """A client's core: up to `window` requests in flight, a DEALER and a dialogue each. Its results are Replies.

    It takes the next of `bodies` when a dialogue is free, and not before: so a slow service slows whoever makes them.
    A try that is silent for `timeout` seconds ends with its socket, and the request is asked again on a new one.
    """

    def __init__(self, endpoint: str, service: bytes, bodies: Iterable[list[bytes]], window: int = WINDOW,
                 timeout: float = TIMEOUT, tries: int = TRIES) -> None:  # fmt: skip
        majordomo._check(service, window=window, timeout=timeout, tries=tries)
        self.endpoint, self.service, self.timeout, self.tries = endpoint, service, timeout, tries
        self.bodies = enumerate(bodies)
        self.dialogues = {f"broker {n}": _Dialogue() for n in range(window)}
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """Where a try was silent, ask again on a new socket, or give the request up and take the next."""
        for socket, it in self.dialogues.items():
            if it.deadline <= now:
                yield Close(socket)
                was, event = it.state, E.LOSS if it.left or it.state is S.BEGUN else E.EXPIRY
                it.state = TABLE[was, event]
                if was is not S.FREE and it.state is S.FREE:
                    yield Result(Reply(it.number, event, []))
                if it.state is S.ASKED or self._take(it):
                    yield Open(socket, zmq.DEALER, self.endpoint)
                    yield self._ask(socket, it, now)
        self.deadline = min(it.deadline for it in self.dialogues.values())

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """A part of a reply, or its end, after which the dialogue is free for the next. Anything else is not ours."""
        it = self.dialogues[socket]
        match frames:
            case [b"MDPC02", b"\x02" | b"\x03" as command, self.service, _, *_] if it.state is not S.FREE:
                event = E.FINAL if command == C_FINAL else E.PARTIAL
                reply, it.deadline = Reply(it.number, event, frames[3:]), now + self.timeout
                it.state = TABLE[it.state, event]
                if it.state is S.FREE:
                    yield self._ask(socket, it, now) if self._take(it) else Close(socket)
                yield Result(reply)

    def _take(self, it: _Dialogue) -> bool:
        """Whether there is one request more, which is this dialogue's now."""
        it.number, it.body = next(self.bodies, (-1, []))
        it.left, it.deadline = self.tries, NEVER
        if it.number >= 0:
            majordomo._check(frames=len(it.body))
        return it.number >= 0

    def _ask(self, socket: str, it: _Dialogue, now: float) -> Send:
        it.state, it.left, it.deadline = TABLE[it.state, E.REQUEST], it.left - 1, now + self.timeout
        return Send(socket, [CLIENT, C_REQUEST, self.service, *it.body])


def client(ctx: Context, service: str, *asked: str, endpoint: str = ENDPOINT, window: int = WINDOW,
           timeout: float = TIMEOUT, tries: int = TRIES) -> list[bytes]:  # fmt: skip
    """Ask all, `window` at once; return the replies' frames in the order of the requests, or raise TimeoutError."""
    core, ended = Client(endpoint, service.encode(), ([a.encode()] for a in asked), window, timeout, tries), 0
    frames: list[list[bytes]] = [[] for _ in asked]
    for reply in run(ctx, core) if asked else ():
        if not reply.body:
            raise TimeoutError(f"{service} did not answer request {reply.number}, {tries} tries, {timeout:g} s each")
        frames[reply.number] += reply.body
        ended += reply.event is E.FINAL
        if ended == len(asked):
            break
    return [frame for reply in frames for frame in reply]


def broker(ctx: Context, endpoint: str = ENDPOINT, interval: float = INTERVAL, expiry: float = EXPIRY,
           room: int = ROOM) -> None:  # fmt: skip
    """Hand requests to workers, for ever, and keep no more than `room` of them."""
    serve(ctx, Broker(endpoint, interval, expiry=expiry, room=room))


def words(body: list[bytes]) -> Generator[list[bytes], None, list[bytes]]:
    """The service that a worker offers unless it is given another: each word of the request, then their number."""
    found = b" ".join(body).split()
    yield from ([word] for word in found)
    return [b"%d words" % len(found)]


def worker(ctx: Context, service: str, endpoint: str = ENDPOINT, interval: float = INTERVAL, work: Job = words) -> None:
    """Offer a service, for ever; `work` yields a reply's parts and returns its end, and heartbeats go on meanwhile."""
    serve(ctx, Worker(endpoint, service.encode(), interval), steps(work))


if __name__ == "__main__":
    from .play import play

    play(broker, worker, client)
