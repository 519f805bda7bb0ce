# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a worker that spoke version 2 was not understood.

from patterns.paranoid_pirate import Queue


def queue(ctx, frontend, backend, interval, liveness, shell):
    # the lesson's queue as it is, and nobody has to change anything
    shell(ctx, Queue(frontend, backend, interval, liveness))
