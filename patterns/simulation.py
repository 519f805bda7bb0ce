# SPDX-License-Identifier: BSD-3-Clause
"""A network and a clock that exist only in memory: cores live through thousands of bad hours in a few seconds.

    network = Network(seed)
    network.play("server", lambda: Server("tcp://server"))      # under a name: a function that makes the core
    network.at(1.0, lambda: network.crash("server"))            # when, and what befalls it
    network.run(until=60.0)                                     # then look at network.results

What it is: connections as `_memory` has them. A cut loses what is on its way. What has reached a frozen node waits for
it; then it takes its messages first and looks at the clock afterwards, as under every shell. A crash forgets
everything, a restart makes a new core. A node's jobs are done one after the other. What it is not: see `_memory`.

All chance comes from the seed, so a run replays. `write` is told what happens in the words of a recording, so what
draws a recording draws this: Network(seed, write=recording.write). Copy with `shell.py` and `_memory.py`, `_jobs.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import zmq

from ._jobs import Worker
from ._memory import Medium, Socket
from .shell import NEVER, Carrier, Core


class Network(Medium):
    """Nodes that play cores, their connections, and a script of what befalls both. Times are seconds from 0."""

    def __init__(self, seed: int | str = 0, *, write: Callable[..., object] = lambda *event: None) -> None:
        super().__init__(seed, write)
        self.nodes: dict[str, _Node] = {}
        self.results: dict[str, list[Any]] = {}  # what each node's cores gave, exceptions included

    def play(self, name: str, make: Callable[[], Core], work: Worker | None = None, seconds: float = 0.01) -> None:
        """A node with the core that `make` builds, now and at each restart; each of its jobs takes so many seconds."""
        self.results[name] = []
        self.nodes[name] = _Node(self, name, make, work, seconds)

    def crash(self, name: str) -> None:
        if (node := self.nodes[name]).up:
            node.up = node.frozen = False
            self.note(name, "killed")
            node.carrier.close()

    def restart(self, name: str) -> None:
        """A new core under this name; the one that still runs crashes."""
        self.crash(name)
        node = self.nodes[name]
        self.nodes[name] = _Node(self, name, node.make, node.work, node.seconds)

    def freeze(self, name: str) -> None:
        if self.nodes[name].up:
            self.nodes[name].frozen = True
            self.note(name, "frozen")

    def thaw(self, name: str) -> None:
        if (node := self.nodes[name]).frozen:
            node.frozen = False
            self.note(name, "thawed")
            node.turn()

    def cut(self, a: str, b: str) -> None:
        """Part two nodes. They try to connect, in vain, until they heal."""
        self.cuts.add(frozenset((a, b)))
        self.note("wire", "cut", detail=f"cut between {a} and {b}")
        for pipe in [p for sock in self.nodes[a].sockets for p in sock.pipes]:
            if pipe.far and pipe.far.socket.owner.name == b:
                pipe.part()

    def heal(self, a: str, b: str) -> None:
        self.cuts.discard(frozenset((a, b)))
        self.note("wire", "healed", detail=f"healed between {a} and {b}")

    def far(self, a: str, b: str, least: float, most: float) -> None:
        """From now on a message between these two nodes is under way for so many seconds."""
        self.delays[frozenset((a, b))] = least, most

    def trouble(self, names: Sequence[str], until: float, every: float = 1.0) -> None:
        """By chance, every so many seconds: a crash, a freeze or a cut, over after about as long, and by then."""
        when = self.now
        while (when := when + self.random.expovariate(1 / every)) < until:
            a, b = self.random.sample(list(names), 2)
            begin, end = self.random.choice(
                [
                    (partial(self.crash, a), partial(self.restart, a)),
                    (partial(self.freeze, a), partial(self.thaw, a)),
                    (partial(self.cut, a, b), partial(self.heal, a, b)),
                ]
            )
            self.at(when, begin)
            self.at(self.random.uniform(when, min(until, when + 2 * every)), end)


class _Node:
    """One life of a node. To the carrier of its core it makes the sockets and does the jobs."""

    bell = -1  # what rings when a job is done

    def __init__(self, net: Network, name: str, make: Callable[[], Core], work: Worker | None, seconds: float) -> None:
        self.net, self.name, self.make, self.work, self.seconds = net, name, make, work, seconds
        self.up, self.frozen, self.busy, self.alarm = True, False, 0.0, NEVER
        self.sockets: list[Socket] = []
        self.jobs: list[tuple[float, list[bytes]]] = []  # when each is done, and its result
        self.core = make()
        self.carrier = Carrier(self.socket, self.core, zmq.Poller(), self if work else None, lambda: net.now)
        net.at(net.now, self.turn)

    def turn(self) -> None:
        """Take what has come, tick if it is time, and see to it that there is a turn when it will be time again."""
        if self.frozen or not self.up:
            return
        ready: list[Any] = [s for s in self.sockets if s.inbox]
        self.net.results[self.name] += self.carrier.turn([(source, zmq.POLLIN) for source in (self.bell, *ready)])
        if self.core.deadline <= self.net.now:
            raise RuntimeError(f"{self.name}: after its tick the core's deadline is not later than {self.net.now:g} s")
        if any(s.inbox for s in ready):  # more than one batch
            self.net.at(self.net.now, self.turn)
        elif self.core.deadline not in (self.alarm, NEVER):
            self.alarm = self.core.deadline
            self.net.at(self.alarm, self.turn)

    def socket(self, kind: int) -> Socket:
        number = 1 + sum(s.kind == kind for s in self.sockets)
        title = zmq.SocketType(kind).name + (f" {number}" if number > 1 else "")
        self.sockets.append(Socket(self.net, self, kind, title))
        return self.sockets[-1]

    def start(self, job: list[bytes]) -> None:
        self.busy = max(self.busy, self.net.now) + self.seconds
        self.jobs.append((self.busy, self.work(job) if self.work else []))
        self.net.at(self.busy, self.turn)

    def finished(self) -> Iterator[list[bytes]]:
        while self.jobs and self.jobs[0][0] <= self.net.now:
            yield self.jobs.pop(0)[1]
