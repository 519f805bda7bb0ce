# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the end of its Context did not end it.

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
                    router.send_multipart([name, text], zmq.DONTWAIT)
                    break
                except zmq.ZMQError:
                    pass
                if time.monotonic() >= end:
                    undelivered.append((name, text))
                    break
                time.sleep(0.01)
    return undelivered
