# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio, and a generator.

import asyncio

import zmq
import zmq.asyncio

DIGITS = frozenset(b"0123456789")


def average(ctx, endpoint, line, count):
    head = line + b" "

    async def delays(sub):
        while True:
            frames = await sub.recv_multipart()
            if len(frames) != 1 or not frames[0].startswith(head):
                continue
            text = frames[0].removeprefix(head)
            digits = text.removeprefix(b"-")
            if digits and DIGITS.issuperset(digits):
                yield int(text)

    async def main():
        sub = zmq.asyncio.Context(ctx).socket(zmq.SUB)
        try:
            sub.rcvhwm = 0
            sub.subscribe(head)
            sub.connect(endpoint)
            taken = []
            async for delay in delays(sub):
                taken.append(delay)
                if len(taken) == count:
                    return sum(taken) / count
        finally:
            sub.close()

    return asyncio.run(main())
