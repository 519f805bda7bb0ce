# SPDX-License-Identifier: BSD-3-Clause
# Not yet: no socket was bound.
# The recipe as it stands: nobody is at the third endpoint.

from patterns import proxies


def forwarder(ctx, publishers, subscribers, control):
    proxies.forwarder(ctx, publishers, subscribers)
