# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a request was handed out a fourth time.

from contextlib import closing

import patterns.titanic
from patterns.titanic import Titanic


class Store(patterns.titanic.Store):
    pass


def titanic(ctx, endpoint, path, limit, shell):
    with closing(Store(path, "OFF")) as store:  # the checker kills; it cuts no power
        shell(ctx, Titanic(endpoint, store, limit=limit, retry=1.0))
