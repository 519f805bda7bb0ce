# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

from patterns.paranoid_pirate import Queue


class Queue2(Queue):
    """The core of a queue that speaks version 2 of PPP, ours. It is to hold to this:

    On the socket "workers", behind the worker's routing id, every message is [b"PPP2"][type] and what belongs to it.
    The type is one byte: 1 READY, from a worker · 2 HEARTBEAT, both ways · 3 REQUEST, from the queue, then
    [address][""][body] · 4 REPLY, from a worker, the same with the address of the request · 5 UNKNOWN, from the queue.
    The body has one frame or more. On the socket "clients" nothing changes: [client][""][body] both ways.

    All that the lesson's queue does, this one does: READY makes a worker known and idle, and is not answered. What a
    busy one owed is forgotten then; an idle one keeps its place in the line. A request goes to the worker that has been
    idle for longest, and waits while there is none; whether it expires is up to you. The reply that is owed goes to its
    client and makes the worker idle. Known workers hear a HEARTBEAT in every interval. A worker that has said
    nothing for `liveness` intervals is forgotten, before any request is handed out, and is sent nothing more until it
    speaks again. (Whether a word that comes later than that, and before the tick, still counts is up to you.) No
    request is handed out twice.

    New is this: whatever else comes on "workers" is answered with UNKNOWN, at once and alone. That is a message
    of another version or of none; a type that no worker says; a READY or HEARTBEAT with anything behind it; a HEARTBEAT
    or a REPLY of a worker that is not known; a REPLY that has no body, or that this worker does not owe. No word of it
    is passed on. If its sender was known, it is forgotten, with what it owed, until it says READY again; nobody else
    gets its request.
    """


def queue(ctx, frontend, backend, interval, liveness, shell):
    """Give the core to a shell: the checker's, whose clock is a number. It calls `tick` and `receive` as any does."""
    shell(ctx, Queue2(frontend, backend, interval, liveness))
