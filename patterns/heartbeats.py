# SPDX-License-Identifier: BSD-3-Clause
"""Heartbeats: who has nothing to say says so; a watcher counts silence and tells who comes, is gone and comes back.

    peer DEALER --heartbeats and news--> ROUTER watcher
    python -m patterns.heartbeats watcher | peer kitchen      (in two terminals; Ctrl-Z freezes a peer, `fg` thaws it)

Frames: [HEARTBEAT], or [NEWS][body, any number of frames]; at the watcher behind the peer's name, which is its routing
id. Either is a sign of life. The frames are ours; PPP (RFC 6) and MDP (RFC 7) have heartbeats of their own.
Left out: a peer does not learn whether anybody watches it (see `majordomo`), and what it says then is lost; back-off.
Where a new connection takes a name over, what the old one has said and the watcher has not yet read is lost, too.
Copy with `shell.py` and what goes with it. Source: the ZeroMQ Guide, chapter 4, "Heartbeating".
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import partial
from typing import Any

import zmq

from .shell import AT_ONCE, NEVER, WORK, Effect, Open, Result, Send, Work, run, serve

ENDPOINT = "tcp://127.0.0.1:5555"
BEAT = 0.5  # seconds from one word of a peer to its next
PING = 5.0  # seconds from one PING of ZMTP to the next; a connection on which nothing answers by then is made anew.
# Whoever PINGs has no RCVHWM: libzmq 4.3.5 aborts the process when a full queue keeps it from reading the answer.
INTERVAL, LIVENESS = 1.0, 3  # seconds in which a peer has to be heard; silent ones until it is taken for gone

# What each trouble of a peer does to the report of it: "safe" is told in time, and taken back when it is over.
GUARANTEES = {
    "crash": ("safe", "test_a_dead_peer_is_reported_gone"),
    "freeze": ("safe", "test_a_frozen_peer_is_reported_gone_and_comes_back"),
    "cut": ("safe", "test_a_peer_behind_a_cut_is_reported_gone_and_comes_back"),
    "slow": ("safe", "test_a_job_longer_than_the_liveness_is_no_false_alarm"),
    "restart": ("lost", "test_a_restart_quicker_than_an_interval_leaves_no_trace"),
}
# In the textbook's words: a failure detector, complete and in the end accurate. Who is reported gone may live, behind a
# cut or a slow network. Use something else where two must never act for one (a lock with a time limit), or where a
# restart must be noticed (`majordomo`: the first word of each connection is READY).

Context = zmq.Context[Any]
Job = Callable[[list[bytes]], list[bytes]]
Report = Callable[[str, Any], object]
log = partial(logging.getLogger("heartbeats").warning, "%s: %s")  # goes to stderr, unless somebody decides otherwise
HEARTBEAT, NEWS = b"HEARTBEAT", b"NEWS"
NAME = re.compile(rb"[ -~]{1,64}")  # of a peer: printable, so no routing id that a ROUTER has made up


class State(StrEnum):  # of a peer; one that was never heard is GONE
    ALIVE, SUSPECTED, GONE = "alive", "suspected", "gone"


Event = Enum("Event", ["HEARD", "SILENT", "OVER"])  # a word; an interval without one; the last that is granted
S, E = State, Event
TABLE: dict[tuple[State, Event], State] = {
    (S.GONE, E.HEARD): S.ALIVE, (S.GONE, E.SILENT): S.GONE, (S.GONE, E.OVER): S.GONE,
    (S.ALIVE, E.HEARD): S.ALIVE, (S.ALIVE, E.SILENT): S.SUSPECTED, (S.ALIVE, E.OVER): S.GONE,
    (S.SUSPECTED, E.HEARD): S.ALIVE, (S.SUSPECTED, E.SILENT): S.SUSPECTED, (S.SUSPECTED, E.OVER): S.GONE,
}  # fmt: skip


@dataclass
class _Known:
    left: float = 0  # silent intervals until it is taken for gone
    due: float = 0  # when the interval at hand is over
    state: State = State.GONE


class Watcher:
    """The watcher's core, with one ROUTER named "peers". Its results are (name, State) and (name, body of its news)."""

    def __init__(self, endpoint: str, interval: float = INTERVAL, liveness: int = LIVENESS) -> None:
        _check(interval=interval, liveness=liveness)
        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness
        self.peers: dict[str, _Known] = {}
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """Count down for whoever was silent. A tick that comes late counts once: it was we who stood still."""
        if self.deadline == AT_ONCE:
            yield Open("peers", zmq.ROUTER, self.endpoint, bind=True, options={"router_handover": 1})
        for name, peer in list(self.peers.items()):
            if peer.due <= now:
                peer.left, peer.due = peer.left - 1, now + self.interval
                yield from self._step(name, Event.SILENT if peer.left > 0 else Event.OVER)
        self.deadline = min((peer.due for peer in self.peers.values()), default=NEVER)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """Any word of a named peer is a sign of life. Anything else is dropped."""
        match frames:
            case [name, b"HEARTBEAT"] | [name, b"NEWS", *_] if NAME.fullmatch(name):
                peer = self.peers.setdefault(name.decode(), _Known())
                peer.left, peer.due = self.liveness, now + self.interval
                self.deadline = min(self.deadline, peer.due)
                yield from self._step(name.decode(), Event.HEARD)
                if frames[1] == NEWS:
                    yield Result((name.decode(), frames[2:]))

    def _step(self, name: str, event: Event) -> Iterator[Effect]:
        peer = self.peers[name]
        before, peer.state = peer.state, TABLE[peer.state, event]
        if peer.state is State.GONE:
            del self.peers[name]
        if peer.state is not before:
            yield Result((name, peer.state))


