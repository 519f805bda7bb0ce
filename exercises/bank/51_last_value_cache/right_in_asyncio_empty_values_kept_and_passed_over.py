# SPDX-License-Identifier: BSD-3-Clause
# Passed: in asyncio, empty values kept and passed over, every cancellation heard.

import asyncio

import zmq
import zmq.asyncio


async def news(sub, xpub, last):
    while True:
        frames = await sub.recv_multipart()
        if len(frames) == 2:
            last[frames[0]] = frames[1]
            await xpub.send_multipart(frames)


async def subscriptions(xpub, last):
    while True:
        match await xpub.recv_multipart():
            case [event] if event and event[0] == 1:
                for topic in list(last):
                    if topic.startswith(event[1:]) and last[topic]:
                        await xpub.send_multipart([topic, last[topic]])


async def main(ctx, upstream, downstream):
    last = {}
    twin = zmq.asyncio.Context(ctx)
    with twin.socket(zmq.SUB) as sub, twin.socket(zmq.XPUB) as xpub:
        xpub.setsockopt(zmq.XPUB_VERBOSER, 1)
        xpub.bind(downstream)
        sub.subscribe(b"")
        sub.connect(upstream)
        await asyncio.gather(news(sub, xpub, last), subscriptions(xpub, last))


def cache(ctx, upstream, downstream):
    asyncio.run(main(ctx, upstream, downstream))
