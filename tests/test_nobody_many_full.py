# SPDX-License-Identifier: BSD-3-Clause
"""Nobody, many, full: what the trials say of each type, that it holds over real transports, and what each fault costs.

A trial of the recipe runs over inproc; here the same is done by hand over ipc and tcp, where who comes later is waited
for by a monitor.
"""

import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
from sockets import (
    MS,
    STUCK,
    TURNED_AWAY,
    WAIT,
    curve,
    ended,
    ends_on_ctrl_c,
    event,
    guarantees_hold,
    shell,
    signals,
    under_curve,
)

from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns.nobody_many_full import GUARANTEES, HEADING, WAYS, full, many, nobody, show, table
from patterns.process import Process
from patterns.stage import Stage

ALL = """\
REQ    | sends    | waits   | queues  | one each in turn  | refuses
REQ    | receives | refuses | waits   | who was asked     | sender drops
REP    | receives | waits   | waits   | from each in turn | sender waits
REP    | sends    | refuses | refuses | who asked         | drops the newest
PUB    | sends    | drops   | drops   | a copy each       | drops the newest
SUB    | receives | waits   | waits   | from each in turn | sender drops
PUSH   | sends    | waits   | queues  | one each in turn  | waits
PULL   | receives | waits   | waits   | from each in turn | sender waits
DEALER | sends    | waits   | queues  | one each in turn  | waits
DEALER | receives | waits   | waits   | from each in turn | sender waits
ROUTER | receives | waits   | waits   | from each in turn | sender waits
ROUTER | sends    | drops   | drops   | who is named      | drops the newest
XPUB   | sends    | drops   | drops   | a copy each       | drops the newest
XPUB   | receives | waits   | waits   | as they come      | sender drops
XSUB   | receives | waits   | waits   | from each in turn | sender drops
XSUB   | sends    | queues  | queues  | a copy each       | drops the newest
PAIR   | sends    | waits   | queues  | one peer only     | waits
PAIR   | receives | waits   | waits   | one peer only     | sender waits"""
ROWS = [[cell.strip() for cell in line.split(" | ")] for line in ALL.splitlines()]
IDS = [f"{row[0]} {row[1]}" for row in ROWS]


def bound(stage: Stage, kind: int, endpoint: str, **options: Any) -> Any:
    socket = stage.socket(kind, rcvtimeo=MS, sndtimeo=MS, **options)
    socket.bind(endpoint)
    return socket


def connected(stage: Stage, kind: int, *endpoints: str, **options: Any) -> Any:
    socket = stage.socket(kind, rcvtimeo=MS, sndtimeo=MS, **options)
    for endpoint in endpoints:
        socket.connect(endpoint)
    return socket


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split(" | ")]


def room(socket: Any, most: int = 3000) -> int:
    """How many small messages it takes without waiting."""
    count = 0
    while count < most and socket.poll(0, zmq.POLLOUT):
        socket.send(b"%d" % count)
        count += 1
    return count


def drained(socket: Any) -> list[bytes]:
    received = []
    while socket.poll(0):
        received.append(socket.recv())
    return received


# -- the trials -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_what_each_type_does(stage: Stage, row: list[str]) -> None:
    name, way, when_bound, when_connected, of_many, when_full = row
    kind = zmq.SocketType[name]
    assert nobody(stage.context, kind, way, bound=True) == when_bound  # type: ignore[arg-type]
    assert nobody(stage.context, kind, way, bound=False) == when_connected  # type: ignore[arg-type]
    assert many(stage.context, kind, way) == of_many  # type: ignore[arg-type]
    assert full(stage.context, kind, way) == when_full  # type: ignore[arg-type]


def test_every_type_has_its_rows() -> None:
    assert [cells(line)[:6] for line in table(*WAYS).splitlines()[1:]] == ROWS


def test_to_send_is_what_is_asked_about_unless_told_otherwise(stage: Stage) -> None:
    assert nobody(stage.context, zmq.PUSH, bound=True) == "waits"
    assert many(stage.context, zmq.PUSH) == "one each in turn"
    assert full(stage.context, zmq.PUSH) == "waits"


def test_a_table_has_a_heading_and_a_line_for_each_way_of_each_type() -> None:
    heading, *lines = table(zmq.ROUTER, zmq.PUSH).splitlines()
    assert cells(heading) == list(HEADING)
    assert [cells(line)[:2] for line in lines] == [["ROUTER", "receives"], ["ROUTER", "sends"], ["PUSH", "sends"]]
    assert all(len(cells(line)) == len(HEADING) and cells(line)[-1] for line in lines)


