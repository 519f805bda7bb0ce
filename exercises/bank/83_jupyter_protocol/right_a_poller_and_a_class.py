# SPDX-License-Identifier: BSD-3-Clause
# Passed: a class with a poller, and messages made by hand.

import json
from dataclasses import dataclass, replace
from uuid import uuid4

import zmq

from patterns.jupyter_messages import DELIMITER, Message, answers, endpoint, made, sign, unpack


@dataclass
class Desk:
    shell: zmq.Socket
    iopub: zmq.Socket
    key: bytes
    session: str
    executed: int = 0

    def send(self, socket, message):
        parts = [json.dumps(p).encode() for p in (message.header, message.parent, message.metadata, message.content)]
        socket.send_multipart([*message.ids, DELIMITER, sign(parts, self.key), *parts])

    def subscribed(self, said):
        if said[:1] == b"\0":
            return
        topic = said[1:]
        if topic.decode(errors="ignore").encode() == topic:
            welcome = made("iopub_welcome", {"subscription": topic.decode()}, self.session)
            self.send(self.iopub, replace(welcome, ids=(topic,)))

    def asked(self, frames):
        match unpack(frames, self.key):
            case Message() as request:
                if request.kind == "execute_request":
                    self.executed += 1
                for channel, message in answers(request, self.session, str.upper, self.executed):
                    self.send(self.iopub if channel == "iopub" else self.shell, message)


def kernel(ctx, connection):
    with ctx.socket(zmq.XPUB) as iopub, ctx.socket(zmq.ROUTER) as shell:
        iopub.xpub_verbose = 1
        for socket, channel in (iopub, "iopub"), (shell, "shell"):
            socket.bind(endpoint(connection, channel))
        desk = Desk(shell, iopub, connection["key"].encode("ascii"), str(uuid4()))
        poller = zmq.Poller()
        poller.register(iopub, zmq.POLLIN)
        poller.register(shell, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            while iopub.poll(0):
                desk.subscribed(iopub.recv())
            if shell in ready:
                desk.asked(shell.recv_multipart())
