# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it took longer than its time.

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
    asking = [asyncio.create_task(ask(ctx, endpoint, question)) for endpoint in endpoints]
    try:
        await asyncio.wait(asking, timeout=None)
        return [(end, task.result()) for end, task in zip(endpoints, asking) if task.done()]
    finally:
        for task in (signs, *asking):
            task.cancel()
        await asyncio.wait([signs, *asking])
