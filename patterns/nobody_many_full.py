# SPDX-License-Identifier: BSD-3-Clause
"""Nobody, many, full: what a socket type does when nobody is there, when many are, and when there is no room.

    one socket of the type, bound or connected --inproc-- nobody, one or three partners

    python -m patterns.nobody_many_full show
    python -m patterns.nobody_many_full show PUSH PULL

`nobody`, `many` and `full` each try it and return a short word such as "waits"; `table` puts together what they say.
A trial runs on one thread, over inproc, where nothing is under way: it always ends the same. RFCs 28 to 31 say what
is due. Left out: STREAM, the draft types. Copy alone; from the shell with `play.py`. Source: the Guide, chapter 2.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import zmq

Way = Literal["sends", "receives"]
Socket = zmq.Socket[Any]

MARK = 1  # messages: the high-water mark of both ends where room is to run out
TRIES = 10  # messages, more than there is room for
WHOM = (1, 1, 0, 2, 0, 2)  # which of three partners each of six messages is for, if the type lets one say so

# What each type does; the partner that it is tried with, and what it is for.
WAYS: dict[int, dict[Way, tuple[int, str]]] = {
    zmq.REQ: {"sends": (zmq.ROUTER, "ask one thing at a time"), "receives": (zmq.ROUTER, "get the reply")},
    zmq.REP: {"receives": (zmq.DEALER, "take one request at a time"), "sends": (zmq.DEALER, "reply to it")},
    zmq.PUB: {"sends": (zmq.SUB, "tell all who have subscribed")},
    zmq.SUB: {"receives": (zmq.PUB, "hear what you subscribe to")},
    zmq.PUSH: {"sends": (zmq.PULL, "deal out work, each piece once")},
    zmq.PULL: {"receives": (zmq.PUSH, "take work, collect results")},
    zmq.DEALER: {"sends": (zmq.DEALER, "ask many at once"), "receives": (zmq.DEALER, "get replies in any order")},
    zmq.ROUTER: {"receives": (zmq.DEALER, "hear who asks what"), "sends": (zmq.DEALER, "answer whom you choose")},
    zmq.XPUB: {"sends": (zmq.SUB, "tell all who have subscribed"), "receives": (zmq.XSUB, "see who subscribes")},
    zmq.XSUB: {"receives": (zmq.PUB, "hear what is published"), "sends": (zmq.XPUB, "pass subscriptions on")},
    zmq.PAIR: {"sends": (zmq.PAIR, "signal to one other thread"), "receives": (zmq.PAIR, "wait for its signal")},
}
HEADING = ("type", "does", "nobody, bound", "nobody, connected", "many", "full", "use it to")

# What each trouble of its peer does to a message that a connected PUSH has taken; the test beside it shows it.
GUARANTEES = {
    "crash": ("lost", "test_what_a_peer_has_in_its_queue_dies_with_it"),
    "freeze": ("blocked", "test_what_is_sent_to_a_frozen_peer_waits_until_it_thaws"),
    "cut": ("lost", "test_what_is_under_way_when_the_connection_is_cut_is_lost"),
    "slow": ("safe", "test_a_slow_peer_gets_everything"),
    "restart": ("safe", "test_what_waits_for_a_peer_that_is_away_reaches_its_successor"),
}
# In the textbook's words: at most once. Use something else when the sender has to know: only a reply tells.


def nobody(ctx: zmq.Context[Any], kind: int, way: Way = "sends", *, bound: bool) -> str:
    """What a call comes to when nobody is at the other end.

    A send "waits", or "queues" its message for whoever comes, or "drops" it; a receive "waits". A call that the type
    does not allow at this point "refuses".
    """
    other = _partner(kind, way)
    with _socket(ctx, kind, way) as one, _socket(ctx, other, "receives", b"late") as late:
        endpoint = _attach(one, bound)
        if way == "receives":
            if kind == zmq.REQ:
                _say(one, other, b"question")
            return _stopped(one.recv, zmq.DONTWAIT)
        if stopped := _say(one, other, b"first", b"late"):
            return stopped
        late.connect(endpoint) if bound else late.bind(endpoint)
        for _ in range(TRIES):
            late.poll(0)  # a bound SUB subscribes only now
            _say(one, other, b"second", b"late")
        return {b"first": "queues", b"second": "drops"}[next(_heard(late))]


def many(ctx: zmq.Context[Any], kind: int, way: Way = "sends") -> str:
    """Who of three gets what is sent: "a copy each", "one each in turn", "who is named", "who asked", "one peer only".

    For a receive, from whom it comes: "from each in turn", "as they come", "who was asked", "one peer only". What is
    none of these is told as it is, as numbers.
    """
    other = _partner(kind, way)
    with ExitStack() as opened:
        one = opened.enter_context(_socket(ctx, kind, way))
        endpoint = _attach(one, bound=True)
        theirs: Way = "receives" if way == "sends" else "sends"
        three = [opened.enter_context(_socket(ctx, other, theirs, b"%d" % n)) for n in range(3)]
        for partner in three:
            partner.connect(endpoint)
        one.poll(0)  # a bound SUB subscribes only now
        return _given(one, three) if way == "sends" else _taken(one, three)


def full(ctx: zmq.Context[Any], kind: int, way: Way = "sends") -> str:
    """What becomes of messages for which there is no room: a send "waits", "drops the newest" or "refuses".

    Of a type that receives, what happens at its partner: "sender waits", "sender drops".
    """
    other = _partner(kind, way)
    giver, taker = (kind, other) if way == "sends" else (other, kind)
    with (
        _socket(ctx, giver, "sends", b"giver", MARK) as gives,
        _socket(ctx, taker, "receives", b"taker", MARK) as takes,
    ):
        takes.connect(_attach(gives, bound=True))
        if taker == zmq.REQ:
            _say(takes, giver, b"question")
        stopped = ""
        for number in range(TRIES):
            if giver == zmq.REP:
                _say(takes, giver, b"request")
                gives.recv()
            stopped = stopped or _say(gives, taker, b"%d" % number, b"taker")
        heard = [int(word) for word in _heard(takes)]
    if not stopped:
        stopped = f"drops the {'newest' if heard == list(range(len(heard))) else 'oldest'}"
    return stopped if way == "sends" else f"sender {stopped.split()[0]}"


def show(ctx: zmq.Context[Any], *types: str) -> list[str]:
    """A heading, and a line for each way of each of these types (of all, if none is named), with " | " between cells.

    Raises ValueError for a type that is none of them.
    """
    kinds = {zmq.SocketType(kind).name: kind for kind in WAYS}
    lines = [HEADING]
    for name in types or kinds:
        if name not in kinds:
            raise ValueError(f"types: expected some of {', '.join(kinds)}, got {name!r}")
        kind = kinds[name]
        for way, (_, use) in WAYS[kind].items():
            alone = (nobody(ctx, kind, way, bound=True), nobody(ctx, kind, way, bound=False))
            lines.append((name, way, *alone, many(ctx, kind, way), full(ctx, kind, way), use))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [" | ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def table(*kinds: int) -> str:
    """What `show` says of these types, as one text: print(table(zmq.PUSH, zmq.PULL))."""
    with zmq.Context() as ctx:
        return "\n".join(show(ctx, *(zmq.SocketType(kind).name for kind in kinds)))


# -- what the trials are made of ------------------------------------------------------------------------------------

_numbers = itertools.count()


def _partner(kind: int, way: str) -> int:
    if kind not in WAYS:
        raise ValueError(f"kind: expected a type such as zmq.PUSH, got {kind!r}")
    for known, (other, _) in WAYS[kind].items():
        if known == way:
            return other
    raise ValueError(f"way: a {zmq.SocketType(kind).name} {' and '.join(WAYS[kind])}, got {way!r}")


@contextmanager
def _socket(ctx: zmq.Context[Any], kind: int, way: Way, name: bytes = b"one", mark: int = 1000) -> Iterator[Socket]:
    """A socket with a routing id and high-water marks; one that is to hear what is published subscribes to it."""
    with ctx.socket(kind) as socket:
        socket.linger, socket.sndhwm, socket.rcvhwm = 0, mark, mark
        if kind in (zmq.REQ, zmq.DEALER):
            socket.routing_id = name
        if kind == zmq.SUB:
            socket.subscribe(b"")
        if kind == zmq.XSUB and way == "receives":
            socket.send(b"\1")
        yield socket


def _type(socket: Socket) -> int:
    return int(socket.get(zmq.TYPE))


def _attach(socket: Socket, bound: bool) -> str:
    """Bind or connect it to an endpoint that no other trial has."""
    endpoint = f"inproc://trial-{next(_numbers)}"
    socket.bind(endpoint) if bound else socket.connect(endpoint)
    return endpoint


def _stopped(act: Callable[..., object], *args: object) -> str:
    """Why a call that may not wait did nothing, or "" if it did something."""
    try:
        act(*args)
    except zmq.Again:
        return "waits"
    except zmq.ZMQError as error:
        if error.errno != zmq.EFSM:
            raise
        return "refuses"
    return ""


def _say(socket: Socket, other: int, word: bytes, whom: bytes = b"one") -> str:
    """Send a word to a socket of that other type, without waiting; `whom` is its name where a ROUTER speaks."""
    socket.poll(0)  # see who has come by now
    frames = [b"\1" + word if _type(socket) == zmq.XSUB else word]
    if _type(socket) in (zmq.DEALER, zmq.ROUTER) and other in (zmq.REQ, zmq.REP):
        frames = [b"", word]
    if _type(socket) == zmq.ROUTER:
        frames = [whom, *frames]
    return _stopped(socket.send_multipart, frames, zmq.DONTWAIT)


def _heard(socket: Socket) -> Iterator[bytes]:
    """The words that have come, in order; each request is replied to."""
    while socket.poll(0):
        frames = socket.recv_multipart()
        if _type(socket) in (zmq.REP, zmq.ROUTER):
            socket.send_multipart([*frames[:-1], b"reply"])
        yield frames[-1].removeprefix(b"\1")


def _given(one: Socket, three: list[Socket]) -> str:
    heard: list[list[int]] = [[], [], []]
    for number, whom in enumerate(WHOM):
        if _type(one) == zmq.REP:
            _say(three[whom], zmq.REP, b"request")
            one.recv()
        _say(one, _type(three[0]), b"%d" % number, b"%d" % whom)
        for words, partner in zip(heard, three, strict=True):
            words += map(int, _heard(partner))
        if _type(one) == zmq.REQ:
            one.recv()
    everything = list(range(len(WHOM)))
    if heard == [everything] * 3:
        return "a copy each"
    if heard == [[number for number in everything if WHOM[number] == n] for n in range(3)]:
        return "who asked" if _type(one) == zmq.REP else "who is named"
    known = {"one each in turn": [[0, 3], [1, 4], [2, 5]], "one peer only": [[], [], everything]}
    return next((verdict for verdict, order in known.items() if sorted(heard) == order), str(heard))


def _taken(one: Socket, three: list[Socket]) -> str:
    """Partner n says n and then n + 3, the first partner first."""
    asked = -1
    if _type(one) == zmq.REQ:
        _say(one, _type(three[0]), b"question")
        asked = next(n for n, partner in enumerate(three) if partner.poll(0))
    for n, partner in enumerate(three):
        _say(partner, _type(one), b"%d" % n)
        _say(partner, _type(one), b"%d" % (n + 3))
    heard = [int(word) for word in _heard(one)]
    whose = [number % 3 for number in heard]
    if heard == [asked]:
        return "who was asked"
    if heard == [0, 3, 1, 4, 2, 5]:
        return "as they come"
    if sorted(whose[:3]) == sorted(whose[3:]) == [0, 1, 2]:
        return "from each in turn"
    return "one peer only" if len(set(whose)) == 1 else str(heard)


if __name__ == "__main__":
    from .play import play

    play(show)
