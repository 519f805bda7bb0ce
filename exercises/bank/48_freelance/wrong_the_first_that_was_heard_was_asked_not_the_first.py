# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the first that was heard was asked, not the first that was named.
# The recipe as it is.

from patterns.freelance import Client


def client(ctx, inside, servers, interval, patience, timeout, trust, shell):
    shell(ctx, Client(inside, *servers, interval=interval, patience=patience, timeout=timeout))
