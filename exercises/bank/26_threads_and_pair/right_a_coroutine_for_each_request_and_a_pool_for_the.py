# SPDX-License-Identifier: BSD-3-Clause
# Passed: a coroutine for each request, and a pool for the work.

import asyncio
from concurrent.futures import ThreadPoolExecutor

import zmq
import zmq.asyncio


async def look_after(router, pool, work, client, number, body, interval):
    job = asyncio.get_running_loop().run_in_executor(pool, work, body)
    while not (await asyncio.wait([job], timeout=interval))[0]:
        await router.send_multipart([client, b"", number, b"WAIT"])
    said = [b"FAILED"] if job.exception() else [b"DONE", job.result()]
    await router.send_multipart([client, b"", number, *said])


async def serve(ctx, endpoint, work, threads, interval):
    tasks, pool = set(), ThreadPoolExecutor(threads)
    with ctx.socket(zmq.ROUTER) as router:
        router.bind(endpoint)
        while True:
            client, _, number, body = await router.recv_multipart()
            task = asyncio.create_task(look_after(router, pool, work, client, number, body, interval))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


def server(ctx, endpoint, work, threads, interval):
    asyncio.run(serve(zmq.asyncio.Context(ctx), endpoint, work, threads, interval))