def test_the_cells_of_a_table_stand_below_one_another() -> None:
    lines = table(*WAYS).splitlines()
    bars = {tuple(found.start() for found in re.finditer(r" \| ", line)) for line in lines}
    assert len(bars) == 1
    assert lines == [line.rstrip() for line in lines]


def test_show_is_the_table_by_names(stage: Stage) -> None:
    assert "\n".join(show(stage.context, "PUB", "SUB")) == table(zmq.PUB, zmq.SUB)
    assert "\n".join(show(stage.context)) == table(*WAYS)


def test_a_trial_leaves_no_socket_and_can_be_made_again(stage: Stage) -> None:
    assert show(stage.context) == show(stage.context)
    assert all(socket.closed for socket in list(stage.context._sockets))


@curve
def test_curve_on_the_context_changes_no_answer() -> None:
    with zmq.Context() as ctx:
        ctx.curve_publickey, ctx.curve_secretkey = zmq.curve_keypair()
        ctx.curve_server = True
        assert "\n".join(show(ctx)) == table(*WAYS)


def test_the_end_of_the_context_ends_a_trial() -> None:
    ctx = zmq.Context()
    ctx.term()
    with pytest.raises(zmq.ZMQError):
        nobody(ctx, zmq.PUSH, bound=True)


@pytest.mark.parametrize("way", ["sends", "receives"])
@pytest.mark.parametrize("kind", [zmq.STREAM, 4711])
def test_a_type_that_is_not_known_is_named(stage: Stage, kind: int, way: Any) -> None:
    for act in (lambda: nobody(stage.context, kind, way, bound=True), lambda: many(stage.context, kind, way)):
        with pytest.raises(ValueError, match=r"^kind: expected a type such as zmq.PUSH, got "):
            act()
    with pytest.raises(ValueError, match=r"^kind:"):
        full(stage.context, kind, way)


def test_a_way_that_the_type_has_not_is_named(stage: Stage) -> None:
    with pytest.raises(ValueError, match=r"^way: a PULL receives, got 'sends'$"):
        nobody(stage.context, zmq.PULL, bound=True)
    with pytest.raises(ValueError, match=r"^way: a REP receives and sends, got 'hears'$"):
        many(stage.context, zmq.REP, "hears")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^way: a PUSH sends, got 'receives'$"):
        full(stage.context, zmq.PUSH, "receives")


def test_a_name_that_is_no_type_is_named(stage: Stage) -> None:
    for name in ("FISH", "push", "POLLIN"):
        with pytest.raises(ValueError, match=f"^types: expected some of REQ, .*, PAIR, got '{name}'$"):
            show(stage.context, "PUSH", name)


# -- the same by hand, over real transports -------------------------------------------------------------------------


@pytest.fixture(params=["ipc", "tcp"])
def endpoint(request: pytest.FixtureRequest, stage: Stage) -> Iterator[str]:
    """An endpoint at which nobody is bound and somebody may bind."""
    if request.param == "ipc":
        yield stage.endpoint("here")
        return
    if sys.platform == "win32":
        pytest.skip("no port can be kept free for somebody else here")
    with port() as found:
        yield found


