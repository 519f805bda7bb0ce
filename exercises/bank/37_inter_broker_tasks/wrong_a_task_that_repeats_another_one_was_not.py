# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a task that repeats another one was not carried out.
# While a client waits for its task, the same again counts as a retry.

import re

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send, Subscribe

ROOM = re.compile(rb"[0-9]{1,6}")


class Desk:
    """The line is all that is not answered; of each client only the first may be sent."""

    def __init__(self, clients, states, clouds, gone):
        self.wires = [Open("clients", zmq.ROUTER, clients, True)]
        self.wires += [Open("state", zmq.SUB, state) for state in states] + [Subscribe("state", b"")]
        self.wires += [Open("peers", zmq.ROUTER, cloud) for cloud in clouds]
        self.gone, self.deadline = gone, AT_ONCE
        self.tasks = {}  # number -> [client, task, the peer that has it or None, all that were sent it], oldest first
        self.room, self.heard = {}, {}  # peer -> how many it may be sent; when its last word came, unless it is gone
        self.count = 0

    def tick(self, now):
        effects = self.wires if self.deadline == AT_ONCE else []
        for peer in [peer for peer, heard in self.heard.items() if now >= heard + self.gone]:
            del self.heard[peer], self.room[peer]
            for task in self.tasks.values():
                if task[2] == peer:
                    task[2] = None
        return effects + self.hand_out()

    def receive(self, socket, frames, now):
        effects = []
        match socket, frames:
            case "clients", [client, b"", task] if all(open[:2] != [client, task] for open in self.tasks.values()):
                self.count += 1
                self.tasks[b"%d" % self.count] = [client, task, None, set()]
            case "state", [peer, capacity] if ROOM.fullmatch(capacity):
                self.room[peer], self.heard[peer] = int(capacity), now
            case "peers", [peer, b"", number, b"", result] if number in self.tasks and peer in self.tasks[number][3]:
                client, *_ = self.tasks.pop(number)
                effects = [Send("clients", [client, b"", result])]
        return effects + self.hand_out()

    def hand_out(self):
        effects, met = [], set()
        for number, (client, task, holder, sent) in self.tasks.items():
            peer = max(sorted(self.room), key=self.room.get, default=None)
            if client not in met and holder is None and peer is not None and self.room[peer] > 0:
                self.room[peer] -= 1
                self.tasks[number][2] = peer
                sent.add(peer)
                effects.append(Send("peers", [peer, b"", number, b"", task]))
            met.add(client)
        self.deadline = min((heard + self.gone for heard in self.heard.values()), default=NEVER)
        return effects


def desk(ctx, clients, states, clouds, gone, shell):
    shell(ctx, Desk(clients, states, clouds, gone))
