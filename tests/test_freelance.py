# SPDX-License-Identifier: BSD-3-Clause
"""Freelance: FLP (RFC 10) as tables of cases, in hundreds of bad hours, on real processes and from the shell.

`hostile(seed)` is one bad hour; `make soak` lives through ten thousand of them.
"""

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import zmq
from cores import broken
from sockets import (
    MS,
    WAIT,
    Service,
    bound_at,
    bound_to,
    curve,
    ended,
    ends_on_ctrl_c,
    free_port,
    guarantees_hold,
    shell,
    signals,
    turned_away,
    under_curve,
)
from test_odd_peers import until

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import freelance
from patterns._timers import Timers
from patterns.freelance import FIRST, GUARANTEES, LIVENESS, Client, Server
from patterns.shell import AT_ONCE, NEVER, Open, Result, Send, Work
from patterns.simulation import Network
from patterns.stage import Stage

SEEDS = 100  # bad hours in this file
INTERVAL, PATIENCE, TIMEOUT = 1.0, 2.5, 10.0
GONE = INTERVAL * LIVENESS
A, B, C = "tcp://a:1", "tcp://b:1", "tcp://c:1"
PING, PONG = b"PING", b"PONG"

# -- deadlines in an ordered list ---------------------------------------------------------------------------------


def test_deadlines_come_in_their_order_and_moved_or_cleared_ones_do_not() -> None:
    chance = random.Random(48)
    for _ in range(200):
        timers, known, now = Timers(), dict[tuple[str, bytes], float](), 0.0
        for _ in range(60):
            name = chance.choice("ab"), chance.choice([b"1", b"2", b"3"])
            match chance.randrange(4):
                case 0:
                    timers.pop(name, None)
                    known.pop(name, None)
                case 1:
                    now += chance.choice([0.0, 1.0, 2.0])
                    due = sorted((when, name) for name, when in known.items() if when <= now)
                    assert list(timers.due(now)) == [name for _, name in due]
                    known = {name: when for name, when in known.items() if when > now}
                case _:
                    timers[name] = known[name] = now + chance.choice([0.5, 1.0, 3.0, 5.0])
            assert timers.next() == min(known.values(), default=NEVER)


def test_a_deadline_that_moves_a_million_times_takes_no_room() -> None:
    timers = Timers()
    for n in range(10_000):
        timers["gone", b"a"] = float(n)
    assert len(timers._heap) < 100
    assert timers.next() == 9_999.0


# -- the client ---------------------------------------------------------------------------------------------------


class Desk:
    """A client's core and the time of day. Its servers `alive` have said PONG, in this order; nobody's time runs."""

    def __init__(self, *alive: str, servers: tuple[str, ...] = (A, B, C), recipe: Any = freelance) -> None:
        self.core, self.now = recipe.Client("in", *servers, interval=INTERVAL, patience=PATIENCE, timeout=TIMEOUT), 0.0
        self.pass_time(0)
        for name in alive:
            self.hear(name, PONG)

    def hear(self, name: str, *frames: bytes) -> list[Any]:
        return list(self.core.receive("servers", [name.encode(), *frames], self.now))

    def ask(self, number: bytes = b"7", *body: bytes) -> list[Any]:
        return list(self.core.receive("caller", [number, *(body or (b"tea",))], self.now))

    def pass_time(self, seconds: float, *alive: str) -> list[tuple[float, Any]]:
        """What it does meanwhile, and when; those who are alive answer each PING at once."""
        did, until = list[tuple[float, Any]](), self.now + seconds
        while self.core.deadline <= until:
            self.now = max(self.now, self.core.deadline)
            new = [(self.now, effect) for effect in self.core.tick(self.now)]
            for name in [name for name in alive if (self.now, ping(name)) in new]:
                new += [(self.now, effect) for effect in self.hear(name, PONG)]
            did += new
            assert self.core.deadline > self.now, "it would spin"
        self.now = until
        return did


def ping(name: str) -> Send:
    return Send("servers", [name.encode(), PING])


def question(name: str, number: bytes = b"7", *body: bytes) -> Send:
    return Send("servers", [name.encode(), number, *(body or (b"tea",))])


def answer(number: bytes = b"7", *body: bytes) -> Send:
    return Send("caller", [number, b"OK", *(body or (b"hot tea",))])


def failed(*asked: str, number: bytes = b"7") -> Send:
    return Send("caller", [number, b"FAILED", *(name.encode() for name in asked)])


def questions(did: list[tuple[float, Any]]) -> list[tuple[float, Any]]:
    return [(at, effect) for at, effect in did if effect.frames[1:] != [PING]]


