# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a visitor got a reply for which the service was not asked.
# It asks once for each word.

import re

import zmq


def door(ctx, front, back, count):
    said, known = {}, {}
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
            if found := re.fullmatch(rb"GET /([a-z]+) HTTP/1\.1", line):
                if found[1] not in known:
                    req.send(found[1])
                    known[found[1]] = req.recv()
                status, reply = b"200 OK", known[found[1]]
                count -= 1
            head = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status, len(reply))
            stream.send_multipart([who, head + reply])
            stream.send_multipart([who, b""])
