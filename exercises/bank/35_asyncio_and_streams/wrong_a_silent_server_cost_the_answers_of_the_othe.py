# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a silent server cost the answers of the others.

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


async def ask_all(ctx, endpoints, question, seconds, watcher):
    signs = asyncio.create_task(live(ctx, watcher))
    try:
        async with asyncio.timeout(seconds):
            answers = await asyncio.gather(*(ask(ctx, end, question) for end in endpoints))
        return list(zip(endpoints, answers))
    finally:
        signs.cancel()