def test_it_opens_its_pipe_and_one_router_for_all_servers_and_pings_them() -> None:
    core = Client("in", A, B, A)
    assert core.deadline == AT_ONCE
    assert list(core.tick(5.0)) == [
        Open("caller", zmq.PAIR, "in", bind=True),
        *(Open("servers", zmq.ROUTER, name) for name in (A, B)),
        *map(ping, (A, B)),
    ]
    assert core.deadline == 5.0 + FIRST


def test_a_server_that_never_spoke_is_pinged_soon_again_and_in_the_end_once_in_an_interval() -> None:
    at = [at for at, effect in Desk(servers=(A,)).pass_time(9.0)]
    pauses = [b - a for a, b in zip([0.0, *at], at, strict=False)]
    assert pauses[:7] == pytest.approx([FIRST * 2**n for n in range(7)])
    assert pauses[7:] == pytest.approx([INTERVAL] * len(pauses[7:]))


def test_a_ping_is_for_who_is_silent() -> None:
    it = Desk(A, servers=(A,))
    for _ in range(20):
        assert it.pass_time(0.9) == []
        it.hear(A, PONG)
    assert it.pass_time(1.0) == [(it.now, ping(A))]


def test_the_first_that_spoke_is_asked_and_nobody_else() -> None:
    it = Desk(B, A)
    assert it.ask() == [question(B)]
    assert it.hear(B, b"7", b"hot", b"tea") == [answer(b"7", b"hot", b"tea")]
    assert it.ask(b"8") == [question(B, b"8")]
    assert it.hear(A, PONG) == []


def test_a_question_waits_for_the_first_sign_of_life() -> None:
    it = Desk()
    assert it.ask() == []
    assert questions(it.pass_time(5.0)) == []
    assert it.hear(C, PONG) == [question(C)]
    assert it.hear(A, PONG) == []
    assert it.core.timers["fail", b""] == TIMEOUT, "its time runs from when it was asked"


def test_the_question_of_a_server_that_is_gone_goes_to_the_next_and_so_do_those_after_it() -> None:
    it = Desk(A, B)
    it.now = 1.0
    it.hear(B, PONG)
    it.ask()
    assert questions(it.pass_time(GONE - 1.1, B)) == []
    assert questions(it.pass_time(0.2, B)) == [(GONE, question(B))]
    it.hear(B, b"7", b"hot tea")
    assert it.ask(b"8") == [question(B, b"8")]
    assert list(it.core.alive) == [B.encode()]


def test_the_gone_are_left_out_before_the_tick_that_is_due() -> None:
    it = Desk(A, B)
    it.now = 1.0
    it.hear(B, PONG)
    it.now = GONE
    assert it.ask() == [question(B)]
    it.now = 2 * GONE
    assert it.ask(b"8") == []
    assert it.hear(A, PONG) == [question(A, b"8")]


def test_whoever_comes_back_is_last_in_the_line() -> None:
    it = Desk(A, B)
    it.pass_time(GONE, B)
    it.hear(A, PONG)
    assert it.ask() == [question(B)]


def test_a_server_that_lives_and_does_not_answer_is_asked_after_all_others() -> None:
    it = Desk(A, B)
    it.ask()
    did = questions(it.pass_time(4 * PATIENCE - 0.1, A, B))
    assert did == [(PATIENCE * n, question(name)) for n, name in enumerate((B, A, B), 1)]
    assert questions(it.pass_time(0.2, A, B)) == [(TIMEOUT, failed(A, B, A, B))]


def test_one_server_alone_is_asked_again() -> None:
    it = Desk(A, servers=(A,))
    it.ask()
    assert questions(it.pass_time(PATIENCE, A)) == [(PATIENCE, question(A))]


def test_of_two_servers_that_were_asked_the_first_answer_counts() -> None:
    it = Desk(A, B)
    it.ask()
    it.pass_time(PATIENCE, A, B)
    assert it.hear(A, b"7", b"hot tea") == [answer()]
    assert it.hear(B, b"7", b"cold tea") == []


def test_nobody_is_asked_again_because_something_else_happens() -> None:
    it = Desk(A, B)
    assert it.ask() == [question(A)]
    for _ in range(50):
        assert questions(it.pass_time(PATIENCE / 51, A, B)) == []
        for name in A, B, C:
            assert it.hear(name, PONG) == []


NO_ANSWERS: dict[str, list[bytes]] = {
    "PONG": [PONG],
    "the answer to an earlier question": [b"6", b"hot tea"],
    "the same number written otherwise": [b"07", b"hot tea"],
    "no number at all": [b"hot tea", b"7"],
    "the number and no body": [b"7"],
    "an empty frame before the number": [b"", b"7", b"hot tea"],
    "nothing": [],
}


