# SPDX-License-Identifier: BSD-3-Clause
"""The wire: what passes it untouched, what its faults do to single messages and to all, what it tells, what it leaves.

Every socket has a receive timeout, so a message that never comes fails its test. That a message does not come is seen
from one sent behind it which does.
"""

import os
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
import zmq

from diagrams.recording import Event, Large, Recording
from diagrams.wire import Direction, End, Wire

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH"


def endpoint_of(bound: zmq.Socket[bytes]) -> str:
    return bound.getsockopt_string(zmq.LAST_ENDPOINT)


def exactly(peer: socket.socket, size: int) -> bytes:
    """The next bytes of a peer; fewer if it ends before."""
    got = b""
    while len(got) < size and (more := peer.recv(size - len(got))):
        got += more
    return got


def ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def reset(peer: socket.socket) -> None:
    """Close without the usual goodbye."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


class Net:
    """The sockets and wires of one test, closed in reverse order."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.ctx = stack.enter_context(zmq.Context())
        self.ctx.linger = 0
        self.ctx.rcvtimeo = self.ctx.sndtimeo = 5000

    def open(self, kind: int, name: str = "", **options: Any) -> zmq.Socket[bytes]:
        it: zmq.Socket[bytes] = self.stack.enter_context(self.ctx.socket(kind))
        if name:
            it.setsockopt_string(zmq.METADATA, f"X-actor:{name}")
            it.setsockopt_string(zmq.METADATA, f"X-socket:{zmq.SocketType(kind).name}")
        if kind == zmq.REQ:
            it.req_relaxed = it.req_correlate = True
        if kind == zmq.SUB:
            it.subscribe(b"")
        for option, value in options.items():
            setattr(it, option, value)
        return it

    def bind(self, kind: int, name: str = "", **options: Any) -> tuple[zmq.Socket[bytes], str]:
        it = self.open(kind, name, **options)
        it.bind("tcp://127.0.0.1:*")
        return it, endpoint_of(it)

    def connect(self, kind: int, to: str, name: str = "", **options: Any) -> zmq.Socket[bytes]:
        it = self.open(kind, name, **options)
        it.connect(to)
        return it

    def wire(self, to: str, **options: Any) -> Wire:
        return self.stack.enter_context(Wire(to, **options))

    def raw(self, endpoint: str) -> socket.socket:
        return self.stack.enter_context(dial(endpoint))

    def listen(self) -> tuple[socket.socket, str]:
        it = self.stack.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=600)))
        it.settimeout(5)
        return it, f"tcp://127.0.0.1:{it.getsockname()[1]}"


@pytest.fixture
def net() -> Iterator[Net]:
    with ExitStack() as stack:
        yield Net(stack)


def dial(endpoint: str) -> socket.socket:
    host, port = endpoint.removeprefix("tcp://").split(":")
    return socket.create_connection((host, int(port)), timeout=5)


Secure = Callable[["zmq.Socket[bytes]", "zmq.Socket[bytes]"], None]


def null(server: zmq.Socket[bytes], client: zmq.Socket[bytes]) -> None:
    pass


def curve(server: zmq.Socket[bytes], client: zmq.Socket[bytes]) -> None:
    keys = zmq.curve_keypair()
    server.curve_publickey, server.curve_secretkey = keys
    client.curve_publickey, client.curve_secretkey = zmq.curve_keypair()
    client.curve_serverkey = keys[0]
    server.curve_server = True


class Link:
    """Two sockets with a wire between; `say` sends in the direction in which this pair talks first."""

    def __init__(self, net: Net, front: int, behind: int, *, secure: Secure = null, **options: Any) -> None:
        self.server, self.client = net.open(behind, "server"), net.open(front, "client")
        secure(self.server, self.client)
        self.server.bind("tcp://127.0.0.1:*")
        self.behind = endpoint_of(self.server)
        self.wire = net.wire(self.behind, **options)
        self.client.connect(self.wire.endpoint)
        self.direction: Direction = "forward"
        self.speaker, self.listener = self.client, self.server
        if behind == zmq.XPUB:  # a PUB that tells when a subscription has come
            assert self.server.recv() == b"\x01"
            self.direction, self.speaker, self.listener = "back", self.server, self.client

    def say(self, *texts: bytes) -> None:
        for text in texts:
            self.speaker.send(text)

    def hear(self, n: int = 1) -> list[bytes]:
        """The last frames of the next n messages; a REP answers each, for else it hears no other."""
        heard = []
        for _ in range(n):
            heard.append(self.listener.recv_multipart()[-1])
            if self.listener.type == zmq.REP:
                self.listener.send(b"answer to " + heard[-1])
        return heard

    def fates(self) -> list[str]:
        return [c.fate for c in self.wire.log if c.direction == self.direction]

    def works(self) -> bool:
        """Whether something said now is heard within some seconds; what is said while libzmq reconnects may be lost."""
        deadline = time.monotonic() + 5
        while not self.listener.poll(50):
            if time.monotonic() > deadline:
                return False
            if self.speaker.poll(0, zmq.POLLOUT):
                self.say(b"again")
        self.say(b"the end")
        while (heard := self.hear()) == [b"again"]:
            pass
        return heard == [b"the end"] and (self.client.type != zmq.REQ or self.client.recv() == b"answer to the end")


