# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq

from patterns.shell import AT_ONCE, NEVER, Close, Open, Result, Send, Subscribe


class Replica:
    """The core of a replica whose server can also delete. It is to hold to this:

    The stream comes in on a SUB "updates": an update is [key][sequence][value], a sign of life [HUGZ][sequence][], with
    the sequence of the last update. Each update has the next number, and one whose value is empty deletes its key. A
    word that does not follow the one before it shows that something was lost (or that there is a new server).

    A snapshot comes in on a DEALER "snapshots". [ICANHAZ?][sequence][n] asks for the pairs of one from pair n on: with
    n = 0 for one that has this sequence or a higher one, else for that which has just this sequence. What comes back is
    [KVSYNC][sequence][n][key][value]..., and with the last pairs KTHXBAI in place of KVSYNC. It may be the beginning,
    n = 0, of another, newer snapshot, if the server has forgotten the first; then the pairs of that one are void.

    Ask only when the stream has spoken, for a snapshot that is not older than its first word, and again when something
    was lost, for one that is not older than the word that showed it. Until it is there the replica is not complete.
    Give Result(state), a dict of bytes, when the state is complete, and after that for each update, unless it changes
    nothing; none for a sign of life. It has what the server has: no state is given that the server did not have, and
    none that is older than one given before. (The stream may be behind a snapshot, and the server may still have
    older ones. Where a number goes down, another server counts, whose states are all newer.)

    A number is 8 bytes, the high one first; no key is HUGZ. On the DEALER nothing is lost as long as it is open, and
    every request is answered in its turn, if late: perhaps by a server that is gone since. Whoever plays this core
    calls tick(now) first, and again when `now` has reached `deadline`, and receive(socket, frames, now) for every
    message. Both return a list of effects. After a tick the deadline lies later than `now`: it is the time of what is
    to be done next, NEVER if there is nothing.
    """

    def __init__(self, updates, snapshots):
        self.updates, self.snapshots = updates, snapshots
        self.state = {}
        self.sequence = None  # of the state; None while it is not complete
        self.news = []  # what the stream said meanwhile
        self.deadline = AT_ONCE

    def tick(self, now):
        self.deadline = NEVER
        return [
            Open("updates", zmq.SUB, self.updates),
            Subscribe("updates", b""),
            Open("snapshots", zmq.DEALER, self.snapshots),
            self.ask(0, 0),
        ]

    def ask(self, sequence, n):
        return Send("snapshots", [b"ICANHAZ?", sequence.to_bytes(8), n.to_bytes(8)])

    def receive(self, socket, frames, now):
        if socket == "updates":
            key, number, value = frames
            self.news.append((int.from_bytes(number), key, value))
        else:
            word, number, n, *pairs = frames
            self.state.update(zip(pairs[::2], pairs[1::2]))
            if word == b"KVSYNC":
                return [self.ask(int.from_bytes(number), len(self.state))]
            self.sequence = int.from_bytes(number)
        return self.catch_up() if self.sequence is not None else []

    def catch_up(self):
        """Apply what the stream said since the state."""
        for sequence, key, value in self.news:
            if sequence > self.sequence and key != b"HUGZ":
                self.sequence, self.state[key] = sequence, value
        self.news = []
        return [Result(self.state)]


def replica(ctx, updates, snapshots, shell):
    """Give the core to a shell: the checker's, whose clock is a number, or `run` of patterns.shell."""
    shell(ctx, Replica(updates, snapshots))
