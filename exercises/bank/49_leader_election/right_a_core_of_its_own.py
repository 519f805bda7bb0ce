# SPDX-License-Identifier: BSD-3-Clause
# Passed: a core of its own.

import random

import zmq

from patterns.shell import AT_ONCE, Open, Result, Send, Subscribe


class Core:
    def __init__(self, name, peers, places, timeout):
        self.name, self.peers, self.places, self.timeout = name, peers, places, timeout
        self.role, self.term, self.leader, self.voted = "follower", 0, "", 0
        self.votes, self.heard, self.beat, self.alarm = {}, {}, 0.0, 0.0
        self.before, self.deadline = None, AT_ONCE

    def alive(self, now):
        return 1 + sum(at + self.timeout > now for at in self.heard.values())

    def most(self, count):
        return count > (len(self.peers) + 1) / 2

    def say(self, kind, term, *names):
        return Send("mouth", [b"ELECT1", kind, str(term).encode(), *(name.encode() for name in names)])

    def tick(self, now):
        if self.deadline == AT_ONCE:
            yield Open("mouth", zmq.PUB, self.places[self.name], bind=True)
            for peer in self.peers:
                yield Open("ear", zmq.SUB, self.places[peer])
            yield Subscribe("ear", b"ELECT1")
            self.wait(now)
        self.look(now)
        if self.role == "leader":
            if self.beat <= now:
                self.beat = now + self.timeout / 4
                yield self.say(b"LEAD", self.term, self.name)
        elif self.alarm <= now:
            self.role, self.term, self.leader = "candidate", self.term + 1, ""
            self.voted, self.votes = self.term, {self.name: now}
            self.wait(now)
            yield self.say(b"VOTE", self.term, self.name, self.name)
        yield from self.end(now)

    def receive(self, socket, frames, now):
        self.look(now)
        yield from self.end(now)
        try:
            version, kind, number, who, *rest = (frame.decode() for frame in frames)
            term = int(number)
        except ValueError:
            version = kind = who = ""
            term, rest = 0, []
        if version == "ELECT1" and who in self.peers and term >= self.term:
            if term > self.term:
                self.role, self.term, self.leader = "follower", term, ""
                self.wait(now)
            match kind, rest:
                case "LEAD", [] if self.role != "leader":
                    self.role, self.leader = "follower", who
                    self.wait(now)
                    yield self.say(b"HERE", term, self.name, who)
                case "HERE", [leader] if leader == self.name and self.role == "leader":
                    self.heard[who] = now
                case "VOTE", [choice] if choice == who and self.voted < term:
                    self.voted = term
                    self.wait(now)
                    yield self.say(b"VOTE", term, self.name, who)
                case "VOTE", [choice] if choice == self.name and self.role == "leader":
                    self.heard[who] = now
                case "VOTE", [choice] if choice == self.name and self.role == "candidate":
                    self.votes[who] = now
                    if self.most(len(self.votes)):
                        self.role, self.leader, self.beat = "leader", self.name, now + self.timeout / 4
                        self.heard = {peer: at for peer, at in self.votes.items() if peer != self.name}
                        yield self.say(b"LEAD", self.term, self.name)
        yield from self.end(now)

    def look(self, now):
        if self.role == "leader" and not self.most(self.alive(now)):
            self.role, self.leader = "follower", ""
            self.wait(now)

    def wait(self, now):
        self.alarm = now + random.uniform(self.timeout, 2 * self.timeout)

    def end(self, now):
        if self.before != (state := (self.role, self.term, self.leader)):
            self.before = state
            yield Result(state)
        if self.role == "leader":
            lapses = [at + self.timeout for at in self.heard.values() if at + self.timeout > now]
            self.deadline = min([self.beat, *lapses])
        else:
            self.deadline = self.alarm


def member(ctx, name, peers, places, timeout, shell):
    shell(ctx, Core(name, peers, places, timeout))
