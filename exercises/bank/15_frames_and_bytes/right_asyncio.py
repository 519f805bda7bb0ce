# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio, on sockets that it has opened before.

import asyncio
import json

import zmq
import zmq.asyncio


def stamp(ctx, inbox, outbox, count, now):
    seen = now.isoformat()

    def parse(raw: bytes):
        try:
            return json.loads(raw.decode("utf-8"))
        except (ValueError, RecursionError):
            return None

    async def main(pull, push):
        passed = 0
        while passed < count:
            match await pull.recv_multipart():
                case [title, raw, *more]:
                    match parse(raw):
                        case dict() as header:
                            text = json.dumps(header | {"seen": seen})
                            await push.send_multipart([title, text.encode("utf-8"), *more])
                            passed += 1

    async def wrap(pull, push):
        await main(zmq.asyncio.Socket.from_socket(pull), zmq.asyncio.Socket.from_socket(push))

    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.PUSH) as push:
        pull.bind(inbox)
        push.connect(outbox)
        asyncio.run(wrap(pull, push))
