# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

from patterns.leader_election import Member


class Leased(Member):
    """The core of a member whose leader knows when to stop. It is to hold to this:

    All that the lesson's member does, this one does: same messages, same results. A third message is new, [b"ELECT1"]
    [b"HERE"][term][member][leader]. A member that follows a leader answers each LEAD of it in their term with a HERE,
    at once. A leader says LEAD when it is elected, and a quarter of `timeout` after each LEAD, whatever it hears.

    A leader counts a peer as present for `timeout` seconds from each HERE that names it, in its own term. Each vote of
    a peer for it in that term counts as a HERE, before the election or after it; the votes that elect it come within a
    timeout. When the leader and the peers that are present are not more than half of all members any longer, it steps
    down at that moment: it becomes a follower in the same term, without a leader, gives the result (Role.FOLLOWER,
    term, ""), and waits for a leader, as any follower does.

    Whoever has stood still is told of the time, or of a message, late. Even if that message is to be dropped, a leader
    whose time is over by then steps down before it does anything else, and waits from that `now` on: it says no LEAD,
    and a HERE that comes at the end of its time or after it keeps it no longer. All else that is overdue may be done
    before a message or after it. As for all messages: what is of a lower term or of no member is dropped, and a higher
    term is taken over. Whether the member that a HERE of a higher term names is then the leader at once, or nobody
    before a LEAD, is free.
    """


def member(ctx, name, peers, places, timeout, shell):
    """Give the core to a shell: the checker's, whose clock is a number. It calls `tick` and `receive` as any does."""
    shell(ctx, Leased(name, peers, places.get, timeout))
