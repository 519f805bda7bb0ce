# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def door(ctx, front, back, count):
    r"""Let HTTP clients ask a service; return when `count` of them have been answered with 200.

    front   bind a STREAM here, an endpoint of tcp. What a connection sends, up to and with the first
            b"\r\n\r\n", is its request. It may come in pieces, and pieces of others may come in between.
            Nothing comes behind it. Some connections open, say nothing or a part, stay or go: they get nothing
    back    connect a REQ here: the service takes one frame, a word, and replies with one frame, any bytes

    A line ends with b"\r\n" and nothing else. Where the first line of a request is `GET /word HTTP/1.1`, to the
    letter and to the space, with a word of one or more small letters from a to z, ask the service for the word,
    once for each such request, and answer with these bytes, 7 being the number of bytes of `reply..`:

        HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nreply..

    To any other request, which may hold any bytes, answer `HTTP/1.1 400 Bad Request`, with a Content-Length
    of 0 in the same form; the service is not asked, and it does not count. Hang up after each answer. A
    client that has sent its whole request stays until then. Leave no socket open.
    """
    with ctx.socket(zmq.STREAM) as stream, ctx.socket(zmq.REQ) as req:
        stream.bind(front)
        req.connect(back)
        while count > 0:
            who, request = stream.recv_multipart()
            if request:
                req.send(request.split()[1].removeprefix(b"/"))
                reply = req.recv()
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(reply)
                stream.send_multipart([who, head + reply])
                stream.send_multipart([who, b""])
                count -= 1
