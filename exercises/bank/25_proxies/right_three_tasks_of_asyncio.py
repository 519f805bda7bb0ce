# SPDX-License-Identifier: BSD-3-Clause
# Passed: three tasks of asyncio.

import asyncio

import zmq
import zmq.asyncio


async def up(front, back):
    while True:
        await front.send_multipart(await back.recv_multipart())


async def down(front, back, running, count):
    while True:
        message = await front.recv_multipart()
        await running.wait()
        await back.send_multipart(message)
        count.append(1)


async def obey(rep, running, count):
    while True:
        match await rep.recv():
            case b"PAUSE":
                running.clear()
                await rep.send(b"paused")
            case b"RESUME":
                running.set()
                await rep.send(b"running")
            case b"COUNT":
                await rep.send(str(len(count)).encode())
            case _:
                await rep.send(b"what?")


async def play(ctx, publishers, subscribers, control):
    running, count = asyncio.Event(), []
    running.set()
    with ctx.socket(zmq.XSUB) as front, ctx.socket(zmq.XPUB) as back, ctx.socket(zmq.REP) as rep:
        front.rcvhwm = back.sndhwm = 0
        front.bind(publishers)
        back.bind(subscribers)
        rep.bind(control)
        await asyncio.gather(up(front, back), down(front, back, running, count), obey(rep, running, count))


def forwarder(ctx, publishers, subscribers, control):
    asyncio.run(play(zmq.asyncio.Context(ctx), publishers, subscribers, control))
