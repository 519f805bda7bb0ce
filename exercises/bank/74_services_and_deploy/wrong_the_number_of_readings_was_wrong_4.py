# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the number of readings was wrong.

from contextlib import ExitStack
from dataclasses import dataclass

import zmq


@dataclass
class Known:
    degrees: bytes = b""
    count: int = 0


KINDS = {"readings": zmq.SUB, "news": zmq.PUB, "questions": zmq.REP}


def desk(ctx, places):
    known = {}
    poller = zmq.Poller()
    sockets = {name: [] for name in KINDS}
    with ExitStack() as stack:
        for name, binds, connects, endpoint in places:
            mine = binds == "desk" or connects in ("desk", "anybody")
            if name not in KINDS or not mine:
                continue
            socket = stack.enter_context(ctx.socket(KINDS[name]))
            socket.linger = 0
            if name == "readings":
                socket.subscribe(b"")
            if binds == "desk":
                socket.bind(endpoint)
            else:
                socket.connect(endpoint)
            sockets[name].append(socket)
            if name != "news":
                poller.register(socket, zmq.POLLIN)
        while True:
            for socket, _ in poller.poll():
                frames = socket.recv_multipart()
                if socket in sockets["readings"]:
                    if len(frames) != 2:
                        continue
                    entry = known.setdefault(frames[0], Known())
                    entry.degrees = frames[1]
                    entry.count += 1
                    for news in sockets["news"]:
                        news.send_multipart(frames)
                elif len(frames) == 1:
                    socket.send(known.get(frames[0], Known()).degrees)
                elif len(frames) == 2 and frames[0] == b"2":
                    entry = known.get(frames[1], Known())
                    socket.send_multipart([b"2", entry.degrees, str(entry.count if entry.degrees else 0).encode()])
                else:
                    socket.send(b"?")
