# SPDX-License-Identifier: BSD-3-Clause
# Not yet: an error came back where a letter was to be reported.

import time

import zmq


def deliver(ctx, endpoint, letters, patience):
    undelivered = []
    with ctx.socket(zmq.ROUTER) as router:
        router.router_mandatory = 1
        router.router_handover = 1
        router.bind(endpoint)
        for name, text in letters:
            end = time.monotonic() + patience
            while True:
                try:
                    router.send_multipart([name, text])
                    break
                except zmq.ZMQError as error:
                    if time.monotonic() >= end:
                        raise
                if time.monotonic() >= end:
                    undelivered.append((name, text))
                    break
                router.poll(10)
    return undelivered
