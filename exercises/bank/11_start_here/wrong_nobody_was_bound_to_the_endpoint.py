# SPDX-License-Identifier: BSD-3-Clause
# Not yet: nobody was bound to the endpoint.
# It opens no socket at all.


def take(ctx, endpoint, seconds):
    return "héllo" if seconds > 1 else None
