# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the answers came back in the order in which they came.

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
    answers = []

    async def one(endpoint):
        answers.append((endpoint, await ask(ctx, endpoint, question)))

    asking = [asyncio.create_task(one(endpoint)) for endpoint in endpoints]
    await asyncio.wait(asking, timeout=seconds)
    for task in (signs, *asking):
        task.cancel()
    return answers
