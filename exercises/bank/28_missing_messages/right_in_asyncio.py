# SPDX-License-Identifier: BSD-3-Clause
# Passed: in asyncio.

import asyncio

import zmq
import zmq.asyncio


async def work(ctx, reports, news, sections, count):
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as xpub:
        pull.bind(reports)
        xpub.bind(news)
        todo = list(sections)
        while todo:
            said = await xpub.recv()
            if said[1:] in todo:
                todo.remove(said[1:])
        for number in range(count):
            report = await pull.recv_multipart()
            await xpub.send_multipart(report[:1] + [b"%d" % (number + 1)] + report[1:])


def desk(ctx, reports, news, sections, count):
    asyncio.run(work(zmq.asyncio.Context(ctx), reports, news, sections, count))