@pytest.mark.parametrize("frames", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_what_is_no_answer_is_a_sign_of_life_and_no_more(frames: list[bytes]) -> None:
    it = Desk(A)
    it.ask()
    it.now = GONE - 0.5
    assert it.hear(A, *frames) == []
    assert it.core.timers["gone", A.encode()] == it.now + GONE


@pytest.mark.parametrize("number", [b"0", b"", b"PONG", b"7"])
def test_no_pong_answers_a_question_whatever_its_number_is(number: bytes) -> None:
    it = Desk(A)
    it.ask(number)
    assert it.hear(A, PONG) == []
    assert it.hear(A, number, b"hot tea") == [answer(number)]


@pytest.mark.parametrize("frames", [[b"7", b"hot tea"], [b"", b"hot tea"]])
def test_no_answer_comes_from_who_was_not_asked_or_when_nothing_was(frames: list[bytes]) -> None:
    it = Desk(A, B)
    assert it.hear(A, *frames) == []
    it.ask()
    assert it.hear(B, *frames) == []


def test_a_body_crosses_as_it_is_even_one_that_looks_like_a_ping() -> None:
    it = Desk(A)
    for body in [PING], [b""], [PONG, b""], [b"a", b"", b"b"]:
        assert it.ask(b"9", *body) == [question(A, b"9", *body)]
        assert it.hear(A, b"9", *body) == [answer(b"9", *body)]


def test_a_new_question_takes_the_place_of_one_whose_caller_was_interrupted() -> None:
    it = Desk(A)
    it.ask(b"7")
    it.now = 2.0
    assert it.ask(b"8") == [question(A, b"8")]
    assert it.hear(A, b"7", b"hot tea") == []
    assert it.core.timers["fail", b""] == 2.0 + TIMEOUT
    assert it.hear(A, b"8", b"hot tea") == [answer(b"8")]
    assert not [name for name in it.core.timers if name[0] in ("late", "fail")]


def test_who_has_no_known_name_is_nobody() -> None:
    it = Desk()
    it.ask()
    assert it.hear("\0somebody", PONG) == []
    assert it.core.alive == {}


def test_nobody_lives_and_the_error_names_nobody() -> None:
    it = Desk()
    it.ask()
    assert questions(it.pass_time(TIMEOUT)) == [(TIMEOUT, failed())]


def test_it_is_woken_for_its_earliest_deadline_and_for_nothing_else() -> None:
    it = Desk(A)
    it.ask()
    it.hear(A, b"7", b"hot tea")
    woken = list[float]()
    while it.core.deadline <= 60.0:
        woken.append(it.core.deadline)
        assert it.core.deadline == min(it.core.timers.values())
        assert [*it.core.tick(woken[-1])] or woken[-1] == GONE, "woken for nothing"


def test_an_empty_order_ends_it() -> None:
    assert list(Desk().core.receive("caller", [b""], 0.0)) == [Result(None)]


# -- the server ---------------------------------------------------------------------------------------------------

CLIENT = b"\0abcd"
SAID: dict[str, tuple[list[bytes], list[Any]]] = {
    "a PING": ([PING], [Send("clients", [CLIENT, PONG])]),
    "a request": ([b"7", b"tea"], [Work([b"tea"])]),
    "a request of several frames": ([b"7", b"tea", b"", b"milk"], [Work([b"tea", b"", b"milk"])]),
    "a request whose control frame is empty": ([b"", b"tea"], [Work([b"tea"])]),
    "a request whose control frame is PING": ([PING, b"tea"], [Work([b"tea"])]),
    "a request whose body is PING": ([b"7", PING], [Work([PING])]),
    "a ping": ([b"ping"], []),
    "a control frame alone": ([b"7"], []),
    "nothing": ([], []),
}


@pytest.mark.parametrize(("frames", "does"), SAID.values(), ids=SAID)
def test_what_a_client_says_to_a_server(frames: list[bytes], does: list[Any]) -> None:
    core = Server(A)
    assert list(core.receive("clients", [CLIENT, *frames], 0.0)) == does
    if does and isinstance(does[0], Work):
        assert list(core.receive("work", [b"hot", b"tea"], 1.0)) == [
            Send("clients", [CLIENT, frames[0], b"hot", b"tea"])
        ]


def test_each_reply_goes_to_its_client_with_its_control_frame_and_pings_are_answered_meanwhile() -> None:
    core = Server(A)
    for n in range(3):
        list(core.receive("clients", [b"c%d" % n, b"n%d" % n, b"tea"], 0.0))
        assert list(core.receive("clients", [b"c9", PING], 0.0)) == [Send("clients", [b"c9", PONG])]
    replies = [effect for _ in range(3) for effect in core.receive("work", [b"hot tea"], 1.0)]
    assert replies == [Send("clients", [b"c%d" % n, b"n%d" % n, b"hot tea"]) for n in range(3)]


@pytest.mark.parametrize(("bind", "where"), [("", A), ("tcp://*:1", "tcp://*:1")])
def test_its_routing_id_is_its_public_endpoint_wherever_it_is_bound(bind: str, where: str) -> None:
    core = Server(A, bind)
    options = {"routing_id": A.encode()}
    assert list(core.tick(0.0)) == [Open("clients", zmq.ROUTER, where, bind=True, options=options)]
    assert core.deadline == NEVER


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Client("in", "a:1"), "^endpoint: "),
        (lambda: Client("in", "tcp://" + "a" * 250), "^endpoint: "),
        (lambda: Client("in", A, interval=0.0), "^interval: "),
        (lambda: Client("in", A, patience=NEVER), "^patience: "),
        (lambda: Client("in", A, timeout=float("nan")), "^timeout: "),
        (lambda: Server("tcp://127.0.0.1:0"), "^endpoint: "),
        (lambda: Server("tcp://127.0.0.1:*"), "^endpoint: "),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# -- bad hours ----------------------------------------------------------------------------------------------------

