# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a newer task was sent before an older one.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send, Subscribe


class Desk:
    def __init__(self, clients, states, clouds, gone):
        self.wires = [Open("clients", zmq.ROUTER, clients, True)]
        self.wires += [Open("state", zmq.SUB, state) for state in states] + [Subscribe("state", b"")]
        self.wires += [Open("peers", zmq.ROUTER, cloud) for cloud in clouds]
        self.gone, self.deadline = gone, AT_ONCE
        self.tasks, self.line, self.busy, self.holder, self.sent = {}, [], set(), {}, set()
        self.room, self.heard = {}, {}
        self.count = 0

    def tick(self, now):
        effects = self.wires if self.deadline == AT_ONCE else []
        for peer in list(self.heard):
            if self.heard[peer] + self.gone <= now:
                del self.heard[peer]
                self.room[peer] = 0
                for number in reversed(self.holder):
                    if self.holder[number] == peer and number in self.tasks:
                        self.line.insert(0, number)
                        self.busy.discard(self.tasks[number][0])
                self.holder = {number: holder for number, holder in self.holder.items() if holder != peer}
        return effects + self.hand_out()

    def receive(self, socket, frames, now):
        effects = []
        match socket, frames:
            case "clients", [client, b"", task]:
                self.count += 1
                self.tasks[b"%d" % self.count] = client, task
                self.line.append(b"%d" % self.count)
            case "state", [peer, capacity] if capacity.isdigit() and len(capacity) <= 6:
                self.room[peer], self.heard[peer] = int(capacity), now
            case "peers", [peer, b"", number, b"", result] if number in self.tasks and (number, peer) in self.sent:
                client, _ = self.tasks.pop(number)
                self.busy.discard(client)
                self.holder.pop(number, None)
                if number in self.line:
                    self.line.remove(number)
                effects = [Send("clients", [client, b"", result])]
        return effects + self.hand_out()

    def hand_out(self):
        effects = []
        for number in list(self.line):
            client, task = self.tasks[number]
            peer = max(sorted(self.room), key=self.room.get, default=None)
            if peer is not None and self.room[peer] > 0 and client not in self.busy:
                self.line.remove(number)
                self.busy.add(client)
                self.holder[number] = peer
                self.sent.add((number, peer))
                self.room[peer] -= 1
                effects.append(Send("peers", [peer, b"", number, b"", task]))
        self.deadline = min((heard + self.gone for heard in self.heard.values()), default=NEVER)
        return effects


def desk(ctx, clients, states, clouds, gone, shell):
    shell(ctx, Desk(clients, states, clouds, gone))
