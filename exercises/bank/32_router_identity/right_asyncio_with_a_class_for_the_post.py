# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio, with a class for the post.

import asyncio

import zmq
import zmq.asyncio


class Postman:
    def __init__(self, router, patience):
        self.router, self.patience = router, patience

    async def until_sent(self, name, text):
        while True:
            try:
                await self.router.send_multipart([name, text])
                return
            except zmq.ZMQError as error:
                if error.errno != zmq.EHOSTUNREACH:
                    raise
            await asyncio.sleep(0.004)

    async def run(self, letters):
        returned = []
        for letter in letters:
            try:
                await asyncio.wait_for(self.until_sent(*letter), self.patience)
            except TimeoutError:
                returned.append(letter)
        return returned


def deliver(ctx, endpoint, letters, patience):
    async def main():
        with ctx.socket(zmq.ROUTER, socket_class=zmq.asyncio.Socket) as router:
            router.router_mandatory = True
            router.router_handover = True
            router.bind(endpoint)
            return await Postman(router, patience).run(letters)

    return asyncio.run(main())
