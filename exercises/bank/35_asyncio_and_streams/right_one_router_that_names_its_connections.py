# SPDX-License-Identifier: BSD-3-Clause
# Passed: one ROUTER that names its connections.

import asyncio

import zmq


async def ask_all(ctx, endpoints, question, seconds, watcher):
    loop = asyncio.get_running_loop()
    end, names, found = loop.time() + seconds, {}, {}
    with ctx.socket(zmq.ROUTER) as router, ctx.socket(zmq.PUSH) as push:
        router.linger = push.linger = 0
        push.connect(watcher)
        for number, endpoint in enumerate(endpoints):
            names[b"%d" % number] = endpoint
            router.connect_routing_id = b"%d" % number
            router.connect(endpoint)
            await router.send_multipart([b"%d" % number, b"", question])
        while len(found) < len(endpoints) and (left := end - loop.time()) > 0:
            await push.send(b"alive")
            sign = loop.time() + min(0.05, left)
            while len(found) < len(endpoints) and (rest := sign - loop.time()) > 0:
                if await router.poll(max(1, rest * 1000)):
                    name, _, answer = await router.recv_multipart()
                    found[names[name]] = answer
    return [(endpoint, found[endpoint]) for endpoint in endpoints if endpoint in found]
