# SPDX-License-Identifier: BSD-3-Clause
"""A network and a clock that exist only in memory: cores live through thousands of bad hours in a few seconds.

What it is: a connection keeps order and loses nothing while it stands. A cut loses what is on its way; connecting
again gives a fresh routing id; what a DEALER, REQ or PUSH could not send yet survives. What reaches a frozen node
waits for it. A crash forgets everything, a restart makes a new core. Subscriptions travel as messages; a PUB drops
the newest at its high-water mark, a ROUTER what it cannot route. What it is not: no lock-step, no fair queuing.

All chance comes from the seed, so a run replays. `write` is told what happens in the words of a recording, so what
draws a recording draws this: Network(seed, write=recording.write). Copy with `shell.py`.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq

from .shell import NEVER, WORK, Close, Core, Effect, Open, Result, Send, Subscribe, Work, Worker

HWM = 1000  # messages that wait for one peer
RETRY = 0.1  # seconds between two attempts to connect
DELAY = (0.001, 0.02)  # seconds that a message is under way, at least and at most


@dataclass(eq=False)
class _Node:
    name: str
    make: Callable[[], Core]
    work: Worker | None
    seconds: Callable[[], float]
    core: Core | None = None
    life: int = 0  # what belongs to a former life is void
    frozen: bool = False
    inbox: list[tuple[str, list[bytes], tuple[str, str]]] = field(default_factory=list)
    sockets: dict[str, "_Socket"] = field(default_factory=dict)
    opened: list[int] = field(default_factory=list)


@dataclass(eq=False)
class _Socket:
    node: _Node
    name: str
    title: str  # as a recording calls it: its type, and a number from the second on
    kind: int
    options: dict[str, Any]
    links: list["_Link"] = field(default_factory=list)
    prefixes: list[bytes] = field(default_factory=list)


@dataclass(eq=False)
class _Link:
    """One `connect`: to whatever is bound at the endpoint, as often as it comes up again."""

    socket: _Socket
    endpoint: str
    other: _Socket | None = None
    ids: dict[_Socket, bytes] = field(default_factory=dict)  # what each end calls the other
    arrival: dict[_Socket, float] = field(default_factory=dict)  # of each end's last message: order is kept
    prefixes: dict[_Socket, list[bytes]] = field(default_factory=dict)  # what each end has been asked for
    under_way: dict[_Socket, int] = field(default_factory=dict)
    queue: deque[list[bytes]] = field(default_factory=deque)

    def ends(self) -> tuple[_Socket, ...]:
        return (self.socket, self.other) if self.other else ()

    def far(self, end: _Socket) -> _Socket | None:
        return self.other if end is self.socket else self.socket


class Network:
    """Nodes that play cores, their connections, and a script of what befalls both. Times are seconds from 0."""

    def __init__(self, seed: int | str = 0, *, write: Callable[..., object] = lambda *event: None) -> None:
        self.random, self.now = random.Random(seed), 0.0
        self.nodes: dict[str, _Node] = {}
        self.results: dict[str, list[Any]] = {}
        self._write, self._bound, self._cuts = write, dict[str, _Socket](), set[frozenset[str]]()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count(1)

    def at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._count), act))

    def run(self, until: float) -> None:
        while self._agenda and self._agenda[0][0] <= until:
            self.now, _, act = heapq.heappop(self._agenda)
            act()
        self.now = until

    def play(
        self, name: str, make: Callable[[], Core], work: Worker | None = None, seconds: float | Callable[[], float] = 0.01
    ) -> None:
        """A node with the core that `make` builds, now and at each restart; each of its jobs takes so many seconds."""
        node = self.nodes[name] = _Node(name, make, work, seconds if callable(seconds) else lambda: seconds)
        self.results[name] = []
        self.restart(node.name)

    def restart(self, name: str) -> None:
        node = self.nodes[name]
        if node.core is not None:
            self.crash(name)
        node.core, node.life = node.make(), node.life + 1
        self._clock(node)

    def crash(self, name: str) -> None:
        node = self.nodes[name]
        self._note(name, "killed")
        node.core, node.life, node.frozen = None, node.life + 1, False
        node.inbox.clear()
        for sock in list(node.sockets.values()):
            self._close(sock)

    def freeze(self, name: str) -> None:
        self.nodes[name].frozen = True
        self._note(name, "frozen")

    def thaw(self, name: str) -> None:
        node = self.nodes[name]
        node.frozen, inbox = False, node.inbox.copy()
        node.inbox.clear()
        self._note(name, "thawed")
        for each in inbox:
            self._hand(node, *each)
        self._clock(node)

    def cut(self, a: str, b: str) -> None:
        self._cuts.add(frozenset((a, b)))
        self._note("wire", "cut", detail=f"cut between {a} and {b}")
        for link in [k for s in self.nodes[a].sockets.values() for k in s.links if k.other]:
            if {end.node.name for end in link.ends()} == {a, b}:
                self._part(link)

    def heal(self, a: str, b: str) -> None:
        self._cuts.discard(frozenset((a, b)))
        self._note("wire", "healed", detail=f"healed between {a} and {b}")

    def _clock(self, node: _Node) -> None:
        life = node.life

        def tick() -> None:
            if node.life == life and node.core and not node.frozen and node.core.deadline <= self.now:
                self._do(node, node.core.tick(self.now))

        if node.core and not node.frozen and node.core.deadline < NEVER:
            self.at(max(node.core.deadline, self.now), tick)

    def _hand(self, node: _Node, name: str, frames: list[bytes], peer: tuple[str, str]) -> None:
        if node.frozen:
            node.inbox.append((name, frames, peer))
        elif node.core is not None and (name == WORK or name in node.sockets):
            if name != WORK:
                self._note(node.name, "receive", node.sockets[name].title, frames, peer)
            self._do(node, node.core.receive(name, list(frames), self.now))

    def _do(self, node: _Node, effects: Any) -> None:
        for effect in list(effects):
            self._act(node, effect)
        self._clock(node)

    def _act(self, node: _Node, effect: Effect) -> None:
        match effect:
            case Send(name, frames) if name in node.sockets:
                self._send(node.sockets[name], list(frames))
            case Open():
                self._open(node, effect)
            case Close(name) if name in node.sockets:
                self._close(node.sockets[name])
            case Subscribe(name, prefix):
                node.sockets[name].prefixes.append(prefix)
                for link in node.sockets[name].links:
                    self._carry(link, node.sockets[name], [b"\x01" + prefix])
            case Work(job) if node.work:
                done, life = node.work(list(job)), node.life
                self.at(self.now + node.seconds(), lambda: life == node.life and self._hand(node, WORK, done, ("", "")))
            case Result(value):
                self.results[node.name].append(value)

    def _open(self, node: _Node, wanted: Open) -> None:
        sock = node.sockets.get(wanted.socket)
        if sock is None:
            node.opened.append(wanted.kind)
            number = node.opened.count(wanted.kind)
            title = zmq.SocketType(wanted.kind).name + (f" {number}" if number > 1 else "")
            sock = node.sockets[wanted.socket] = _Socket(node, wanted.socket, title, wanted.kind, wanted.options)
            self._note(node.name, "open", title)
        self._note(node.name, "bind" if wanted.bind else "connect", sock.title, detail=wanted.endpoint)
        if wanted.bind:
            self._bound[wanted.endpoint] = sock
        else:
            sock.links.append(link := _Link(sock, wanted.endpoint))
            self._connect(link)

    def _close(self, sock: _Socket) -> None:
        del sock.node.sockets[sock.name]
        self._bound = {endpoint: s for endpoint, s in self._bound.items() if s is not sock}
        for link in sock.links.copy():
            sock.links.remove(link)
            if link.other:
                self._part(link)
        self._note(sock.node.name, "close", sock.title)

    def _connect(self, link: _Link) -> None:
        def attempt() -> None:
            here, there = link.socket.node, self._bound.get(link.endpoint)
            if link not in link.socket.links or link.other:
                return
            if there is None or here.frozen or there.node.frozen or {here.name, there.node.name} in self._cuts:
                self.at(self.now + RETRY, attempt)
            else:
                self._join(link, there)

        self.at(self.now + self.random.uniform(*DELAY), attempt)

    def _join(self, link: _Link, there: _Socket) -> None:
        link.other = there
        there.links.append(link)
        link.arrival, link.prefixes, link.under_way = {}, {}, {}
        for end, far in ((link.socket, there), (there, link.socket)):
            link.ids[end] = far.options.get("routing_id") or b"\0" + next(self._count).to_bytes(4, "big")
            for prefix in end.prefixes:
                self._carry(link, end, [b"\x01" + prefix])
        while link.queue:
            self._carry(link, link.socket, link.queue.popleft())

    def _part(self, link: _Link) -> None:
        for end in link.ends():
            if link in end.links and end is not link.socket:
                end.links.remove(link)
        link.other = None
        self._connect(link)

    def _send(self, sock: _Socket, frames: list[bytes]) -> None:
        self._note(sock.node.name, "send", sock.title, frames)
        self._note(sock.node.name, "sent", sock.title)
        if sock.kind == zmq.ROUTER:
            for link in [k for k in sock.links if k.other and k.ids[sock] == frames[0]][:1]:
                self._carry(link, sock, frames[1:])
        elif sock.kind in (zmq.PUB, zmq.XPUB):
            for link in sock.links:
                if any(frames[0].startswith(p) for p in link.prefixes.get(sock, ())) and link.under_way.get(sock, 0) < HWM:
                    self._carry(link, sock, frames)
        elif sock.links:
            sock.links.append(link := sock.links.pop(0))  # the next one in turn
            if link.other:
                self._carry(link, sock, frames)
            elif len(link.queue) < HWM:
                link.queue.append(frames)

    def _carry(self, link: _Link, end: _Socket, frames: list[bytes]) -> None:
        """Put a message on its way to the far end, behind those before it."""
        far, joined = link.far(end), link.other
        if joined is None or far is None:
            return
        link.arrival[end] = max(link.arrival.get(end, 0), self.now + self.random.uniform(*DELAY))
        link.under_way[end] = link.under_way.get(end, 0) + 1
        ids = link.ids[far] = link.ids.get(far, b"")

        def arrive() -> None:
            if link.other is not joined or link.ids[far] != ids:  # it has parted since
                return
            link.under_way[end] -= 1
            if far.kind in (zmq.PUB, zmq.XPUB):
                link.prefixes.setdefault(far, []).append(frames[0][1:])
            if far.kind != zmq.PUB:
                received = [link.ids[far], *frames] if far.kind == zmq.ROUTER else frames
                self._hand(far.node, far.name, received, (end.node.name, end.title))

        self.at(link.arrival[end], arrive)

    def _note(
        self, actor: str, kind: str, sock: str = "", frames: Any = (), peer: tuple[str, str] = ("", ""), detail: str = ""
    ) -> None:
        self._write(actor, kind, sock, frames, *peer, detail, self.now)
