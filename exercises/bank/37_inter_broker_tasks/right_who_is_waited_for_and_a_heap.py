# SPDX-License-Identifier: BSD-3-Clause
# Passed: of each task, which one it waits for; and a heap of tasks that may be sent.

import heapq

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send, Subscribe


class Desk:
    def __init__(self, clients, states, clouds, gone):
        self.places, self.gone, self.deadline = (clients, states, clouds), gone, AT_ONCE
        self.open = {}  # number -> (client, task)
        self.next, self.last = {}, {}  # number -> the number after it; client -> the number of its last task
        self.may = []  # numbers that may be sent
        self.has, self.sent = {}, set()  # number -> peer; all (number, peer) that ever were
        self.room, self.until = {}, {}
        self.numbers = iter(range(1, 10**9))

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            clients, states, clouds = self.places
            effects.append(Open("clients", zmq.ROUTER, clients, True))
            effects += [Open("state", zmq.SUB, state) for state in states]
            effects += [Subscribe("state", b"")]
            effects += [Open("peers", zmq.ROUTER, cloud) for cloud in clouds]
        for peer, until in list(self.until.items()):
            if until <= now:
                self.until.pop(peer)
                self.room.pop(peer)
                for number in [number for number, holder in self.has.items() if holder == peer]:
                    del self.has[number]
                    heapq.heappush(self.may, number)
        return effects + self.go()

    def receive(self, socket, frames, now):
        effects = []
        if socket == "clients" and len(frames) == 3 and frames[1] == b"":
            client, _, task = frames
            number = next(self.numbers)
            self.open[number] = client, task
            before = self.last.get(client)
            self.last[client] = number
            if before in self.open:
                self.next[before] = number
            else:
                heapq.heappush(self.may, number)
        elif socket == "state" and len(frames) == 2 and frames[1].isdigit() and len(frames[1]) < 7:
            self.room[frames[0]], self.until[frames[0]] = int(frames[1]), now + self.gone
        elif socket == "peers" and len(frames) == 5 and frames[1] == frames[3] == b"" and len(frames[2]) == 8:
            number = int.from_bytes(frames[2], "big")
            if number in self.open and (number, frames[0]) in self.sent:
                client, _ = self.open.pop(number)
                self.has.pop(number, None)
                if number in self.may:
                    self.may.remove(number)
                    heapq.heapify(self.may)
                if number in self.next:
                    heapq.heappush(self.may, self.next.pop(number))
                effects = [Send("clients", [client, b"", frames[4]])]
        return effects + self.go()

    def go(self):
        effects = []
        while self.may and any(self.room.values()):
            number, most = heapq.heappop(self.may), max(self.room.values())
            peer = min(peer for peer, room in self.room.items() if room == most)
            self.room[peer] -= 1
            self.has[number] = peer
            self.sent.add((number, peer))
            effects.append(Send("peers", [peer, b"", number.to_bytes(8, "big"), b"", self.open[number][1]]))
        self.deadline = min(self.until.values(), default=NEVER)
        return effects


def desk(ctx, clients, states, clouds, gone, shell):
    shell(ctx, Desk(clients, states, clouds, gone))