BEAT, LINE, END = 0.2, 0.8, 4.0  # seconds of a bad hour: interval, patience, timeout
SILENT = BEAT * LIVENESS
TROUBLE, CALM, LATE = 6.0, 13.0, 16.0  # seconds: troubles end; all is quiet again; the hour is over
SERVERS = ("tcp://one:1", "tcp://two:1", "tcp://three:1")
PIPES = ("caller 1", "caller 2")
NOBODY = (-NEVER, b"")


class Caller:
    """What stands before the agent: PAIR "agent". Its results are (question, frames that came)."""

    def __init__(self, name: str, count: int, think: float, first: int = 1) -> None:
        self.name, self.number, self.last, self.think, self.deadline = (
            name,
            first - 1,
            first + count - 1,
            think,
            AT_ONCE,
        )

    def tick(self, now: float) -> Iterator[Any]:
        if self.deadline == AT_ONCE:
            yield Open("agent", zmq.PAIR, f"inproc://{self.name}")
        self.number, self.deadline = self.number + 1, NEVER
        yield Send("agent", [b"%d" % self.number, b"%s asks %d" % (self.name.encode(), self.number)])

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Any]:
        yield Result((now, self.number, frames))
        if self.number < self.last:
            self.deadline = now + self.think


class Watched:
    """A core, and all that goes in and out of it."""

    def __init__(self, core: Any, seen: list[tuple[float, str, str, Any]]) -> None:
        self.core, self.seen = core, seen

    @property
    def deadline(self) -> float:
        return float(self.core.deadline)

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Any]:
        self.seen.append((now, "in", socket, frames))
        return self._did(self.core.receive(socket, frames, now), now)

    def tick(self, now: float) -> list[Any]:
        self.seen.append((now, "tick", "", None))
        return self._did(self.core.tick(now), now)

    def _did(self, effects: Iterator[Any], now: float) -> list[Any]:
        did = list(effects)
        for each in did:
            self.seen.append((now, type(each).__name__, getattr(each, "socket", ""), getattr(each, "frames", None)))
        return did


def watched(make: Callable[[], Any], seen: list[tuple[float, str, str, Any]]) -> Watched:
    return Watched(make(), seen)


def signed(server: str, body: list[bytes]) -> list[bytes]:
    return [server.encode(), *body]


