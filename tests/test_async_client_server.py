# SPDX-License-Identifier: BSD-3-Clause
"""Asynchronous client-server: its two cores as tables of cases, a thousand bad hours in the simulation, real sockets.

Times in the first part are numbers; nothing there waits. On sockets the silences are long and the paces short, so that
a busy machine changes when something is said and never what.
"""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import pytest
import zmq
from sockets import (
    MS,
    WAIT,
    bound_at,
    bound_to,
    curve,
    ended,
    ends_on_ctrl_c,
    guarantees_hold,
    shell,
    signals,
    transports,
    turned_away,
    under_curve,
)

from diagrams import draw, trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns.async_client_server import ALIVE, GUARANTEES, Client, Server, client, server, steps
from patterns.shell import NEVER, Close, Open, Result, Send, arun, serve
from patterns.simulation import Network
from patterns.stage import Stage

LONG = 60.0  # seconds that do not pass in a test

Said = tuple[float, list[bytes]]  # when, and the frames


def said(*messages: str) -> list[Said]:
    """`0.5 ann 1 tea 3` as (0.5, [b"ann", b"1", b"tea 3"]); `0.5 ann` alone is Ann's sign of life."""
    result = []
    for message in messages:
        when, *frames = message.encode().split(b" ", 3)
        result.append((float(when), frames if len(frames) > 1 else [*frames, *ALIVE]))
    return result


def play(core: Server | Client, name: str, messages: list[Said], until: float = LONG) -> list[tuple[float, Any]]:
    """What a core wants done, and when, if it is told this on the socket of that name and ticked when it wants to."""
    effects: list[tuple[float, Any]] = []
    now = 0.0
    for when, frames in [*messages, (until, [])]:
        while core.deadline <= when:
            now = max(now, core.deadline)
            effects += [(now, effect) for effect in core.tick(now)]
            assert core.deadline > now, "a shell would spin"
        now = when
        if frames:
            effects += [(now, effect) for effect in core.receive(name, frames, now)]
    return effects


def sent(effects: list[tuple[float, Any]]) -> list[Said]:
    return [(when, effect.frames) for when, effect in effects if isinstance(effect, Send)]


