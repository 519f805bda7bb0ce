# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a blocking call held up the loop.

import time

import zmq


async def ask_all(ctx, endpoints, question, seconds, watcher):
    until = time.monotonic() + seconds
    sockets, found = {}, {}
    with ctx.socket(zmq.PUSH) as signs:
        signs.linger = 0
        signs.connect(watcher)
        for endpoint in endpoints:
            sockets[endpoint] = ctx.socket(zmq.REQ, socket_class=zmq.Socket)
            sockets[endpoint].linger = 0
            sockets[endpoint].connect(endpoint)
            sockets[endpoint].send(question)
        while len(found) < len(sockets) and time.monotonic() < until:
            await signs.send(b"alive")
            time.sleep(0.05)
            for endpoint, socket in sockets.items():
                if endpoint not in found and socket.poll(0):
                    found[endpoint] = socket.recv()
    for socket in sockets.values():
        socket.close()
    return [(endpoint, found[endpoint]) for endpoint in endpoints if endpoint in found]
