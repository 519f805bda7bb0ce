# SPDX-License-Identifier: BSD-3-Clause
"""Freelance: a client asks one of several servers that lives, with no broker between. FLP to the letter (RFC 10).

    caller PAIR --inproc-- PAIR agent ROUTER <--request, reply--> ROUTER server, as many as there are
    python -m patterns.freelance server --endpoint tcp://127.0.0.1:5555     (and 5556, 5557, each in its terminal)
    python -m patterns.freelance client hello

A server's routing id is the endpoint at which clients reach it, letter for letter. Frames behind the routing ids:
[PING] and its answer [PONG]; a request [control][body ...] and its reply [same control][body ...], each body one frame
or more. Our client's control frame is the number of its question.
Left out: two questions of one client at a time; servers that are named later. What a ROUTER sends to a server that it
was connected to waits until that one is back. Copy with `shell.py`, `_timers.py`, `_jobs.py`, `play.py` for the shell.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import zmq

from ._timers import Timers
from .shell import AT_ONCE, NEVER, Effect, Open, Result, Send, Work, run, serve

ENDPOINT = "tcp://127.0.0.1:5555"
SERVERS = "tcp://127.0.0.1:5555,tcp://127.0.0.1:5556,tcp://127.0.0.1:5557"
INTERVAL, LIVENESS = 1.0, 3  # seconds of silence before a PING, and to the next; so many until a server is gone
FIRST = 0.01  # seconds from the first PING of all to the second; this pause doubles, up to an interval
PATIENCE, TIMEOUT = 2.5, 10.0  # seconds for one server's answer, then the next is asked as well; for all together
COUNT = itertools.count()  # of agents, for the names of their pipes

# What each trouble, of the server that is asked or of the connection to it, does to one question.
GUARANTEES = {
    "crash": ("duplicated", "test_the_question_of_a_server_that_dies_goes_to_the_next"),
    "freeze": ("duplicated", "test_a_frozen_server_is_left_and_does_the_work_when_it_thaws"),
    "cut": ("duplicated", "test_a_question_that_a_cut_has_taken_goes_to_the_next"),
    "slow": ("duplicated", "test_a_slow_server_says_that_it_lives_and_the_next_is_asked_as_well"),
    "restart": ("duplicated", "test_a_restarted_server_is_found_and_asked_again"),
}
# "Duplicated": answered by its own answer, or TimeoutError within `timeout`, and the work may have been done more than
# once. In the textbook's words: at least once, or an error. Use something else for work that must not be done twice.

Context = zmq.Context[Any]
Job = Callable[[list[bytes]], list[bytes]]


class Client:
    """The client's core, its agent: PAIR "caller" brings one question at a time, ROUTER "servers" is for all servers.

    From the caller: [number][body ...], or [] to end. To it: [number][OK][body ...], or [number][FAILED][asked ...].
    """

    def __init__(
        self,
        inside: str,
        *servers: str,
        interval: float = INTERVAL,
        patience: float = PATIENCE,
        timeout: float = TIMEOUT,
    ) -> None:
        for name, value in ("interval", interval), ("patience", patience), ("timeout", timeout):
            if not 0 < value < NEVER:
                raise ValueError(f"{name}: expected a finite number of seconds above 0, got {value!r}")
        self.inside, self.interval, self.patience, self.timeout = inside, interval, patience, timeout
        self.pauses = {_name(server): min(FIRST, interval) for server in servers}  # from the next PING to the one after
        self.alive: dict[bytes, None] = {}  # a line of those that have been heard; the first is asked
        self.number, self.body = b"", list[bytes]()  # the question at hand
        self.asked, self.turn = list[bytes](), b""  # who was asked, and whose answer is waited for
        self.timers, self.deadline = Timers(), AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """Begin, or do what is due."""
        if self.deadline == AT_ONCE:
            yield Open("caller", zmq.PAIR, self.inside, bind=True)
            for server in self.pauses:
                yield Open("servers", zmq.ROUTER, server.decode())
                self.timers["ping", server] = now
        for what, server in self.timers.due(now):
            match what:
                case "ping":
                    yield Send("servers", [server, b"PING"])
                    self.timers["ping", server] = now + self.pauses[server]
                    self.pauses[server] = min(2 * self.pauses[server], self.interval)
                case "gone":
                    del self.alive[server]
                    if server == self.turn:
                        yield from self._ask(now)
                case "late":  # it lives, and is slow, or the question was lost
                    self.alive[server] = self.alive.pop(server)
                    yield from self._ask(now)
                case "fail":  # of two due at the same time the first by name: before "late"
                    yield Send("caller", [self.number, b"FAILED", *self.asked])
                    self._take()
        self.deadline = self.timers.next()

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """What the caller wants, or a word from a server: whatever it is, a sign of life."""
        match socket, frames:
            case "caller", [number, *body] if body:
                self._take(number, *body)
                self.timers["fail", b""] = now + self.timeout
                yield from self._ask(now)
            case "caller", _:
                yield Result(None)
            case "servers", [server, *rest] if server in self.pauses:
                self.alive.setdefault(server)
                self.pauses[server] = self.interval
                self.timers["ping", server] = now + self.interval
                self.timers["gone", server] = now + self.interval * LIVENESS
                if rest[1:] and rest[0] == self.number and server in self.asked:
                    yield Send("caller", [self.number, b"OK", *rest[1:]])
                    self._take()
                elif self.body and not self.turn:
                    yield from self._ask(now)
        self.deadline = self.timers.next()

    def _take(self, number: bytes = b"", *body: bytes) -> None:
        """This is the question at hand now; or there is none."""
        self.timers.pop(("fail", b""), None)
        self.timers.pop(("late", self.turn), None)
        self.number, self.body, self.asked, self.turn = number, [*body], [], b""

    def _ask(self, now: float) -> Iterator[Effect]:
        """Put the question to the first that lives. If nobody does, the next sign of life leads here again."""
        self.timers.pop(("late", self.turn), None)
        self.turn = next((who for who in self.alive if self.timers["gone", who] > now), b"")  # also before the tick
        if self.turn:
            self.asked.append(self.turn)
            self.timers["late", self.turn] = now + self.patience
            yield Send("servers", [self.turn, self.number, *self.body])


class Server:
    """The server's core: ROUTER "clients". It works on one request after the other, and answers a PING meanwhile."""

    def __init__(self, endpoint: str, bind: str = "") -> None:
        self.name, self.bind, self.deadline = _name(endpoint), bind or endpoint, AT_ONCE
        self.owes: deque[list[bytes]] = deque()  # a reply, to each [client][control]

    def tick(self, now: float) -> Iterator[Effect]:
        self.deadline = NEVER
        yield Open("clients", zmq.ROUTER, self.bind, bind=True, options={"routing_id": self.name})

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """What came of our work, a PING, or a request; else it is dropped."""
        match socket, frames:
            case "work", _:
                yield Send("clients", [*self.owes.popleft(), *frames])
            case "clients", [client, b"PING"]:
                yield Send("clients", [client, b"PONG"])
            case "clients", [client, control, *body] if body:
                self.owes.append([client, control])
                yield Work(body)