PAIRS = {
    "REQ and REP": (zmq.REQ, zmq.REP),
    "DEALER and ROUTER": (zmq.DEALER, zmq.ROUTER),
    "PUSH and PULL": (zmq.PUSH, zmq.PULL),
    "PUB and SUB": (zmq.SUB, zmq.XPUB),
}
each_pair = pytest.mark.parametrize("kinds", PAIRS.values(), ids=[f"between {p}" for p in PAIRS])


# -- passing ------------------------------------------------------------------------------------------------------


@each_pair
def test_messages_pass_untouched(net: Net, kinds: tuple[int, int]) -> None:
    link = Link(net, *kinds)
    for text in (b"one", b"", b"three"):
        link.say(text)
        assert link.hear() == [text]
    if kinds == (zmq.REQ, zmq.REP):
        assert link.client.recv() == b"answer to three"
    link.wire.wait(link.direction, 3)
    assert link.fates() == ["passed"] * 3


def test_a_router_answers_through_the_wire(net: Net) -> None:
    link = Link(net, zmq.DEALER, zmq.ROUTER)
    link.client.send_multipart([b"", b"question"])
    me, *question = link.server.recv_multipart()
    link.server.send_multipart([me, *question, b"answer"])
    assert link.client.recv_multipart() == [b"", b"question", b"answer"]
    assert [(c.direction, c.n, c.frames) for c in link.wire.log] == [
        ("forward", 1, (b"", b"question")),
        ("back", 1, (b"", b"question", b"answer")),
    ]


def test_multipart_and_long_frames_arrive_byte_for_byte_with_heartbeats_between(net: Net) -> None:
    net.ctx.heartbeat_ivl, net.ctx.heartbeat_timeout = 5, 5000
    link = Link(net, zmq.DEALER, zmq.ROUTER)
    message = [b"", b"x" * 255, b"y" * 256, os.urandom(1 << 20), b"", os.urandom(20 << 20), b"end"]
    link.client.send_multipart(message)
    me, *heard = link.server.recv_multipart()
    assert heard == message
    link.server.send_multipart([me, *heard])
    assert link.client.recv_multipart() == message
    kept = link.wire.log[0].frames
    assert [len(f) for f in kept] == [len(f) for f in message]
    assert isinstance(kept[3], Large)


def test_a_sender_feels_a_receiver_that_does_not_receive(net: Net) -> None:
    net.ctx.sndhwm = net.ctx.rcvhwm = 1
    link = Link(net, zmq.PUSH, zmq.PULL)
    sent = 0
    while sent < 2000 and link.client.poll(300, zmq.POLLOUT):
        link.say(b"%d " % sent + bytes(1 << 16))
        sent += 1
    assert sent < 2000, "128 MB went into the wire, and nobody received"
    assert [int(m.split()[0]) for m in (h.rstrip(b"\0") for h in link.hear(sent))] == list(range(sent))


def test_curve_is_carried_untouched_and_uncounted_and_can_be_cut(net: Net) -> None:
    link = Link(net, zmq.PUSH, zmq.PULL, secure=curve)
    link.wire.drop("forward", 1, 2)
    link.say(b"q" * 70_000, b"second")
    assert link.hear(2) == [b"q" * 70_000, b"second"]
    link.wire.cut()
    link.wire.heal()
    assert link.works()
    assert link.wire.log == ()
    sent = link.wire.carried("forward")
    assert (sent[:1], sent[12:17], sent[64:72]) == (b"\xff", b"CURVE", b"\x04\xc8\x05HELLO")
    assert b"second" not in sent