# -- the server's core, without sockets and without waiting -------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "replies"),
    [
        pytest.param([], [], id="nobody asks, nothing is said"),
        pytest.param(
            ["0 ann 1 tea 3"],
            ["0.25 ann 1 tea 1/3", "0.5 ann 1 tea 2/3", "0.75 ann 1 tea 3/3"],
            id="a request has several replies, each in its time",
        ),
        pytest.param(["0 ann 1 a tune"], [], id="what is not understood has no reply"),
        pytest.param(["0 ann 1 tea 0"], [], id="a request for nothing has no reply"),
        pytest.param(["0 ann"], [], id="a sign of life has no reply"),
        pytest.param(
            ["0 ann 1 tea 2", "0.125 ann 2 egg 1"],
            ["0.25 ann 1 tea 1/2", "0.375 ann 2 egg 1/1", "0.5 ann 1 tea 2/2"],
            id="a short request overtakes a long one that came before it",
        ),
        pytest.param(
            ["0 ann 1 tea 1", "0.125 bob 1 egg 1"],
            ["0.25 ann 1 tea 1/1", "0.375 bob 1 egg 1/1"],
            id="two clients may use the same request id",
        ),
        pytest.param(
            ["0 ann 1 tea 9"],
            [f"{n / 4} ann 1 tea {n}/9" for n in range(1, 8)],
            id="who says nothing for the silence hears no more",
        ),
        pytest.param(
            ["0 ann 1 tea 9", "1.5 ann"],
            [f"{n / 4} ann 1 tea {n}/9" for n in range(1, 10)],
            id="a sign of life keeps the replies coming",
        ),
        pytest.param(
            ["0 ann 1 tea 9", "1.5 ann 2 a tune"],
            [f"{n / 4} ann 1 tea {n}/9" for n in range(1, 10)],
            id="a request that is not understood is a sign of life, too",
        ),
        pytest.param(
            ["0 ann 1 tea 9", "1.5 bob"],
            [f"{n / 4} ann 1 tea {n}/9" for n in range(1, 8)],
            id="another client's sign of life is no help",
        ),
        pytest.param(
            ["0 ann 1 tea 9", "5 ann 2 egg 1"],
            [*[f"{n / 4} ann 1 tea {n}/9" for n in range(1, 8)], "5.25 ann 2 egg 1/1"],
            id="who comes back is a stranger, and is served as one",
        ),
        pytest.param(
            ["0 ann 1 tea 1", "0 ann 1 egg 1"],
            ["0.25 ann 1 tea 1/1", "0.25 ann 1 egg 1/1"],
            id="what is due at the same time goes out in the order in which it was asked",
        ),
    ],
)
def test_server(messages: list[str], replies: list[str]) -> None:
    core = Server("kitchen", silence=2.0, plan=partial(steps, pace=0.25))
    opening, *rest = play(core, "clients", said(*messages))
    assert opening == (0.0, Open("clients", zmq.ROUTER, "kitchen", bind=True, options={"sndhwm": 0}))
    assert sent(rest) == said(*replies)
    assert core.clients == {}
    assert core.deadline == NEVER


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([b"ann"], id="no request id and no body"),
        pytest.param([b"ann", b"1"], id="no body"),
        pytest.param([b"ann", b"", b"1", b"tea 3"], id="an empty frame of a REQ"),
        pytest.param([], id="nothing"),
    ],
)
def test_server_drops_what_has_other_frames(frames: list[bytes]) -> None:
    core = Server("kitchen")
    core.tick(0.0)
    assert core.receive("clients", frames, 0.0) == []
    assert core.clients == {}
    assert core.deadline == NEVER


def test_a_tick_that_comes_late_sends_everything_in_the_order_in_which_it_was_due() -> None:
    core = Server("kitchen", silence=LONG, plan=partial(steps, pace=0.25))
    core.tick(0.0)
    for when, frames in said("0 ann 1 tea 3", "0.125 ann 2 egg 2"):
        core.receive("clients", frames, when)
    bodies = [effect.frames[2] for effect in core.tick(7.0) if isinstance(effect, Send)]
    assert bodies == [b"tea 1/3", b"egg 1/2", b"tea 2/3", b"egg 2/2", b"tea 3/3"]


def test_a_client_is_forgotten_when_the_silence_is_over_and_not_before() -> None:
    core = Server("kitchen", silence=2.0)
    core.tick(0.0)
    for when, frames in said("1 ann", "1.5 bob"):
        core.receive("clients", frames, when)
    for when, known in [(2.875, {b"ann", b"bob"}), (3.0, {b"bob"}), (3.375, {b"bob"}), (3.5, set())]:
        core.tick(when)
        assert core.clients.keys() == known


def test_the_server_counts_what_each_client_has_asked() -> None:
    core = Server("kitchen")
    core.tick(0.0)
    for when, frames in said("0 ann 1 tea 1", "0 ann", "0 bob", "0 ann 2 a tune"):
        core.receive("clients", frames, when)
    assert {name: known.asked for name, known in core.clients.items()} == {b"ann": 2, b"bob": 0}


@pytest.mark.parametrize("silence", [0.0, -1.0, float("nan")])
def test_a_server_needs_a_silence(silence: float) -> None:
    with pytest.raises(ValueError, match="silence: expected seconds"):
        Server("kitchen", silence)


# -- the client's core --------------------------------------------------------------------------------------------


