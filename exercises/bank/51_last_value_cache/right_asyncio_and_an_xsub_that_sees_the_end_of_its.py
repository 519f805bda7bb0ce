# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio and an XSUB, which sees the end of its Context.

import asyncio

import zmq
import zmq.asyncio


async def listen(xsub, xpub, current: dict[bytes, bytes]) -> None:
    while True:
        match await xsub.recv_multipart():
            case [topic, b""] as message:
                current.pop(topic, None)
            case [topic, value] as message:
                current[topic] = value
            case _:
                continue
        await xpub.send_multipart(message)


async def greet(xpub, current: dict[bytes, bytes]) -> None:
    while True:
        match await xpub.recv_multipart():
            case [event] if event.startswith(b"\x01"):
                prefix = event[1:]
                for topic in [each for each in current if each.startswith(prefix)]:
                    if topic in current:
                        await xpub.send_multipart([topic, current[topic]])


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


async def run(ctx, upstream, downstream):
    current = {}
    with ctx.socket(zmq.XSUB) as xsub, ctx.socket(zmq.XPUB) as xpub:
        xpub.setsockopt(zmq.XPUB_VERBOSER, 1)
        xpub.setsockopt(zmq.SNDHWM, 0)
        xsub.setsockopt(zmq.RCVHWM, 0)
        xpub.bind(downstream)
        xsub.connect(upstream)
        await xsub.send(b"\x01")
        await until_the_end(listen(xsub, xpub, current), greet(xpub, current))


def cache(ctx, upstream, downstream):
    asyncio.run(run(zmq.asyncio.Context(ctx), upstream, downstream))