@pytest.mark.parametrize(
    "greeting",
    [GREETING.replace(b"NULL", b"PLAIN"), GREETING.replace(b"\3", b"\4"), GREETING[:10] + b"\1\x08\0\0", b"\1\0"],
    ids=["of PLAIN", "of ZMTP 4", "of ZMTP 2", "of ZMTP 1"],
)
@pytest.mark.parametrize("side", ["client", "server"])
def test_after_a_greeting_it_does_not_speak_both_ways_are_carried_untouched(
    net: Net, greeting: bytes, side: str
) -> None:
    behind, endpoint = net.listen()
    wire = net.wire(endpoint)
    wire.chaos(0, drop=1, double=0, delay=0)
    client = net.raw(wire.endpoint)
    with closing(behind.accept()[0]) as server:
        server.settimeout(5)
        one, other = (client, server) if side == "client" else (server, client)
        other.sendall(GREETING + READY[:5])
        assert exactly(one, len(GREETING)) == GREETING
        one.sendall(greeting + bytes(300))
        assert exactly(other, len(greeting) + 300) == greeting + bytes(300)
        assert exactly(one, 5) == READY[:5]
        other.sendall(b"\0\1x")
        assert exactly(one, 3) == b"\0\1x"
    assert wire.log == ()


def test_a_wire_leads_from_tcp_to_ipc(net: Net) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = net.open(zmq.REP)
        server.bind(f"ipc://{folder}/s")
        client = net.connect(zmq.REQ, net.wire(f"ipc://{folder}/s").endpoint)
        client.send(b"q")
        assert server.recv() == b"q"
        server.send(b"a")
        assert client.recv() == b"a"
        server.close()


