# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio, with a queue of buffers.

import asyncio
import json

import numpy as np
import zmq
import zmq.asyncio


async def give_back(place: int, tracker: zmq.MessageTracker, free: asyncio.Queue) -> None:
    while not tracker.done:
        await asyncio.sleep(0.001)
    free.put_nowait(place)


async def shoot(push, buffers: list[np.ndarray], count: int, patience: float) -> None:
    free: asyncio.Queue[int] = asyncio.Queue()
    for place in range(len(buffers)):
        free.put_nowait(place)
    under_way = set()
    try:
        for number in range(count):
            try:
                place = free.get_nowait()
            except asyncio.QueueEmpty:
                place = await asyncio.wait_for(free.get(), patience)
            buffer = buffers[place]
            buffer.fill(number)
            header = json.dumps({"dtype": "|u1", "shape": buffer.shape, "order": "C"}).encode()
            picture = zmq.Frame(buffer, track=True, copy=False)
            tracker = picture.tracker
            await push.send_multipart([header, picture], copy=False)
            del picture
            task = asyncio.create_task(give_back(place, tracker, free))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if under_way:
            _, late = await asyncio.wait(list(under_way), timeout=patience)
            if late:
                raise TimeoutError
    except TimeoutError:
        push.linger = 0
        raise TimeoutError(f"no buffer in {patience} s") from None
    finally:
        for task in under_way:
            task.cancel()


async def run(ctx, endpoint, buffers, count, patience):
    with ctx.socket(zmq.PUSH) as push:
        push.sndhwm = 0
        push.connect(endpoint)
        await shoot(push, buffers, count, patience)


def film(ctx, endpoint, buffers, count, patience):
    asyncio.run(run(zmq.asyncio.Context(ctx), endpoint, buffers, count, patience))
