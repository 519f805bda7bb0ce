# SPDX-License-Identifier: BSD-3-Clause
# Passed: a coroutine for each place in the window.

import asyncio

import zmq
import zmq.asyncio


async def one(ctx, endpoint, service, body, timeout):
    parts = []
    with ctx.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        await socket.send_multipart([b"MDPC02", b"\x01", service, *body])
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while True:
            async with asyncio.timeout_at(end):
                frames = await socket.recv_multipart()
            if len(frames) > 3 and frames[0] == b"MDPC02" and frames[2] == service and frames[1] in (b"\x02", b"\x03"):
                parts.append(frames[3:])
                end = loop.time() + timeout
                if frames[1] == b"\x03":
                    return parts


async def ask(ctx, endpoint, service, requests, window, timeout, tries):
    mine, replies, todo = zmq.asyncio.Context(ctx), [None] * len(requests), iter(enumerate(requests))

    async def place():
        for number, body in todo:
            for _ in range(tries):
                try:
                    replies[number] = await one(mine, endpoint, service, body, timeout)
                    break
                except TimeoutError:
                    pass

    await asyncio.gather(*(place() for _ in range(window)))
    return replies
