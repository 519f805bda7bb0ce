# SPDX-License-Identifier: BSD-3-Clause
"""What was said in a run: events, the messages they make, and their causal order. Pure data.

`trace` and `wire` add events, `draw` reads messages and marks. An event is one act of one actor on one socket; a
message is a send, what the wire did to it, and the receives that belong to it. Nothing here opens a socket.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path
from typing import Any, Literal

LARGE = 1024  # bytes; a longer frame is kept as its length and digest
WIRE = "wire"

Kind = Literal[
    "open", "bind", "connect", "close",  # of a socket; `detail` is the endpoint of bind and connect, and of open
                                         # the thread's name where the socket plays a part under another (`acting`)
    "subscribe", "unsubscribe",  # of a SUB; the one frame is the prefix
    "send",  # the intent, noted before the act: a receive never stands before its send
    "sent", "refused",  # its outcome; `detail` is the errno's name
    "receive", "barred", "wait",  # a message arrived; none may (the errno); a bounded wait ended in vain
    "passed", "dropped", "delayed", "doubled",  # what the wire did with one message
    "cut", "frozen", "healed", "killed", "thawed",  # what was done to the wire, or to an actor
    "note",  # what an actor decided or found, in the words of `detail`
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Large:
    """A frame over `LARGE` bytes: its size in bytes, the start of its SHA-256, and its first bytes."""

    size: int
    digest: str
    head: bytes

    def __len__(self) -> int:
        return self.size


Frame = bytes | Large


def keep(frame: bytes | memoryview) -> Frame:
    """What a recording stores of a frame: the frame itself, or a `Large` in its place."""
    if len(frame) <= LARGE:
        return bytes(frame)
    return Large(len(frame), hashlib.sha256(frame).hexdigest()[:12], bytes(frame[:16]))


@dataclass(frozen=True, slots=True)
class Event:
    """One act.

    `socket` is the socket's name within its actor: its type, and a number from the second of a type on ("REQ",
    "REQ 2"). `frames` are what the application gave or got; on the wire's events, what crossed. `peer` and
    `peer_socket` name the sender of a received or wired message as far as it is known, `to` and `to_socket` its
    receiver on the wire. `at` is time.monotonic() in seconds, one clock for the machine; the simulation has its own,
    and numbers its messages in the `detail` of "sent" and "receive".
    """

    actor: str
    kind: Kind
    socket: str = ""
    frames: tuple[Frame, ...] = ()
    peer: str = ""
    peer_socket: str = ""
    to: str = ""
    to_socket: str = ""
    detail: str = ""
    at: float = field(default_factory=time.monotonic, compare=False)

    def line(self) -> str:
        """The event as one line of JSON; bytes stand as Latin-1 text, so that every byte keeps its value."""
        return json.dumps({k: _plain(getattr(self, k)) for k in self.__slots__ if getattr(self, k) not in ("", ())})

    @classmethod
    def parse(cls, line: str | bytes) -> Event:
        """The event that `line()` wrote. Raises ValueError for anything else."""
        try:
            entry = json.loads(line)
            frames = tuple(_frame(f) for f in entry.pop("frames", ()))
            return cls(**entry, frames=frames)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not an event: {line!r}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [
            f.decode("latin-1") if isinstance(f, bytes) else {"size": f.size, "digest": f.digest, "head": f.head.hex()}
            for f in value
        ]
    return value


def _frame(value: Any) -> Frame:
    if isinstance(value, str):
        return value.encode("latin-1")
    return Large(value["size"], value["digest"], bytes.fromhex(value["head"]))


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a run: who sent what to whom, and what became of it.

    `send` and `receives` are positions in the recording's events. `fate` is one of received, dropped, late,
    doubled, refused (`detail` is the errno), filtered (no subscription at the other end begins it), not received.
    `frames` are as the sender's application gave them.
    """

    send: int
    receives: tuple[int, ...]
    sender: str
    receiver: str  # "" where nothing observed tells it
    frames: tuple[Frame, ...]
    fate: str
    detail: str = ""
    lost: tuple[str, ...] = ()  # for whom the wire dropped it: a PUB's message may have reached others
    ends: tuple[tuple[str, str], ...] = ()  # if nobody received it: the sockets (actor, socket) that it may wait for

    @property
    def arrived(self) -> bool:
        return bool(self.receives)