class Peer:
    """A peer's core, with one DEALER named "watcher". What its jobs give is its news; heartbeats go on meanwhile."""

    def __init__(self, endpoint: str, name: str, beat: float = BEAT, works: bool = False) -> None:
        _check(name, beat=beat)
        self.endpoint, self.name, self.beat, self.works = endpoint, name.encode(), beat, works
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """A beat after our last word: a heartbeat."""
        first, self.deadline = self.deadline == AT_ONCE, now + self.beat
        if not first:
            yield Send("watcher", [HEARTBEAT])
        else:  # words to nobody are lost and do not pile up (immediate); to somebody, none is lost for want of room
            beats = {"heartbeat_ivl": round(PING * 1000), "rcvhwm": 0}
            options = {"routing_id": self.name, "immediate": 1, "sndhwm": 0, **beats}
            yield Open("watcher", zmq.DEALER, self.endpoint, options=options)
            if self.works:
                yield Work([])

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """What our job gave is news, and the next one begins. Nobody else has anything to tell us."""
        if socket == WORK:
            self.deadline = now + self.beat
            yield Send("watcher", [NEWS, *frames])
            yield Work([])


def _check(name: str = "-", **limits: float) -> None:
    if not NAME.fullmatch(name.encode()):
        raise ValueError(f"name: expected 1 to 64 printable ASCII characters, got {name!r}")
    for limit, value in limits.items():
        if not 0 < value < NEVER:
            raise ValueError(f"{limit}: expected a finite number above 0, got {value!r}")


def peer(ctx: Context, name: str, endpoint: str = ENDPOINT, beat: float = BEAT, work: Job | None = None) -> None:
    """Beat for ever. `work`, if there is any, is done again and again, and each time takes as long as it likes."""
    serve(ctx, Peer(endpoint, name, beat, work is not None), work)


def watcher(
    ctx: Context, endpoint: str = ENDPOINT, interval: float = INTERVAL, liveness: int = LIVENESS, report: Report = log
) -> None:
    """Watch for ever, and report who comes, falls silent, is gone and comes back, and what is new."""
    for name, what in run(ctx, Watcher(endpoint, interval, liveness)):
        report(name, what)


if __name__ == "__main__":
    from .play import play

    play(watcher, peer)
