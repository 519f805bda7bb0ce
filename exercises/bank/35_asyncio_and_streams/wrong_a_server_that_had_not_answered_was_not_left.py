# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a server that had not answered was not left out.

import asyncio

import zmq


async def live(ctx, watcher):
    with ctx.socket(zmq.PUSH) as socket:
        socket.linger = 0
        socket.connect(watcher)
        while True:
            await socket.send(b"alive")
            await asyncio.sleep(0.05)


async def ask(ctx, endpoint, question):
    with ctx.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        await socket.send(question)
        return await socket.recv()


async def in_time(ctx, endpoint, question, seconds):
    try:
        return await asyncio.wait_for(ask(ctx, endpoint, question), seconds)
    except TimeoutError:
        return None


async def ask_all(ctx, endpoints, question, seconds, watcher):
    signs = asyncio.create_task(live(ctx, watcher))
    try:
        answers = await asyncio.gather(*(in_time(ctx, end, question, seconds) for end in endpoints))
        return list(zip(endpoints, answers))
    finally:
        signs.cancel()