def asking(*messages: str, timeout: float = 5.0) -> tuple[list[Said], list[tuple[float, Any]], Client]:
    """What a client that wants tea 2 and egg 1 says, and its results, if it is told this: `0.5 1 tea 1/2`."""
    heard = [(float(when), [number, body]) for when, number, body in (m.encode().split(b" ", 2) for m in messages)]
    core = Client("kitchen", [b"tea 2", b"egg 1"], timeout, beat=1.0)
    effects = play(core, "server", heard)
    return sent(effects), [(when, e.value) for when, e in effects if isinstance(e, Result)], core


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param(["1 1 tea 1/2", "1 1 tea 2/2", "1 2 egg 1/1"], id="in the order of the requests"),
        pytest.param(["1 2 egg 1/1", "1 1 tea 1/2", "1 1 tea 2/2"], id="the second request first"),
        pytest.param(["1 1 tea 1/2", "1 2 egg 1/1", "1 1 tea 2/2"], id="mixed"),
        pytest.param(
            ["1 7 egg 1/1", "1 1 tea 1/2", "1 1 tea 2/2", "1 2 egg 1/1"], id="with a reply to nobody's request"
        ),
        pytest.param(["1 2 egg 1/1", "1 2 egg 1/1", "1 1 tea 1/2", "1 1 tea 2/2"], id="with one that came before"),
        pytest.param(["1 1 a tune", "1 1 tea 1/2", "1 1 tea 2/2", "1 2 egg 1/1"], id="with one that is no reply"),
    ],
)
def test_client_sorts_its_replies(messages: list[str]) -> None:
    _, results, core = asking(*messages)
    assert results == [(1.0, [[b"tea 1/2", b"tea 2/2"], [b"egg 1/1"]])]
    assert core.deadline == NEVER
    assert core.receive("server", [b"1", b"tea 2/2"], 2.0) == []


def test_client_asks_everything_at_once_and_then_shows_that_it_lives() -> None:
    messages, _, _ = asking("2.5 1 tea 1/2", "2.5 1 tea 2/2", "2.5 2 egg 1/1")
    assert messages == [(0.0, [b"1", b"tea 2"]), (0.0, [b"2", b"egg 1"]), (1.0, ALIVE), (2.0, ALIVE)]


@pytest.mark.parametrize(
    ("messages", "still_open"),
    [
        pytest.param([], 2, id="nobody answers"),
        pytest.param(["1 1 tea 1/2"], 2, id="a reply is missing in each"),
        pytest.param(["1 1 tea 1/2", "1 1 tea 2/2"], 1, id="one is complete"),
        pytest.param(["1 1 tea 1/2", "1 1 tea 2/2", "5 2 egg 1/1"], 1, id="the last one comes when the time is over"),
    ],
)
def test_client_says_what_is_missing_when_its_time_is_over(messages: list[str], still_open: int) -> None:
    _, [(when, error)], core = asking(*messages)
    assert (when, type(error), str(error)) == (
        5.0,
        TimeoutError,
        f"kitchen left {still_open} of 2 requests open for 5 s",
    )
    assert core.deadline == NEVER


def test_client_opens_and_closes_its_socket() -> None:
    effects = play(core := Client("kitchen", [b"tea 1"]), "server", [(1.0, [b"1", b"tea 1/1"])])
    kinds = [effect for _, effect in effects if isinstance(effect, (Open, Close))]
    assert kinds == [Open("server", zmq.DEALER, "kitchen", options={"sndhwm": 0}), Close("server")]
    assert not core.open


@pytest.mark.parametrize(
    ("requests", "beat"),
    [([], 1.0), ([b"tea 1"], 0.0)],
    ids=["no request", "no time from one sign of life to the next"],
)
def test_client_refuses(requests: list[bytes], beat: float) -> None:
    with pytest.raises(ValueError, match="expected some requests, and seconds"):
        Client("kitchen", requests, beat=beat)


# -- in the simulation --------------------------------------------------------------------------------------------

SILENCE = 2.0
CLIENTS = tuple("abcdef")
END = 40.0


