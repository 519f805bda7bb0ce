# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio, which reads while the panel is busy.

import asyncio

import zmq
import zmq.asyncio


async def show(ctx, endpoint, keys, panel):
    waiting = {}

    async def take(flags=0):
        frames = await sub.recv_multipart(flags)
        if len(frames) == 3 and frames[0] in keys:
            waiting.setdefault(frames[0], None)
            waiting[frames[0]] = frames

    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.REQ) as req:
        for key in keys:
            sub.subscribe(key)
        sub.connect(endpoint)
        req.connect(panel)
        while True:
            while not waiting or await sub.poll(0):
                await take()
            await req.send_multipart(waiting.pop(next(iter(waiting))))
            reply = asyncio.ensure_future(req.recv())
            while not reply.done():
                if await sub.poll(5):
                    await take()
            if await reply == b"STOP":
                return
