# SPDX-License-Identifier: BSD-3-Clause
# Passed: coroutines, and a first line taken apart at its spaces.

import asyncio
import string

import zmq
import zmq.asyncio

LETTERS = set(string.ascii_lowercase.encode())


def word_of(line):
    match line.split(b" "):
        case [b"GET", path, b"HTTP/1.1"] if path[:1] == b"/" and path[1:] and set(path[1:]) <= LETTERS:
            return path[1:]
    return None


def door(ctx, front, back, count):
    asyncio.run(serve(zmq.asyncio.Context(ctx), front, back, count))


async def serve(ctx, front, back, count):
    visitors = {}
    with ctx.socket(zmq.STREAM) as stream, ctx.socket(zmq.REQ) as req:
        stream.bind(front)
        req.connect(back)
        answered = 0
        while answered < count:
            who, piece = await stream.recv_multipart()
            said = visitors.setdefault(who, bytearray())
            said.extend(piece)
            head, end, _ = bytes(said).partition(b"\r\n\r\n")
            if not end:
                continue
            del visitors[who]
            word = word_of(head.partition(b"\r\n")[0])
            if word is None:
                await stream.send_multipart([who, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"])
            else:
                await req.send(word)
                body = await req.recv()
                await stream.send_multipart(
                    [who, b"HTTP/1.1 200 OK\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body]
                )
                answered += 1
            await stream.send_multipart([who, b""])
