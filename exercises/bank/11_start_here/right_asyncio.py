# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio in the Context that was given.

import asyncio

import zmq
import zmq.asyncio


def take(ctx, endpoint, seconds):
    async def main():
        socket = zmq.asyncio.Context(ctx).socket(zmq.PULL)
        try:
            socket.bind(endpoint)
            if await socket.poll(max(0, round(seconds * 1000))):
                frame, *_ = await socket.recv_multipart()
                return frame.decode("utf-8")
            return None
        finally:
            socket.close()

    return asyncio.run(main())
