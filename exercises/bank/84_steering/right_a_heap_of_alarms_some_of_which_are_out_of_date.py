# SPDX-License-Identifier: BSD-3-Clause
# Passed: a heap of alarms some of which are out of date.

import heapq

import zmq

from patterns.shell import AT_ONCE, Open, Result, Send


class Core:
    def __init__(self, endpoint, pace, silence):
        self.endpoint, self.pace, self.silence = endpoint, pace, silence
        self.alarms, self.leases, self.number, self.steps = [], {}, 0, 0
        self.deadline = AT_ONCE

    def ring(self, when, who):
        """An alarm for a step (of nobody) or for somebody's pause; only the newest of each counts."""
        self.number += 1
        self.leases[who] = self.number
        heapq.heappush(self.alarms, (when, self.number, who))

    def held(self):
        return [who for who in self.leases if who]

    def sort_out(self):
        while self.alarms and self.leases.get(self.alarms[0][2]) != self.alarms[0][1]:
            heapq.heappop(self.alarms)
        self.deadline = self.alarms[0][0]

    def end(self, who, now):
        if self.leases.pop(who, 0) and not self.held():
            self.ring(now + self.pace, b"")

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects.append(Open("commands", zmq.ROUTER, self.endpoint, bind=True))
            self.ring(now + self.pace, b"")
        while self.alarms and self.alarms[0][0] <= now:
            _, number, who = heapq.heappop(self.alarms)
            if self.leases.get(who) == number and who:
                self.end(who, now)
            elif self.leases.get(who) == number:
                self.steps += 1
                effects.append(Result(self.steps))
                self.ring(now + self.pace, b"")
        self.sort_out()
        return effects

    def receive(self, socket, frames, now):
        who, rest, reply = frames[0], frames[1:], None
        if who in self.leases:
            self.ring(now + self.silence, who)
        if len(rest) == 2:
            if rest[1] == b"pause":
                self.leases.pop(b"", None)
                self.ring(now + self.silence, who)
            if rest[1] == b"go":
                self.end(who, now)
            known = rest[1] in (b"pause", b"go")
            reply = [who, rest[0], b"OK", b"%d" % self.steps] if known else [who, rest[0], b"ERROR"]
        self.sort_out()
        return [Send("commands", reply)] if reply and rest[1] != b"here" else []


def simulation(ctx, endpoint, pace, silence, shell):
    shell(ctx, Core(endpoint, pace, silence))
