# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq

from patterns.shell import AT_ONCE, NEVER, Open, Result, Subscribe


class Listener:
    """The core of a broker that hears of the others by several roads. It is to hold to this:

    Its first tick connects one SUB to all of `places`, which are one or more, or a SUB to each, and subscribes to
    everything. A word that comes in there is [name][number][capacity]: a broker's name, one or more bytes of any
    kind; how many words it has said, this one included (so never 0), in 1 to 12 decimal digits; how many workers it
    has free, in 1 to 6. Digits are those of ASCII, and the first of them may be zeros. Neighbours pass words on, so a
    word may come several times, by any road, and after later ones.

    A word is news if its broker is not known, or if its number is higher than that of the last news of this broker.
    News makes its broker known and fresh. It is reported at once, Result((name, capacity)), with the name as it came
    and the capacity as an int, if the broker was not known, or was stale, or had another capacity. All other words
    change nothing; above all, they make nobody younger.

    A broker of which there was no news for `stale` seconds is stale: Result((name, "stale")), once. One of which
    there was none for `gone` seconds, which is more, is gone: Result((name, "gone")), once, and it is not known any
    more, nor is its number: a broker that was started again begins at 1. Until it is gone its low numbers are no news.

    The broker itself may stand still for a while; then a tick comes late, and who is gone by then is reported gone
    and not stale. What has come in meanwhile is received before that tick, and counts from then: only ticks report
    that somebody is stale or gone. (From one whose time is over, all that comes before that tick is news of another
    capacity.) Messages that are no words change nothing, and do not end the core.

    Whoever plays this core calls tick(now) first, and again when `now` has reached `deadline`, and
    receive(socket, frames, now) for every message. `now` is in seconds and the only clock there is; it begins
    anywhere above 0. Both return a list: Open(name, type, endpoint), Subscribe(name, prefix), Result(value); results
    in any order. After a tick the deadline lies later than `now`: it is the time of what is to be done next, or now
    and then an earlier one; while no broker is known, it is NEVER.
    """

    def __init__(self, places, stale, gone):
        self.places, self.stale, self.gone = places, stale, gone
        self.deadline = AT_ONCE

    def tick(self, now):
        self.deadline = NEVER
        return [Open("news", zmq.SUB, place) for place in self.places] + [Subscribe("news", b"")]

    def receive(self, socket, frames, now):
        name, number, capacity = frames
        return [Result((name, int(capacity)))]


def listener(ctx, places, stale, gone, shell):
    """Give the core to a shell: the checker's, whose clock is a number, or one that reports what `run` gives."""
    shell(ctx, Listener(places, stale, gone))