def bad_hour(seed: int) -> tuple[Network, list[tuple[str, list[bytes]]]]:
    """Clients that come, go, freeze and lose their connection, a server that does so, too; and what clients heard."""
    chance, heard = random.Random(seed), list[tuple[str, list[bytes]]]()

    def write(actor: str, kind: str, socket: str = "", frames: Any = (), *rest: Any) -> None:
        if kind == "receive" and actor in CLIENTS:
            heard.append((actor, list(frames)))

    network = Network(seed, write=write)
    network.play("server", lambda: Server("kitchen", SILENCE, partial(steps, pace=0.3)))
    for name in CLIENTS:
        orders = [f"{name}{n} {chance.randint(1, 12)}".encode() for n in range(1, chance.randint(2, 5))]
        make = partial(Client, "kitchen", orders, timeout=chance.choice([2.0, 15.0]), beat=chance.choice([0.5, LONG]))
        network.at(chance.uniform(0, 5), partial(network.play, name, make))
        when, how = chance.uniform(5, 10), chance.choice(["crash", "freeze", "cut", "nothing"])
        if how == "crash":
            network.at(when, partial(network.crash, name))
            if chance.random() < 0.5:
                network.at(when + 1, partial(network.restart, name))
        elif how == "freeze":
            network.at(when, partial(network.freeze, name))
            network.at(when + chance.uniform(0, 5), partial(network.thaw, name))
        elif how == "cut":
            network.at(when, partial(network.cut, name, "server"))
            network.at(when + chance.uniform(0, 5), partial(network.heal, name, "server"))
    how = chance.choice(["restart", "freeze", "nothing"])
    if how == "restart":
        network.at(chance.uniform(5, 10), partial(network.restart, "server"))
    elif how == "freeze":
        network.at(5.0, partial(network.freeze, "server"))
        network.at(chance.uniform(6, 10), partial(network.thaw, "server"))
    return network, heard


def test_in_any_weather_replies_belong_to_a_request_and_nobody_is_kept() -> None:
    for seed in range(300):
        network, heard = bad_hour(seed)
        for second in range(int(END)):
            network.run(until=float(second))
            node = network.nodes["server"]
            core: Any = node.core
            if not node.frozen:
                late = [k for k in core.clients.values() if k.heard + SILENCE <= network.now]
                assert not late, f"seed {seed}: the server still knows {late} at {network.now}"
        assert core.clients == {}, f"seed {seed}: the server has forgotten to forget"
        assert core.deadline == NEVER, f"seed {seed}"
        check(seed, network, heard)


def check(seed: int, network: Network, heard: list[tuple[str, list[bytes]]]) -> None:
    """Each reply went to whom it belongs, in order and without a gap; each client has an honest result."""
    steps_of: dict[tuple[str, bytes], int] = {}
    for name, [number, body] in heard:
        order, _, step = body.partition(b" ")
        assert order == name.encode() + number, f"seed {seed}: {name} got {body!r} as a reply to {number!r}"
        done = int(step.split(b"/")[0])
        assert done in (1, steps_of.get((name, number), 0) + 1), f"seed {seed}: {name} got {body!r} out of order"
        steps_of[name, number] = done
    for name in CLIENTS:
        for result in network.results[name]:
            if isinstance(result, list):
                for n, replies in enumerate(result, 1):
                    count = len(replies)
                    assert replies == [b"%s%d %d/%d" % (name.encode(), n, k, count) for k in range(1, count + 1)]
            else:
                assert isinstance(result, TimeoutError), f"seed {seed}: {name} has {result!r}"


def hour(order: str, *troubles: tuple[float, str], pace: float = 0.3, timeout: float = 8.0, beat: float = 0.5) -> Any:
    """Ann's one result when she asks for this and the troubles befall: (when, "crash server")."""
    network = Network(34)
    network.play("server", lambda: Server("kitchen", SILENCE, partial(steps, pace=pace)))
    network.play("ann", lambda: Client("kitchen", [order.encode()], timeout, beat))
    for when, trouble in troubles:
        what, *whom = trouble.split()
        network.at(when, partial(getattr(network, what), *whom))
    network.run(until=20.0)
    [result] = network.results["ann"]
    return result if isinstance(result, TimeoutError) else result[0]


