# SPDX-License-Identifier: BSD-3-Clause
"""Whatever a peer sends, the roles of the publish-subscribe recipes go on: each scene is one role and its odd peers."""

import queue
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import zmq
from sockets import WAIT
from test_odd_peers import ODD, odd, say_all, until

from patterns import (
    async_client_server,
    clone,
    heartbeats,
    last_value_cache,
    publish_subscribe,
    replay,
    slow_joiner,
    steering,
    zero_copy,
)
from patterns.stage import Stage

SHORT = 0.05  # seconds from one sign of life to the next


def an_async_server(stage: Stage) -> None:
    stage.play(async_client_server.server, stage.endpoint("server"), pace=0.0)
    asks = odd(stage, zmq.DEALER, "server")
    say_all(asks)
    say_all(asks, b"1")
    asks.send_multipart([b"2", b"tea 1"])
    until(asks, [b"2", b"tea 1/1"].__eq__)


def an_async_client(stage: Stage) -> None:
    answers = odd(stage, zmq.ROUTER, "server", bind=True)
    asking = stage.play(partial(async_client_server.client, endpoint=stage.endpoint("server"), timeout=WAIT), "tea 1")
    name, *_ = answers.recv_multipart()
    say_all(answers, name)
    say_all(answers, name, b"1")
    answers.send_multipart([name, b"1", b"tea 1/1"])
    assert asking.result(WAIT) == ["tea 1/1"]


def a_publisher(stage: Stage) -> None:
    stage.play(partial(publish_subscribe.publisher, endpoint=stage.endpoint("board"), interval=SHORT), b"tea")
    hears = odd(stage, zmq.XSUB, "board")
    say_all(hears)
    hears.send(b"\1tea")
    assert hears.recv() == b"tea"


def a_subscriber(stage: Stage) -> None:
    board = odd(stage, zmq.XPUB, "board", bind=True)
    hearing = stage.play(partial(publish_subscribe.subscriber, endpoint=stage.endpoint("board"), count=4), b"")
    assert board.recv() == b"\1"
    say_all(board)
    assert hearing.result(WAIT) == [message[0] for message in ODD if len(message) == 1]


def a_publisher_of_values(stage: Stage) -> None:
    stage.play(partial(last_value_cache.publisher, endpoint=stage.endpoint("up")), "tea=hot")
    hears = odd(stage, zmq.XSUB, "up")
    say_all(hears)
    hears.send(b"\1tea")
    assert hears.recv_multipart() == [b"tea", b"hot"]
    say_all(hears)


def a_cache(stage: Stage) -> None:
    says = odd(stage, zmq.XPUB, "up", bind=True)
    stage.play(last_value_cache.cache, stage.endpoint("up"), stage.endpoint("down"))
    assert says.recv() == b"\1"
    hears = odd(stage, zmq.XSUB, "down")
    say_all(says)
    say_all(hears)
    hears.send(b"\1end")
    says.send_multipart([b"end", b"\xff"])
    until(hears, [b"end", b"\xff"].__eq__)


def a_subscriber_to_values(stage: Stage) -> None:
    says = odd(stage, zmq.XPUB, "down", bind=True)
    values = [b"=".join(message) for message in ODD if len(message) == 2]
    role = partial(last_value_cache.subscriber, endpoint=stage.endpoint("down"), count=len(values))
    hearing = stage.play(role, b"")
    assert says.recv() == b"\1"
    say_all(says)
    assert hearing.result(WAIT) == values


def a_joined_publisher(stage: Stage) -> None:
    stage.play(partial(slow_joiner.publisher, stream=stage.endpoint("stream"), ready=stage.endpoint("ready")), "tea")
    hears, tells = odd(stage, zmq.XSUB, "stream"), odd(stage, zmq.PUSH, "ready")
    say_all(hears)
    say_all(tells)
    hears.send(b"\1")
    assert hears.recv() == b"HELLO"
    tells.send_multipart([b"READY", b"\xff"])
    until(hears, [b"1/1", b"tea"].__eq__)
    say_all(tells)


