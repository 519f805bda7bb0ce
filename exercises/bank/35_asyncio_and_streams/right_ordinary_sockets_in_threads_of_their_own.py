# SPDX-License-Identifier: BSD-3-Clause
# Passed: ordinary sockets in threads of their own.

import asyncio

import zmq


def ask(ctx, endpoint, question, seconds):
    with ctx.socket(zmq.REQ, socket_class=zmq.Socket) as socket:
        socket.linger = 0
        socket.rcvtimeo = round(seconds * 1000)
        socket.connect(endpoint)
        socket.send(question)
        try:
            return [(endpoint, socket.recv())]
        except zmq.Again:
            return []


async def ask_all(ctx, endpoints, question, seconds, watcher):
    done = asyncio.gather(*(asyncio.to_thread(ask, ctx, end, question, seconds) for end in endpoints))
    with ctx.socket(zmq.PUSH) as push:
        push.linger = 0
        push.connect(watcher)
        while not done.done():
            push.send(b"alive", zmq.DONTWAIT)
            await asyncio.wait([done], timeout=0.05)
    return sum(done.result(), [])
