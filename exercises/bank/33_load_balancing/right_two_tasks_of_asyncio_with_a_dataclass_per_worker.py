# SPDX-License-Identifier: BSD-3-Clause
# Passed: two tasks of asyncio, with a dataclass per worker.

import asyncio
from dataclasses import dataclass, field

import zmq
import zmq.asyncio


@dataclass
class Cook:
    pans: int = 1
    cooking: list = field(default_factory=list)
    served: int = 0


def pans_in(word: bytes) -> int:
    """How many places, 0 if that is no number of places."""
    if not 1 <= len(word) <= 2 or not word.isdigit() or word[:1] == b"0":
        return 0
    return int(word)


class Restaurant:
    def __init__(self, front, back):
        self.front, self.back = front, back
        self.cooks: dict[bytes, Cook] = {}
        self.given = 0
        self.room = asyncio.Event()

    def look(self):
        if any(len(cook.cooking) < cook.pans for cook in self.cooks.values()):
            self.room.set()
        else:
            self.room.clear()

    async def hear_cooks(self):
        while True:
            name, *rest = await self.back.recv_multipart()
            if rest[:1] != [b""]:
                continue
            if rest[1:] == [b"READY"]:
                self.cooks.setdefault(name, Cook()).pans = 1
            elif len(rest) == 3 and rest[1] == b"READY":
                if pans := pans_in(rest[2]):
                    self.cooks.setdefault(name, Cook()).pans = pans
            elif len(rest) >= 4 and rest[2] == b"" and name in self.cooks and rest[1] in self.cooks[name].cooking:
                self.cooks[name].cooking.remove(rest[1])
                await self.front.send_multipart(rest[1:])
            self.look()

    async def hear_guests(self):
        while True:
            await self.room.wait()
            if not await self.front.poll() or not self.room.is_set():
                continue
            client, *rest = await self.front.recv_multipart()
            if len(rest) < 2 or rest[0] != b"":
                continue
            able = [
                (len(cook.cooking), cook.served, place, name)
                for place, (name, cook) in enumerate(self.cooks.items())
                if len(cook.cooking) < cook.pans
            ]
            name = min(able)[-1]
            self.given += 1
            self.cooks[name].served = self.given
            self.cooks[name].cooking.append(client)
            self.look()
            await self.back.send_multipart([name, b"", client, *rest])


async def until_the_end(*tasks):
    """Like gather; but pyzmq raises ContextTerminated in a callback of the loop, where nobody would hear it."""
    loop = asyncio.get_running_loop()
    end = loop.create_future()

    def noticed(loop, context):
        error = context.get("exception")
        if isinstance(error, zmq.ContextTerminated):
            if not end.done():
                end.set_exception(error)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(noticed)
    await asyncio.gather(end, *tasks)


async def run(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.sndhwm = back.sndhwm = 0
        front.bind(frontend)
        back.bind(backend)
        restaurant = Restaurant(front, back)
        await until_the_end(restaurant.hear_cooks(), restaurant.hear_guests())


def broker(ctx, frontend, backend):
    asyncio.run(run(zmq.asyncio.Context(ctx), frontend, backend))
