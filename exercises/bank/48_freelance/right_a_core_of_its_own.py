# SPDX-License-Identifier: BSD-3-Clause
# Passed: a core of its own, which looks at everything that may be due.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send


class Server:
    def __init__(self, place, now):
        self.place, self.ping, self.pause = place, now, 0.01
        self.until, self.since, self.pongs = None, 0, 0  # until: None while it does not live


class Core:
    def __init__(self, inside, servers, interval, patience, timeout, trust):
        self.inside, self.names = inside, [name.encode() for name in servers]
        self.interval, self.patience, self.timeout, self.trust = interval, patience, timeout, trust
        self.servers, self.entered, self.deadline = {}, 0, AT_ONCE
        self.number, self.body, self.asked, self.turn = None, [], [], None
        self.late = self.over = NEVER

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects.append(Open("pipe", zmq.PAIR, self.inside, bind=True))
            for place, name in enumerate(self.names):
                effects.append(Open("net", zmq.ROUTER, name.decode()))
                self.servers[name] = Server(place, now)
        if self.over <= now:
            effects.append(Send("pipe", [self.number, b"FAILED", *self.asked]))
            self.begin(None, [])
        for name, server in self.servers.items():
            if server.until is not None and server.until <= now:
                server.until, server.pongs = None, 0
                if name == self.turn:
                    self.turn = None
        if self.late <= now and self.turn:
            server = self.servers[self.turn]
            self.entered += 1
            server.since, server.pongs, self.turn = self.entered, 0, None
        effects += self.choose(now)
        for name, server in self.servers.items():
            if server.ping <= now:
                effects.append(Send("net", [name, b"PING"]))
                server.ping, server.pause = now + server.pause, min(self.interval, server.pause * 2)
        self.wind()
        return effects

    def choose(self, now):
        living = {n: s for n, s in self.servers.items() if s.until is not None and s.until > now}
        if self.number is None or self.turn or not living:
            return []
        trusted = [n for n, s in living.items() if s.pongs >= self.trust]
        best = min(trusted, key=lambda n: living[n].place) if trusted else min(living, key=lambda n: living[n].since)
        self.turn, self.late = best, now + self.patience
        self.asked.append(best)
        return [Send("net", [best, self.number, *self.body])]

    def begin(self, number, body):
        self.number, self.body, self.asked, self.turn, self.late, self.over = number, body, [], None, NEVER, NEVER

    def wind(self):
        times = [s.ping for s in self.servers.values()] + [
            s.until for s in self.servers.values() if s.until is not None
        ]
        self.deadline = min([*times, self.over, self.late if self.turn else NEVER])

    def receive(self, socket, frames, now):
        effects = []
        if socket == "pipe" and len(frames) > 1:
            self.begin(frames[0], frames[1:])
            self.over = now + self.timeout
        elif socket == "net" and frames[0] in self.servers:
            name, *rest = frames
            server = self.servers[name]
            if server.until is None:
                self.entered += 1
                server.since = self.entered
            server.until, server.ping, server.pause = now + 3 * self.interval, now + self.interval, self.interval
            server.pongs += rest == [b"PONG"]
            if len(rest) > 1 and rest[0] == self.number and name in self.asked:
                effects.append(Send("pipe", [self.number, b"OK", *rest[1:]]))
                self.begin(None, [])
        effects += self.choose(now)
        self.wind()
        return effects


def client(ctx, inside, servers, interval, patience, timeout, trust, shell):
    shell(ctx, Core(inside, servers, interval, patience, timeout, trust))
