# SPDX-License-Identifier: BSD-3-Clause
"""Peers that speak by hand: what the checks of brokers share.

    with Table(scene, "frontend", "backend") as table:      # a check derives its own, with what its contract asks for
        ann, ada = table.seat("Ann", "frontend"), table.seat("Ada", "backend")
        ada.say(b"READY")
        ann.say(b"please")
        assert ada.hears() == [b"", b"Ann", b"", b"please"]

Every peer is a DEALER whose routing id is its name, with a Context of its own, so that the picture knows who spoke.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Self

import zmq

from diagrams import trace

from . import walls
from .answer import Call
from .scene import GRACE, LOOK, Answer, NotYet, Scene, TookTooLong, unexpected

START = 4.0  # seconds in which an answer that runs has to have bound its sockets
SOON = 1.2  # seconds in which it does what nothing keeps it from
GLANCE = 0.15  # seconds for a message that would be on its way already
END = 3.0  # seconds in which it ends with its Context
MUCH, SOME = 0.3, 0.06  # computing, as a part of the time: of one that never sleeps, alone and on a busy machine
UNBOUND = "no socket was bound"
LOST_FRAME = "an empty frame was lost"
ENDLESS = "the end of its Context did not end it"

Frames = list[bytes]


class Peer:
    """A client or a worker."""

    def __init__(self, table: Table, name: str, endpoint: str) -> None:
        self.table, self.title, self.name = table, name, name.encode()
        self.socket = table.context(name).socket(zmq.DEALER)
        table.closing.callback(self.socket.close, 0)
        self.socket.routing_id = self.name
        self.socket.connect(endpoint)

    def say(self, *frames: bytes) -> None:
        """Send what a REQ would send: an empty frame stands before these."""
        self.raw(b"", *frames)

    def raw(self, *frames: bytes) -> None:
        self.socket.send_multipart(frames)

    def glance(self, seconds: float = GLANCE) -> Frames:
        """What is there, or comes within a moment; nothing if it is nothing."""
        return self.socket.recv_multipart() if self.socket.poll(seconds * 1000) else []

    def hears(self, seconds: float = SOON) -> Frames:
        """The next message; nothing if none comes, or the answer has ended."""
        return self.table.first([self], seconds)[1]


def _listens(endpoint: str) -> bool:
    """Whether somebody does. What connects says no word of ZMTP, so that nobody takes it for a peer."""
    transport, _, address = endpoint.partition("://")
    host, _, port = address.rpartition(":")
    kind, where = (socket.AF_UNIX, address) if transport == "ipc" else (socket.AF_INET, (host, int(port)))
    with socket.socket(kind) as probe:
        return probe.connect_ex(where) == 0


class Table:
    """An answer under trial and the peers around it. `args` are its arguments behind the endpoints, `how` the rest of
    its Call."""

    kind = Peer  # what is seated; a check may derive its own

    def __init__(self, scene: Scene, *ends: str, args: Sequence[Any] = (), **how: Any) -> None:
        self.scene, self.ends = scene, {end: scene.stage.endpoint(end) for end in ends}
        self.answer: Answer = scene.answer(Call((*self.ends.values(), *args), **how))
        self.closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Return when somebody listens at every end; how long a process takes to start is no matter."""
        with self.closing:
            for end, endpoint in self.ends.items():
                self.answer.begun()
                until = time.monotonic() + START
                while not _listens(endpoint):
                    self.alive()
                    if time.monotonic() > until:
                        self.blame(UNBOUND, f"It ran for {START:g} s, and nobody was bound at its {end}.")
                    time.sleep(LOOK)
            self.closing = self.closing.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.close()

    def context(self, name: str) -> trace.Context:
        """A Context whose sockets are this actor's in the picture; it ends with the table."""
        context = trace.Context(self.scene.recording, name)
        self.closing.callback(context.term)
        return context

    def seat(self, name: str, end: str) -> Any:
        return self.kind(self, name, self.ends[end])

    def first(self, peers: Sequence[Peer], seconds: float = SOON) -> tuple[Peer, Frames]:
        """Who of these hears something first, and what; the first of them and nothing if nobody does."""
        by_socket, until = {peer.socket: peer for peer in peers}, time.monotonic() + self.scene.within(seconds)
        ended = False
        while not (ready := zmq.select(list(by_socket), [], [], 0.02)[0]) and time.monotonic() < until:
            if self.answer.process.told and not ended:
                ended, until = True, min(until, time.monotonic() + GRACE)
        return (by_socket[ready[0]], ready[0].recv_multipart()) if ready else (peers[0], [])

    def alive(self) -> None:
        """An answer that has ended, which it never should, is to blame for whatever is missing."""
        if outcome := self.answer.ended():
            unexpected(outcome)

    def end(self) -> None:
        """End its Context: it has to return, or let that through."""
        try:
            [outcome] = self.answer.ends(END)
        except TookTooLong as where:
            raise NotYet(ENDLESS, f"Its Context was terminated, and {END:g} s later it still stood {where}.") from None
        if outcome.error and outcome.errno != zmq.ETERM:  # a socket that is opened too late raises it, too
            unexpected(outcome)

    def blame(self, label: str, happened: str, peer: Peer | None = None) -> NoReturn:
        """The verdict, pointing at the last thing that this peer heard or said."""
        name = peer.title if peer else ""
        events = [e for e in self.scene.recording.events if e.actor == name and e.kind in ("send", "receive")]
        raise NotYet(label, happened, events[-1] if events else None)

    def silent(self, missing: str) -> NoReturn:
        """Somebody waits and nothing comes, for no reason that has a name here."""
        self.alive()
        raise TookTooLong(f"{self.answer.stood()}, and {missing} was waited for in vain")

    def framed(self, peer: Peer, frames: Frames, count: int) -> None:
        """A message that has so many empty frames must have them."""
        if frames[0] or frames.count(b"") < count:
            self.blame(LOST_FRAME, f"{peer.title} got {frames!r}, which has not all of its empty frames.", peer)


def spun(pid: int, seconds: float, pause: Callable[[], object]) -> float:
    """The seconds of computing of a process that is seen not to sleep in this time; 0 of one that sleeps.

    Where the machine is busy, one that never sleeps computes little, but it is hardly ever seen asleep. Nor is one that
    is late with something; that comes to an end, so it is looked at twice. `pause` is made between two looks.
    """
    for _ in range(2):
        start, before, seen = time.monotonic(), computed(pid), list[bool]()
        while (lasted := time.monotonic() - start) < seconds:
            seen.append(asleep(pid))
            pause()
        spent = computed(pid) - before
        if spent > MUCH * lasted:
            return spent
        if spent < SOME * lasted or sum(seen) >= len(seen) / 5:
            return 0.0
    return spent


def computed(pid: int) -> float:
    """Seconds of computing time that a process has used, where the system tells (Linux)."""
    return sum(int(line.split()[0]) for line in _threads(pid, "schedstat")) / 1e9


def asleep(pid: int) -> bool:
    """Whether no thread of a process runs or would like to."""
    return not any(line.rpartition(") ")[2].startswith("R") for line in _threads(pid, "stat"))


def _threads(pid: int, name: str) -> list[str]:
    """What stands in this file of each thread."""
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            found.append(walls.told(pid, f"task/{thread}/{name}").decode(errors="replace"))
    return found
