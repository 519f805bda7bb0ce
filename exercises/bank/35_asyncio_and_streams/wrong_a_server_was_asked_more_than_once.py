# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a server was asked more than once.

import asyncio

import zmq


async def ask_all(ctx, endpoints, question, seconds, watcher):
    end = asyncio.get_running_loop().time() + seconds
    answers = {}

    async def ask(endpoint):
        while endpoint not in answers:
            with ctx.socket(zmq.REQ) as socket:
                socket.linger = 0
                socket.connect(endpoint)
                await socket.send(question)
                if await socket.poll(150):
                    answers[endpoint] = await socket.recv()

    tasks = [asyncio.create_task(ask(endpoint)) for endpoint in endpoints]
    with ctx.socket(zmq.PUSH) as push:
        push.linger = 0
        push.connect(watcher)
        while len(answers) < len(endpoints) and asyncio.get_running_loop().time() < end:
            await push.send(b"alive")
            await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return [(endpoint, answers[endpoint]) for endpoint in endpoints if endpoint in answers]
