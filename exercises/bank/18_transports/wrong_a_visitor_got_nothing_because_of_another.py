# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a visitor got nothing because of another.

import re

import zmq


def door(ctx, front, back, count):
    with ctx.socket(zmq.STREAM) as stream, ctx.socket(zmq.REQ) as req:
        stream.bind(front)
        req.connect(back)
        while count > 0:
            who, said = stream.recv_multipart()
            while said and b"\r\n\r\n" not in said:
                other, piece = stream.recv_multipart()
                if other == who:
                    said += piece
            if not said:
                continue
            line = said.split(b"\r\n")[0]
            status, reply = b"400 Bad Request", b""
            if found := re.fullmatch(rb"GET /([a-z]+) HTTP/1\.1", line):
                req.send(found[1])
                status, reply = b"200 OK", req.recv()
                count -= 1
            head = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status, len(reply))
            stream.send_multipart([who, head + reply])
            stream.send_multipart([who, b""])
