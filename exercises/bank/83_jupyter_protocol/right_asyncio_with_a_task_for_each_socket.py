# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio, a task for each socket.

import asyncio
import uuid

import zmq
import zmq.asyncio

from patterns.jupyter_messages import answers, endpoint, made, pack, unpack


def kernel(ctx, connection):
    asyncio.run(serve(zmq.asyncio.Context(ctx), connection))


async def serve(ctx, connection):
    key, session = connection["key"].encode(), uuid.uuid4().hex
    with ctx.socket(zmq.ROUTER) as shell, ctx.socket(zmq.XPUB) as iopub:
        iopub.setsockopt(zmq.XPUB_VERBOSE, 1)
        shell.bind(endpoint(connection, "shell"))
        iopub.bind(endpoint(connection, "iopub"))

        async def welcome():
            while True:
                said = await iopub.recv()
                try:
                    topic = said[1:].decode()
                except ValueError:
                    continue
                if said.startswith(b"\x01"):
                    frames = pack(made("iopub_welcome", {"subscription": topic}, session), key)
                    await iopub.send_multipart([topic.encode(), *frames] if topic else frames)

        async def answer():
            number = 0
            while True:
                request = unpack(await shell.recv_multipart(), key)
                if request:
                    number += request.kind == "execute_request"
                    for channel, message in answers(request, session, str.upper, number):
                        await {"iopub": iopub, "reply": shell}[channel].send_multipart(pack(message, key))

        await asyncio.gather(welcome(), answer())