def test_while_nobody_is_bound_behind_it_hangs_up_and_later_connects(net: Net) -> None:
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        wire = net.wire(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        assert ended(net.raw(wire.endpoint))
        server.listen()
        server.settimeout(5)
        client = net.raw(wire.endpoint)
        client.sendall(b"strange")
        with closing(server.accept()[0]) as there:
            there.settimeout(5)
            assert exactly(there, 7) == b"strange"


# -- faults of single messages ------------------------------------------------------------------------------------


@each_pair
def test_a_dropped_message_is_lost_and_the_next_is_not(net: Net, kinds: tuple[int, int]) -> None:
    link = Link(net, *kinds)
    link.wire.drop(link.direction, 1, 3)
    link.say(b"1")
    link.wire.wait(link.direction, 1)
    link.say(b"2")
    assert link.hear() == [b"2"]
    link.say(b"3")
    link.wire.wait(link.direction, 3)
    link.say(b"4")
    assert link.hear() == [b"4"]
    assert link.fates() == ["dropped", "passed", "dropped", "passed"]


def test_a_dropped_answer_leaves_the_client_without_one(net: Net) -> None:
    link = Link(net, zmq.REQ, zmq.REP)
    link.wire.drop("back", 1)
    link.say(b"1")
    assert link.hear() == [b"1"]
    link.wire.wait("back", 1)
    link.say(b"2")
    assert link.hear() == [b"2"]
    assert link.client.recv() == b"answer to 2"
    assert [c.fate for c in link.wire.log] == ["passed", "dropped", "passed", "passed"]


def test_a_router_loses_just_the_answer_that_was_dropped(net: Net) -> None:
    link = Link(net, zmq.DEALER, zmq.ROUTER)
    link.wire.drop("back", 2)
    link.say(b"1", b"2", b"3")
    for _ in range(3):
        link.server.send_multipart(link.server.recv_multipart())
    assert [link.client.recv(), link.client.recv()] == [b"1", b"3"]


@each_pair
def test_a_doubled_message_comes_twice_and_the_next_once(net: Net, kinds: tuple[int, int]) -> None:
    link = Link(net, *kinds)
    link.wire.double(link.direction, 1)
    link.say(b"1")
    assert link.hear(2) == [b"1", b"1"]
    link.say(b"2")
    assert link.hear() == [b"2"]
    assert link.fates() == ["doubled", "passed"]


def test_a_doubled_answer_reaches_a_dealer_twice_and_a_req_once(net: Net) -> None:
    for kinds, expected in (
        ((zmq.REQ, zmq.REP), [b"answer to 1", b"answer to 2"]),
        ((zmq.DEALER, zmq.ROUTER), [b"1", b"1", b"2"]),
    ):
        link, heard = Link(net, *kinds), []
        link.wire.double("back", 1)
        for text in (b"1", b"2"):
            link.say(text)
            if kinds == (zmq.REQ, zmq.REP):
                link.hear()
            else:
                link.server.send_multipart(link.server.recv_multipart())
            heard.append(link.client.recv())
        if len(heard) < len(expected):
            heard.append(link.client.recv())
        assert heard == expected


@each_pair
def test_a_message_delayed_for_some_seconds_comes_no_sooner(net: Net, kinds: tuple[int, int]) -> None:
    link = Link(net, *kinds)
    link.wire.delay(link.direction, 1, seconds=0.2)
    before = time.monotonic()
    link.say(b"1")
    assert link.hear() == [b"1"]
    assert time.monotonic() - before >= 0.2
    assert link.fates() == ["delayed"]


def test_an_answer_delayed_until_another_question_comes_after_it(net: Net) -> None:
    link = Link(net, zmq.REQ, zmq.REP)
    link.wire.delay("back", 1, until=("forward", 2))
    link.say(b"1")
    link.hear()
    link.wire.wait("back", 1)
    assert link.client.poll(50) == 0
    other = net.connect(zmq.REQ, link.wire.endpoint)
    other.send(b"2")
    assert link.client.recv() == b"answer to 1"
    assert link.hear() == [b"2"]
    assert other.recv() == b"answer to 2"
    assert [(c.direction, c.n, c.fate) for c in link.wire.log] == [
        ("forward", 1, "passed"),
        ("back", 1, "delayed"),
        ("forward", 2, "passed"),
        ("back", 2, "passed"),
    ]


@pytest.mark.parametrize("kinds", [(zmq.DEALER, zmq.ROUTER), (zmq.PUSH, zmq.PULL)], ids=["of a DEALER", "of a PUSH"])
def test_what_follows_a_delayed_message_waits_behind_it_in_order(net: Net, kinds: tuple[int, int]) -> None:
    link = Link(net, *kinds)
    link.wire.delay("forward", 2, until=("forward", 3))
    link.say(*(b"%d" % n for n in range(1, 6)))
    assert link.hear() == [b"1"]
    link.wire.wait("forward", 2)
    assert link.listener.poll(50) == 0
    other = net.connect(kinds[0], link.wire.endpoint)
    other.send(b"other")
    heard = link.hear(5)
    assert sorted(heard) == [b"2", b"3", b"4", b"5", b"other"]
    heard.remove(b"other")
    assert heard == [b"2", b"3", b"4", b"5"]
    assert link.fates() == ["passed", "delayed", *["passed"] * 4]
    assert link.wire.log[2].frames == (b"other",)


@pytest.mark.parametrize("fate", ["passed", "dropped", "doubled", "delayed"])
def test_a_message_waits_until_the_other_is_out_of_the_way(net: Net, fate: str) -> None:
    link = Link(net, zmq.PUSH, zmq.PULL)
    link.wire.delay("forward", 1, until=("forward", 2))
    if fate == "delayed":
        link.wire.delay("forward", 2, seconds=0.05)
    elif fate != "passed":
        getattr(link.wire, fate.removesuffix("ped").removesuffix("d"))("forward", 2)
    link.say(b"1")
    link.wire.wait("forward", 1)
    net.connect(zmq.PUSH, link.wire.endpoint).send(b"2")
    others = {"dropped": 0, "doubled": 2}.get(fate, 1)
    assert sorted(link.hear(1 + others)) == [b"1"] + [b"2"] * others


def test_to_wait_for_what_has_already_passed_is_not_to_wait(net: Net) -> None:
    link = Link(net, zmq.PUSH, zmq.PULL)
    link.say(b"1")
    link.wire.wait("forward", 1)
    link.wire.delay("forward", 2, until=("forward", 1))
    link.say(b"2")
    assert link.hear(2) == [b"1", b"2"]


def test_a_message_held_for_a_peer_that_is_gone_lets_go_of_those_that_wait_for_it(net: Net) -> None:
    link = Link(net, zmq.DEALER, zmq.ROUTER)
    link.wire.delay("back", 1, until=("forward", 99))  # which never comes
    link.wire.delay("back", 2, until=("back", 1))
    other = net.connect(zmq.DEALER, link.wire.endpoint)
    for n, client in enumerate((link.client, other), 1):
        client.send(b"%d" % n)
        link.server.send_multipart(link.server.recv_multipart())
        link.wire.wait("back", n)
    assert other.poll(50) == 0
    link.client.close()
    assert other.recv() == b"2"


def test_what_a_vanished_client_said_is_delivered_and_what_it_is_told_is_thrown_away(net: Net) -> None:
    behind, endpoint = net.listen()
    wire = net.wire(endpoint)
    wire.delay("forward", 1, until=("forward", 2))
    one = net.raw(wire.endpoint)
    with closing(behind.accept()[0]) as server:
        server.settimeout(5)
        server.sendall(GREETING)
        one.sendall(GREETING + b"\0\1x")
        assert exactly(server, 64) == exactly(one, 64) == GREETING
        wire.wait("forward", 1)
        reset(one)
        server.sendall(b"\0\1y")
        wire.wait("back", 1)
        server.sendall(b"\2" + struct.pack(">Q", 1 << 25) + bytes(1 << 25))  # more than all buffers on the way
        other = net.raw(wire.endpoint)
        with closing(behind.accept()[0]) as second:
            second.sendall(GREETING)
            other.sendall(GREETING + b"\0\1z")
            assert exactly(server, 3) == b"\0\1x"
            assert ended(server)


def test_what_a_sender_left_behind_is_delivered_late_but_whole(net: Net) -> None:
    link = Link(net, zmq.PUSH, zmq.PULL)
    link.wire.delay("forward", 1, seconds=0.1)
    link.client.linger = 5000
    link.say(b"1", b"2", b"3" * 100_000)
    link.wire.wait("forward", 1)
    link.client.close()
    assert link.hear(3) == [b"1", b"2", b"3" * 100_000]


def test_subscriptions_are_not_counted_and_pass_a_rule(net: Net) -> None:
    publisher, behind = net.bind(zmq.XPUB)
    wire = net.wire(behind)
    wire.drop("forward", 1)
    net.connect(zmq.SUB, wire.endpoint)
    assert publisher.recv() == b"\x01"
    assert wire.count("forward") == 0


# -- chance -------------------------------------------------------------------------------------------------------


def echoes(net: Net, seed: int, messages: int) -> tuple[Link, list[bytes], list[bytes]]:
    """A DEALER's numbered messages and their echoes under a seed: what the ROUTER heard and what came back."""
    link = Link(net, zmq.DEALER, zmq.ROUTER)
    link.wire.chaos(seed, drop=0.1, double=0.1, delay=0.05, seconds=0.001)
    link.say(*(b"%d" % n for n in range(messages)))
    link.wire.wait("forward", messages)
    there = [link.server.recv_multipart() for _ in crossed(link.wire, "forward")]
    for message in there:
        link.server.send_multipart(message)
    link.wire.wait("back", len(there))
    back = [link.client.recv() for _ in crossed(link.wire, "back")]
    link.wire.chaos(seed, drop=0, double=0, delay=0)
    link.say(b"end")
    link.server.send_multipart(link.server.recv_multipart())
    assert link.client.recv() == b"end"
    return link, [m[-1] for m in there], back


def crossed(wire: Wire, direction: Direction) -> list[Any]:
    """What must arrive by the wire's own account, in order."""
    times = {"passed": 1, "delayed": 1, "doubled": 2, "dropped": 0}
    return [c.frames[-1] for c in wire.log if c.direction == direction for _ in range(times[c.fate])]


def test_under_a_seed_just_those_messages_are_lost_of_which_the_log_says_so(net: Net) -> None:
    link, there, back = echoes(net, seed=7, messages=400)
    assert there == crossed(link.wire, "forward")[:-1]
    assert back == crossed(link.wire, "back")[:-1]
    assert set(link.fates()) == {"passed", "dropped", "doubled", "delayed"}


def test_the_same_seed_gives_the_same_log_and_another_seed_another(net: Net) -> None:
    logs = [
        [[c for c in echoes(net, seed, 150)[0].wire.log if c.direction == d] for d in ("forward", "back")]
        for seed in (1, 1, 2)
    ]
    assert logs[0] == logs[1]
    assert [c.fate for c in logs[0][0]] != [c.fate for c in logs[2][0]]
    assert [c.fate for c in logs[0][0]][:100] != [c.fate for c in logs[0][1]][:100]


def test_a_rule_counts_more_than_chance_and_the_last_rule_most(net: Net) -> None:
    link = Link(net, zmq.PUSH, zmq.PULL)
    link.wire.double("forward", 2)
    link.wire.chaos(1, drop=1, double=0, delay=0)
    link.wire.drop("forward", 3)
    link.wire.double("forward", 3)
    link.say(b"1", b"2", b"3")
    assert link.hear(4) == [b"2", b"2", b"3", b"3"]


# -- cutting and freezing -----------------------------------------------------------------------------------------


@each_pair
def test_nothing_passes_a_cut_and_healed_it_works_on_the_same_endpoint(net: Net, kinds: tuple[int, int]) -> None:
    link = Link(net, *kinds)
    link.say(b"before")
    assert link.hear() == [b"before"]
    link.wire.wait(link.direction, 1)
    for _ in range(2):
        link.wire.cut()
        seen = len(link.wire.log)
        assert link.listener.poll(50) == 0
        assert len(link.wire.log) == seen
        link.wire.heal()
        assert link.works()


def test_an_answer_given_after_the_cut_never_comes(net: Net) -> None:
    link = Link(net, zmq.REQ, zmq.REP)
    link.say(b"1")
    assert link.server.recv() == b"1"
    link.wire.cut()
    link.server.send(b"answer to 1")
    link.wire.heal()
    assert link.works()  # and the first answer to come was the one to the last question


def test_while_cut_it_refuses_and_nobody_can_take_its_port(net: Net) -> None:
    behind, endpoint = net.listen()
    wire = net.wire(endpoint)
    port = int(wire.endpoint.rpartition(":")[2])
    client = net.raw(wire.endpoint)
    with closing(behind.accept()[0]):
        wire.cut()
        assert ended(client)
    for reuse in (False, True):
        with pytest.raises(ConnectionRefusedError):
            dial(wire.endpoint)
        with closing(socket.socket()) as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
            with pytest.raises(OSError, match="in use"):
                thief.bind(("127.0.0.1", port))
    with pytest.raises(zmq.ZMQError, match="in use"):
        net.open(zmq.REP).bind(wire.endpoint)
    wire.heal()
    net.raw(wire.endpoint)
    behind.accept()[0].close()


def test_a_message_held_at_a_cut_is_lost_and_stands_as_delayed(net: Net) -> None:
    link = Link(net, zmq.PUSH, zmq.PULL)
    link.wire.delay("forward", 1, seconds=0.05)
    link.say(b"1")
    link.wire.wait("forward", 1)
    link.wire.cut()
    link.wire.heal()
    assert link.works()
    assert link.fates()[0] == "delayed"


@each_pair
def test_a_frozen_wire_lets_nothing_pass_and_healed_it_delivers(net: Net, kinds: tuple[int, int]) -> None:
    link = Link(net, *kinds)
    link.say(b"before")
    assert link.hear() == [b"before"]
    link.wire.freeze()
    link.say(b"frozen")
    assert link.listener.poll(50) == 0
    assert link.wire.count(link.direction) == 1
    link.wire.heal()
    assert link.hear() == [b"frozen"]


def test_a_frozen_wire_accepts_and_says_nothing(net: Net) -> None:
    behind, endpoint = net.listen()
    wire = net.wire(endpoint)
    wire.freeze()
    client = net.raw(wire.endpoint)
    with closing(behind.accept()[0]) as there:
        there.sendall(b"hello")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(5)
        wire.heal()
        client.settimeout(5)
        assert exactly(client, 5) == b"hello"


def test_a_delay_that_ends_while_frozen_is_delivered_when_healed(net: Net) -> None:
    link = Link(net, zmq.PUSH, zmq.PULL)
    link.wire.delay("forward", 1, seconds=0.02)
    link.say(b"1", b"2")
    link.wire.wait("forward", 1)
    link.wire.freeze()
    assert link.listener.poll(60) == 0
    link.wire.heal()
    assert link.hear(2) == [b"1", b"2"]


def test_cut_freeze_and_heal_may_be_repeated_and_follow_in_any_order(net: Net) -> None:
    recording = Recording()
    link = Link(net, zmq.PUSH, zmq.PULL, recording=recording)
    wire = link.wire
    for act in (wire.heal, wire.freeze, wire.freeze, wire.cut, wire.cut, wire.freeze, wire.heal, wire.heal):
        act()
    assert link.works()
    kinds = [e.kind for e in recording if e.kind != "passed"]
    assert kinds == ["bind", "frozen", "cut", "frozen", "healed"]


# -- what it tells ------------------------------------------------------------------------------------------------


def test_events_name_both_ends_and_stand_beside_the_log(net: Net) -> None:
    recording = Recording()
    link = Link(net, zmq.REQ, zmq.REP, recording=recording)
    link.wire.drop("back", 1)
    link.say(b"q")
    link.hear()
    link.wire.wait("back", 1)
    link.wire.cut()
    bind, forward, back, cut = recording
    assert (bind.actor, bind.kind, bind.socket, bind.detail) == ("wire", "bind", link.wire.endpoint, link.behind)
    assert (forward.kind, forward.frames[-1], forward.detail) == ("passed", b"q", "forward 1")
    assert (forward.peer, forward.peer_socket, forward.to, forward.to_socket) == ("client", "REQ", "server", "REP")
    assert (back.kind, back.frames[-1], back.detail) == ("dropped", b"answer to q", "back 1")
    assert (back.peer, back.peer_socket, back.to, back.to_socket) == ("server", "REP", "client", "REQ")
    assert cut.kind == "cut"
    assert [(c.direction, c.n, c.fate, c.frames) for c in link.wire.log] == [
        ("forward", 1, "passed", forward.frames),
        ("back", 1, "dropped", back.frames),
    ]


def test_the_log_knows_type_and_identity_and_leaves_empty_what_nobody_told(net: Net) -> None:
    server, behind = net.bind(zmq.ROUTER)
    wire = net.wire(behind)
    net.connect(zmq.DEALER, wire.endpoint, routing_id=b"me").send(b"hello")
    assert server.recv_multipart() == [b"me", b"hello"]
    assert wire.log[0].sender == End(type="DEALER", identity=b"me")
    assert wire.log[0].receiver == End(type="ROUTER")


def test_its_events_pair_with_what_the_actors_wrote(net: Net) -> None:
    recording = Recording()
    link = Link(net, zmq.DEALER, zmq.ROUTER, recording=recording)
    link.wire.drop("forward", 1)
    link.wire.double("forward", 2)
    for n, text in enumerate((b"same", b"same", b"other"), 1):
        recording.add(Event("client", "send", "DEALER", (text,)))
        link.say(text)
        recording.add(Event("client", "sent", "DEALER"))
        link.wire.wait("forward", n)
    for _ in range(3):
        frames = tuple(link.server.recv_multipart())
        recording.add(Event("server", "receive", "ROUTER", frames, "client", "DEALER"))
    messages = recording.messages()
    assert [(m.fate, m.sender, m.receiver, len(m.receives)) for m in messages] == [
        ("dropped", "client", "server", 0),
        ("doubled", "client", "server", 2),
        ("received", "client", "server", 1),
    ]
    events = recording.events
    passed = next(i for i, e in enumerate(events) if e.kind == "doubled")
    assert messages[1].send < passed < min(messages[1].receives)


def test_wait_says_how_many_there_were(net: Net) -> None:
    link = Link(net, zmq.PUSH, zmq.PULL)
    link.say(b"1")
    link.hear()
    with pytest.raises(TimeoutError, match=r"wire: 1 of 2 forward messages after 0\.01 s"):
        link.wire.wait("forward", 2, timeout=0.01)


# -- strangers ----------------------------------------------------------------------------------------------------

STRANGE = {
    "speaks HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "says nothing": b"",
    "stops within the greeting": GREETING[:20],
    "greets with noise": bytes(range(255, -1, -1)) * 300,
    "speaks ZMTP 2": GREETING[:10] + b"\x01\x08" + b"\0\0",
    "announces an endless frame": GREETING + READY + b"\x02" + b"\xff" * 8 + b"x" * 1000,
    "cuts its READY short": GREETING + b"\x04\x0a\x05READY\xffSoc" + b"\0\x01x",
    "sends frames of noise": GREETING + bytes(range(256)) * 300,
}


@pytest.mark.parametrize("noise", STRANGE.values(), ids=[f"one that {s}" for s in STRANGE])
def test_a_stranger_disturbs_nobody(net: Net, noise: bytes) -> None:
    link = Link(net, zmq.DEALER, zmq.ROUTER)
    for endpoint in (link.wire.endpoint, net.wire(link.wire.endpoint).endpoint):
        stranger = net.raw(endpoint)
        stranger.sendall(noise)
        link.say(b"question")
        assert link.hear() == [b"question"]
        reset(stranger)
        link.say(b"question")
        assert link.hear() == [b"question"]


def test_a_strange_server_disturbs_nobody(net: Net) -> None:
    behind, endpoint = net.listen()
    wire = net.wire(endpoint)
    client = net.connect(zmq.REQ, wire.endpoint)
    client.send(b"question")
    with closing(behind.accept()[0]) as server:
        server.sendall(b"220 mail.example ESMTP\r\n" * 10)
        server.settimeout(5)
        assert server.recv(10)
    assert wire.log == ()


def test_a_ping_between_the_frames_of_a_message_is_not_one_of_them(net: Net) -> None:
    link = Link(net, zmq.PUSH, zmq.PULL)
    client = net.raw(link.wire.endpoint)
    client.sendall(GREETING + READY)
    assert exactly(client, exactly(client, len(GREETING) + 2)[-1]).startswith(b"\x05READY")
    client.sendall(b"\x01\x01a\x04\x07\x04PING\0\0\x00\x01b" + b"\x00\x01c")
    assert link.server.recv_multipart() == [b"a", b"b"]
    assert link.server.recv_multipart() == [b"c"]
    assert [c.frames for c in link.wire.log] == [(b"a", b"b"), (b"c",)]
    assert exactly(client, 7) == b"\x04\x05\x04PONG"


# -- the end ------------------------------------------------------------------------------------------------------


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.mark.parametrize("act", ["heal", "freeze", "cut"])
def test_five_hundred_connections_leave_no_thread_no_descriptor_and_no_port(act: str) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)) if hard > 0 else 4096, hard))
    threads, files = threading.active_count(), open_files()
    try:
        with ExitStack() as stack:
            server = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=600)))
            server.settimeout(5)
            wire = stack.enter_context(Wire(f"tcp://127.0.0.1:{server.getsockname()[1]}"))
            for _ in range(500):
                stack.enter_context(dial(wire.endpoint)).sendall(GREETING)
                stack.enter_context(server.accept()[0]).sendall(GREETING)
            getattr(wire, act)()
            before = time.monotonic()
            wire.close()
            assert time.monotonic() - before < 5
            assert threading.active_count() == threads
            with pytest.raises(ConnectionRefusedError):
                dial(wire.endpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert open_files() == files


@pytest.mark.parametrize("while_", ["connections are being made", "a message is held", "its sender cannot go on"])
def test_it_closes_at_once_while(net: Net, while_: str) -> None:
    if while_ == "connections are being made":
        wire = Wire(net.listen()[1])
        clients = [net.raw(wire.endpoint) for _ in range(50)]
    else:
        net.ctx.rcvhwm = net.ctx.sndhwm = 1
        link = Link(net, zmq.PUSH, zmq.PULL)
        wire, clients = link.wire, []
        if while_ == "a message is held":
            wire.delay("forward", 1, seconds=1000)
            link.say(b"1")
            wire.wait("forward", 1)
        else:
            while link.client.poll(100, zmq.POLLOUT):
                link.say(bytes(1 << 20))
    before = time.monotonic()
    wire.close()
    wire.close()
    assert time.monotonic() - before < 5
    assert not any(t.name == "wire" for t in threading.enumerate())
    assert all(ended(c) for c in clients)


def test_a_fault_inside_is_raised_by_close(net: Net) -> None:
    class Broken(Recording):
        def add(self, event: Event) -> None:
            if event.kind == "passed":
                raise LookupError("no more paper")

    behind = net.bind(zmq.PULL)[1]
    wire = Wire(behind, recording=Broken())
    client = net.connect(zmq.PUSH, wire.endpoint)
    with closing(client.get_monitor_socket(zmq.EVENT_DISCONNECTED)) as watch:
        client.send(b"1")
        assert watch.poll(5000)
        client.disable_monitor()
    with pytest.raises(RuntimeError, match="no more paper") as caught:
        wire.close()
    assert isinstance(caught.value.__cause__, LookupError)
    assert not any(t.name == "wire" for t in threading.enumerate())


def test_a_closed_wire_keeps_its_log_and_refuses_to_act(net: Net) -> None:
    link = Link(net, zmq.PUSH, zmq.PULL)
    link.say(b"1")
    link.hear()
    link.wire.close()
    assert link.fates() == ["passed"]
    with pytest.raises(RuntimeError, match="closed"):
        link.wire.cut()


BAD: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "an endpoint of another transport": ("to", lambda w: Wire("inproc://x")),
    "an endpoint that is no text": ("to", lambda w: type(w)(b"tcp://127.0.0.1:555")),
    "an endpoint to bind": ("to", lambda w: Wire("tcp://*:555")),
    "an endpoint without a port": ("to", lambda w: Wire("tcp://127.0.0.1")),
    "port 0": ("to", lambda w: Wire("tcp://127.0.0.1:0")),
    "a port beyond 65535": ("to", lambda w: Wire("tcp://127.0.0.1:" + "65536")),
    "an ipc endpoint without a path": ("to", lambda w: Wire("ipc://")),
    "an unknown direction": ("direction", lambda w: w.drop("backward", 1)),
    "an unknown direction to count": ("direction", lambda w: w.count("backward")),
    "an unknown direction to wait for": ("direction", lambda w: w.wait("backward", 1)),
    "no message": ("n", lambda w: w.drop("back")),
    "message 0": ("n", lambda w: w.double("back", 1, 0)),
    "a message that is no number": ("n", lambda w: w.drop("back", "1")),
    "a delay without an end": ("delay", lambda w: w.delay("back", 1)),
    "a delay with two ends": ("delay", lambda w: w.delay("back", 1, seconds=1, until=("back", 2))),
    "a negative delay": ("seconds", lambda w: w.delay("back", 1, seconds=-1)),
    "an endless delay": ("seconds", lambda w: w.delay("back", 1, seconds=float("inf"))),
    "a delay until a number": ("until", lambda w: w.delay("back", 1, until=2)),
    "a delay until itself": ("until", lambda w: w.delay("back", 1, 2, until=("back", 2))),
    "a probability that is no number": ("drop", lambda w: w.chaos(1, drop="often")),
    "probabilities beyond 1": ("drop, double, delay", lambda w: w.chaos(1, drop=0.5, double=0.5, delay=0.5)),
}


@pytest.mark.parametrize(("name", "act"), BAD.values(), ids=BAD)
def test_a_bad_argument_is_refused_by_its_name(net: Net, name: str, act: Callable[[Wire], Any]) -> None:
    wire = net.wire("tcp://127.0.0.1:9")
    with pytest.raises(ValueError, match=f"^{name}: expected|^{name}: a message cannot"):
        act(wire)


def test_a_rule_for_a_message_that_has_crossed_is_refused(net: Net) -> None:
    link = Link(net, zmq.PUSH, zmq.PULL)
    link.say(b"1")
    link.hear()
    with pytest.raises(ValueError, match="n: forward 1 is past, expected a number from 2"):
        link.wire.drop("forward", 2, 1)
