# SPDX-License-Identifier: BSD-3-Clause
# Passed: the envelope handled by hand on a ROUTER.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.ROUTER) as router:
        router.bind(endpoint)
        while True:
            client, empty, *frames = router.recv_multipart()
            try:
                [request] = frames
                status, body = b"OK", work(request)
            except ValueError as error:
                status, body = b"ERROR", str(error).encode()
            router.send_multipart([client, empty, status, body])
