# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio, and a queue of reports.

import asyncio
import itertools

import zmq
import zmq.asyncio


def desk(ctx, reports, news, sections, count):
    async def main(plain_pull, plain_pub):
        pull = zmq.asyncio.Socket.from_socket(plain_pull)
        pub = zmq.asyncio.Socket.from_socket(plain_pub)
        queue = asyncio.Queue()

        async def take():
            for _ in range(count):
                await queue.put(await pull.recv_multipart())

        async def readers():
            missing = set(sections)
            while missing:
                event = await pub.recv()
                if event.startswith(b"\x01"):
                    missing.discard(event[1:])

        async def give():
            await readers()
            for number in itertools.islice(itertools.count(1), count):
                section, headline, *photo = await queue.get()
                await pub.send_multipart([section, str(number).encode(), headline, *photo])

        await asyncio.gather(take(), give())

    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as pub:
        pub.sndhwm = 0
        pull.bind(reports)
        pub.bind(news)
        asyncio.run(main(pull, pub))