@contextmanager
def port() -> Iterator[str]:
    """A port that the system gives to nobody who does not ask for this very one."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{holder.getsockname()[1]}"


@pytest.mark.parametrize("kind", [zmq.PUSH, zmq.REQ, zmq.DEALER, zmq.PAIR])
def test_a_bound_socket_waits_for_somebody(stage: Stage, endpoint: str, kind: int) -> None:
    with pytest.raises(zmq.Again):
        bound(stage, kind, endpoint).send(b"early", zmq.DONTWAIT)


@pytest.mark.parametrize(("kind", "other"), [(zmq.PUSH, zmq.PULL), (zmq.REQ, zmq.REP), (zmq.DEALER, zmq.DEALER)])
def test_a_connected_socket_queues_for_whoever_comes(stage: Stage, endpoint: str, kind: int, other: int) -> None:
    connected(stage, kind, endpoint).send(b"early", zmq.DONTWAIT)
    assert bound(stage, other, endpoint).recv() == b"early"


@pytest.mark.parametrize("first", ["bind", "connect"])
def test_a_publisher_drops_what_nobody_hears(stage: Stage, endpoint: str, first: str) -> None:
    pub, sub = stage.socket(zmq.PUB), stage.socket(zmq.SUB)
    sub.subscribe(b"")
    getattr(pub, first)(endpoint)
    pub.send(b"early", zmq.DONTWAIT)
    getattr(sub, "connect" if first == "bind" else "bind")(endpoint)
    until = time.monotonic() + WAIT
    while not sub.poll(10) and time.monotonic() < until:
        pub.send(b"late")
    assert sub.recv(zmq.DONTWAIT) == b"late"


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
@pytest.mark.parametrize(
    ("kind", "other", "each"), [(zmq.PUSH, zmq.PULL, 1), (zmq.PUB, zmq.SUB, 4)], ids=["one each", "a copy each"]
)
def test_one_bind_and_three_connects_make_four_peers(
    stage: Stage, transport: str, kind: int, other: int, each: int
) -> None:
    ends = [stage.endpoint(name) if transport == "ipc" else "tcp://127.0.0.1:*" for name in "abcd"]
    socket = bound(stage, kind, ends[0])
    here = socket.last_endpoint
    peers = [stage.socket(other, rcvtimeo=MS) for _ in ends]
    for peer in peers if other == zmq.SUB else []:
        peer.subscribe(b"")
    with event(socket, zmq.EVENT_HANDSHAKE_SUCCEEDED, count=4):
        for peer, endpoint in zip(peers[1:], ends[1:], strict=True):
            peer.bind(endpoint)
            socket.connect(peer.last_endpoint)
        peers[0].connect(here)
    for peer in peers if other == zmq.SUB else []:
        while not peer.poll(10):  # until its subscription is here
            socket.send(b"sync")
    for number in range(4):
        socket.send(b"%d" % number)
    heard: list[bytes] = []
    for peer in peers:
        words = iter(peer.recv, b"never")
        heard += [next(word for word in words if word != b"sync") for _ in range(each)]
    assert sorted(heard) == sorted([b"0", b"1", b"2", b"3"] * each)
    assert not any(peer.poll(0) for peer in peers)


@pytest.mark.parametrize(
    ("kind", "other", "shares"),
    [(zmq.PUSH, zmq.PULL, [3, 1]), (zmq.DEALER, zmq.DEALER, [2, 2]), (zmq.REQ, zmq.REP, [2, 2])],
    ids=["PUSH connects again", "DEALER does not", "REQ does not"],
)
def test_to_connect_three_times_to_one_peer_and_once_to_another(
    stage: Stage, kind: int, other: int, shares: list[int]
) -> None:
    a, b = (bound(stage, other, "tcp://127.0.0.1:*") for _ in range(2))
    socket = connected(stage, kind, *[a.last_endpoint] * 3, b.last_endpoint)
    got = {a: 0, b: 0}
    for _ in range(4):
        socket.send(b"one")
        peer = zmq.select([a, b], [], [], WAIT)[0][0]
        got[peer] += len(peer.recv())  # three bytes
        if kind == zmq.REQ:
            peer.send(b"reply")
            socket.recv()
    assert [count // 3 for count in got.values()] == shares


@pytest.mark.parametrize("again", ["SUB", "PUB"])
def test_a_subscriber_or_publisher_that_connects_again_changes_nothing(stage: Stage, again: str) -> None:
    pub, sub = stage.socket(zmq.PUB), stage.socket(zmq.SUB, rcvtimeo=MS)
    sub.subscribe(b"")
    one, other = (sub, pub) if again == "SUB" else (pub, sub)
    other.bind("tcp://127.0.0.1:*")
    for _ in range(3):
        one.connect(other.last_endpoint)
    while not sub.poll(10):
        pub.send(b"sync")
    for word in (b"tea", b"end"):
        pub.send(word)
    assert [word for word in iter(sub.recv, b"end") if word != b"sync"] == [b"tea"]


def test_send_has_returned_before_there_is_a_connection(stage: Stage, endpoint: str) -> None:
    push = stage.socket(zmq.PUSH)
    with event(push, zmq.EVENT_HANDSHAKE_SUCCEEDED):
        push.connect(endpoint)
        push.send(b"early")
        pull = bound(stage, zmq.PULL, endpoint)
    assert pull.recv() == b"early"


# -- high-water marks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("peers", "taken"), [(1, 30), (3, 90)])
def test_marks_of_10_and_20_take_30_messages_for_each_connection(stage: Stage, peers: int, taken: int) -> None:
    push = bound(stage, zmq.PUSH, "inproc://here", sndhwm=10)
    pulls = [connected(stage, zmq.PULL, "inproc://here", rcvhwm=20) for _ in range(peers)]
    assert room(push) == taken
    assert [len(drained(pull)) for pull in pulls] == [30] * peers


def test_for_a_peer_that_is_not_there_only_the_senders_mark_counts(stage: Stage, endpoint: str) -> None:
    push = connected(stage, zmq.PUSH, endpoint, sndhwm=10, linger=0)
    assert room(push) == 10


def test_a_send_mark_set_after_connect_counts_and_immediate_does_not(stage: Stage, endpoint: str) -> None:
    push = connected(stage, zmq.PUSH, endpoint, linger=0)
    push.sndhwm, push.immediate = 10, 1
    assert room(push) == 10


def test_a_send_mark_set_after_bind_does_not_count_for_who_comes_later(stage: Stage) -> None:
    push = bound(stage, zmq.PUSH, "tcp://127.0.0.1:*", linger=0)
    push.sndhwm = 10
    with event(push, zmq.EVENT_HANDSHAKE_SUCCEEDED):
        connected(stage, zmq.PULL, push.last_endpoint, rcvhwm=1, rcvbuf=4096)
    for _ in range(200):  # more than ten, and than the buffers of the system hold
        push.send(bytes(1 << 16), zmq.DONTWAIT)


def test_immediate_takes_nothing_for_a_peer_that_is_not_there(stage: Stage, endpoint: str) -> None:
    push = connected(stage, zmq.PUSH, endpoint, immediate=1)
    assert room(push) == 0


@pytest.mark.parametrize("immediate", [0, 1])
def test_when_its_connection_breaks_a_queue_is_kept_unless_immediate_is_set(stage: Stage, immediate: int) -> None:
    pull = bound(stage, zmq.PULL, "tcp://127.0.0.1:*")
    with Wire(pull.last_endpoint.decode()) as wire:
        push = connected(stage, zmq.PUSH, wire.endpoint, immediate=immediate, sndhwm=10)
        push.send(b"hello")
        assert pull.recv() == b"hello"
        wire.freeze()
        count = 0
        while push.poll(STUCK * 1000, zmq.POLLOUT):  # until the buffers of the system and then the queue are full
            push.send(b"%d " % count + bytes(1 << 20))
            count += 1
        with event(push, zmq.EVENT_HANDSHAKE_SUCCEEDED):
            wire.cut()
            wire.heal()
        push.send(b"end")
        left = [int(word.split()[0]) for word in iter(pull.recv, b"end")]
    assert left == ([] if immediate else list(range(count - len(left), count)))
    assert bool(left) != bool(immediate)


@pytest.mark.parametrize("immediate", [0, 1])
def test_when_its_connection_breaks_what_was_not_read_is_kept_unless_immediate_is_set(
    stage: Stage, endpoint: str, immediate: int
) -> None:
    push = bound(stage, zmq.PUSH, endpoint)
    pull = connected(stage, zmq.PULL, push.last_endpoint, immediate=immediate)
    push.send_multipart([b"first"])
    assert pull.recv() == b"first"
    with event(pull, zmq.EVENT_CONNECT_RETRIED):
        push.send(b"last words")
        push.close(linger=MS)
    assert bool(pull.poll(0)) is not bool(immediate)


def test_a_full_publisher_drops_the_newest_and_tells_nobody(stage: Stage) -> None:
    pub = bound(stage, zmq.PUB, "inproc://here", sndhwm=10)
    sub = stage.socket(zmq.SUB, rcvhwm=20)
    sub.subscribe(b"")
    sub.connect("inproc://here")
    pub.poll(0)
    assert room(pub, most=100) == 100
    assert drained(sub) == [b"%d" % number for number in range(30)]


def test_a_mark_of_0_is_no_limit(stage: Stage, endpoint: str) -> None:
    assert room(connected(stage, zmq.PUSH, endpoint, sndhwm=0, linger=0), most=3000) == 3000


# -- what each trouble of its peer does to a message that a connected PUSH has taken ----------------------------------


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


def holder(ctx: zmq.Context[Any], endpoint: str, told: str) -> None:
    """Receive one message, wait until the next is in the socket's queue too, tell, and do nothing more."""
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.DEALER) as tell:
        pull.bind(endpoint)
        tell.connect(told)
        pull.recv()
        pull.poll()
        tell.send(b"one is in my queue")
        tell.recv()


