# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a server was not asked.

import asyncio

import zmq


async def ask_all(ctx, endpoints, question, seconds, watcher):
    end = asyncio.get_running_loop().time() + seconds
    answers = {}
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.REQ) as socket:
        push.linger = socket.linger = 0
        push.connect(watcher)
        for endpoint in endpoints:
            socket.connect(endpoint)
        await socket.send(question)
        while (left := end - asyncio.get_running_loop().time()) > 0:
            await push.send(b"alive")
            if await socket.poll(min(50, left * 1000)):
                answers[endpoints[0]] = await socket.recv()
                break
    return list(answers.items())
