# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send, Subscribe


class Desk:
    """The core of a broker that has no workers of its own, only peers. It is to hold to this:

    Its first tick opens three sockets: ROUTER "clients", bound to `clients`; SUB "state", connected to each of `states`
    and subscribed to everything; ROUTER "peers", connected to each of `clouds`.

    A client says [client][""][task] and is told [client][""][result], once for each task, also if it asks for the same
    again. A peer says [peer][capacity] on "state", in 1 to 6 ASCII digits: so many of its workers are free, or none.
    That is its room, whatever it was before; what it is sent is counted down, until its next word. Tasks and results
    may be empty, names are not. A task is sent as [peer][""][number][""][task] on "peers", and
    [peer][""][number][""][result] comes back, with the number as it was. No two tasks have the same number, which is of
    one byte or more; a task that is sent again keeps its number. A result is no word: it gives a peer no room.

    The tasks of one client are carried out one after the other, in the order in which they came: a task may be sent
    when all that its client has asked before are answered. Clients do not wait for each other. As soon as a task may
    be sent and a peer has room, it is sent: of several tasks the one that came first, to the peer with the most room,
    and of equals to the first in the order of their names (bytes).

    A peer without a word for `gone` seconds is gone. It has no room until its next word, and the tasks that it has are
    nobody's, nor its own when it is back: they are sent again like any other, also to that peer, and are as old as
    before. A task is answered by the first result that comes with its number from a peer that was ever sent it; all
    other results, and messages of another form, change nothing and do not end the core.

    Whoever plays this core calls tick(now) first, and again when `now` has reached `deadline`, and receive(socket,
    frames, now) for every message. `now` is in seconds and the only clock there is; it begins anywhere above 0. Both
    return a list: Open(name, type, endpoint, bind), Subscribe(name, prefix), Send(name, frames). Both set the deadline:
    the time of what is to be done next, NEVER if there is nothing; after a tick it lies later than `now`. Whether the
    end of a peer that has no tasks is such a time is left to you; it is gone all the same. No message comes in the very
    moment of an end.
    """

    def __init__(self, clients, states, clouds, gone):
        self.wires = [Open("clients", zmq.ROUTER, clients, True)]
        self.wires += [Open("state", zmq.SUB, state) for state in states] + [Subscribe("state", b"")]
        self.wires += [Open("peers", zmq.ROUTER, cloud) for cloud in clouds]
        self.gone, self.deadline = gone, AT_ONCE
        self.tasks = {}  # number -> (client, task, all that were sent it), unless it is answered; oldest first
        self.line = []  # the numbers of those that nobody has
        self.room = {}  # peer -> how many it may be sent
        self.count = 0

    def tick(self, now):
        self.deadline = NEVER
        return self.wires

    def receive(self, socket, frames, now):
        effects = []
        match socket, frames:
            case "clients", [client, b"", task]:
                self.count += 1
                number = b"%d" % self.count
                self.tasks[number] = client, task, set()
                self.line.append(number)
            case "state", [peer, capacity]:
                self.room[peer] = int(capacity)
            case "peers", [peer, b"", number, b"", result] if number in self.tasks and peer in self.tasks[number][2]:
                client, _, _ = self.tasks.pop(number)
                effects.append(Send("clients", [client, b"", result]))
        return effects + self.hand_out()

    def hand_out(self):
        effects = []
        while self.line and max(self.room.values(), default=0) > 0:
            number = self.line.pop(0)
            peer = max(sorted(self.room), key=self.room.get)
            self.room[peer] -= 1
            _, task, sent = self.tasks[number]
            sent.add(peer)
            effects.append(Send("peers", [peer, b"", number, b"", task]))
        return effects


def desk(ctx, clients, states, clouds, gone, shell):
    """Give the core to a shell: the checker's, whose clock is a number, or one that carries messages."""
    shell(ctx, Desk(clients, states, clouds, gone))
