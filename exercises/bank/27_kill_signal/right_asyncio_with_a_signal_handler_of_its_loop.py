# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio with a signal handler of its loop.

import asyncio
import signal

import zmq
import zmq.asyncio


async def serve(ctx, results, control, grace):
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    found, total = {}, None
    pull, kill = ctx.socket(zmq.PULL), ctx.socket(zmq.XPUB)
    kill.setsockopt(zmq.XPUB_VERBOSER, 1)

    async def collect():
        nonlocal total
        while total is None or len(found) < total:
            first, second = await pull.recv_multipart()
            if first == b"END":
                total = int(second)
            else:
                found[int(first)] = second

    async def the_end():
        await ending.wait()
        await asyncio.sleep(grace)

    pull.bind(results)
    kill.bind(control)
    both = [asyncio.create_task(collect()), asyncio.create_task(the_end())]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for task in both:
        task.cancel()
    await asyncio.wait(both)
    there = 0
    while there or await kill.poll(0):
        if (await kill.recv()).startswith(b"\1"):
            there += 1
            await kill.send(b"KILL")
        else:
            there -= 1
    pull.close()
    kill.close()
    loop.remove_signal_handler(signal.SIGTERM)
    return found


def sink(ctx, results, control, grace):
    return asyncio.run(serve(zmq.asyncio.Context(ctx), results, control, grace))
