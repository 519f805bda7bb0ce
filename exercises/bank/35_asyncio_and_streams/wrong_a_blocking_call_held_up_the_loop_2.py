# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a blocking call held up the loop.

import asyncio
import math
import time

import zmq


async def ask_all(ctx, endpoints, question, seconds, watcher):
    until = time.monotonic() + seconds
    with ctx.socket(zmq.PUSH) as signs:
        signs.connect(watcher)

        async def live():
            while True:
                await signs.send(b"alive")
                await asyncio.sleep(0.05)

        task = asyncio.create_task(live())
        await asyncio.sleep(0)
        poller, open_, found = zmq.Poller(), {}, {}
        for endpoint in endpoints:
            socket = ctx.socket(zmq.REQ, socket_class=zmq.Socket)
            socket.linger = 0
            socket.connect(endpoint)
            socket.send(question)
            poller.register(socket, zmq.POLLIN)
            open_[socket] = endpoint
        while open_ and (left := until - time.monotonic()) > 0:
            for socket, _ in poller.poll(math.ceil(left * 1000)):
                found[open_.pop(socket)] = socket.recv()
                poller.unregister(socket)
                socket.close()
        for socket in open_:
            socket.close()
        task.cancel()
    return [(end, found[end]) for end in endpoints if end in found]
