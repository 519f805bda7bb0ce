# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the reply's two frames went out as one.

from patterns.request_reply import server as recipe


def server(ctx, endpoint, work):
    recipe(ctx, endpoint, lambda request: work(request))
