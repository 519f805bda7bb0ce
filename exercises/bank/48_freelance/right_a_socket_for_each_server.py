# SPDX-License-Identifier: BSD-3-Clause
# Passed: a core of its own, with a ROUTER for each server and its question in a dict.

import zmq

from patterns.shell import AT_ONCE, Open, Send


class Core:
    deadline = AT_ONCE

    def __init__(self, inside, servers, interval, patience, timeout, trust):
        self.inside, self.names = inside, [server.encode() for server in servers]
        self.interval, self.patience, self.timeout, self.trust = interval, patience, timeout, trust
        self.last, self.line, self.pongs, self.pings, self.question = {}, [], {}, {}, None

    def tick(self, now):
        if self.deadline == AT_ONCE:
            yield Open("me", zmq.PAIR, self.inside, bind=True)
            for name in self.names:
                yield Open(name.decode(), zmq.ROUTER, name.decode())
                self.pings[name] = now
        question = self.question
        if question and question["end"] <= now:
            yield Send("me", [question["number"], b"FAILED", *question["asked"]])
            question = self.question = None
        for name in [name for name in self.line if self.last[name] + 3 * self.interval <= now]:
            self.line.remove(name)
            self.pongs[name] = 0
            if question and question["who"] == name:
                question["who"] = None
        if question and question["who"] and question["late"] <= now:
            name, question["who"] = question["who"], None
            self.line.remove(name)
            self.line.append(name)
            self.pongs[name] = 0
        yield from self.choose(now)
        for name in self.names:
            if self.pings[name] <= now:
                self.pings[name] = now + self.interval
                yield Send(name.decode(), [name, b"PING"])
        self.wind()

    def choose(self, now):
        live = [name for name in self.line if self.last[name] + 3 * self.interval > now]
        question = self.question
        if question and not question["who"] and live:
            trusted = (name for name in self.names if name in live and self.pongs[name] >= self.trust)
            name = next(trusted, live[0])
            question["who"], question["late"] = name, now + self.patience
            question["asked"].append(name)
            yield Send(name.decode(), [name, question["number"], *question["body"]])

    def wind(self):
        due = [*self.pings.values(), *(self.last[name] + 3 * self.interval for name in self.line)]
        if self.question:
            due.append(self.question["end"])
            if self.question["who"]:
                due.append(self.question["late"])
        self.deadline = min(due)

    def receive(self, socket, frames, now):
        first, *rest = frames
        if socket == "me":
            self.question = {"number": first, "body": rest, "asked": [], "who": None, "end": now + self.timeout}
        elif first in self.names:
            if first not in self.line:
                self.line.append(first)
                self.pongs[first] = 0
            self.last[first], self.pings[first] = now, now + self.interval
            if rest == [b"PONG"]:
                self.pongs[first] += 1
            question = self.question
            if question and len(rest) > 1 and rest[0] == question["number"] and first in question["asked"]:
                yield Send("me", [rest[0], b"OK", *rest[1:]])
                self.question = None
        yield from self.choose(now)
        self.wind()


def client(ctx, inside, servers, interval, patience, timeout, trust, shell):
    shell(ctx, Core(inside, servers, interval, patience, timeout, trust))
