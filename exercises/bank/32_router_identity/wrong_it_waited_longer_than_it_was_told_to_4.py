# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it waited longer than it was told to.

import time

import zmq


def deliver(ctx, endpoint, letters, patience):
    undelivered = []
    with ctx.socket(zmq.ROUTER) as router:
        router.router_mandatory = 1
        router.router_handover = 1
        router.bind(endpoint)
        for name, text in letters:
            end = time.monotonic() + 2 * patience
            while True:
                try:
                    router.send_multipart([name, text])
                    break
                except zmq.ZMQError as error:
                    if error.errno != zmq.EHOSTUNREACH:
                        raise
                if time.monotonic() >= end:
                    undelivered.append((name, text))
                    break
                router.poll(10)
    return undelivered
