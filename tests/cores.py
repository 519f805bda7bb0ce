# SPDX-License-Identifier: BSD-3-Clause
"""Cores on which the contract is tried, and a way to look at a seed that fails. Small, but true to their protocols.

Binary Star has three sockets and a server that must not start to serve for a dead peer alone. Freelance's client opens
connections while it runs, and takes its orders through a socket. (The Guide, chapter 4; RFC 10.)
"""

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from types import ModuleType
from typing import Any

import pytest
import zmq

from diagrams import draw
from diagrams.recording import Recording
from patterns.shell import AT_ONCE, NEVER, Close, Effect, Open, Result, Send, Subscribe
from patterns.simulation import Network

# -- a seed that fails ----------------------------------------------------------------------------------------


def survive(seeds: Iterable[int], scene: Callable[[Network], None], rows: int = 30) -> None:
    """Play a scene under each seed. One that fails is played again with a recording, and its end is told in words.

    The scene plays its nodes on the network it is given, runs it, and asserts what must hold.
    """
    for seed in seeds:
        try:
            scene(Network(seed))
        except Exception as error:
            error.add_note(f"seed {seed}:\n{replay(seed, scene, rows).text}")
            raise


def replay(seed: int, scene: Callable[[Network], None], rows: int = 30) -> draw.Picture:
    """The last rows of what happens in a scene under this seed."""
    recording = Recording()
    with contextlib.suppress(Exception):
        scene(Network(seed, write=recording.write))
    return draw.until(recording, None, rows)[0]


def broken(recipe: ModuleType, old: str, new: str) -> Any:
    """The recipe with this change, as a module of its own."""
    source = inspect.getsource(recipe)
    assert old in source
    module = ModuleType("patterns.broken")
    module.__package__ = "patterns"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "patterns.broken", module)  # dataclasses look there
        exec(compile(source.replace(old, new), "broken", "exec"), module.__dict__)
    return module


# -- a core that follows a script -----------------------------------------------------------------------------


def silent(socket: str, frames: list[bytes]) -> list[Effect]:
    return []


class Script:
    """Begins with some effects, answers what it hears, and has more to do so many seconds after its first tick."""

    def __init__(
        self,
        *first: Effect,
        hear: Callable[[str, list[bytes]], Iterable[Effect]] = silent,
        later: dict[float, list[Effect]] | None = None,
    ) -> None:
        self.first, self.hear, self.later = first, hear, sorted((later or {}).items())
        self.start, self.deadline = 0.0, AT_ONCE

    def tick(self, now: float) -> list[Effect]:
        due = []
        if self.deadline == AT_ONCE:
            self.start, due = now, [*self.first]
        while self.later and self.start + self.later[0][0] <= now:
            due += self.later.pop(0)[1]
        self.deadline = self.start + self.later[0][0] if self.later else NEVER
        return due

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterable[Effect]:
        return self.hear(socket, frames)


# -- Binary Star ----------------------------------------------------------------------------------------------


class State(Enum):
    """Of a server; the value is what it tells its peer."""

    PRIMARY = b"1"  # waits for its peer; serves whoever asks
    BACKUP = b"2"  # waits for its peer
    ACTIVE = b"3"  # serves
    PASSIVE = b"4"  # stands by


class Event(Enum):
    PEER_PRIMARY = b"1"
    PEER_BACKUP = b"2"
    PEER_ACTIVE = b"3"
    PEER_PASSIVE = b"4"
    REQUEST = b"a client asks"
    VOTE = b"a client asks, and the peer is silent"


S, E = State, Event
TABLE: dict[tuple[State, Event], State | None] = {  # None: two of a kind, an operator must decide
    (S.PRIMARY, E.PEER_PRIMARY): S.PRIMARY,
    (S.PRIMARY, E.PEER_BACKUP): S.ACTIVE,
    (S.PRIMARY, E.PEER_ACTIVE): S.PASSIVE,
    (S.PRIMARY, E.PEER_PASSIVE): S.PRIMARY,
    (S.PRIMARY, E.REQUEST): S.PRIMARY,
    (S.PRIMARY, E.VOTE): S.ACTIVE,
    (S.BACKUP, E.PEER_PRIMARY): S.BACKUP,
    (S.BACKUP, E.PEER_BACKUP): S.BACKUP,
    (S.BACKUP, E.PEER_ACTIVE): S.PASSIVE,
    (S.BACKUP, E.PEER_PASSIVE): S.BACKUP,
    (S.BACKUP, E.REQUEST): S.BACKUP,
    (S.BACKUP, E.VOTE): S.BACKUP,
    (S.ACTIVE, E.PEER_PRIMARY): S.ACTIVE,
    (S.ACTIVE, E.PEER_BACKUP): S.ACTIVE,
    (S.ACTIVE, E.PEER_ACTIVE): None,
    (S.ACTIVE, E.PEER_PASSIVE): S.ACTIVE,
    (S.ACTIVE, E.REQUEST): S.ACTIVE,
    (S.ACTIVE, E.VOTE): S.ACTIVE,
    (S.PASSIVE, E.PEER_PRIMARY): S.ACTIVE,
    (S.PASSIVE, E.PEER_BACKUP): S.ACTIVE,
    (S.PASSIVE, E.PEER_ACTIVE): S.PASSIVE,
    (S.PASSIVE, E.PEER_PASSIVE): None,
    (S.PASSIVE, E.REQUEST): S.PASSIVE,
    (S.PASSIVE, E.VOTE): S.ACTIVE,
}