def test_what_a_peer_has_in_its_queue_dies_with_it(stage: Stage) -> None:
    endpoint, told = stage.endpoint("here"), bound(stage, zmq.DEALER, stage.endpoint("told"))
    push = connected(stage, zmq.PUSH, endpoint)
    victim = stage.spawn(holder, endpoint, stage.endpoint("told"))
    push.send(b"one")
    push.send(b"two")
    assert told.recv() == b"one is in my queue"
    with event(push, zmq.EVENT_DISCONNECTED):
        victim.kill()
    pull = bound(stage, zmq.PULL, endpoint)
    push.send(b"three")
    assert pull.recv() == b"three"
    assert not pull.poll(STUCK * 1000)


@signals
def test_what_is_sent_to_a_frozen_peer_waits_until_it_thaws(stage: Stage) -> None:
    endpoint = stage.endpoint("here")
    frozen: Process = stage.spawn(taker, endpoint, 3)
    push = connected(stage, zmq.PUSH, endpoint)
    push.send(b"one")
    frozen.freeze()
    for word in (b"two", b"three"):
        push.send(word)
    with pytest.raises(TimeoutError):
        frozen.result(STUCK)
    frozen.thaw()
    assert frozen.result(WAIT) == [b"one", b"two", b"three"]


def taker(ctx: zmq.Context[Any], endpoint: str, count: int) -> list[bytes]:
    with ctx.socket(zmq.PULL) as pull:
        pull.bind(endpoint)
        return [pull.recv() for _ in range(count)]