def _name(endpoint: str) -> bytes:
    if "://" not in endpoint or endpoint.endswith((":0", ":*")) or len(endpoint.encode()) > 255:
        raise ValueError(f"endpoint: expected one that clients connect to, of 255 bytes at most, got {endpoint!r}")
    return endpoint.encode()


@contextmanager
def freelance(ctx: Context, *servers: str, **limits: float) -> Iterator[Callable[..., list[bytes]]]:
    """`with freelance(ctx, "tcp://...", ...) as ask: answer = ask(b"body")`: the frames of an answer.

    An agent in a thread of its own has the network; `ask` belongs to one thread alone. It raises TimeoutError, which
    names who was asked, each as often as it was. The limits are `interval`, `patience` and `timeout`, in seconds.
    """
    core, numbers = Client(f"inproc://freelance {next(COUNT)}", *servers, **limits), itertools.count(1)
    agent = threading.Thread(target=_play, args=(ctx, core), name="agent", daemon=True)

    def ask(*body: bytes) -> list[bytes]:
        if not body:
            raise ValueError("body: expected a frame at least, got none")
        number = b"%d" % next(numbers)
        with suppress(zmq.Again):  # the agent has ended
            pipe.send_multipart([number, *body])
        while pipe.poll(1000) or agent.is_alive():
            match pipe.recv_multipart(zmq.DONTWAIT) if pipe.poll(0) else ():
                case [came, b"OK", *answer] if came == number:  # not of a question whose caller was interrupted
                    return answer
                case [came, b"FAILED", *asked] if came == number:
                    whom = b", ".join(asked).decode() or "nobody"
                    raise TimeoutError(f"no answer within {core.timeout:g} s, asked: {whom}")
        raise RuntimeError("the agent has ended")

    with ctx.socket(zmq.PAIR) as pipe:
        pipe.linger = pipe.sndtimeo = 0
        pipe.connect(core.inside)
        agent.start()
        try:
            yield ask
        finally:
            with suppress(zmq.ZMQError):  # the agent has ended already, or the Context
                pipe.send(b"")
            agent.join()


def _play(ctx: Context, core: Client) -> None:
    with suppress(zmq.ContextTerminated), closing(run(ctx, core)) as end:
        next(end)


def server(ctx: Context, endpoint: str = ENDPOINT, bind: str = "", work: Job = lambda body: body) -> None:
    """Answer requests, for ever; `work` makes the body of a reply, a frame or more, of that of a request."""
    serve(ctx, Server(endpoint, bind), work)


def client(ctx: Context, *requests: str, servers: str = SERVERS, timeout: float = TIMEOUT) -> list[str]:
    """Ask each request in turn, of these servers, with commas between; return the last frame of each answer."""
    with freelance(ctx, *servers.split(","), timeout=timeout) as ask:
        return [ask(request.encode())[-1].decode(errors="backslashreplace") for request in requests]


if __name__ == "__main__":
    from .play import play

    play(server, client)
