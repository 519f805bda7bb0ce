# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

from patterns.freelance import Client


class Loyal(Client):
    """The core of a client that has favourites among its servers. It is to hold to this:

    It does all that the lesson's client does, and only in one thing it differs: which server is asked. Of those that
    live, a question is put to

    - the first in the order in which the servers were named, of those that are trusted;
    - if none of them is trusted, the first in the lesson's line: in it stand those that live, in the order in which
      they were first heard; one that was late goes to its end, and one that was gone and is heard again enters there.

    Nobody is trusted at first. A server is trusted as soon as it has said PONG `trust` times while it lived; the PONG
    with which it begins to live is counted, and other words between its PONGs do not matter. A message counts as a PONG
    if it is exactly [PONG]. A server that is gone, or that is late with an answer, loses all that it had, whether it
    was trusted yet or not: it has to say PONG `trust` times again, from then on. It is late when `patience` is over,
    and only then: that a question has failed makes nobody late.

    Trust moves no question that is under way. It is put to another server only when the one that was asked last is
    gone or late, as in the lesson; and then to whoever is to be asked by the rule above. Also a question for which
    nobody lives goes to the first that is heard.
    """


def client(ctx, inside, servers, interval, patience, timeout, trust, shell):
    """Give the core to a shell: the checker's, whose clock is a number. It calls `tick` and `receive` as any does.

    inside    where the caller's PAIR connects, as in the lesson
    servers   a list of endpoints, in the order of your favour
    interval, patience, timeout   seconds; a server is gone after 3 silent intervals, as in the lesson
    trust     how many PONGs make a server trusted, at least 1

    In the moment in which a server is gone or late, `tick` is called before any word is told.
    """
    shell(ctx, Loyal(inside, *servers, interval=interval, patience=patience, timeout=timeout))