def a_joiner(stage: Stage) -> None:
    says = odd(stage, zmq.XPUB, "stream", bind=True)
    joining = stage.play(slow_joiner.subscriber, "Ada", stage.endpoint("stream"), stage.endpoint("ready"))
    assert says.recv() == b"\1"
    for label in (b"1/3", b"2/3"):
        says.send_multipart([label, b"\xff"])
        say_all(says, b"?")
    says.send_multipart([b"3/3", b"tea"])
    assert joining.result(WAIT) == ["�", "�", "tea"]


def a_watcher(stage: Stage) -> None:
    told = queue.Queue[tuple[str, Any]]()
    stage.play(heartbeats.watcher, stage.endpoint("watcher"), report=lambda *report: told.put(report))
    nameless, named = odd(stage, zmq.DEALER, "watcher"), stage.socket(zmq.DEALER, routing_id=b"kitchen")
    named.connect(stage.endpoint("watcher"))
    for each in (nameless, named):
        say_all(each)
        say_all(each, heartbeats.HEARTBEAT)
    say_all(named, heartbeats.NEWS)
    named.send_multipart([heartbeats.NEWS, b"end"])
    heard = {told.get(timeout=WAIT)[0]}
    while (report := told.get(timeout=WAIT)) != ("kitchen", [b"end"]):
        heard.add(report[0])
    assert heard == {"kitchen"}


def a_peer(stage: Stage) -> None:
    watches = odd(stage, zmq.ROUTER, "watcher", bind=True)
    stage.play(heartbeats.peer, "kitchen", stage.endpoint("watcher"), SHORT)
    name, _ = watches.recv_multipart()
    say_all(watches, name)
    for _ in range(3):
        assert watches.recv_multipart() == [b"kitchen", heartbeats.HEARTBEAT]


def ends(stage: Stage, *names: str) -> dict[str, Any]:
    return {"interval": SHORT, **{name: stage.endpoint(name) for name in names}}


def a_clone_server(stage: Stage) -> None:
    stage.play(partial(clone.server, **ends(stage, "updates", "snapshots", "changes")), "tea=hot")
    asks, tells = odd(stage, zmq.DEALER, "snapshots"), odd(stage, zmq.PUSH, "changes")
    hears = odd(stage, zmq.XSUB, "updates")
    for each in (asks, tells, hears):
        say_all(each)
    say_all(asks, clone.ICANHAZ)
    say_all(tells, clone.HUGZ)
    asks.send_multipart([clone.ICANHAZ, bytes(8), b"\xff" * 8])
    assert asks.recv_multipart()[0] == clone.KTHXBAI
    hears.send(b"\1end")
    tells.send_multipart([b"end", b"\xff"])
    stage.play(partial(clone.replica, **ends(stage, "updates", "snapshots")), "tea=hot", name="replica").result(WAIT)


def a_replica(stage: Stage) -> None:
    says, answers = odd(stage, zmq.XPUB, "updates", bind=True), odd(stage, zmq.ROUTER, "snapshots", bind=True)
    options = {**ends(stage, "updates", "snapshots"), "interval": WAIT}  # it asks once for each snapshot that it needs
    following = stage.play(partial(clone.replica, **options), "tea=hot")
    assert says.recv() == b"\1"
    say_all(says)
    say_all(says, b"key")
    says.send_multipart([clone.HUGZ, b"\xff" * 8, b""])
    name, *_ = answers.recv_multipart()
    say_all(answers, name)
    for word in (clone.KVSYNC, clone.KTHXBAI):
        say_all(answers, name, word)
        say_all(answers, name, word, b"\xff" * 8, b"\xff" * 8)
    answers.send_multipart([name, clone.KTHXBAI, b"\xff" * 8, bytes(8), b"tea", b"hot", b"\xff", b"\xfe"])
    assert following.result(WAIT) == [b"tea=hot", b"\xff=\xfe"]


def a_replaying_publisher(stage: Stage) -> None:
    addresses = ends(stage, "stream", "history", "feed")
    stage.play(partial(replay.publisher, **addresses), "tea")
    asks, tells = odd(stage, zmq.DEALER, "history"), odd(stage, zmq.PUSH, "feed")
    for each in (asks, tells, odd(stage, zmq.XSUB, "stream")):
        say_all(each)
        say_all(each, b"tea")
    say_all(asks, b"REPLAY")
    say_all(asks, b"REPLAY", b"tea")
    asks.send_multipart([b"REPLAY", b"tea", b"\xff" * 8, bytes(8)])
    assert asks.recv_multipart()[:2] == [b"HISTORY", b"tea"]
    tells.send_multipart([b"tea", b"end"])
    del addresses["feed"]
    payloads = [message[0] for message in ODD if len(message) == 1] + [b"end"]
    following = stage.play(partial(replay.subscriber, **addresses), "tea", count=len(payloads), last=0)
    assert [message.payload for message in following.result(WAIT)[1:]] == payloads


