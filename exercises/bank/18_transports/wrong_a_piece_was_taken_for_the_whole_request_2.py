# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a piece was taken for the whole request.
# It refuses as soon as a first line is bad.

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
            line, end, _ = said[who].partition(b"\r\n")
            found = re.fullmatch(rb"GET /([a-z]+) HTTP/1\.1", line)
            if not end or (found and b"\r\n\r\n" not in said[who]):
                continue
            del said[who]
            status, reply = b"400 Bad Request", b""
            if found:
                req.send(found[1])
                status, reply = b"200 OK", req.recv()
                count -= 1
            head = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status, len(reply))
            stream.send_multipart([who, head + reply])
            stream.send_multipart([who, b""])
