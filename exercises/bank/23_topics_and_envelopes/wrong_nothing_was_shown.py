# SPDX-License-Identifier: BSD-3-Clause
# Not yet: nothing was shown.

from patterns import publish_subscribe


def show(ctx, endpoint, keys, panel):
    return publish_subscribe.subscriber(ctx, *keys, endpoint=endpoint)
