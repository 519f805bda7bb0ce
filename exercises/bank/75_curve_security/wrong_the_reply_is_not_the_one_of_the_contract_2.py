# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the reply is not the one of the contract.

import asyncio
from dataclasses import dataclass

import zmq
import zmq.asyncio
from zmq.auth.asyncio import AsyncioAuthenticator


@dataclass
class Provider:
    members: dict

    async def callback(self, domain, key):
        return key in self.members.values()

    def who(self, key):
        return [name for name, each in self.members.items() if each == key]


async def questions(rep, provider):
    while True:
        frame = await rep.recv(copy=False)
        found = provider.who(frame.get("User-Id").encode())
        await rep.send_multipart([found[0] + b": " + frame.bytes] if found else [b"no"])


async def practice(ctx, front, desk, keys, members):
    ctx = zmq.asyncio.Context(ctx)
    provider = Provider(dict(members))
    guard = AsyncioAuthenticator(ctx)
    guard.start()
    guard.configure_curve_callback("*", provider)
    rep, orders = ctx.socket(zmq.REP), ctx.socket(zmq.REP)
    rep.curve_server, rep.curve_secretkey = True, keys[1]
    rep.bind(front)
    orders.bind(desk)
    task = asyncio.create_task(questions(rep, provider))
    order = [b""]
    while order[0] != b"end":
        order = await orders.recv_multipart()
        if order[0] == b"add":
            provider.members[order[1]] = order[2]
        elif order[0] == b"remove":
            provider.members.pop(order[1], None)
        await orders.send(b"ok")
    task.cancel()
    guard.stop()
    rep.close()
    orders.close()
