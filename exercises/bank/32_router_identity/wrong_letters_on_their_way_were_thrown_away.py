# SPDX-License-Identifier: BSD-3-Clause
# Not yet: letters on their way were thrown away with the socket.

import time

import zmq


def deliver(ctx, endpoint, letters, patience):
    left = []
    router = ctx.socket(zmq.ROUTER)
    router.router_mandatory = 1
    router.router_handover = 1
    router.bind(endpoint)
    for name, text in letters:
        end = time.monotonic() + patience
        while True:
            try:
                router.send_multipart([name, text])
                break
            except zmq.ZMQError:
                if time.monotonic() >= end:
                    left.append((name, text))
                    break
                time.sleep(0.005)
    router.close(linger=0)
    return left
