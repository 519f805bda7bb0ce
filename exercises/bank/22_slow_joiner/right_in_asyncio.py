# SPDX-License-Identifier: BSD-3-Clause
# Passed: in asyncio.

import asyncio

import zmq
import zmq.asyncio


async def main(ctx, messages, endpoint, subscribers):
    there = set()
    with zmq.asyncio.Context(ctx).socket(zmq.XPUB) as xpub:
        xpub.sndhwm = 0
        xpub.bind(endpoint)
        while len(there) < subscribers:
            match await xpub.recv():
                case said if said[1:7] != b"ready.":
                    pass
                case said if said[0]:
                    there |= {said[7:]}
                case said:
                    there -= {said[7:]}
        for message in messages:
            await xpub.send_multipart(message)


def publish(ctx, messages, endpoint, subscribers):
    asyncio.run(main(ctx, messages, endpoint, subscribers))
