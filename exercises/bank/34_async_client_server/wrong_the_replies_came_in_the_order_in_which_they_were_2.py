# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the replies came in the order in which they were ready.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Send


class Server:
    """The core of a server for clients that have many requests under way. It is to hold to this:

    A message that comes in is [client][request id][body], where client is a routing id and a request id is used once
    by its client. Where id and body are both empty it is a sign of life and nothing else. plan(body) says how a
    request is answered: a list, perhaps empty, of (seconds after the request came, reply), in the order of time.
    What goes out is [client][request id][reply].

    Each client hears the replies in the order of its requests: none before the last reply to every earlier request of
    this client has gone out. Each goes out as soon as that allows, but not before its time. Clients do not wait for
    one another. A client that has said nothing for `silence` seconds, whatever it was sent, is forgotten then, also if
    nothing else happens, with all it had coming, even at that moment; if it speaks again, it begins anew.

    Whoever plays this core calls tick(now) first, and again when `now` has reached `deadline`, and
    receive(socket, frames, now) for every message. `now` is in seconds and the only clock there is; it begins
    anywhere. Both return a list: Open(name, type, endpoint, bind=True), Send(name, frames). After a tick the deadline
    lies later than `now`: it is the time of what is to be done next, NEVER if there is nothing.
    """

    def __init__(self, endpoint, silence, plan):
        self.endpoint, self.silence, self.plan = endpoint, silence, plan
        self.heard = {}  # client -> when it last said anything
        self.due = {}  # client -> replies to come: (when, request id, reply)
        self.deadline = AT_ONCE

    def tick(self, now):
        effects = []
        if self.deadline == AT_ONCE:
            effects.append(Open("clients", zmq.ROUTER, self.endpoint, bind=True))
        for client in [c for c, heard in self.heard.items() if heard + self.silence <= now]:
            del self.heard[client], self.due[client]
        for client, due in self.due.items():
            for when, request, reply in sorted(due):
                if when <= now:
                    effects.append(Send("clients", [client, request, reply]))
            self.due[client] = [each for each in due if each[0] > now]
        self.wind()
        return effects

    def receive(self, socket, frames, now):
        client, request, body = frames
        self.heard[client] = now
        due = self.due.setdefault(client, [])
        if request or body:
            for seconds, reply in self.plan(body):
                due.append((now + seconds, request, reply))
        self.wind()
        return []

    def wind(self):
        times = [when for due in self.due.values() for when, _, _ in due]
        times += [heard + self.silence for heard in self.heard.values()]
        self.deadline = min(times, default=NEVER)


def server(ctx, endpoint, silence, plan, shell):
    """Give the core to a shell: the checker's, whose clock is a number, or `serve` of patterns.shell."""
    shell(ctx, Server(endpoint, silence, plan))


# nothing else
