# SPDX-License-Identifier: BSD-3-Clause
# Passed: one coroutine with a poller, and no tasks.

import time

import zmq
import zmq.asyncio


async def ask_all(ctx, endpoints, question, seconds, watcher):
    end = time.monotonic() + seconds
    poller, waiting, answers = zmq.asyncio.Poller(), {}, {}
    push = ctx.socket(zmq.PUSH)
    try:
        push.connect(watcher)
        for endpoint in endpoints:
            socket = ctx.socket(zmq.REQ)
            waiting[socket] = endpoint
            socket.connect(endpoint)
            await socket.send(question)
            poller.register(socket, zmq.POLLIN)
        sign = 0.0
        while waiting and (now := time.monotonic()) < end:
            if now >= sign:
                await push.send(b"alive")
                sign = now + 0.05
            for socket, _ in await poller.poll(max(1, round((min(sign, end) - now) * 1000))):
                answers[waiting.pop(socket)] = await socket.recv()
                poller.unregister(socket)
                socket.close(linger=0)
    finally:
        for socket in (*waiting, push):
            socket.close(linger=0)
    return [(endpoint, answers[endpoint]) for endpoint in endpoints if endpoint in answers]