class Hour:
    """Two callers with an agent each, and three servers; what befalls servers and connections is up to the seed."""

    def __init__(self, seed: int, recipe: Any = freelance, write: Callable[..., object] = lambda *event: None) -> None:
        self.recipe, self.chance, self.wrong = recipe, random.Random(f"flp {seed}"), list[str]()
        self.strict = False
        self.net = Network(f"flp {seed}", write=write)
        self.seen: dict[str, list[tuple[float, str, str, Any]]] = {}

    def live(self) -> list[str]:
        net, chance, recipe = self.net, self.chance, self.recipe
        for server in SERVERS:
            seconds = chance.choice([0.01, 0.01, 0.3, 1.5 * LINE])
            net.play(server, partial(recipe.Server, server), partial(signed, server), seconds)
        for pipe in PIPES:
            order = chance.sample(SERVERS, 3)
            self.seen[pipe] = []
            limits = {"interval": BEAT, "patience": LINE, "timeout": END}
            core = partial(recipe.Client, f"inproc://{pipe}", *order, **limits)
            net.play(f"agent of {pipe}", partial(watched, core, self.seen[pipe]))
            net.play(pipe, partial(Caller, pipe, 1000, chance.choice([0.2, 0.5])))
        if chance.random() < 0.3:
            self.drought(chance.uniform(1.0, 3.0))
        else:
            self.trouble(chance.choice([0.3, 1.0, 2.0]))
        net.run(CALM)
        for server in SERVERS:
            net.nodes[server].seconds = 0.01
            net.restart(server)  # without the jobs that have piled up at a slow one
        net.run(LATE)
        for pipe in PIPES:
            self.judge(pipe)
        return self.wrong

    def trouble(self, every: float) -> None:
        """Crash and restart, freeze and thaw, cut and heal; of an agent the last two."""
        net, chance, when = self.net, self.chance, 0.0
        while (when := when + chance.expovariate(1 / every)) < TROUBLE:
            server, agent = chance.choice(SERVERS), f"agent of {chance.choice(PIPES)}"
            begin, end = chance.choice(
                [
                    (partial(net.crash, server), partial(net.restart, server)),
                    (partial(net.freeze, server), partial(net.thaw, server)),
                    (partial(net.freeze, agent), partial(net.thaw, agent)),
                    (partial(net.cut, agent, server), partial(net.heal, agent, server)),
                ]
            )
            net.at(when, begin)
            net.at(chance.uniform(when, min(TROUBLE, when + 3 * every)), end)

    def drought(self, when: float) -> None:
        """Nobody is there for longer than a question waits, and no agent stands still."""
        self.strict = True
        for server in SERVERS:
            self.net.at(when, partial(self.net.crash, server))
            self.net.at(when + END + 2.0, partial(self.net.restart, server))

    def judge(self, pipe: str) -> None:
        """A book of its own, from what went in and out of the agent."""
        book = Book(pipe, self.wrong, self.strict)
        for at, kind, socket, frames in self.seen[pipe]:
            book.enter(at, kind, socket, frames)
        for at, number, came in self.net.results[pipe]:
            asked = b"%s asks %d" % (pipe.encode(), number)
            match came:
                case [n, b"OK", server, body] if n == b"%d" % number and body == asked and server.decode() in SERVERS:
                    pass
                case [n, b"FAILED", *_] if n == b"%d" % number and at < CALM + LINE:  # nobody was asked since
                    pass
                case _:
                    self.wrong.append(f"{at:.3f} {pipe} asked {asked!r} and heard {came}")
        if book.since and LATE - book.since > 0.5:
            self.wrong.append(f"{pipe} has heard nothing of what it asked at {book.since:.3f}")
        calm = [asks for began, asks in book.asks if began > CALM + 2 * LINE]
        if not calm or {len(asks) for asks in calm} != {1} or len({who for [who] in calm}) != 1:
            self.wrong.append(f"in calm weather {pipe} asked {calm[:3]}")


class Book:
    """Whom an agent may ask, PING and believe."""

    def __init__(self, pipe: str, wrong: list[str], strict: bool) -> None:
        self.pipe, self.wrong, self.strict = pipe, wrong, strict
        self.line: dict[bytes, float] = {}  # those that live, and until when
        self.pinged: dict[bytes, float] = {}
        self.number, self.since, self.asked, self.turn = b"", 0.0, list[bytes](), NOBODY
        self.asks = list[tuple[float, list[bytes]]]()  # of each question: when, and who was asked

    def enter(self, at: float, kind: str, socket: str, frames: Any) -> None:
        say = partial(self.say, at)
        if self.strict and -NEVER < self.turn[0] < at - LINE - 0.01 and any(until > at for until in self.line.values()):
            say(f"{self.number!r} still waits for {self.turn}")
            self.turn = NOBODY
        match kind, socket, frames:
            case "in", "caller", [number, _]:
                self.number, self.since, self.asked, self.turn = number, at, [], NOBODY
            case "in", "servers", [server, *_]:
                self.bury(at)
                self.line[server] = at + SILENT
            case "Send", "servers", [server, b"PING"]:
                if (
                    at < self.pinged.get(server, -1.0) + FIRST - 1e-6
                    or self.line.get(server, 0.0) - SILENT > at - BEAT + 1e-6
                ):
                    say(f"a PING for {server!r}, which it has heard or asked only now")
                self.pinged[server] = at
            case "Send", "servers", [server, number, _]:
                living = [who for who, until in self.line.items() if until > at]
                if number != self.number or server not in living:
                    say(f"{number!r} is put to {server!r} and not to {living}")
                if self.turn[0] + LINE > at and self.turn[1] in living:
                    say(f"{number!r} is put to {server!r} while {self.turn} has time")
                self.turn = at, server
                self.asked.append(server)
            case "Send", "caller", [number, b"OK", server, _]:
                if number != self.number or server not in self.asked:
                    say(f"an answer of {server!r} to {number!r}, asked were {self.asked}")
                if self.strict and at > self.since + END:
                    say(f"{number!r} is answered after its time")
                self.close()
            case "Send", "caller", [number, b"FAILED", *asked]:
                if number != self.number or at < self.since + END - 1e-6 or asked != self.asked:
                    say(f"{number!r} failed, said to have been put to {asked}, and was to {self.asked}")
                self.close()
            case "tick", _, _:
                self.bury(at)

    def bury(self, at: float) -> None:
        for server in [who for who, end in self.line.items() if end <= at]:
            del self.line[server]
            if server == self.turn[1]:
                self.turn = NOBODY

    def close(self) -> None:
        self.asks.append((self.since, self.asked))
        self.number, self.since, self.asked, self.turn = b"", 0.0, [], NOBODY

    def say(self, at: float, what: str) -> None:
        self.wrong.append(f"{at:.3f} {self.pipe}: {what}")


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


