# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a worker that only heartbeats kept its job.

from patterns.majordomo import broker as recipe


def broker(ctx, endpoint, interval, limit):
    recipe(ctx, endpoint, interval)
