# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a letter to nobody was counted as delivered.

import zmq


def deliver(ctx, endpoint, letters, patience):
    with ctx.socket(zmq.ROUTER) as router:
        router.bind(endpoint)
        for name, text in letters:
            router.send_multipart([name, text])
    return []
    # as it was
