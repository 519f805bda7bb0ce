# SPDX-License-Identifier: BSD-3-Clause
# Passed: a core under the asyncio shell.

from contextlib import aclosing

import zmq

from patterns.shell import AT_ONCE, Close, Open, Result, Send, arun


class Asker:
    def __init__(self, endpoints, question, seconds, watcher):
        self.endpoints, self.question, self.seconds, self.watcher = endpoints, question, seconds, watcher
        self.answers, self.deadline = {}, AT_ONCE

    def tick(self, now):
        if self.deadline == AT_ONCE:
            self.end = now + self.seconds
            yield Open("watcher", zmq.PUSH, self.watcher)
            for endpoint in self.endpoints:
                yield Open(endpoint, zmq.DEALER, endpoint)
                yield Send(endpoint, [b"", self.question])
        elif now >= self.end:
            yield from self.over()
            return
        self.deadline = min(now + 0.05, self.end)
        yield Send("watcher", [b"alive"])

    def receive(self, socket, frames, now):
        if len(frames) == 2:
            self.answers[socket] = frames[1]
        return self.over() if len(self.answers) == len(self.endpoints) else []

    def over(self):
        self.deadline = float("inf")
        pairs = [(end, self.answers[end]) for end in self.endpoints if end in self.answers]
        return [*map(Close, self.endpoints), Close("watcher"), Result(pairs)]


async def ask_all(ctx, endpoints, question, seconds, watcher):
    async with aclosing(arun(ctx, Asker(endpoints, question, seconds, watcher))) as results:
        return await anext(results)
