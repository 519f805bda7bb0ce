# SPDX-License-Identifier: BSD-3-Clause
"""Cluster: brokers that share their work. A task goes to a worker here or to a peer that has room, and comes back once.

    client REQ ----> ROUTER localfe  broker A  localbe ROUTER <---- REQ worker (of `load_balancing`)
                      A ROUTER cloudbe ---task---> cloudfe ROUTER B, C, ...     and so does each of them
    python -m patterns.cluster broker A B        (and `broker B A`)
    python -m patterns.load_balancing worker --backend tcp://127.0.0.1:5611   (B's localbe)
    python -m patterns.cluster client tea milk        (at A's localfe)

Frames: a client says [AGAIN or ONCE][body...] and hears [DONE][result...], [LOST] or [BUSY]. Who works, worker or peer,
is sent [who][""][task][""][body...]; a worker returns the same with its result, a peer puts one of the three words
before it. Left out: to notice that a worker died; `patience` ends that wait. Copy with `inter_broker.py` and what goes
with it. Source: the ZeroMQ Guide, chapter 3, "Worked Example: Inter-Broker Routing".
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import zmq

from .inter_broker import PING, PORT, Belief, Context, Place, StateFlow, address, wiring
from .shell import AT_ONCE, NEVER, Effect, Result, Send, serve

AGAIN, ONCE = b"AGAIN", b"ONCE"  # may a task be sent to somebody else when it may have been carried out already?
DONE, LOST, BUSY = b"DONE", b"LOST", b"BUSY"  # here is its result; perhaps done, nobody knows; not taken, not done
PATIENCE = 15.0  # seconds that a task may take in all; then its client is told that it is LOST
ROOM = 1000  # tasks that a broker has at most, those of its peers included
HOME = ""  # the name of no peer: where to send a task is a peer's name, HOME, or None as long as nobody is free

# What each trouble of a peer does to a task AGAIN that it has. The client hears once in any case.
GUARANTEES = {
    "crash": ("duplicated", "test_tasks_of_a_broker_that_is_killed_are_carried_out_elsewhere"),
    "freeze": ("duplicated", "test_a_frozen_broker_carries_out_once_more_what_was_taken_from_it"),
    "cut": ("duplicated", "test_a_task_behind_a_cut_is_carried_out_on_both_sides_of_it"),
    "slow": ("safe", "test_who_is_not_free_any_more_gives_the_task_back"),
    "restart": ("duplicated", "test_a_task_of_a_broker_that_was_started_again_is_sent_again"),
}
# In the textbook's words: AGAIN is at least once, unless it is LOST; ONCE is at most once. Either is answered, once, in
# `patience` at the latest; only when the client's own broker dies, the client's timeout tells it.
# Use something else when a result must survive that (`lazy_pirate` asks again), or where one line of workers will do.


def local_first(home: int, away: dict[str, int]) -> str | None:
    """Home as long as somebody is free there, and else the peer that has the most free."""
    return HOME if home else max(away, key=away.__getitem__, default=None)


@dataclass
class Task:
    """What was accepted and is not answered yet."""

    socket: str  # on which it is to be answered
    client: list[bytes]  # what stands before the answer
    body: list[bytes]
    again: bool
    until: float


class Cluster:
    """The core of a broker, with six sockets as `inter_broker` names them. Its results, and `ages`, are of `StateFlow`.

    design  says where a task goes: called with how many are free here, and at each peer that seems to have any
    """

    def __init__(
        self,
        name: str,
        peers: tuple[str, ...] = (),
        place: Place = address,
        design: Callable[[int, dict[str, int]], str | None] = local_first,
        patience: float = PATIENCE,
        **ages: float,
    ) -> None:
        if not 0 < patience < NEVER:
            raise ValueError(f"patience: expected a number of seconds above 0, got {patience!r}")
        self.flow, self.design, self.patience = StateFlow(name, peers, 0, place, **ages), design, patience
        self.wires = list(wiring("local", name, peers, place))
        for wire in wiring("cloud", name, peers, place):  # there a broker goes by its name, when it comes again as well
            front, back = {"router_handover": 1, "probe_router": 1}, {"heartbeat_ivl": round(PING * 1000), "rcvhwm": 0}
            options = {"routing_id": name.encode(), **(front if wire.bind else back)}
            self.wires.append(replace(wire, options=options))
        self.life, self.count = os.urandom(6).hex().encode(), 0  # a reply for a former life is for none of our tasks
        self.tasks: dict[bytes, Task] = {}  # in the order in which they came, and so in that of their ends
        self.line: OrderedDict[bytes, None] = OrderedDict()  # the tasks that nobody has
        self.held: dict[bytes, tuple[str, bytes]] = {}  # who has each of the others: its socket, its routing id
        self.ready: OrderedDict[bytes, None] = OrderedDict()  # workers; who has been free for longest stands first
        self.linked: set[str] = set()  # peers to whom there has been a connection: a ROUTER sends to nobody before
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """Open the sockets at first; see which peers are silent, and for which tasks the time is over."""
        if self.deadline == AT_ONCE:
            yield from self.wires
        yield from self._believe(self.flow.tick(now))
        for number in [number for number, task in self.tasks.items() if task.until <= now]:
            yield from self._answer(number, LOST)
        yield from self._hand_out(now)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """Take a task or refuse it, take a result, or a peer's state. Anything else is dropped."""
        match socket, frames:
            case "statefe" | "statebe", _:
                yield from self._believe(self.flow.receive(socket, frames, now))
            case "localbe", [worker, b"", b"READY"]:
                self.ready[worker] = None
            case "localbe", [worker, b"", number, b"", *result]:
                self.ready[worker] = None
                yield from self._answer(number, DONE, *result)
            case "localfe", [_, b"", (b"AGAIN" | b"ONCE") as how, _, *_]:
                task = Task(socket, frames[:2], frames[3:], how == AGAIN, now + self.patience)
                yield from self._take(task, len(self.tasks) < ROOM)
            case "cloudfe", [peer, b"", _, b"", _, *_] if peer.decode(errors="replace") in self.flow.peers:
                task = Task(socket, frames[:4], frames[4:], False, now + self.patience)
                yield from self._take(task, bool(self.ready))
            case "cloudbe", [peer, b""]:  # its probe: here is a connection, perhaps to another life of it
                self.linked.add(peer.decode())
                yield from self._take_back(peer)
            case "cloudbe", [_, b"", number, b"", (b"DONE" | b"LOST") as word, *result]:
                yield from self._answer(number, word, *result)
            case "cloudbe", [peer, b"", number, b"", b"BUSY"] if self.held.get(number) == (socket, peer):
                self.flow.peers[peer.decode()].capacity = 0  # until its next word
                self._free(number)
        yield from self._hand_out(now)

    def _take(self, task: Task, willing: bool) -> Iterator[Send]:
        if willing:
            self.count += 1
            number = b"%s-%d" % (self.life, self.count)
            self.tasks[number], self.line[number] = task, None
            self.line.move_to_end(number, last=task.socket == "localfe")  # there is a worker for a peer's task
        else:
            yield Send(task.socket, [*task.client, BUSY])

    def _hand_out(self, now: float) -> Iterator[Effect]:
        """Send the tasks that nobody has where the design says, and tell the peers how many are free then."""
        while self.line:
            task = self.tasks[number := next(iter(self.line))]
            away = {peer: free for peer, free in self.flow.free().items() if free > 0 and peer in self.linked}
            where = HOME if task.socket == "cloudfe" else self.design(len(self.ready), away)
            if where is None:
                break
            if where == HOME:
                socket, (who, _) = "localbe", self.ready.popitem(last=False)
            else:
                socket, who = "cloudbe", where.encode()
                self.flow.peers[where].capacity -= 1  # until its next word
            del self.line[number]
            self.held[number] = socket, who
            yield Send(socket, [who, b"", number, b"", *task.body])
        yield from self.flow.offer(len(self.ready), now) if len(self.ready) != self.flow.capacity else ()
        self.deadline = min(self.flow.deadline, next((task.until for task in self.tasks.values()), NEVER))

    def _answer(self, number: bytes, *answer: bytes) -> Iterator[Effect]:
        """Tell the client, unless it has been told."""
        self.line.pop(number, None)
        self.held.pop(number, None)
        if task := self.tasks.pop(number, None):
            yield Send(task.socket, [*task.client, *answer])

    def _free(self, number: bytes) -> None:
        del self.held[number]
        self.line[number] = None
        self.line.move_to_end(number, last=False)

    def _take_back(self, peer: bytes) -> Iterator[Effect]:
        """Nobody knows what became of the tasks of this peer: AGAIN may go to somebody else, ONCE is answered LOST."""
        for number in [number for number, who in self.held.items() if who == ("cloudbe", peer)][::-1]:
            if self.tasks[number].again:
                self._free(number)
            else:
                yield from self._answer(number, LOST)

    def _believe(self, effects: Iterable[Effect]) -> Iterator[Effect]:
        for effect in effects:
            yield effect
            if isinstance(effect, Result) and effect.value[1] is Belief.GONE:
                yield from self._take_back(effect.value[0].encode())


