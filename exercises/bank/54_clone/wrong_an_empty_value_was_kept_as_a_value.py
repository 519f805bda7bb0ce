# SPDX-License-Identifier: BSD-3-Clause
# Not yet: an empty value was kept as a value.

from patterns.clone import Replica


def replica(ctx, updates, snapshots, shell):
    shell(ctx, Replica(updates, snapshots))