class Recording:
    """The events of one run, in the order in which they became known; of one actor, in the order of its acts."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._events = list(events)
        self._changed = threading.Condition()

    def __repr__(self) -> str:
        return f"<Recording of {len(self._events)} events by {', '.join(self.actors()) or 'nobody'}>"

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    @property
    def events(self) -> tuple[Event, ...]:
        with self._changed:
            return tuple(self._events)

    def add(self, event: Event) -> None:
        """Append one event and wake who waits for it. Any thread may call it."""
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def write(
        self,
        actor: str,
        kind: Kind,
        socket: str,
        frames: Iterable[bytes],
        peer: str,
        peer_socket: str,
        detail: str,
        at: float,
    ) -> None:
        """Append an event that comes from elsewhere, from the simulation say; large frames are kept as such."""
        kept = tuple(keep(f) for f in frames)
        self.add(Event(actor, kind, socket, kept, peer, peer_socket, detail=detail, at=at))

    def note(self, actor: str, words: str, *, at: float | None = None) -> None:
        """Write down what an actor decided or found: "suspected", say, or a result. A picture shows it in its column.

        at  seconds on the clock of the other events; now, unless the clock is a simulation's
        """
        if not words:
            raise ValueError("words: expected what was decided, got nothing")
        self.add(Event(actor, "note", detail=words, at=time.monotonic() if at is None else at))

    def wait(
        self, kind: Kind, actor: str | None = None, *, socket: str | None = None, count: int = 1, timeout: float = 5.0
    ) -> None:
        """Return once `count` such events are recorded. Raises TimeoutError that says how many there are."""

        def seen() -> int:
            return sum(e.kind == kind and actor in (None, e.actor) and socket in (None, e.socket) for e in self._events)

        with self._changed:
            if not self._changed.wait_for(lambda: seen() >= count, timeout):
                who = f" by {actor}" if actor else ""
                raise TimeoutError(f"after {timeout:g} s there were {seen()} of {count} {kind!r} events{who}")

    def actors(self) -> tuple[str, ...]:
        """Who acted, in order of name; the wire is none of them."""
        return tuple(sorted({e.actor for e in self.events} - {WIRE}))

    def count(self, kind: Kind, actor: str | None = None) -> int:
        """How many events of this kind (by this actor) there are."""
        return sum(e.kind == kind and actor in (None, e.actor) for e in self.events)

    def save(self, path: str | Path) -> None:
        """Write one JSON line an event."""
        Path(path).write_text("".join(e.line() + "\n" for e in self.events), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Read what `save` wrote. Raises ValueError with the number of the first line that is no event."""
        events = []
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
            try:
                events.append(Event.parse(line))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
        return cls(events)

    # -- messages ---------------------------------------------------------------------------------------------

    def messages(self) -> tuple[Message, ...]:
        """Every message that an actor tried to send, in order of its send events.

        A receive belongs to the earliest send of the peer that its metadata names which nobody has taken yet and
        whose frames agree: content alone does not identify a message. A REP's send goes to whose request it received
        last, a ROUTER's to whose routing id it begins with. A PUB's send may be taken once by each receiving socket
        that was open when it went out.
        In a simulation both ends know its number.
        Where the metadata names nobody (inproc, recv_into, an untraced peer) the earliest
        untaken send on a socket at the other end decides.
        """
        return _Pairing(self.events).messages()

    def order(self) -> dict[int, int]:
        """Causal depth by position: an act comes after its actor's act before, a receive after its send."""
        events = self.events
        cause = {r: m.send for m in self.messages() for r in m.receives}
        depth: dict[int, int] = {}
        last: dict[str, int] = {}
        waiting = list(range(len(events)))
        while waiting:
            later = []
            blocked: set[str] = set()
            for i in waiting:
                actor = events[i].actor
                if actor in blocked or (i in cause and cause[i] not in depth):
                    blocked.add(actor)
                    later.append(i)
                    continue
                depth[i] = 1 + max(last.get(actor, 0), depth[cause[i]] if i in cause else 0)
                last[actor] = depth[i]
            if len(later) == len(waiting):
                raise ValueError("the recording is not causal: its receives and sends wait for one another")
            waiting = later
        return depth


