# SPDX-License-Identifier: BSD-3-Clause
# Passed: a socket for each road and a heap of alarms.

import heapq

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Subscribe


class Listener:
    def __init__(self, places, stale, gone):
        self.places, self.ages = places, (stale, gone)
        self.number, self.since, self.free, self.silent = {}, {}, {}, set()
        self.alarms = []
        self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            for road, place in enumerate(self.places):
                effects += [Open(f"road {road}", zmq.SUB, place), Subscribe(f"road {road}", b"")]
        due = set()
        while self.alarms and self.alarms[0][0] <= now:
            _, since, name = heapq.heappop(self.alarms)
            if self.since.get(name) == since:
                due.add(name)
        for name in due:
            if now - self.since[name] >= self.ages[1]:
                for kept in (self.number, self.since, self.free):
                    del kept[name]
                self.silent.discard(name)
                effects.append(Result((name, "gone")))
            elif name not in self.silent:
                self.silent.add(name)
                effects.append(Result((name, "stale")))
        self.deadline = self.alarms[0][0] if self.alarms else NEVER
        return effects

    def receive(self, socket, frames, now):
        try:
            name, number, free = frames
            if not name or max(len(number) - 12, len(free) - 6) > 0 or not (number.isdigit() and free.isdigit()):
                return []
        except ValueError:
            return []
        if name in self.number and self.number[name] >= int(number):
            return []
        told = name in self.free and self.free[name] == int(free) and name not in self.silent
        self.number[name], self.since[name], self.free[name] = int(number), now, int(free)
        self.silent.discard(name)
        for age in self.ages:
            heapq.heappush(self.alarms, (now + age, now, name))
        self.deadline = self.alarms[0][0]
        return [] if told else [Result((name, int(free)))]


def listener(ctx, places, stale, gone, shell):
    shell(ctx, Listener(places, stale, gone))