def all_of(count: int) -> list[bytes]:
    return [b"tea %d/%d" % (n, count) for n in range(1, count + 1)]


def test_without_troubles_all_replies_come() -> None:
    assert hour("tea 10") == all_of(10)


def test_what_a_dead_server_still_owed_is_lost_and_the_client_is_told() -> None:
    assert isinstance(hour("tea 10", (1.0, "crash server")), TimeoutError)


def test_a_restarted_server_does_not_know_what_was_asked_before() -> None:
    assert isinstance(hour("tea 10", (1.0, "restart server")), TimeoutError)


def test_a_frozen_server_goes_on_where_it_stood_and_has_forgotten_nobody() -> None:
    assert hour("tea 10", (1.0, "freeze server"), (1.0 + 2 * SILENCE, "thaw server")) == all_of(10)


def test_behind_a_cut_connection_the_client_is_a_stranger() -> None:
    assert isinstance(hour("tea 10", (1.0, "cut ann server"), (1.1, "heal ann server")), TimeoutError)


def test_a_client_that_shows_life_gets_replies_for_longer_than_the_silence() -> None:
    assert hour("tea 5", pace=1.0) == all_of(5)
    assert isinstance(hour("tea 5", pace=1.0, beat=LONG), TimeoutError)


def test_a_client_that_freezes_longer_than_the_silence_is_forgotten() -> None:
    assert isinstance(hour("tea 20", (1.0, "freeze ann"), (2.0 + SILENCE, "thaw ann")), TimeoutError)


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


# -- over sockets -------------------------------------------------------------------------------------------------


async def async_server(ctx: zmq.Context[Any], endpoint: str, silence: float, pace: float) -> None:
    """The role `server` under asyncio."""
    async for _ in arun(ctx, Server(endpoint, silence, partial(steps, pace=pace))):
        pass


async def async_client(ctx: zmq.Context[Any], *requests: str, endpoint: str) -> list[str]:
    """The role `client` under asyncio."""
    results: AsyncIterator[Any]
    async with aclosing(arun(ctx, Client(endpoint, [r.encode() for r in requests]))) as results:
        return [b", ".join(replies).decode() for replies in await anext(results)]


servers = pytest.mark.parametrize("serving", [server, async_server], ids=["blocking server", "asyncio server"])
clients = pytest.mark.parametrize("role", [client, async_client], ids=["blocking clients", "asyncio clients"])


@servers
@clients
def test_many_requests_of_many_clients_find_their_replies(
    stage: Stage, serving: Callable[..., Any], role: Callable[..., Any]
) -> None:
    endpoint = stage.endpoint("server")
    orders = {name: [f"{name}{n} {1 + n % 4}" for n in range(10)] for name in ("ann", "bob", "cleo")}
    actors = {n: stage.play(partial(role, endpoint=endpoint), *many, name=n) for n, many in orders.items()}
    stage.play(serving, endpoint, LONG, 0.01, name="server")
    for name, actor in actors.items():
        expected = [", ".join(f"{name}{n} {k}/{1 + n % 4}" for k in range(1, 2 + n % 4)) for n in range(10)]
        assert actor.result(WAIT) == expected


@transports
def test_of_four_thousand_requests_at_once_none_is_lost(transport: str) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as home, Stage() as abroad:
        home.play(server, home.endpoint("server") if transport == "ipc" else "tcp://127.0.0.1:*", LONG, 0.001)
        [endpoint] = bound_at(recording, "server")
        asking = abroad.play(partial(client, endpoint=endpoint, timeout=LONG), *["tea 1"] * 4000)
        assert asking.result(LONG) == ["tea 1/1"] * 4000


