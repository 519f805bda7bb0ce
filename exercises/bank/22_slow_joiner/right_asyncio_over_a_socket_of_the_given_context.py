# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio over a socket of the given Context.

import asyncio

import zmq
import zmq.asyncio


def publish(ctx, messages, endpoint, subscribers):
    async def main(plain):
        pub = zmq.asyncio.Socket.from_socket(plain)
        there = set()
        while len(there) < subscribers or await pub.poll(0):
            event = await pub.recv()
            kind, topic = event[:1], event[1:]
            if topic.startswith(b"ready."):
                (there.add if kind == b"\x01" else there.discard)(topic)
        for topic, text in messages:
            await pub.send_multipart([topic, text])

    with ctx.socket(zmq.XPUB) as plain:
        plain.set_hwm(0)
        plain.bind(endpoint)
        asyncio.run(main(plain))
