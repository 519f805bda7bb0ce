# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a request that is not to be asked was asked.
# The end of its pattern also matches in front of a last newline.

import re

import zmq


def door(ctx, front, back, count):
    said = {}
    with ctx.socket(zmq.STREAM) as stream, ctx.socket(zmq.REQ) as req:
        stream.bind(front)
        req.connect(back)
        while count > 0:
            who, piece = stream.recv_multipart()
            said[who] = said.get(who, b"") + piece
            if b"\r\n\r\n" not in said[who]:
                continue
            line = said.pop(who).split(b"\r\n")[0]
            status, reply = b"400 Bad Request", b""
            if found := re.match(rb"GET /([a-z]+) HTTP/1\.1$", line):
                req.send(found[1])
                status, reply = b"200 OK", req.recv()
                count -= 1
            head = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status, len(reply))
            stream.send_multipart([who, head + reply])
            stream.send_multipart([who, b""])
