# SPDX-License-Identifier: BSD-3-Clause
# Passed: two tasks of asyncio.

import asyncio

import zmq
import zmq.asyncio


async def inward(clients, services):
    while True:
        frames = await clients.recv_multipart()
        if b"" not in frames:
            continue
        body = frames.index(b"") + 1
        if frames[body:] == [b"PING"]:
            await clients.send_multipart([*frames[:body], b"PONG"])
        else:
            await services.send_multipart(frames)


async def outward(services, clients):
    while True:
        await clients.send_multipart(await services.recv_multipart())


async def until_the_end(*tasks):
    """Like gather; but pyzmq raises ContextTerminated in a callback of the loop, where nobody would hear it."""
    loop = asyncio.get_running_loop()
    end = loop.create_future()

    def noticed(loop, context):
        error = context.get("exception")
        if isinstance(error, zmq.ContextTerminated):
            if not end.done():
                end.set_exception(error)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(noticed)
    await asyncio.gather(end, *tasks)


async def run(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        for socket, endpoint in ((clients, frontend), (services, backend)):
            socket.sndhwm = socket.rcvhwm = 0
            socket.bind(endpoint)
        await until_the_end(inward(clients, services), outward(services, clients))


def broker(ctx, frontend, backend):
    asyncio.run(run(zmq.asyncio.Context(ctx), frontend, backend))