def test_each_question_is_answered_by_its_own_answer_or_fails_and_says_who_was_asked() -> None:
    for seed in range(SEEDS):
        assert not (wrong := hostile(seed)), f"seed {seed}: {wrong[:3]}"


MUTANTS = {
    "takes any answer for its own": ("rest[0] == self.number and ", ""),
    "asks again at every sign of life": ("elif self.body and not self.turn:", "elif self.body:"),
    "never leaves a server that is gone": (
        'self.timers["gone", server] = now',
        'self.timers["gone", server] = 1e9 + now',
    ),
    "never asks the next where one is late": (
        'self.timers["late", self.turn] = now',
        'self.timers["late", self.turn] = 1e9',
    ),
    "keeps a late server at the head of the line": ("self.alive[server] = self.alive.pop(server)", "pass"),
    "puts no limit to a question": ('self.timers["fail", b""] = now', 'self.timers["fail", b""] = 1e9'),
    "does not ask the next where one is gone": ("if server == self.turn:", "if False:"),
    "asks who is gone before the tick": ('if self.timers["gone", who] > now), b"")', '), b"")'),
    "pings whoever speaks": ('self.timers["ping", server] = now + self.interval\n', "pass\n"),
    "gives up pinging": ('self.timers["ping", server] = now + self.pauses[server]', "pass"),
    "does not say who was asked": ('b"FAILED", *self.asked]', 'b"FAILED"]'),
    "forgets whose turn it is": (
        "self.asked.append(self.turn)",
        "self.asked.append(self.turn)\n            self.turn = b''",
    ),
    "has a server that mixes up its clients": ("self.owes.popleft()", "self.owes.pop()"),
    "has a server that changes the control frame": ("append([client, control])", 'append([client, b"1"])'),
}


@pytest.mark.parametrize("mutant", [pytest.param(m, id=f"a recipe that {name}") for name, m in MUTANTS.items()])
def test_bad_hours_tell(mutant: tuple[str, str]) -> None:
    recipe = broken(freelance, *mutant)
    assert any(trouble(seed, recipe) for seed in range(SEEDS))


def trouble(seed: int, recipe: Any) -> bool:
    try:
        return bool(Hour(seed, recipe).live())
    except (KeyError, RuntimeError, IndexError):  # it would spin, or asks for what is not there
        return True


# -- over sockets -------------------------------------------------------------------------------------------------

SHORT = 0.05  # seconds between PINGs here
QUICK: dict[str, float] = {"interval": SHORT, "patience": 0.3, "timeout": WAIT}


def telling_server(ctx: Any, endpoint: str, told: str, name: str, holds: bool) -> None:
    """A server that tells its name and each request, and if it `holds` is never done with one."""
    with ctx.socket(zmq.DEALER) as tell:
        tell.connect(told)

        def work(body: list[bytes]) -> list[bytes]:
            tell.send_multipart([name.encode(), *body])
            return [name.encode(), *body] if not holds else list(tell.recv_multipart())

        freelance.server(ctx, endpoint, work=work)


@pytest.fixture
def place() -> Iterator[Stage]:
    """For servers that are processes: once is enough."""
    with Stage() as stage:
        yield stage


@pytest.fixture
def told(place: Stage) -> Any:
    it = place.socket(zmq.DEALER, rcvtimeo=MS)
    it.bind(place.endpoint("told"))
    return it


def spawn(stage: Stage, name: str, holds: bool = False, life: int = 1) -> Any:
    where = stage.endpoint(name), stage.endpoint("told")
    return stage.spawn(telling_server, *where, name, holds, name=f"{name}, life {life}")


def asks(stage: Stage, *questions: bytes, servers: tuple[str, ...], **limits: float) -> Any:
    """Play a caller in a thread of its own; what it returns is its answers."""

    def caller(ctx: Any) -> list[list[bytes]]:
        with freelance.freelance(ctx, *servers, **{**QUICK, **limits}) as ask:
            return [ask(question) for question in questions]

    return stage.play(caller, name="caller")


def ends(stage: Stage, *names: str) -> tuple[str, ...]:
    return tuple(stage.endpoint(name) for name in names)


