# SPDX-License-Identifier: BSD-3-Clause
# Not yet: fewer messages came than had to be passed on.


def stamp(ctx, inbox, outbox, count, now):
    return count