class Star:
    """A server of the pair: PUB "out" and SUB "in" for its peer, ROUTER "clients". It gives its state as a result."""

    def __init__(self, first: State, clients: str, out: str, peer: str, interval: float = 1.0) -> None:
        self.state, self.clients, self.out, self.peer, self.interval = first, clients, out, peer, interval
        self.expiry = self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        if self.deadline == AT_ONCE:
            yield Open("clients", zmq.ROUTER, self.clients, bind=True)
            yield Open("out", zmq.PUB, self.out, bind=True)
            yield Open("in", zmq.SUB, self.peer)
            yield Subscribe("in", b"")
            self.expiry = now + 2 * self.interval
        self.deadline = now + self.interval
        yield Send("out", [self.state.value])

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        match socket, frames:
            case "in", [b"1" | b"2" | b"3" | b"4" as state]:
                self.expiry = now + 2 * self.interval
                yield from self._step(Event(state))
            case "clients", [client, b"", *body]:
                yield from self._step(Event.VOTE if self.expiry <= now else Event.REQUEST)
                if self.state in (State.PRIMARY, State.ACTIVE):
                    yield Send("clients", [client, b"", *body])

    def _step(self, event: Event) -> Iterator[Effect]:
        after = TABLE[self.state, event]
        if after is None:
            raise RuntimeError(f"{event.name} while {self.state.name}")
        if after is not self.state:
            self.state = after
            yield Result(after)


class StarClient:
    """Asks one server until it is silent, then the other; gives each reply as a result. DEALER "server"."""

    def __init__(self, servers: list[str], questions: int, timeout: float = 1.0, pause: float = 0.1) -> None:
        self.servers, self.left, self.timeout, self.pause = servers, questions, timeout, pause
        self.waiting, self.number, self.deadline = True, 0, AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        if self.waiting:  # in vain, or for the first time
            yield Close("server")
            yield Open("server", zmq.DEALER, self.servers[0])
            self.servers = self.servers[1:] + self.servers[:1]
        self.waiting, self.deadline = True, now + self.timeout
        yield Send("server", [b"", b"%d" % self.number])

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        if frames == [b"", b"%d" % self.number] and self.waiting:
            self.waiting, self.left, self.number = False, self.left - 1, self.number + 1
            self.deadline = now + self.pause if self.left else NEVER
            yield Result(int(frames[1]))


# -- Freelance ------------------------------------------------------------------------------------------------


class FreeServer:
    """A server of RFC 10: its routing id is its endpoint. ROUTER "clients"."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self.deadline = endpoint, AT_ONCE

    def tick(self, now: float) -> list[Effect]:
        self.deadline = NEVER
        return [Open("clients", zmq.ROUTER, self.endpoint, bind=True, options={"routing_id": self.endpoint.encode()})]

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
        match frames:
            case [client, b"PING"]:
                return [Send("clients", [client, b"PONG"])]
            case [client, control, _, *_]:
                return [Send("clients", [client, control, b"OK", self.endpoint.encode()])]
        return []


class FreeClient:
    """A client of RFC 10. Takes orders on DEALER "orders": [b"connect", endpoint] and [b"ask", *body]; answers there.

    ROUTER "servers" has one endpoint more with each order to connect. A request goes to the first server that lives.
    """

    def __init__(self, orders: str, ping: float = 0.5, patience: float = 1.5, timeout: float = 5.0) -> None:
        self.orders, self.ping, self.patience, self.timeout = orders, ping, patience, timeout
        self.alive: dict[bytes, float] = {}  # server: until when
        self.pings: dict[bytes, float] = {}  # server: when it is asked next whether it lives
        self.asked: list[bytes] = []
        self.number, self.expiry, self.deadline = 0, NEVER, AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        if self.deadline == AT_ONCE:
            yield Open("orders", zmq.DEALER, self.orders, bind=True)
        for server, due in self.pings.items():
            if due <= now:
                self.pings[server] = now + self.ping
                yield Send("servers", [server, b"PING"])
        if self.asked and self.expiry <= now:
            self.asked, self.expiry = [], NEVER
            yield Send("orders", [b"FAILED"])
        yield from self._ask(now)
        self._clock()

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        match socket, frames:
            case "orders", [b"connect", server]:
                self.pings[server] = now
                yield Open("servers", zmq.ROUTER, server.decode())
            case "orders", [b"ask", _, *_]:
                self.number, self.asked, self.expiry = self.number + 1, frames[1:], now + self.timeout
                yield from self._ask(now)
            case "servers", [server, *rest] if server in self.pings:
                self.alive[server] = now + self.patience
                if len(rest) > 1 and self.asked and rest[0] == b"%d" % self.number:
                    self.asked, self.expiry = [], NEVER
                    yield Send("orders", rest[1:])
                yield from self._ask(now) if rest == [b"PONG"] else ()
        self._clock()

    def _ask(self, now: float) -> Iterator[Effect]:
        """Ask the first server that lives, as often as we look: an answer is taken once."""
        for server in [s for s in self.pings if self.alive.get(s, 0.0) > now and self.asked][:1]:
            yield Send("servers", [server, b"%d" % self.number, *self.asked])

    def _clock(self) -> None:
        self.deadline = min([*self.pings.values(), self.expiry])
