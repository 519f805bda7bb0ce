# SPDX-License-Identifier: BSD-3-Clause
"""Binary Star: two servers, one of which answers; the other takes over for a dead peer, if a client asks it to.

    client REQ --request--> ROUTER active PUB --state--> SUB passive       (and PUB to SUB the other way)
           x closes, a new REQ --request--> ROUTER passive
    python -m patterns.binary_star primary | backup | client hello             (each in a terminal of its own)

Frames: of a server to its peer [state], a digit as text: 1 PRIMARY, 2 BACKUP, 3 ACTIVE, 4 PASSIVE, in every interval
and at each change. Requests and replies as in `request_reply`: any REQ is a client.
Left out: what the active knows is not carried over (see `clone`), and nothing goes back to the primary by itself.
Copy with `shell.py` and what goes with it, `lazy_pirate.py`, `request_reply.py`.
Source: the ZeroMQ Guide, chapter 4, "High-Availability Pair (Binary Star Pattern)".
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum, StrEnum
from functools import partial
from typing import Any

import zmq

from . import lazy_pirate
from .request_reply import upper
from .shell import AT_ONCE, NEVER, WORK, Close, Core, Effect, Open, Result, Send, Subscribe, Work, run

PRIMARY, BACKUP = "tcp://127.0.0.1:5001", "tcp://127.0.0.1:5002"  # for clients
PRIMARY_STATE, BACKUP_STATE = "tcp://127.0.0.1:5003", "tcp://127.0.0.1:5004"  # each for its peer
INTERVAL, LIVENESS = 1.0, 2  # seconds from one word of a server to its next; silent ones until a request is a vote
TIMEOUT, TRIES = 1.0, 12  # seconds that a client waits for one reply; tries at both servers together

# What each trouble does to the promise that one of two answers. "Safe": one, or for a while none; "duplicated": both.
GUARANTEES = {
    "crash": ("safe", "test_a_dead_active_is_followed_by_its_peer_when_a_client_asks"),
    "freeze": ("safe", "test_a_frozen_active_that_thaws_answers_nobody"),
    "cut": ("duplicated", "test_a_cut_between_the_servers_and_a_client_on_either_side_make_two_actives"),
    "slow": ("safe", "test_a_job_longer_than_the_patience_leaves_the_active_in_office"),
    "restart": ("safe", "test_a_primary_that_was_restarted_stands_by"),
}
# It rests on this: while both run, a word of either reaches the other within half an interval. Of a request: at least
# once, or TimeoutError. Use something else where the two may be parted, with clients on both sides (`leader_election`).

Context = zmq.Context[Any]
Service = Callable[[bytes], bytes]
Report = Callable[["State"], object]
log = partial(logging.getLogger("binary_star").warning, "%s")  # goes to stderr, unless somebody decides otherwise
OUT, IN = "states out", "states in"  # the names of a pair's own sockets


class State(StrEnum):
    PRIMARY, BACKUP = "primary", "backup"  # has just begun, and waits for a word from its peer
    ACTIVE, PASSIVE = "active", "passive"  # answers; stands by
    HALTED = "halted"  # has met its like, and says no more until an operator starts it again


# The peer says what it is; a client asks while the peer is heard (REQUEST), or while it is silent (VOTE)
Event = Enum("Event", ["PEER_PRIMARY", "PEER_BACKUP", "PEER_ACTIVE", "PEER_PASSIVE", "REQUEST", "VOTE"])
S, E = State, Event
TABLE: dict[tuple[State, Event], State] = {
    (state, event): after
    for state, row in {
        # PEER_     PRIMARY    BACKUP     ACTIVE     PASSIVE    REQUEST    VOTE
        S.PRIMARY: (S.PRIMARY, S.ACTIVE, S.PASSIVE, S.PRIMARY, S.PRIMARY, S.ACTIVE),
        S.BACKUP: (S.BACKUP, S.BACKUP, S.PASSIVE, S.BACKUP, S.BACKUP, S.BACKUP),
        S.ACTIVE: (S.ACTIVE, S.ACTIVE, S.HALTED, S.ACTIVE, S.ACTIVE, S.ACTIVE),
        S.PASSIVE: (S.ACTIVE, S.ACTIVE, S.PASSIVE, S.HALTED, S.PASSIVE, S.ACTIVE),
        S.HALTED: (S.HALTED, S.HALTED, S.HALTED, S.HALTED, S.HALTED, S.HALTED),
    }.items()
    for event, after in zip(Event, row, strict=True)
}
SAYS = {S.PRIMARY: b"1", S.BACKUP: b"2", S.ACTIVE: b"3", S.PASSIVE: b"4"}
HEARD = {b"1": E.PEER_PRIMARY, b"2": E.PEER_BACKUP, b"3": E.PEER_ACTIVE, b"4": E.PEER_PASSIVE}


class Pair:
    """One of two servers, around a core that need not know of it. Its results: the core's, and each State it comes to.

    core    the server; its ticks, and what comes on its other sockets, are its own at all times
    first   State.PRIMARY or State.BACKUP, of the two servers one each
    mine    where this server tells its state: a PUB, bound; `peer` is where the other does: a SUB, connected
    voter   the core's socket for clients: whatever is received or sent there passes only while this server is active
    became  called with each new state and the time; what it returns is done as well
    interval, liveness  as in `heartbeats`, the same at both
    """

    def __init__(
        self, core: Core, first: State, mine: str, peer: str, voter: str = "clients",
        became: Callable[[State, float], Iterable[Effect]] = lambda state, now: (),
        interval: float = INTERVAL, liveness: float = LIVENESS,
    ) -> None:  # fmt: skip
        for name, value, least in (("interval", interval, 0.001), ("liveness", liveness, 2)):
            if not least <= value < NEVER:
                raise ValueError(f"{name}: expected a finite number from {least} on, got {value!r}")
        if first not in (State.PRIMARY, State.BACKUP):
            raise ValueError(f"first: expected State.PRIMARY or State.BACKUP, got {first!r}")
        self.core, self.mine, self.peer, self.voter, self.became = core, mine, peer, voter, became
        self.interval, self.patience = interval, interval * liveness
        self.first = self.state = State(first)
        self.expiry = AT_ONCE  # until then the peer counts as heard
        self.lease = AT_ONCE  # until then we count as heard by the peer, even if our next word is slow
        self.due = self.deadline = AT_ONCE

    def tick(self, now: float) -> list[Effect]:
        """In every interval our state; and the core's tick, when it wants one."""
        effects = self._awake(now)
        if now >= self.due:
            effects += self._tell(now)
        if now >= self.core.deadline:
            effects += self._passed(self.core.tick(now))
        self.deadline = min(self.due, self.core.deadline)
        return effects

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
        """A word from the peer, a request, or what the core alone has to know. A word that is none is dropped."""
        effects = self._awake(now)
        if socket == IN:
            if not effects and len(frames) == 1 and (event := HEARD.get(frames[0])):
                self.expiry = now + self.patience
                effects = self.step(event, now)
        elif socket != self.voter:
            effects += self._passed(self.core.receive(socket, frames, now))
        else:
            effects += self.step(E.VOTE if now >= self.expiry else E.REQUEST, now)
            if self.state is S.ACTIVE:
                effects += self.core.receive(socket, frames, now)
        self.deadline = min(self.due, self.core.deadline)
        return effects

    def step(self, event: Event, now: float) -> list[Effect]:
        """Do what the table says."""
        after = TABLE[self.state, event]
        return self._enter(after, now) if after is not self.state else []

    def _awake(self, now: float) -> list[Effect]:
        """Begin; or begin anew, if we have stood still for so long that the peer may have taken over.

        What it said meanwhile is old, and goes with its socket. It may stand still itself just now, as long as we may,
        and has then an interval until its next word: so at first it is given twice the patience.
        """
        if now < self.lease:
            return []
        opened: Effect = Open(OUT, zmq.PUB, self.mine, bind=True) if self.lease == AT_ONCE else Close(IN)
        beats = {"heartbeat_ivl": round(self.patience * 1000), "rcvhwm": 0}  # a half-open connection is made anew
        self.expiry = now + 2 * self.patience
        return [opened, Open(IN, zmq.SUB, self.peer, options=beats), Subscribe(IN, b""), *self._enter(self.first, now)]

    def _enter(self, state: State, now: float) -> list[Effect]:
        self.state = state
        return [*self._tell(now), Result(state), *self._passed(self.became(state, now))]

    def _tell(self, now: float) -> list[Effect]:
        if self.state is S.HALTED:
            self.due = self.lease = NEVER
            return []
        self.due, self.lease = now + self.interval, now + self.patience - self.interval / 2
        return [Send(OUT, [SAYS[self.state]])]

    def _passed(self, effects: Iterable[Effect]) -> Iterable[Effect]:
        """What the core wants, without what it says to clients if this server is not active."""
        return [e for e in effects if self.state is S.ACTIVE or not (isinstance(e, Send) and e.socket == self.voter)]


