# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio, and a timer for each question.
import asyncio

import zmq
import zmq.asyncio


def keep(ctx, monitor, book, patience):
    asyncio.run(write(zmq.asyncio.Context(ctx), monitor, book, patience))


async def write(ctx, monitor, book, patience):
    loop, asked = asyncio.get_running_loop(), {}
    with ctx.socket(zmq.SUB) as copies, ctx.socket(zmq.PUSH) as entries:
        entries.linger = 1000
        copies.subscribe(b"in")
        copies.subscribe(b"out")
        copies.connect(monitor)
        entries.connect(book)

        def give_up(key, text):
            del asked[key]
            entries.send_multipart([*key[:2], text, b""])

        end = loop.create_future()  # pyzmq raises ContextTerminated in a callback, where nobody would hear it
        loop.set_exception_handler(lambda loop, context: end.done() or end.set_exception(context["exception"]))
        while True:
            coming = asyncio.ensure_future(copies.recv_multipart())
            await asyncio.wait([coming, end], return_when="FIRST_COMPLETED")
            if end.done():
                end.result()
            frames = coming.result()
            if len(frames) != 5 or frames[0] not in (b"in", b"out"):
                continue
            way, to, sender, number, text = frames
            key = (sender, to, number) if way == b"in" else (to, sender, number)
            if way == b"in":
                asked[key] = loop.time(), text, loop.call_later(patience, give_up, key, text)
            elif key in asked:
                before, question, timer = asked.pop(key)
                timer.cancel()
                await entries.send_multipart([*key[:2], question, str(int(1000 * (loop.time() - before))).encode()])