def test_each_question_gets_its_answer_and_no_thread_is_left(stage: Stage) -> None:
    for name in "one", "two":
        stage.play(freelance.server, stage.endpoint(name), name=name)
    with freelance.freelance(stage.context, *ends(stage, "one", "two")) as ask:
        for n in range(100):
            assert ask(b"%d" % n, b"", PING) == [b"%d" % n, b"", PING]
    assert not [thread for thread in threading.enumerate() if thread.name == "agent"]


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def test_the_question_of_a_server_that_dies_goes_to_the_next(place: Stage, told: Any) -> None:
    first = spawn(place, "one", holds=True)
    asking = asks(place, b"green", servers=ends(place, "one", "two"))
    assert told.recv_multipart() == [b"one", b"green"]
    first.kill()
    spawn(place, "two")
    assert asking.result(WAIT) == [[b"two", b"green"]]


@signals
def test_a_frozen_server_is_left_and_does_the_work_when_it_thaws(place: Stage, told: Any) -> None:
    first = spawn(place, "one")
    with freelance.freelance(place.context, *ends(place, "one", "two"), **QUICK) as ask:
        assert ask(b"1") == [b"one", b"1"]
        first.freeze()
        spawn(place, "two")
        assert ask(b"2") == [b"two", b"2"]
        assert ask(b"3") == [b"two", b"3"]
        heard = itertools.groupby(iter(told.recv_multipart, last := [b"two", b"3"]))
        assert [each for each, _ in heard] == [[b"one", b"1"], [b"two", b"2"]]  # some again, if the machine paused
        first.thaw()
        assert until(told, last.__ne__) == [b"one", b"2"], "the work is done a second time"


def test_a_question_that_a_cut_has_taken_goes_to_the_next(stage: Stage) -> None:
    work = Service()
    work.go.clear()
    with Wire(stage.endpoint("one")) as wire:
        role = partial(freelance.server, bind=stage.endpoint("one"), work=lambda body: [work(body[0])])
        stage.play(role, wire.endpoint, name="one")
        asking = asks(stage, b"green", servers=(wire.endpoint, stage.endpoint("two")))
        assert work.got.get(timeout=WAIT) == b"green"
        wire.cut()
        stage.play(freelance.server, stage.endpoint("two"), name="two")
        assert asking.result(WAIT) == [[b"green"]]
        work.go.set()


def test_a_slow_server_says_that_it_lives_and_the_next_is_asked_as_well() -> None:
    recording, work = Recording(), Service()
    work.go.clear()
    with Stage(trace.Context(recording)) as stage:
        role = partial(freelance.server, work=lambda body: [work(body[0])])
        stage.play(role, stage.endpoint("one"), name="one")
        asking = asks(stage, b"green", servers=ends(stage, "one", "two"))
        assert work.got.get(timeout=WAIT) == b"green"
        heard = sum((e.kind, e.actor, e.socket) == ("receive", "agent", "ROUTER") for e in recording)
        recording.wait("receive", "agent", socket="ROUTER", count=heard + 3 * LIVENESS, timeout=WAIT)
        assert work.seen == [b"green"], "it works on one request at a time"
        stage.play(freelance.server, stage.endpoint("two"), name="two")
        assert asking.result(WAIT) == [[b"green"]]
        work.go.set()


def test_a_restarted_server_is_found_and_asked_again(place: Stage, told: Any) -> None:
    first = spawn(place, "one", holds=True)
    asking = asks(place, b"green", b"blue", servers=ends(place, "one"))
    assert told.recv_multipart() == [b"one", b"green"]
    first.kill()
    spawn(place, "one", life=2)
    assert told.recv_multipart() == [b"one", b"green"], "the work is done a second time"
    assert asking.result(WAIT) == [[b"one", b"green"], [b"one", b"blue"]]


def test_a_router_drops_what_is_for_a_server_that_never_came_and_keeps_what_is_for_one_that_was_there() -> None:
    """No option tells it of the second, not even ROUTER_MANDATORY: only an answer does."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as asks:
        asks.linger, endpoint = 0, f"tcp://127.0.0.1:{free_port()}"
        name = endpoint.encode()
        with asks.get_monitor_socket(zmq.EVENT_DISCONNECTED) as monitor:
            asks.connect(endpoint)
            asks.send_multipart([name, b"too early"])
            with serving(context, endpoint) as serves:
                while not serves.poll(20):
                    asks.send_multipart([name, b"now"])
                assert serves.recv_multipart()[1:] == [b"now"]
            assert monitor.poll(MS)
            asks.router_mandatory = 1
            asks.send_multipart([name, b"for who was there"])
            with serving(context, endpoint) as serves:
                assert serves.recv_multipart()[1:] == [b"for who was there"]
            asks.disable_monitor()


def serving(context: Any, endpoint: str) -> Any:
    """A ROUTER in the server's place; its `with` unbinds and closes it."""
    socket = context.socket(zmq.ROUTER)
    socket.linger, socket.rcvtimeo, socket.routing_id = 0, MS, endpoint.encode()
    socket.bind(endpoint)
    return socket