class Server:
    """A core with a job for each request: address, empty frame, body; the result is the reply. ROUTER "clients"."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self.deadline = endpoint, AT_ONCE

    def tick(self, now: float) -> list[Effect]:
        self.deadline = NEVER
        return [Open("clients", zmq.ROUTER, self.endpoint, bind=True)]

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
        if socket == WORK:
            return [Send("clients", frames)]
        return [Work(frames)] if frames[1:2] == [b""] else []


def serve(ctx: Context, pair: Pair, work: Service = upper, report: Report = log) -> None:
    """Play one of two that is around a `Server`, for ever, and report what it becomes."""
    for state in run(ctx, pair, lambda job: [*job[:2], *map(work, job[2:])]):
        report(state)


def primary(
    ctx: Context, endpoint: str = PRIMARY, mine: str = PRIMARY_STATE, peer: str = BACKUP_STATE,
    interval: float = INTERVAL, liveness: float = LIVENESS, work: Service = upper, report: Report = log,
) -> None:  # fmt: skip
    """Answer each request with `work` of its frames while this server is active, for ever; report what it becomes."""
    serve(ctx, Pair(Server(endpoint), S.PRIMARY, mine, peer, interval=interval, liveness=liveness), work, report)


def backup(
    ctx: Context, endpoint: str = BACKUP, mine: str = BACKUP_STATE, peer: str = PRIMARY_STATE,
    interval: float = INTERVAL, liveness: float = LIVENESS, work: Service = upper, report: Report = log,
) -> None:  # fmt: skip
    """The same, as the server that at first waits for the primary."""
    serve(ctx, Pair(Server(endpoint), S.BACKUP, mine, peer, interval=interval, liveness=liveness), work, report)


def client(
    ctx: Context, *requests: str, primary: str = PRIMARY, backup: str = BACKUP, timeout: float = TIMEOUT,
    tries: int = TRIES,
) -> list[str]:  # fmt: skip
    """Ask each request in turn and return the replies. Raises TimeoutError for the first that nobody answers."""
    servers = [primary, backup]
    replies = (ask(ctx, request.encode(), servers, timeout, tries) for request in requests)
    return [reply.decode(errors="backslashreplace") for reply in replies]


def ask(ctx: Context, request: bytes, servers: list[str], timeout: float = TIMEOUT, tries: int = TRIES) -> bytes:
    """Return the reply of one server or the other; whoever answers stands first in `servers` from then on."""
    lazy_pirate.check(timeout, tries)
    for _ in range(tries):
        with suppress(TimeoutError):
            return lazy_pirate.ask(ctx, request, servers[0], timeout, tries=1)
        servers.append(servers.pop(0))
    raise TimeoutError(f"{' and '.join(sorted(servers))} did not answer {tries} times, {timeout:g} s each")


if __name__ == "__main__":
    from .play import play

    play(primary, backup, client)
