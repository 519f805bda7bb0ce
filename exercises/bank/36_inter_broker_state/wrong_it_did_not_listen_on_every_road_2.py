# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it did not listen on every road.

from patterns.inter_broker import StateFlow


def listener(ctx, places, stale, gone, shell):
    shell(ctx, StateFlow("me", tuple(places), 0, lambda who, socket: who, stale / 2, stale, gone))
