# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio, with a DEALER that asks again while it listens.

import asyncio
import secrets

import zmq
import zmq.asyncio


async def hear(socket, number):
    while True:
        match await socket.recv_multipart():
            case [b"", same, answer] if same == number:
                return answer


async def pester(socket, message, pause, tries):
    for again in range(tries):
        if again:
            await asyncio.sleep(pause)
        await socket.send_multipart(message)


async def run(ctx, endpoint, question, deadline, tries):
    number = secrets.token_bytes(32)
    with ctx.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        asking = asyncio.create_task(pester(socket, [b"", number, question], deadline / max(1, tries), tries))
        try:
            return await asyncio.wait_for(hear(socket, number), deadline)
        except TimeoutError:
            raise TimeoutError("no answer") from None
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


def ask(ctx, endpoint, question, deadline, tries):
    return asyncio.run(run(zmq.asyncio.Context(ctx), endpoint, question, deadline, tries))