def client(
    ctx: Context, *tasks: str, endpoint: str = address("A", "localfe"), once: bool = False, timeout: float = 20.0
) -> list[str]:
    """Give tasks to a broker, one after the other, and return what became of each: "DONE TEA", "LOST", "BUSY".

    TimeoutError when nothing was heard for `timeout` seconds: nobody knows what became of that task.
    """
    heard = []
    for number, task in enumerate(tasks, 1):
        with ctx.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(endpoint)
            socket.send_multipart([ONCE if once else AGAIN, task.encode()])
            if not socket.poll(round(timeout * 1000)):
                raise TimeoutError(f"{endpoint} said nothing for {timeout:g} s after task {number} of {len(tasks)}")
            heard.append(b" ".join(socket.recv_multipart()).decode(errors="backslashreplace"))
    return heard


def broker(
    ctx: Context,
    name: str,
    *peers: str,
    port: int = PORT,
    place: Place | None = None,
    core: Callable[..., Cluster] = Cluster,
) -> None:
    """Have the tasks of this broker's clients carried out, for ever, and those of its peers.

    core  makes the core: partial(Cluster, gone=2.0); the others are as for `inter_broker.broker`
    """
    serve(ctx, core(name, peers, place or partial(address, port=port)))


if __name__ == "__main__":
    from .play import play

    play(client, broker)
