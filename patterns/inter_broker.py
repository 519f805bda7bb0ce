# SPDX-License-Identifier: BSD-3-Clause
"""Inter-broker state: each broker tells its peers how many workers it has free, and believes them for a while only.

    A statebe XPUB ---[name][capacity]---> SUB statefe of B, of C, ...      and so does each of them
    python -m patterns.inter_broker broker A B C --capacity 3      (broker A among peers B and C; likewise B A C, C A B)

Frames: [name][capacity], the capacity in decimal digits: workers that are free. It is said when it changes, to whoever
subscribes (so nobody waits for a first word), and again every `beat`. What is not heard of again is fresh, then stale,
then gone; only what is fresh is counted on. The frames are the Guide's; its brokers believe for ever.
Left out: the flow of tasks, whose four sockets have their names and places here already; who its peers are is given.
Copy with `shell.py` and what goes with it. Source: the ZeroMQ Guide, chapter 3, "Worked Example: Inter-Broker Routing".
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import partial
from typing import Any

import zmq

from .shell import AT_ONCE, NEVER, Effect, Open, Result, Send, Subscribe, run

BEAT = 0.5  # seconds from one word of a broker to its next
STALE, GONE = 1.5, 5.0  # seconds since a peer's last word until it is not counted on any more, and until it is given up
PING = 5.0  # seconds from one PING of ZMTP to the next; a connection on which nothing answers by then is made anew.
# Whoever PINGs has no RCVHWM: libzmq 4.3.5 aborts the process when a full queue keeps it from reading the answer.
PORT = 5600  # of broker A's first socket; each broker has ten ports

# What each trouble of a peer does to what is believed of it: "safe" is not counted on in time, and again when it is
# over. "lost" is the truth of it: what comes late is taken for new.
GUARANTEES = {
    "crash": ("safe", "test_a_dead_broker_is_believed_for_a_while_and_no_longer"),
    "freeze": ("safe", "test_a_frozen_broker_is_not_counted_on_until_it_thaws"),
    "cut": ("safe", "test_a_broker_behind_a_cut_is_not_counted_on_until_it_is_healed"),
    "slow": ("lost", "test_a_word_that_was_long_on_its_way_is_taken_for_new"),
    "restart": ("safe", "test_a_restarted_broker_is_believed_at_its_first_word"),
}
# In the textbook's words: soft state, eventually right. Until STALE has passed a dead broker is counted on, so whoever
# sends work by it must be able to send it elsewhere. Use something else where two must never take the same worker (ask
# it, as `load_balancing` does), or where there are so many brokers that each cannot hear all (a hub, see `proxies`).

Context = zmq.Context[Any]
Place = Callable[[str, str], str]
Report = Callable[[str, Any, int], object]
log = partial(logging.getLogger("inter_broker").warning, "%s: %s, %d free")
NAME = re.compile(r"[!-~]{1,64}")  # of a broker
CAPACITY = re.compile(rb"[0-9]{1,6}")

# The names of a broker's sockets say what they are for. local: its own clients and workers; cloud: tasks of and for
# other brokers; state: who has room. fe, the front, is where something comes from; be, the back, is where it goes.
# Each is of a type, and is bound, or connected to the sockets of this name at all peers.
SOCKETS: dict[str, tuple[int, str]] = {
    "localfe": (zmq.ROUTER, ""), "localbe": (zmq.ROUTER, ""),
    "cloudfe": (zmq.ROUTER, ""), "cloudbe": (zmq.ROUTER, "cloudfe"),
    "statefe": (zmq.SUB, "statebe"), "statebe": (zmq.XPUB, ""),
}  # fmt: skip


def address(broker: str, socket: str, port: int = PORT) -> str:
    """Where a broker of one letter has the socket of this name, on this machine. `port` is A's first."""
    if not re.fullmatch("[A-Z]", broker):
        raise ValueError(f"broker: expected a letter from A to Z, or another `place`, got {broker!r}")
    return f"tcp://127.0.0.1:{port + 10 * (ord(broker) - ord('A')) + list(SOCKETS).index(socket)}"


def wiring(flow: str, me: str, peers: tuple[str, ...], place: Place = address) -> Iterator[Open]:
    """Every bind and connect of a broker's sockets in this flow ("state"), or in all of them ("")."""
    for name, (kind, other) in SOCKETS.items():
        if name.startswith(flow):
            options = {zmq.SUB: {"heartbeat_ivl": round(PING * 1000), "rcvhwm": 0}, zmq.XPUB: {"xpub_verbose": 1}}
            for owner in peers if other else [me]:
                yield Open(name, kind, place(owner, other or name), not other, options.get(zmq.SocketType(kind), {}))


class Belief(StrEnum):  # in what a peer has said; one that was never heard is GONE
    FRESH, STALE, GONE = "fresh", "stale", "gone"


