# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio, with one time limit around everything.

import asyncio

import zmq
import zmq.asyncio


def post(ctx, letters, receipts, letter, seconds):
    async def main():
        actx = zmq.asyncio.Context(ctx)
        push, pull = actx.socket(zmq.PUSH), actx.socket(zmq.PULL)
        try:
            async with asyncio.timeout(seconds):
                pull.bind(receipts)
                push.linger = 0
                push.connect(letters)
                await push.send(letter)
                while await pull.recv_multipart() != [letter]:
                    pass
                return True
        except TimeoutError:
            return False
        finally:
            push.close(linger=0)
            pull.close(linger=0)

    return asyncio.run(main())
