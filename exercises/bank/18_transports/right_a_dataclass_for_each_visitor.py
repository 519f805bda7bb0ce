# SPDX-License-Identifier: BSD-3-Clause
# Passed: an object for each visitor, and frames sent one by one.

from dataclasses import dataclass, field

import zmq

EMPTY_LINE = b"\r\n\r\n"


@dataclass
class Visitor:
    pieces: list = field(default_factory=list)

    def hear(self, piece):
        self.pieces.append(piece)
        whole = b"".join(self.pieces)
        return whole if EMPTY_LINE in whole else None


def wanted(request):
    line = request[: request.index(b"\r\n")]
    if not (line.startswith(b"GET /") and line.endswith(b" HTTP/1.1")):
        return b""
    word = line[5:-9]
    return word if word and all(97 <= letter <= 122 for letter in word) else b""


def respond(stream, who, status, body=b""):
    stream.send(who, zmq.SNDMORE)
    stream.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: " + b"%d" % len(body) + EMPTY_LINE + body)
    stream.send(who, zmq.SNDMORE)
    stream.send(b"")


def door(ctx, front, back, count):
    visitors, req = {}, ctx.socket(zmq.REQ)
    stream = ctx.socket(zmq.STREAM)
    try:
        stream.bind(front)
        req.connect(back)
        while count:
            who, piece = stream.recv(), stream.recv()
            if not piece:
                visitors.pop(who, None)  # it has come or gone
                continue
            request = visitors.setdefault(who, Visitor()).hear(piece)
            if request is None:
                continue
            visitors.pop(who)
            if word := wanted(request):
                req.send(word)
                respond(stream, who, b"200 OK", req.recv())
                count -= 1
            else:
                respond(stream, who, b"400 Bad Request")
    finally:
        stream.close()
        req.close()