def body(kind: str, frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """The frames of a message without the routing id that a ROUTER puts in front of it."""
    return frames[1:] if kind.startswith("ROUTER") and len(frames) > 1 else frames


def agree(kind: str, frames: tuple[Frame, ...], other: str, others: tuple[Frame, ...]) -> bool:
    """Whether two ends may speak of one message: one's frames end with the other's.

    REQ and REP hide the envelope, ROUTER adds a routing id; what both see is the end.
    """
    a, b = body(kind, frames), body(other, others)
    n = min(len(a), len(b))
    return n > 0 and a[-n:] == b[-n:]


class _Pairing:
    """Works out which receives and which acts of the wire belong to which send."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.links = links(events)
        self.sends: dict[tuple[str, str], list[int]] = {}  # (actor, socket) -> positions of its sends
        self.outcome: dict[int, Event] = {}  # send -> its "sent" or "refused"
        self.numbered: dict[str, int] = {}  # a message's number -> its send, in a simulation
        self.taken: dict[int, list[int]] = {}  # send -> receives
        self.wired: dict[int, list[Event]] = {}  # send -> what the wire did with it
        self.addressed = _addressed(events)
        self.opened: dict[tuple[str, str], list[float]] = {}  # when; an actor that was restarted has opened it twice
        self.prefixes = _prefixes(events)
        open_: dict[tuple[str, str], int] = {}
        for i, e in enumerate(events):
            if e.kind == "open":
                self.opened.setdefault((e.actor, e.socket), []).append(e.at)
            elif e.kind == "send":
                self.sends.setdefault((e.actor, e.socket), []).append(i)
                open_[e.actor, e.socket] = i
            elif e.kind in ("sent", "refused") and (e.actor, e.socket) in open_:
                self.outcome[send := open_.pop((e.actor, e.socket))] = e
                if e.kind == "sent" and e.detail:
                    self.numbered[e.detail] = send

    def messages(self) -> tuple[Message, ...]:
        for e in self.events:
            if e.actor == WIRE and e.frames and (e.peer or e.to):
                self._wire(e)
        for i, e in enumerate(self.events):
            if e.kind == "receive":
                self._receive(i, e)
        return tuple(self._message(i) for i, e in enumerate(self.events) if e.kind == "send")

    def _may(self, s: int, end: tuple[str, str], socket: str, frames: tuple[Frame, ...]) -> bool:
        """Whether this send can have become these frames at that end, so far as outcome, address and frames tell."""
        return (
            getattr(self.outcome.get(s), "kind", "") != "refused"
            and (not end[0] or s not in self.addressed or end in self.addressed[s])
            and agree(self.events[s].socket, self.events[s].frames, socket, frames)
        )

    def _wire(self, e: Event) -> None:
        fans_out = e.peer_socket.startswith(("PUB", "XPUB"))
        for s in self.sends.get((e.peer, e.peer_socket), ()):
            seen = self.wired.get(s, [])
            free = not seen or (fans_out and all((w.to, w.to_socket) != (e.to, e.to_socket) for w in seen))
            if free and self._may(s, (e.to, e.to_socket), "", e.frames):
                self.wired.setdefault(s, []).append(e)
                return

    def _receive(self, i: int, e: Event) -> None:
        if e.detail in self.numbered:
            self.taken.setdefault(self.numbered[e.detail], []).append(i)
            return
        if e.peer:
            keys = [(e.peer, e.peer_socket)]
        else:
            keys = [k for k in self.sends if k in self.links.get((e.actor, e.socket), ())]
        end = (e.actor, e.socket)
        for fits in (self._free, self._doubled):  # if nothing is free: what the wire doubled can come twice
            for s in merge(*(self.sends.get(k, ()) for k in keys)):
                if fits(s, e) and self._may(s, end, e.socket, e.frames):
                    self.taken.setdefault(s, []).append(i)
                    if not self._again(s):
                        self.sends[self.events[s].actor, self.events[s].socket].remove(s)
                    return

    def _free(self, s: int, e: Event) -> bool:
        """Whether this receive may belong to that send: the wire did not take it elsewhere, and it has no taker."""
        wired = [w for w in self.wired.get(s, ()) if w.to]
        if wired and not any(w.kind != "dropped" and (w.to, w.to_socket) == (e.actor, e.socket) for w in wired):
            return False
        takers = [self.events[r] for r in self.taken.get(s, ())]
        if self.events[s].socket.startswith(("PUB", "XPUB")):
            outcome, end = self.outcome.get(s), (e.actor, e.socket)
            opened = max((at for at in self.opened.get(end, ()) if at <= e.at), default=0.0)
            if outcome is not None and opened > outcome.at:
                return False  # published before that socket was there
            return all((t.actor, t.socket) != end for t in takers)
        return not takers

    def _again(self, s: int) -> bool:
        """Whether it may be received more than once: published, or doubled by the wire."""
        doubled = any(w.kind == "doubled" for w in self.wired.get(s, ()))
        return doubled or self.events[s].socket.startswith(("PUB", "XPUB"))

    def _doubled(self, s: int, e: Event) -> bool:
        if not any(w.kind == "doubled" for w in self.wired.get(s, ())):
            return False
        takers = [self.events[r] for r in self.taken.get(s, ())]
        return sum((t.actor, t.socket) == (e.actor, e.socket) for t in takers) < 2

    def _message(self, s: int) -> Message:
        e, receives, wired = self.events[s], tuple(self.taken.get(s, ())), self.wired.get(s, [])
        outcome = self.outcome.get(s)
        did = {w.kind for w in wired}
        if outcome is not None and outcome.kind == "refused":
            fate = "refused"
        elif "dropped" in did and not receives:
            fate = "dropped"
        elif "delayed" in did:
            fate = "late"
        elif "doubled" in did:
            fate = "doubled"
        else:
            fate = "received" if receives else "not received"
        ends: set[tuple[str, str]] = set()
        if not receives:
            joined = set() if e.socket.startswith("ROUTER") else self.links.get((e.actor, e.socket), set())
            ends = {(w.to, w.to_socket) for w in wired if w.to} or self.addressed.get(s, joined)
            wanted = {end for end in ends if self._wants(end, e)}
            if fate == "not received" and ends and not wanted and not wired:
                fate = "filtered"
            ends = wanted
        actors = {self.events[r].actor for r in receives} | {w.to for w in wired if w.to} or {a for a, _ in ends}
        receiver = actors.pop() if len(actors) == 1 else ""
        detail = outcome.detail if outcome is not None and outcome.kind == "refused" else ""
        lost = tuple(sorted(w.to for w in wired if w.kind == "dropped" and w.to))
        return Message(s, receives, e.actor, receiver, e.frames, fate, detail, lost, tuple(sorted(ends)))

    def _wants(self, end: tuple[str, str], e: Event) -> bool:
        """Whether a publication fits a subscription of that socket; one whose subscriptions are unknown takes all."""
        known = self.prefixes.get(end, ())
        first = e.frames[0] if e.frames else b""  # whoever sends no frame at all is refused by its socket
        first = first.head if isinstance(first, Large) else first
        return not e.socket.startswith(("PUB", "XPUB")) or not known or first.startswith(tuple(known))


def _prefixes(events: Iterable[Event]) -> dict[tuple[str, str], set[bytes]]:
    """What each SUB and XSUB ever subscribed to, as far as it is known."""
    result: dict[tuple[str, str], set[bytes]] = {}
    for e in events:
        if e.frames and isinstance(prefix := e.frames[0], bytes):
            if e.kind == "subscribe":
                result.setdefault((e.actor, e.socket), set()).add(prefix)
            elif e.kind == "send" and e.socket.startswith("XSUB") and prefix[:1] == b"\1":
                result.setdefault((e.actor, e.socket), set()).add(prefix[1:])
    return result


def _addressed(events: Iterable[Event]) -> dict[int, set[tuple[str, str]]]:
    """To whom a REP's or a ROUTER's send can go, where their receives tell: send -> (actor, socket) of each."""
    asked: dict[tuple[str, str], tuple[str, str]] = {}  # REP -> whose request it received last
    known: dict[tuple[str, str, Frame], set[tuple[str, str]]] = {}  # ROUTER and a routing id -> whose it was
    events = list(events)
    for e in events:
        if e.kind == "receive" and e.peer and e.socket.startswith("ROUTER"):
            known.setdefault((e.actor, e.socket, e.frames[0]), set()).add((e.peer, e.peer_socket))
    result: dict[int, set[tuple[str, str]]] = {}
    for i, e in enumerate(events):
        here = (e.actor, e.socket)
        if e.kind == "receive" and e.socket.startswith("REP"):
            asked[here] = (e.peer, e.peer_socket)
        elif e.kind == "send" and asked.get(here, ("", ""))[0]:
            result[i] = {asked[here]}
        elif e.kind == "send" and e.frames and (*here, e.frames[0]) in known:
            result[i] = known[*here, e.frames[0]]
    return result


def links(events: Iterable[Event]) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """Which sockets were joined: (actor, socket) -> those at the other end, a wire between them left out."""
    bound: dict[str, set[tuple[str, str]]] = {}
    connected: dict[str, set[tuple[str, str]]] = {}
    relay: dict[str, str] = {}  # a wire's own endpoint -> the endpoint behind it
    for e in events:
        if e.actor == WIRE and e.kind == "bind":
            relay[e.socket] = e.detail
        elif e.kind == "bind":
            bound.setdefault(e.detail, set()).add((e.actor, e.socket))
        elif e.kind == "connect":
            connected.setdefault(e.detail, set()).add((e.actor, e.socket))
    result: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for endpoint, here in connected.items():
        there = bound.get(relay.get(endpoint, endpoint), set())
        for a in here:
            for b in there:
                result.setdefault(a, set()).add(b)
                result.setdefault(b, set()).add(a)
    return result
