# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio, a ROUTER and two tasks.

import asyncio
from dataclasses import dataclass, field

import zmq


@dataclass
class Place:
    last: bytes = b""
    count: int = 0


@dataclass
class State:
    places: dict = field(default_factory=dict)

    def of(self, name):
        return self.places.get(name, Place())


def joined(socket, wanted, places):
    for name, binds, connects, endpoint in places:
        if name == wanted and binds == "desk":
            socket.bind(endpoint)
        elif name == wanted and connects in {"desk", "anybody"}:
            socket.connect(endpoint)
    return socket


async def listen(readings, news, state):
    while True:
        reading = await readings.recv_multipart()
        if len(reading) == 2:
            place = state.places.setdefault(reading[0], Place())
            place.last, place.count = reading[1], place.count + 1
            await news.send_multipart(reading)


async def answer(questions, state):
    while True:
        envelope, question = [], await questions.recv_multipart()
        while question[0]:
            envelope.append(question.pop(0))
        envelope.append(question.pop(0))
        reply = [b"?"]
        if len(question) == 1:
            reply = [state.of(question[0]).last]
        elif question[:1] == [b"2"] and len(question) == 2:
            place = state.of(question[1])
            reply = [b"2", place.last, str(place.count).encode()]
        await questions.send_multipart(envelope + reply)


async def desk(ctx, places):
    state = State()
    with ctx.socket(zmq.SUB) as readings, ctx.socket(zmq.PUB) as news, ctx.socket(zmq.ROUTER) as questions:
        readings.subscribe(b"")
        for socket, name in (readings, "readings"), (news, "news"), (questions, "questions"):
            joined(socket, name, places)
        await asyncio.gather(listen(readings, news, state), answer(questions, state))
