# SPDX-License-Identifier: BSD-3-Clause
# Passed: a coroutine with a semaphore.

import asyncio

import zmq


async def server(ctx, endpoint, work, threads, interval):
    limit = asyncio.Semaphore(threads)
    router = ctx.socket(zmq.ROUTER)

    async def one(client, number, body):
        async def job():
            async with limit:
                try:
                    return [b"DONE", await asyncio.to_thread(work, body)]
                except Exception:
                    return [b"FAILED"]

        task = asyncio.ensure_future(job())
        while True:
            try:
                said = await asyncio.wait_for(asyncio.shield(task), interval)
                break
            except TimeoutError:
                await router.send_multipart([client, b"", number, b"WAIT"])
        await router.send_multipart([client, b"", number, *said])

    tasks = set()
    try:
        router.bind(endpoint)
        while True:
            client, _, number, body = await router.recv_multipart()
            tasks.add(t := asyncio.create_task(one(client, number, body)))
            t.add_done_callback(tasks.discard)
    finally:
        for t in tasks:
            t.cancel()
        router.close(0)
