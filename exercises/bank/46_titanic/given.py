# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

from contextlib import closing

import patterns.titanic
from patterns.titanic import Titanic


class Store(patterns.titanic.Store):
    pass


def titanic(ctx, endpoint, path, limit, shell):
    """Give the core of a Titanic that puts poison messages aside to a shell. It is to hold to this:

    It does what the lesson's does, with the file at `path`, which may be there from a life before, and others beside
    it if you like; and a request that was handed out three times, each time without a reply within the limit, is put
    aside.

    limit   seconds of one handing-out, from the message that takes the request to the broker's worker
    shell   plays the core: the checker's, whose clock is a number, or `run` of patterns.shell

    While a request waits or is handed out, titanic.reply says [300] of it. It is handed out at most three seconds
    after its turn has come, if the broker, asked each time, says to `mmi.service` that it knows the service, and not
    if it does not; that question, answered within a second, is no handing-out, whatever its answer. Without a reply
    within the limit it is its turn again, before all that came later. A reply within the limit is kept, also the
    third time.

    A request is handed out three times at most over all lives. It may be killed at any moment, and a handing-out
    that has begun counts, even if a kill cuts it short in the moment at which it goes out; a new life
    begins with its turn. When the third limit is over, or, after a kill, when it is started again with three on
    the count, the request is put aside within three seconds, be its service there or not: titanic.reply says [500] of
    it, in all lives to come; it is not handed out; the next request of its service has its turn. titanic.close takes
    it away like any other. What was closed, even in a worker's hands, is unknown from then on: it is not handed out,
    put aside or brought back by a reply. The next has its turn then, or when the limit of the closed one is over.

    Of one service one request is under way at a time, in the order in which they came. Sockets connect to
    `endpoint`. Each request has a body that no other has. Only TSP's codes are used; behind [500] there is no frame.
    """
    with closing(Store(path, "OFF")) as store:  # the checker kills; it cuts no power
        shell(ctx, Titanic(endpoint, store, limit=limit, retry=1.0))
