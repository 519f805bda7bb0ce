# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the servers were asked one after the other.

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
    until = asyncio.get_running_loop().time() + seconds
    answers = []
    try:
        for endpoint in endpoints:
            async with asyncio.timeout_at(until):
                answers.append((endpoint, await ask(ctx, endpoint, question)))
    except TimeoutError:
        pass
    finally:
        signs.cancel()
    return answers
