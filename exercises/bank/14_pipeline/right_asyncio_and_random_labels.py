# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio, and random labels.

import asyncio
import uuid

import zmq
import zmq.asyncio


def collect(ctx, todo, tasks, results, patience):
    async def main():
        actx = zmq.asyncio.Context(ctx)
        with actx.socket(zmq.PUSH) as push, actx.socket(zmq.PULL) as pull:
            push.set_hwm(0)
            pull.set_hwm(0)
            push.setsockopt(zmq.LINGER, 0)
            push.bind(tasks)
            pull.bind(results)
            missing = {uuid.uuid4().bytes: task for task in todo}
            order = list(missing)
            done = {}

            async def take():
                label, result = await pull.recv_multipart()
                if missing.pop(label, None) is not None:
                    done[label] = result

            for label, task in missing.items():
                await push.send_multipart([label, task])
            while missing:
                if await pull.poll(round(patience * 1000)):
                    await take()
                    continue
                for label in list(missing):
                    while await pull.poll(0):
                        await take()
                    if label in missing:
                        await push.send_multipart([label, missing[label]])
            return [done[label] for label in order]

    return asyncio.run(main())
