# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio and its poller.

import asyncio
import math
import time

import zmq
import zmq.asyncio


def serve(ctx, urgent, ordinary, stop, work, seconds):
    end = time.monotonic() + seconds

    async def main(first, second, word):
        done = []
        poller = zmq.asyncio.Poller()
        for socket in (first, second, word):
            poller.register(socket, zmq.POLLIN)

        def over():
            return time.monotonic() >= end or bool(word.get(zmq.EVENTS) & zmq.POLLIN)

        def one(socket):
            try:
                message = socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return False
            done.append(work(message))
            return True

        while not over():
            if not await poller.poll(max(0, math.ceil((end - time.monotonic()) * 1000))):
                continue
            for socket in (first, first, first, second):
                if over():
                    return done
                one(socket)
        return done

    with ctx.socket(zmq.PULL) as first, ctx.socket(zmq.PULL) as second, ctx.socket(zmq.PULL) as word:
        first.bind(urgent)
        second.bind(ordinary)
        word.bind(stop)
        return asyncio.run(main(first, second, word))