def test_replies_wait_for_who_does_not_read_yet(stage: Stage) -> None:
    replies = [b"%d" % number for number in range(4000)]
    core = Server(stage.endpoint("server"), LONG, lambda body: [(0.0, reply) for reply in replies[: int(body)]])
    stage.play(serve, core, name="server")
    slow, quick = (stage.socket(zmq.DEALER, rcvtimeo=MS) for _ in range(2))
    for each, wanted in ((slow, b"4000"), (quick, b"1")):
        each.connect(core.endpoint)
        each.send_multipart([b"1", wanted])
        assert each.poll(MS)  # and when the second has its reply, all of the first have been sent
    assert [slow.recv_multipart()[1] for _ in replies] == replies


def test_the_same_picture_on_sockets_and_in_the_simulation() -> None:
    orders, virtual, real = [b"tea 3", b"egg 1"], Recording(), Recording()
    network = Network(34, write=virtual.write)
    network.play("server", lambda: Server("kitchen"))
    network.play("ann", lambda: Client("kitchen", orders, beat=LONG))
    network.run(until=LONG)
    with Stage(trace.Context(real)) as stage:
        stage.play(serve, Server(stage.endpoint("server"), LONG), name="server")
        ann = stage.play(partial(client, endpoint=stage.endpoint("server"), beat=LONG), "tea 3", "egg 1", name="ann")
        assert ann.result(WAIT) == ["tea 1/3, tea 2/3, tea 3/3", "egg 1/1"]
    assert draw.sequence(virtual).text == draw.sequence(real).text


def test_a_client_whose_connection_was_cut_has_a_new_routing_id() -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage:
        core = Server(stage.endpoint("server"), LONG, partial(steps, pace=LONG))
        stage.play(serve, core, name="server")
        with Wire(stage.endpoint("server")) as wire:
            ann = stage.play(partial(client, endpoint=wire.endpoint, timeout=WAIT, beat=0.03), "tea 1", name="ann")
            recording.wait("receive", "server", count=2, timeout=WAIT)  # so the core has had the first
            [known] = core.clients.values()
            wire.cut()
            wire.heal()
            count = recording.count("receive", "server")
            while len(core.clients) < 2:
                count += 1
                recording.wait("receive", "server", count=count, timeout=WAIT)
            assert known.asked == 1
            assert sorted(each.asked for each in list(core.clients.values())) == [0, 1]
            assert not ann.done


@signals
def test_a_killed_server_leaves_its_clients_a_timeout(stage: Stage) -> None:
    endpoint = stage.endpoint("server")
    process = stage.spawn(server, endpoint, LONG, LONG)
    asking = stage.play(partial(client, endpoint=endpoint, timeout=0.5, beat=0.1), "tea 2", "egg 1", name="ann")
    process.kill()
    with pytest.raises(TimeoutError, match="left 2 of 2 requests open"):
        asking.result(WAIT)


@curve
@transports
def test_under_curve_only_who_has_the_keys_is_answered(transport: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        home.play(server, "tcp://127.0.0.1:*" if transport == "tcp" else home.endpoint("server"), LONG, 0.01)
        [endpoint] = bound_at(recording, "server")
        with turned_away(street, zmq.DEALER, endpoint, [b"1", b"let 1"]):
            asking = abroad.play(partial(client, endpoint=endpoint, beat=LONG), "tea 2", name="client")
            assert asking.result(WAIT) == ["tea 1/2, tea 2/2"]
        assert [e.frames[1:] for e in recording if (e.kind, e.actor) == ("receive", "server")] == [(b"1", b"tea 2")]


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_a_client_is_answered_and_ctrl_c_ends_the_server() -> None:
    with shell("async_client_server", "server", "--endpoint", "tcp://127.0.0.1:0", "--pace", "0.01") as serving:
        with shell("async_client_server", "client", "--endpoint", *bound_to(serving), "tea 3", "egg 1") as asking:
            assert ended(asking) == (0, "tea 1/3, tea 2/3, tea 3/3\negg 1/1\n", "")
        ends_on_ctrl_c(serving)
