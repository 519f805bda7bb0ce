# SPDX-License-Identifier: BSD-3-Clause
# Not yet: an empty frame was lost.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.ROUTER) as router:
        router.bind(endpoint)
        while True:
            client, _, request = router.recv_multipart()
            try:
                router.send_multipart([client, b"OK", work(request)])
            except ValueError as error:
                router.send_multipart([client, b"ERROR", str(error).encode()])