def test_what_is_under_way_when_the_connection_is_cut_is_lost(stage: Stage) -> None:
    pull = bound(stage, zmq.PULL, "tcp://127.0.0.1:*")
    with Wire(pull.last_endpoint.decode()) as wire:
        push = connected(stage, zmq.PUSH, wire.endpoint)
        wire.delay("forward", 1, seconds=60)
        push.send(b"one")
        wire.wait("forward", 1, timeout=WAIT)
        with event(push, zmq.EVENT_DISCONNECTED):
            wire.cut()
        wire.heal()
        push.send(b"two")
        assert pull.recv() == b"two"
        assert not pull.poll(STUCK * 1000)


def test_a_slow_peer_gets_everything(stage: Stage) -> None:
    def sender(ctx: zmq.Context[Any]) -> None:
        with ctx.socket(zmq.PUSH) as push:
            push.sndhwm = 1
            push.connect("inproc://here")
            for number in range(10):
                push.send(b"%d" % number)

    pull = bound(stage, zmq.PULL, "inproc://here", rcvhwm=1)
    actor = stage.play(sender)
    with pytest.raises(TimeoutError):  # two are taken, and it waits to send the third
        actor.result(STUCK)
    assert [pull.recv() for _ in range(10)] == [b"%d" % number for number in range(10)]
    actor.result(WAIT)


def leave(peer: Any, endpoint: str, push: Any) -> None:
    """Close a bound peer, so that its address is free and the PUSH knows that it has gone."""
    with event(push, zmq.EVENT_DISCONNECTED):
        with event(peer, zmq.EVENT_CLOSED):
            peer.unbind(endpoint)
        peer.close()


def test_what_waits_for_a_peer_that_is_away_reaches_its_successor(stage: Stage, endpoint: str) -> None:
    push, first = connected(stage, zmq.PUSH, endpoint), bound(stage, zmq.PULL, endpoint)
    push.send(b"one")
    assert first.recv() == b"one"
    leave(first, endpoint, push)
    push.send(b"two")
    assert bound(stage, zmq.PULL, endpoint).recv() == b"two"


@curve
def test_under_curve_what_waits_reaches_only_who_has_the_key() -> None:
    with under_curve(Recording()) as (home, abroad, street):
        street.context.curve_publickey, street.context.curve_secretkey = zmq.curve_keypair()  # not the server's
        street.context.curve_server = True
        here, there = bound(street, zmq.PULL, "tcp://127.0.0.1:*"), bound(home, zmq.PULL, "tcp://127.0.0.1:*")
        push = abroad.socket(zmq.PUSH, linger=0, sndtimeo=MS)
        with event(push, TURNED_AWAY):
            push.connect(here.last_endpoint)
        push.connect(there.last_endpoint)
        for word in (b"one", b"two"):
            push.send(word)
        assert there.recv() in (b"one", b"two")  # one waits for the other address, if that has not been given up
        assert not here.poll(0)


# -- from the shell -------------------------------------------------------------------------------------------------


def test_from_the_shell_it_shows_the_table() -> None:
    with shell("nobody_many_full", "show", "PUSH", "PULL") as process:
        assert ended(process) == (0, table(zmq.PUSH, zmq.PULL) + "\n", "")


@signals
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells from outside that signals are caught")
def test_ctrl_c_ends_it_in_the_middle() -> None:
    with shell("nobody_many_full", "show", *["PUSH"] * 10_000) as process:
        status, until = Path(f"/proc/{process.pid}/status"), time.monotonic() + WAIT
        caught = 0
        while not caught & (1 << (signal.SIGTERM - 1)) and time.monotonic() < until:
            caught = int(re.search(r"SigCgt:\s*(\w+)", status.read_text())[1], 16)  # type: ignore[index]
        ends_on_ctrl_c(process)
