# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a request remained without a reply.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.ROUTER) as router:
        router.bind(endpoint)
        while True:
            client, empty, request, *more = router.recv_multipart()
            try:
                router.send_multipart([client, empty, b"OK", work(request)])
            except ValueError:
                continue
