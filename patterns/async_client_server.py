# SPDX-License-Identifier: BSD-3-Clause
"""Asynchronous client-server: to one request come several replies, or none; who is gone is forgotten.

    client DEALER --requests--> ROUTER server
                  <--replies---

    python -m patterns.async_client_server server
    python -m patterns.async_client_server client "tea 3" "egg 1"

Frames: a request is [request id][body], each of its replies [the same id][body]; a request of two empty frames is a
sign of life and gets no reply. The Guide has no id: it is ours, to tell many requests apart. ROUTER and DEALER: RFC 28.
Queues have no limit here (SNDHWM 0): nothing is lost for want of room, and who asks but never reads fills the server.
Left out: to ask again (see `lazy_pirate`), to say goodbye. Copy with `shell.py`; from the shell, with `play.py`, too.
Source: the ZeroMQ Guide, chapter 3, "The Asynchronous Client/Server Pattern".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Any

import zmq

from .shell import AT_ONCE, NEVER, Close, Effect, Open, Result, Send, run, serve

ENDPOINT = "tcp://127.0.0.1:5555"
SILENCE = 2.0  # seconds without a word after which the server forgets a client
BEAT = 0.5  # seconds from one sign of life of a client to the next
TIMEOUT = 10.0  # seconds that a client waits for all it has asked for
PACE = 0.25  # seconds from one reply to a request to the next
ALIVE = [b"", b""]  # the sign of life
ORDER = re.compile(rb"(\w{1,20}) (\d{1,3})")  # of what, and how many
REPLY = re.compile(rb"\w{1,20} (\d{1,3})/(\d{1,3})")  # of what, number of the reply, and how many there are

# What each trouble, of the server or the connection, does to the replies of a request; the test beside it shows it.
GUARANTEES = {
    "crash": ("lost", "test_what_a_dead_server_still_owed_is_lost_and_the_client_is_told"),
    "freeze": ("safe", "test_a_frozen_server_goes_on_where_it_stood_and_has_forgotten_nobody"),
    "cut": ("lost", "test_behind_a_cut_connection_the_client_is_a_stranger"),
    "slow": ("safe", "test_a_client_that_shows_life_gets_replies_for_longer_than_the_silence"),
    "restart": ("lost", "test_a_restarted_server_does_not_know_what_was_asked_before"),
}
# In the textbook's words: at most once. The replies to one request keep their order and end, if at all, too early; then
# the client raises TimeoutError. Use something else where a request must survive its connection: put the client's own
# name into a frame, number its requests over all its lives, and let the server remember them (`titanic`). The name is
# no ROUTING_ID: a ROUTER that still has the old connection of a name never hears the new one.

Plan = Callable[[bytes], list[tuple[float, bytes]]]


def steps(body: bytes, pace: float = PACE) -> list[tuple[float, bytes]]:
    """The replies to `tea 3`: `tea 1/3`, `tea 2/3`, `tea 3/3`, each `pace` seconds after the one before.

    They stand for what real work has to tell while it goes on. To what it does not understand there are none.
    """
    if order := ORDER.fullmatch(body):
        name, count = order[1], int(order[2])
        return [(pace * n, b"%s %d/%d" % (name, n, count)) for n in range(1, count + 1)]
    return []


@dataclass
class Known:
    """What the server remembers of one client."""

    heard: float  # when it last said anything
    asked: int = 0  # its requests so far
    due: list[tuple[float, bytes, bytes]] = field(default_factory=list)  # replies to come: when, request id, body


class Server:
    """The server's core, with one ROUTER named "clients".

    silence  seconds without a word after which a client is forgotten, with all it still had coming
    plan     what makes a list of replies of a request's body: how many seconds after the request each is due
    """

    def __init__(self, endpoint: str, silence: float = SILENCE, plan: Plan = steps) -> None:
        if not silence > 0:
            raise ValueError(f"silence: expected seconds, got {silence!r}")
        self.endpoint, self.silence, self.plan = endpoint, silence, plan
        self.clients: dict[bytes, Known] = {}  # by routing id
        self.deadline = AT_ONCE

    def tick(self, now: float) -> list[Effect]:
        """Forget who has been silent for too long, and send the others what is due."""
        effects: list[Effect] = []
        if self.deadline == AT_ONCE:
            effects.append(Open("clients", zmq.ROUTER, self.endpoint, bind=True, options={"sndhwm": 0}))
        self.clients = {name: known for name, known in self.clients.items() if known.heard + self.silence > now}
        self.deadline = NEVER
        for name, known in self.clients.items():
            known.due.sort(key=itemgetter(0))
            while known.due and known.due[0][0] <= now:
                _, request, reply = known.due.pop(0)
                effects.append(Send("clients", [name, request, reply]))
            self._wake(known.heard + self.silence, *[when for when, _, _ in known.due[:1]])
        return effects

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
        """A request, or a sign of life. What is neither is dropped."""
        match frames:
            case [name, request, body]:
                known = self.clients.setdefault(name, Known(now))
                known.heard = now
                self._wake(now + self.silence)
                if [request, body] != ALIVE:
                    known.asked += 1
                    coming = [(now + seconds, request, reply) for seconds, reply in self.plan(body)]
                    known.due += coming
                    self._wake(*[when for when, _, _ in coming])
        return []

    def _wake(self, *times: float) -> None:
        """Ask for a tick at the first of these times, unless there is an earlier one."""
        self.deadline = min([self.deadline, *times])


class Client:
    """A client's core for many requests at once, with one DEALER named "server".

    Its result is a list of lists: the replies to each request, in the order of `requests`. It is TimeoutError when
    they are not complete after `timeout` seconds. Every `beat` seconds the client shows that it lives.
    """

    def __init__(self, endpoint: str, requests: list[bytes], timeout: float = TIMEOUT, beat: float = BEAT) -> None:
        if not requests or not beat > 0:
            raise ValueError(f"requests, beat: expected some requests, and seconds; got {requests!r}, {beat!r}")
        self.endpoint, self.timeout, self.beat = endpoint, timeout, beat
        self.requests = {b"%d" % number: body for number, body in enumerate(requests, 1)}
        self.replies: dict[bytes, list[bytes]] = {request: [] for request in self.requests}
        self.open = set(self.requests)  # those whose last reply has not come
        self.end = self.deadline = AT_ONCE

    def tick(self, now: float) -> list[Effect]:
        """Ask everything, then show life until the time is over."""
        if self.deadline == AT_ONCE:
            self.end = now + self.timeout
            asking = [Send("server", [request, body]) for request, body in self.requests.items()]
            effects: list[Effect] = [Open("server", zmq.DEALER, self.endpoint, options={"sndhwm": 0}), *asking]
        elif now >= self.end:
            said = f"{self.endpoint} left {len(self.open)} of {len(self.requests)} requests open for {self.timeout:g} s"
            return self._done(TimeoutError(said))
        else:
            effects = [Send("server", ALIVE)]
        self.deadline = min(self.end, now + self.beat)
        return effects

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
        """A reply to one of our open requests. Anything else is dropped."""
        match frames:
            case [request, reply] if request in self.open and (known := REPLY.fullmatch(reply)):
                self.replies[request].append(reply)
                if known[1] == known[2]:
                    self.open.remove(request)
                if not self.open:
                    return self._done(list(self.replies.values()))
        return []

    def _done(self, value: Any) -> list[Effect]:
        self.open.clear()
        self.deadline = NEVER
        return [Close("server"), Result(value)]


def client(
    ctx: zmq.Context[Any], *requests: str, endpoint: str = ENDPOINT, timeout: float = TIMEOUT, beat: float = BEAT
) -> list[str]:
    """Ask all at once, and return a line of replies for each request. Raises TimeoutError when some are missing."""
    core = Client(endpoint, [request.encode() for request in requests], timeout, beat)
    return [b", ".join(replies).decode() for replies in next(run(ctx, core))]


def server(ctx: zmq.Context[Any], endpoint: str = ENDPOINT, silence: float = SILENCE, pace: float = PACE) -> None:
    """Answer all clients, for ever; each reply to a request comes `pace` seconds after the one before."""
    serve(ctx, Server(endpoint, silence, partial(steps, pace=pace)))


if __name__ == "__main__":
    from .play import play

    play(server, client)
