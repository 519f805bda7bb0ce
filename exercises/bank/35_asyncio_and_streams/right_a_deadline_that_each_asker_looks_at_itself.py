# SPDX-License-Identifier: BSD-3-Clause
# Passed: a deadline that each asker looks at itself.

import asyncio
import contextlib

import zmq


async def ask_all(ctx, endpoints, question, seconds, watcher):
    until = asyncio.get_running_loop().time() + seconds
    found = {}

    async def one(endpoint):
        with ctx.socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            dealer.connect(endpoint)
            await dealer.send_multipart([b"", question])
            left = until - asyncio.get_running_loop().time()
            if await dealer.poll(max(0, left * 1000)):
                found[endpoint] = (await dealer.recv_multipart(zmq.DONTWAIT))[-1]

    async def beat():
        with ctx.socket(zmq.PUSH) as push:
            push.linger = 0
            push.connect(watcher)
            while True:
                await push.send(b"alive")
                await asyncio.sleep(0.05)

    beating = asyncio.create_task(beat())
    try:
        await asyncio.gather(*map(one, endpoints))
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
    return [(endpoint, found[endpoint]) for endpoint in endpoints if endpoint in found]
