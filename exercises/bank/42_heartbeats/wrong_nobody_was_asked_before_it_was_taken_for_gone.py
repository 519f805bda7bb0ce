# SPDX-License-Identifier: BSD-3-Clause
# Not yet: nobody was asked before it was taken for gone.

from patterns.heartbeats import Watcher


def watcher(ctx, endpoint, interval, liveness, shell):
    shell(ctx, Watcher(endpoint, interval, liveness))