Event = Enum("Event", ["HEARD", "LATE", "OVER"])  # a word; none for `stale` seconds; none for `gone` seconds
B, E = Belief, Event
TABLE: dict[tuple[Belief, Event], Belief] = {
    (B.GONE, E.HEARD): B.FRESH, (B.GONE, E.LATE): B.GONE, (B.GONE, E.OVER): B.GONE,
    (B.FRESH, E.HEARD): B.FRESH, (B.FRESH, E.LATE): B.STALE, (B.FRESH, E.OVER): B.GONE,
    (B.STALE, E.HEARD): B.FRESH, (B.STALE, E.LATE): B.STALE, (B.STALE, E.OVER): B.GONE,
}  # fmt: skip


@dataclass
class Peer:
    """What is known of another broker: how many workers it said it has free, when, and what that is worth."""

    capacity: int = 0
    heard: float = AT_ONCE
    belief: Belief = Belief.GONE


class StateFlow:
    """The core of the state flow, with XPUB "statebe" and SUB "statefe". Its results are (peer, Belief, capacity).

    There is one whenever a peer's belief or its capacity changes. `offer` says what this broker itself has free.
    """

    def __init__(
        self,
        name: str,
        peers: tuple[str, ...],
        capacity: int = 0,
        place: Place = address,
        beat: float = BEAT,
        stale: float = STALE,
        gone: float = GONE,
    ) -> None:
        for each in (name, *peers):
            if not NAME.fullmatch(each):
                raise ValueError(f"name: expected 1 to 64 printable ASCII characters and no space, got {each!r}")
        if len({name, *peers}) <= len(peers):
            raise ValueError(f"peers: expected each once, and not {name!r} itself, got {peers!r}")
        if not 0 < beat < stale < gone < NEVER:
            raise ValueError(f"beat, stale, gone: expected 0 < beat < stale < gone, got {beat!r}, {stale!r}, {gone!r}")
        self.name, self.capacity, self.wires = name, _free(capacity), list(wiring("state", name, peers, place))
        self.beat, self.stale, self.gone = beat, stale, gone
        self.peers = {peer: Peer() for peer in peers}
        self.due = self.deadline = AT_ONCE

    def free(self) -> dict[str, int]:
        """The peers that may be counted on, and how many workers each of them has free."""
        return {name: peer.capacity for name, peer in self.peers.items() if peer.belief is Belief.FRESH}

    def offer(self, capacity: int, now: float) -> Iterator[Effect]:
        """So many of our own workers are free now. A change is said at once."""
        if _free(capacity) != self.capacity:
            self.capacity = capacity
            yield from self._say(now) if self.due > AT_ONCE else ()
        self._wind()

    def tick(self, now: float) -> Iterator[Effect]:
        """A beat after our last word: say it again. And see who has been silent for too long."""
        if self.due == AT_ONCE:
            yield from self.wires
            if self.peers:
                yield Subscribe("statefe", b"")
        if self.due <= now:
            yield from self._say(now)
        for name, peer in self.peers.items():
            if now >= peer.heard + self.stale:
                yield from self._step(name, Event.OVER if now >= peer.heard + self.gone else Event.LATE)
        self._wind()

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """A peer's state is believed from now on; a subscriber is told ours. Anything else is dropped."""
        match socket, frames:
            case "statebe", [event] if event.startswith(b"\1"):
                yield from self._say(now)
            case "statefe", [name, capacity] if (who := name.decode(errors="replace")) in self.peers:
                if CAPACITY.fullmatch(capacity):
                    peer = self.peers[who]
                    before, peer.capacity, peer.heard = peer.capacity, int(capacity), now
                    yield from self._step(who, Event.HEARD, before != peer.capacity)
        self._wind()

    def _say(self, now: float) -> Iterator[Effect]:
        self.due = now + self.beat
        yield Send("statebe", [self.name.encode(), b"%d" % self.capacity])

    def _step(self, name: str, event: Event, news: bool = False) -> Iterator[Effect]:
        peer = self.peers[name]
        before, peer.belief = peer.belief, TABLE[peer.belief, event]
        if peer.belief is Belief.GONE:
            peer.capacity = 0
        if news or peer.belief is not before:
            yield Result((name, peer.belief, peer.capacity))

    def _wind(self) -> None:
        ages = {Belief.FRESH: self.stale, Belief.STALE: self.gone}
        known = [peer for peer in self.peers.values() if peer.belief in ages]
        self.deadline = min([self.due, *(peer.heard + ages[peer.belief] for peer in known)])


def _free(capacity: int) -> int:
    if not CAPACITY.fullmatch(str(capacity).encode()):
        raise ValueError(f"capacity: expected a whole number from 0 to 999999, got {capacity!r}")
    return capacity


def broker(
    ctx: Context,
    name: str,
    *peers: str,
    capacity: int = 0,
    port: int = PORT,
    place: Place | None = None,
    beat: float = BEAT,
    stale: float = STALE,
    gone: float = GONE,
    report: Report = log,
) -> None:
    """Tell the peers, for ever, that so many workers are free here, and report what they have free.

    port   of broker A's first socket, the same for all; brokers are letters then
    place  tells where a broker has the socket of a name, if it is elsewhere: place("A", "statebe") is an endpoint
    """
    place = place or partial(address, port=port)
    for who, belief, free in run(ctx, StateFlow(name, peers, capacity, place, beat, stale, gone)):
        report(who, belief, free)


if __name__ == "__main__":
    from .play import play

    play(broker)
