# SPDX-License-Identifier: BSD-3-Clause
# Passed: a generator for each peer.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Send


def silence(name, interval, liveness, now):
    """What is done for one peer: yields (when, effect); is sent the time at which it was done."""
    for _ in range(liveness):
        now = yield now + interval, Send("peers", [name, b"PING"])
    yield now + interval, Result((name, "gone"))


class Watcher:
    def __init__(self, endpoint, interval, liveness):
        self.endpoint, self.interval, self.liveness = endpoint, interval, liveness
        self.plans, self.deadline = {}, AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects.append(Open("peers", zmq.ROUTER, self.endpoint, bind=True))
        for name, (plan, (when, effect)) in list(self.plans.items()):
            if when <= now:
                effects.append(effect)
                try:
                    self.plans[name] = plan, plan.send(now)
                except StopIteration:
                    del self.plans[name]
        self.deadline = min([when for _, (when, _) in self.plans.values()], default=NEVER)
        return effects

    def receive(self, socket, frames, now):
        name = frames[0].decode()
        effects = [Result((name, "alive"))] if name not in self.plans else []
        plan = silence(frames[0], self.interval, self.liveness, now)
        self.plans[name] = plan, next(plan)
        self.deadline = min([when for _, (when, _) in self.plans.values()], default=NEVER)
        return effects


def watcher(ctx, endpoint, interval, liveness, shell):
    shell(ctx, Watcher(endpoint, interval, liveness))
