# SPDX-License-Identifier: BSD-3-Clause
"""Strangers: a program in another language, with libzmq in its own packing, speaks with our recipes.

It is zeromq.js on Node.js. `make strangers` installs it beside the workbook's packages; where it is not, nobody speaks.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from sockets import MS, WAIT, bound_at, curve, transports, under_curve

from diagrams import trace
from diagrams.recording import Recording
from patterns import request_reply
from patterns.stage import Stage

NODE, MODULES = shutil.which("node"), Path(sys.prefix, "node_modules")
pytestmark = pytest.mark.skipif(not NODE or not (MODULES / "zeromq").exists(), reason="no zeromq.js: make strangers")

# Both take an endpoint, and then a client's CURVE keys, if there are any.
CLIENT = """
const [endpoint, curveServerKey, curvePublicKey, curveSecretKey] = process.argv.slice(1)
const keys = curveServerKey ? {curveServerKey, curvePublicKey, curveSecretKey} : {}
const socket = new (require("zeromq").Request)({linger: 0, receiveTimeout: LIMIT, ...keys})
socket.connect(endpoint)
socket.send("grüß Gott").then(() => socket.receive()).then(
    ([reply]) => console.log(reply.toString()), () => console.log("no reply")).then(() => socket.close())
"""
SERVER = """
const socket = new (require("zeromq").Reply)({linger: 1000})
async function serve() {
    await socket.bind(process.argv[1])
    console.log(socket.lastEndpoint)
    for await (const [request] of socket) await socket.send(request.toString().toUpperCase())
}
serve()
"""


@contextmanager
def node(program: str, *args: str, limit: int = MS) -> Iterator["subprocess.Popen[str]"]:
    command = [str(NODE), "-e", program.replace("LIMIT", str(limit)), *args]
    environment = {**os.environ, "NODE_PATH": str(MODULES)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=WAIT)


def said(process: "subprocess.Popen[str]") -> str:
    return process.communicate(timeout=2 * WAIT)[0].strip()


@transports
def test_a_stranger_asks_our_server(transport: str) -> None:
    recording = Recording()
    with Stage(trace.Context(recording)) as stage:
        stage.play(request_reply.server, stage.endpoint("door") if transport == "ipc" else "tcp://127.0.0.1:*")
        with node(CLIENT, *bound_at(recording, "server")) as client:
            assert said(client) == "GRüß GOTT"


@transports
def test_our_client_asks_a_strangers_server(transport: str) -> None:
    with Stage() as stage:
        endpoint = stage.endpoint("door") if transport == "ipc" else "tcp://127.0.0.1:*"
        with node(SERVER, endpoint) as server:
            assert server.stdout
            bound = server.stdout.readline().strip()
            assert stage.play(request_reply.client, "hello", "again", endpoint=bound).result(WAIT) == ["HELLO", "AGAIN"]


@curve
def test_under_curve_a_stranger_with_keys_is_served_and_one_without_is_not() -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, _):
        home.play(request_reply.server, "tcp://127.0.0.1:*")
        [door] = bound_at(recording, "server")
        ours = abroad.context
        keys = [bytes(key).decode() for key in (ours.curve_serverkey, ours.curve_publickey, ours.curve_secretkey)]
        with node(CLIENT, door, *keys) as member:
            assert said(member) == "GRüß GOTT"
        wrong = zmq.curve_keypair()[0].decode()
        with node(CLIENT, door, limit=1000) as naked, node(CLIENT, door, wrong, *keys[1:], limit=1000) as misled:
            assert (said(naked), said(misled)) == ("no reply", "no reply")
