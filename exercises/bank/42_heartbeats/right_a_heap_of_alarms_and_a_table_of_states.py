# SPDX-License-Identifier: BSD-3-Clause
# Passed: a heap of alarms, and a table of states.

import heapq

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send


class Watcher:
    def __init__(self, endpoint, interval, liveness):
        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness
        self.alarms, self.valid, self.left, self.state = [], {}, {}, {}
        self.deadline = AT_ONCE

    def alarm(self, name, now):
        self.valid[name] = now + self.interval
        heapq.heappush(self.alarms, (now + self.interval, name))
        self.wind()

    def wind(self):
        while self.alarms and self.valid.get(self.alarms[0][1]) != self.alarms[0][0]:
            heapq.heappop(self.alarms)  # a word has come since
        self.deadline = self.alarms[0][0] if self.alarms else NEVER

    def tick(self, now):
        effects = [Open("peers", zmq.ROUTER, self.endpoint, bind=True)] if self.deadline == AT_ONCE else []
        self.wind()
        while self.deadline <= now:
            _, name = heapq.heappop(self.alarms)
            if self.left[name] > 0:
                self.left[name] -= 1
                self.state[name] = "asked"
                effects += [Send("peers", [name, b"PING"])]
                self.alarm(name, now)
            else:
                self.state[name] = "gone"
                del self.valid[name]
                effects += [Result((name, "gone"))]
                self.wind()
        return effects

    def receive(self, socket, frames, now):
        name, before = frames[0], self.state.get(frames[0], "gone")
        self.state[name], self.left[name] = "alive", self.liveness
        self.alarm(name, now)
        return [Result((name, "alive"))] if before == "gone" else []


def watcher(ctx, endpoint, interval, liveness, shell):
    shell(ctx, Watcher(endpoint, interval, liveness))