def test_a_server_of_another_name_is_never_reached(stage: Stage) -> None:
    """Letter for letter: what a client calls 127.0.0.1 and a server localhost is two names."""
    port = free_port()
    stage.play(freelance.server, f"tcp://localhost:{port}", f"tcp://127.0.0.1:{port}", name="localhost")
    limits = QUICK | {"timeout": 0.3}
    with (
        freelance.freelance(stage.context, f"tcp://127.0.0.1:{port}", **limits) as ask,
        pytest.raises(TimeoutError, match="asked: nobody"),
    ):
        ask(b"green")


# -- the API ------------------------------------------------------------------------------------------------------


def test_the_error_names_who_was_asked_each_as_often_as_it_was() -> None:
    work, recording = Service(), Recording()
    work.go.clear()
    with Stage(trace.Context(recording)) as stage:
        one = stage.endpoint("one")
        stage.play(partial(freelance.server, work=lambda body: [work(body[0])]), one, name="one")
        limits = {"interval": SHORT, "patience": 0.2, "timeout": 1.0}
        with (
            freelance.freelance(stage.context, one, stage.endpoint("nobody"), **limits) as ask,
            pytest.raises(TimeoutError, match=r"no answer within 1 s, asked: ") as error,
        ):
            ask(b"green")
        work.go.set()
    sent = [event.frames for event in recording if event.kind == "send"]
    asked = [frames for frames in sent if frames[0] == one.encode() and frames[-1] == b"green"]
    assert len(asked) > 1
    assert str(error.value).split("asked: ")[1].split(", ") == [one] * len(asked)


def test_an_answer_after_the_caller_was_interrupted_is_not_taken_for_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> int:
        raise KeyboardInterrupt

    stage.play(freelance.server, stage.endpoint("one"), name="one")
    with freelance.freelance(stage.context, stage.endpoint("one"), **QUICK) as ask:
        for n in range(20):
            with monkeypatch.context() as patch:
                patch.setattr(zmq.Socket, "poll", interrupted)
                with pytest.raises(KeyboardInterrupt):
                    ask(b"interrupted %d" % n)
            assert ask(b"%d" % n) == [b"%d" % n]


def test_a_question_without_a_body_is_refused(stage: Stage) -> None:
    with (
        freelance.freelance(stage.context, stage.endpoint("nobody")) as ask,
        pytest.raises(ValueError, match=r"^body: "),
    ):
        ask()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whose_agent_has_ended_is_told(stage: Stage) -> None:
    with (
        freelance.freelance(stage.context, "nonsense://here") as ask,
        pytest.raises(RuntimeError, match="agent has ended"),
    ):
        ask(b"green")


def test_caller_and_agent_end_with_their_context() -> None:
    with Stage() as stage:
        asking = asks(stage, b"green", servers=ends(stage, "nobody"))
        assert not asking.join(0.2)
    assert not [thread for thread in threading.enumerate() if thread.name == "agent"]


@curve
def test_under_curve_only_who_has_the_keys_is_served() -> None:
    recording, endpoint = Recording(), f"tcp://127.0.0.1:{free_port()}"
    with under_curve(recording) as (home, abroad, street):
        home.play(freelance.server, endpoint, name="server")
        bound_at(recording, "server")
        with turned_away(street, zmq.DEALER, endpoint, [b"1", b"cup"]):
            assert asks(abroad, b"hello", servers=(endpoint,)).result(WAIT) == [[b"hello"]]
        assert not any(b"cup" in e.frames for e in recording if e.kind == "receive")


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_servers_where_they_are_told_to_be_a_client_and_ctrl_c() -> None:
    ports = [free_port()]
    with shell("freelance", "server", "--endpoint", f"tcp://127.0.0.1:{ports[0]}") as one:
        assert bound_to(one) == [f"tcp://127.0.0.1:{ports[0]}"]
        ports.append(free_port())
        with shell("freelance", "server", "--endpoint", f"tcp://127.0.0.1:{ports[1]}") as two:
            bound_to(two)
            where = "--servers", ",".join(f"tcp://127.0.0.1:{port}" for port in (free_port(), *ports))
            with shell("freelance", "client", "hello", "again", *where) as asking:
                assert ended(asking) == (0, "hello\nagain\n", "")
            ends_on_ctrl_c(one, two)
    with shell("freelance", "client", "hello", "--timeout", "0.2", *where) as asking:
        code, out, err = ended(asking)
        assert (code, out) == (1, "")
        assert err == "client: no answer within 0.2 s, asked: nobody\n"
