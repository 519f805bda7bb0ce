# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a socket was left open.

import asyncio

import zmq

kept = {}


async def live(ctx, watcher):
    with ctx.socket(zmq.PUSH) as socket:
        socket.linger = 0
        socket.connect(watcher)
        while True:
            await socket.send(b"alive")
            await asyncio.sleep(0.05)


async def ask(ctx, endpoint, question):
    socket = kept[endpoint] = ctx.socket(zmq.REQ)
    socket.linger = 0
    socket.connect(endpoint)
    await socket.send(question)
    answer = await socket.recv()
    socket.close()
    return answer


async def ask_all(ctx, endpoints, question, seconds, watcher):
    signs = asyncio.create_task(live(ctx, watcher))
    asking = [asyncio.create_task(ask(ctx, endpoint, question)) for endpoint in endpoints]
    try:
        await asyncio.wait(asking, timeout=seconds)
        return [(end, task.result()) for end, task in zip(endpoints, asking) if task.done()]
    finally:
        for task in (signs, *asking):
            task.cancel()
        await asyncio.wait([signs, *asking])