def a_replaying_subscriber(stage: Stage) -> None:
    says, answers = odd(stage, zmq.XPUB, "stream", bind=True), odd(stage, zmq.ROUTER, "history", bind=True)
    options = {**ends(stage, "stream", "history"), "interval": WAIT}  # it asks once for what it lacks
    following = stage.play(partial(replay.subscriber, **options), "tea", last=7)
    assert says.recv() == b"\1tea"
    say_all(says)
    say_all(says, b"tea")
    says.send_multipart([b"tea", bytes(7) + b"\x08"])
    name, *_ = answers.recv_multipart()
    for words in ((), (b"HISTORY",), (b"GONE", b"tea")):
        say_all(answers, name, *words)
    answers.send_multipart([name, b"HISTORY", b"tea", bytes(7) + b"\x08", b"\xff"])
    assert following.result(WAIT) == [replay.Message(8, b"\xff")]


def an_array_sink(stage: Stage) -> None:
    collecting = stage.play(zero_copy.sink, 1, stage.endpoint("arrays"))
    says = odd(stage, zmq.PUSH, "arrays")
    say_all(says)
    zero_copy.send_array(says, np.ones(3))
    assert collecting.result(WAIT)[0].tolist() == [1, 1, 1]


def a_simulation(stage: Stage) -> None:
    knobs, ends = {"rate": steering.Knob(1.0, 0.0, 9.0)}, (stage.endpoint("commands"), stage.endpoint("telemetry"))
    stage.play(steering.steered, steering.Steered(dict, knobs, *ends), name="simulation")
    says, hears = odd(stage, zmq.DEALER, "commands"), odd(stage, zmq.XSUB, "telemetry")
    say_all(says)
    say_all(says, b"1", b"set")
    say_all(hears)
    says.send_multipart([b"2", b"run", b"1"])
    until(says, [b"2", b"OK", b"0"].__eq__)


def a_steerer(stage: Stage) -> None:
    answers, tells = odd(stage, zmq.ROUTER, "commands", bind=True), odd(stage, zmq.XPUB, "telemetry", bind=True)
    here, nowhere = stage.endpoint("commands"), stage.endpoint("nowhere")
    asking = stage.play(partial(steering.steer, commands=here, telemetry=nowhere), "pause")
    name, *_ = answers.recv_multipart()
    say_all(answers, name)
    say_all(answers, name, b"1")
    say_all(answers, name, b"1", b"OK")
    answers.send_multipart([name, b"1", b"OK", b"5"])
    assert asking.result(WAIT) == 5
    watching = stage.play(steering.watch, 5, nowhere, stage.endpoint("telemetry"))
    assert tells.recv() == b"\1"
    say_all(tells)
    tells.send(b'{"step": 5, "state": "paused"}')
    assert watching.result(WAIT) == '{"step": 5, "state": "paused"}'


SCENES: dict[str, Callable[[Stage], None]] = {
    "async_client_server.server": an_async_server,
    "async_client_server.client": an_async_client,
    "publish_subscribe.publisher": a_publisher,
    "publish_subscribe.subscriber": a_subscriber,
    "last_value_cache.publisher": a_publisher_of_values,
    "last_value_cache.cache": a_cache,
    "last_value_cache.subscriber": a_subscriber_to_values,
    "slow_joiner.publisher": a_joined_publisher,
    "slow_joiner.subscriber": a_joiner,
    "heartbeats.watcher": a_watcher,
    "heartbeats.peer": a_peer,
    "clone.server": a_clone_server,
    "clone.replica": a_replica,
    "replay.publisher": a_replaying_publisher,
    "replay.subscriber": a_replaying_subscriber,
    "steering.steered": a_simulation,
    "steering.steer": a_steerer,
    "zero_copy.sink": an_array_sink,
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_whatever_a_peer_sends_the_role_goes_on(scene: Callable[[Stage], None]) -> None:
    with Stage() as stage:
        scene(stage)
