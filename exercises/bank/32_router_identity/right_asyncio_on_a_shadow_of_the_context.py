# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio on a shadow of the Context.

import asyncio
import time

import zmq
import zmq.asyncio


async def carry(ctx, endpoint, letters, patience):
    left = []
    with ctx.socket(zmq.ROUTER) as router:
        router.router_mandatory = 1
        router.router_handover = 1
        router.bind(endpoint)
        for letter in letters:
            end = time.monotonic() + patience
            while True:
                try:
                    await router.send_multipart(letter, zmq.DONTWAIT)
                    break
                except zmq.ZMQError as error:
                    if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                        raise
                if time.monotonic() > end:
                    left.append(letter)
                    break
                await asyncio.sleep(0.005)
    return left


def deliver(ctx, endpoint, letters, patience):
    return asyncio.run(carry(zmq.asyncio.Context(ctx), endpoint, letters, patience))
