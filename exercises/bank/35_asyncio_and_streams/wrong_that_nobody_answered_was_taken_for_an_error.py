# SPDX-License-Identifier: BSD-3-Clause
# Not yet: that nobody answered was taken for an error.

import asyncio

import zmq


async def ask_all(ctx, endpoints, question, seconds, watcher):
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds

    async def ask(endpoint):
        with ctx.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(endpoint)
            await socket.send(question)
            return await socket.recv()

    async def show():
        with ctx.socket(zmq.PUSH) as signs:
            signs.linger = 0
            signs.connect(watcher)
            while True:
                await signs.send(b"alive")
                await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(ask(endpoint)) for endpoint in endpoints]
    shower = asyncio.create_task(show())
    try:
        await asyncio.wait(tasks, timeout=end - loop.time())
    finally:
        for task in [*tasks, shower]:
            task.cancel()
        await asyncio.gather(*tasks, shower, return_exceptions=True)
    if all(task.cancelled() for task in tasks):
        raise TimeoutError("nobody has answered")
    return [(endpoint, task.result()) for endpoint, task in zip(endpoints, tasks) if not task.cancelled()]
